"""The table of all measures: cards that reports read, and the functions that take them."""

from collections.abc import Sequence
from functools import cache

from qdcbench.measures import complexity, diversity, quality
from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.encoders import ENCODERS

__all__ = ["METRICS", "MeasureRow", "table_of"]


@cache
def _table(encoders: tuple[str, ...]) -> dict[str, MeasureRow]:
    rows = [*quality.measures(), *diversity.measures(encoders), *complexity.measures()]
    return {row.name: row for row in rows}


def table_of(encoders: Sequence[str]) -> dict[str, MeasureRow]:
    """Return every measure by its name, those of embeddings once an encoder.

    Brackets name the encoder; ``:completion`` marks the response side.
    """
    return _table(tuple(encoders))


METRICS: dict[str, MeasureRow] = table_of(tuple(ENCODERS))
"""Every measure with the encoders that each installation has."""
