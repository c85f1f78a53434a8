"""Seeds only: the seed examples and nothing made."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Example, GenerationContext, method


@dataclass(frozen=True)
class Params:
    """Nothing to set."""


@method(
    name="seeds_only",
    version=1,
    summary="The seed examples that every method is shown, and nothing else.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the seed examples."""
    yield from ctx.seed_examples
