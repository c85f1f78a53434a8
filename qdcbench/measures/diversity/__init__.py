"""Measures of diversity."""

from collections.abc import Sequence

from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.diversity import structure, vectors, words

__all__ = ["measures"]


def measures(encoders: Sequence[str]) -> list[MeasureRow]:
    """Return the measures of diversity, those of embeddings once an encoder."""
    return [
        *structure.measures(),
        *(row for encoder in encoders for row in vectors.measures(encoder)),
        *vectors.measures_of_known(),
        *words.measures("prompt"),
        *words.measures("completion"),
    ]
