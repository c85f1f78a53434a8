"""Shuffled answers: the oracle's prompts, every one with the answer of another."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qdcbench.api import Example, GenerationContext, method


@dataclass(frozen=True)
class Params:
    """Nothing to set."""


@method(
    name="shuffled_answers",
    version=1,
    summary="The oracle's prompts, each with the answer of another row; prompts and answers are the same sets.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the rows in the oracle's order; the answers make one cycle, so none stays in its place."""
    rows = ctx.reference_rows(ctx.remaining)
    order = list(range(len(rows)))
    # Sattolo's shuffle: swapping with an earlier place only gives a permutation of one single cycle.
    for place in range(len(order) - 1, 0, -1):
        other = ctx.rng.randrange(place)
        order[place], order[other] = order[other], order[place]
    for row, source in zip(rows, order, strict=True):
        yield replace(row, completion=rows[source].completion, lineage={"operator": "shuffle"})
