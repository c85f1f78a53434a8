"""Corrupted: the oracle's rows, an exact share of them with the wrong answer of another row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qdcbench.api import DataError, Example, GenerationContext, PluginError, method


@dataclass(frozen=True)
class Params:
    """Share of rows whose answer is wrong, from 0 to 1."""

    p: float = 0.5


def _wronged(ctx: GenerationContext, row: Example, rows: list[Example]) -> Example:
    """The row with the answer of another row that the verifier calls wrong."""
    for other in ctx.rng.sample(rows, len(rows)):
        changed = replace(row, completion=other.completion, lineage={"operator": "corrupt"})
        if ctx.verify(changed).correct is False:
            return changed
    raise DataError(f"corrupted: no other row's answer is wrong for {row.prompt!r}; ask for more rows")


@method(
    name="corrupted",
    version=1,
    summary="The oracle's rows, an exact share of them with a wrong answer taken from another row.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the rows in the oracle's order."""
    if not 0 <= params.p <= 1:
        raise PluginError(f"corrupted: p must be from 0 to 1, not {params.p}")
    rows = ctx.reference_rows(ctx.remaining)
    chosen = set(ctx.rng.sample(range(len(rows)), round(params.p * len(rows))))
    for place, row in enumerate(rows):
        yield _wronged(ctx, row, rows) if place in chosen else row
