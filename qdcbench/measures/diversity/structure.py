"""The measures of diversity that read what is known of a row: its structure, its place in a taxonomy, its meaning."""

from collections.abc import Callable
from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row, together
from qdcbench.measures.diversity import coverage, effective, tags, taxonomy
from qdcbench.measures.rows import Rows

__all__ = ["measures"]

_FUNCTIONS: dict[str, Callable[[Rows], float]] = {
    "pair_coverage": coverage.pair_coverage,
    "pair_entropy": coverage.pair_entropy,
    "effective_pairs": coverage.effective_pairs,
    "operations_seen": coverage.operations_seen,
    "effective_operations": coverage.effective_operations,
    "tags_seen": tags.tags_seen,
    "tag_coverage": tags.tag_coverage,
    "effective_fixed": effective.effective_fixed,
    "effective_pairwise": effective.effective_pairwise,
}

_PLACES: tuple[tuple[taxonomy.Placed, str], ...] = (
    ("aimed", "that the generator aimed at"),
    ("assigned", "that a classifier gives the rows without seeing the aim"),
)


def measures() -> list[MeasureRow]:
    """Return the measures of what is known of rows."""
    card = cards("diversity", "coverage.toml")
    rows = [together(card[name], name, whole) for name, whole in _FUNCTIONS.items()]
    for placed, whose in _PLACES:
        levels, leaves = partial(taxonomy.level_coverage, placed=placed), partial(taxonomy.leaf_coverage, placed=placed)
        rows += [
            together(card["taxonomy_coverage"], f"taxonomy_coverage_{placed}", levels, whose=whose),
            together(card["taxonomy_leaves"], f"taxonomy_leaves_{placed}", leaves, whose=whose),
        ]
    return [*rows, per_row(card["taxonomy_drift"], "taxonomy_drift", taxonomy.taxonomy_drift)]
