"""Measures of complexity."""

from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.complexity import scored, texts

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of complexity."""
    return [*texts.measures(), *scored.measures()]
