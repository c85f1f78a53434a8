"""No training: no row at all, so that scores are those of the base model."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Example, GenerationContext, method


@dataclass(frozen=True)
class Params:
    """Nothing to set."""


@method(
    name="no_training",
    version=1,
    summary="No rows: the base model as it is.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield nothing."""
    yield from ()
