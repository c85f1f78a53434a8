"""Random thinning: a random share of the oracle's rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Example, GenerationContext, PluginError, method


@dataclass(frozen=True)
class Params:
    """Share of rows that stay, above 0 and at most 1."""

    share: float = 0.5


@method(
    name="random_thinning",
    version=1,
    summary="A random share of the oracle's rows: fewer rows, nothing else changed.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the rows that stay, in the oracle's order."""
    if not 0 < params.share <= 1:
        raise PluginError(f"random_thinning: share must be above 0 and at most 1, not {params.share}")
    rows = ctx.reference_rows(ctx.remaining)
    for place in sorted(ctx.rng.sample(range(len(rows)), round(params.share * len(rows)))):
        yield rows[place]
