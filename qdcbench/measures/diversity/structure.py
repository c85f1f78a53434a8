"""The measures of diversity that read what is known of a row: its structure, its place in a taxonomy, its meaning."""

from collections.abc import Callable

from qdcbench.measures.cards import MeasureRow, cards, together
from qdcbench.measures.diversity import coverage
from qdcbench.measures.rows import Rows

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of what is known of rows."""
    card = cards("diversity", "coverage.toml")
    functions: dict[str, Callable[[Rows], float]] = {
        "pair_coverage": coverage.pair_coverage,
        "pair_entropy": coverage.pair_entropy,
        "effective_pairs": coverage.effective_pairs,
        "operations_seen": coverage.operations_seen,
        "effective_operations": coverage.effective_operations,
    }
    return [together(card[name], name, whole) for name, whole in functions.items()]
