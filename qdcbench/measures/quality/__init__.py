"""Measures of quality."""

from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.quality import checked, likelihood, scored

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of quality."""
    return [*checked.measures(), *scored.measures(), *likelihood.measures()]
