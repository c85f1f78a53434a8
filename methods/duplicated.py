"""Duplicated: the oracle's rows, a share of them replaced by copies of others."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qdcbench.api import Example, GenerationContext, PluginError, method


@dataclass(frozen=True)
class Params:
    """Share of rows that are copies, at least 0 and below 1."""

    share: float = 0.5


@method(
    name="duplicated",
    version=1,
    summary="The oracle's rows, a share of them replaced by copies of others.",
    reference="none",
    params=Params,
    role="control",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield as many rows as the oracle, in random order."""
    if not 0 <= params.share < 1:
        raise PluginError(f"duplicated: share must be at least 0 and below 1, not {params.share}")
    rows = ctx.reference_rows(ctx.remaining)
    kept = rows[: len(rows) - round(params.share * len(rows))]
    copies = [replace(ctx.rng.choice(kept), lineage={"operator": "copy"}) for _ in rows[len(kept) :]]
    mixed = kept + copies
    ctx.rng.shuffle(mixed)
    yield from mixed
