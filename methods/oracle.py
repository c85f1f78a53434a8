"""Oracle: right-answered rows uniform over the task's grammar."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Example, GenerationContext, method


@dataclass(frozen=True)
class Params:
    """Nothing to set."""


@method(
    name="oracle",
    version=1,
    summary="Right-answered rows uniform over the task's grammar: the upper reference.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the reference rows."""
    yield from ctx.reference_rows(ctx.remaining)
