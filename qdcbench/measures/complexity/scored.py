"""The measures of complexity that a model or a judge gave to single rows, or that a model learned of all of them."""

import math
from functools import partial

import numpy as np

from qdcbench.measures.cards import MeasureRow, cards, per_row, together
from qdcbench.measures.quality.likelihood import ifd
from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["epiplexity", "measures", "tag_counts"]

_COLUMNS = {
    "answer_nll": "answer_nll",
    "fail_rate": "failed",
    "rank_strength": "rank",
    "rated_complexity": "rated_complexity",
    "judged_complexity": "judged_complexity",
}
"""Each measure and the column that it is the mean of."""


def tag_counts(rows: Rows) -> FloatArray:
    """Return the number of different tags of each row, (n,), NaN where the tagger's reply could not be read.

    Raises:
        Unmeasurable: nobody tagged a row.
    """
    found = [math.nan if tags is None else len(set(tags)) for tags in rows.column("tags")]
    if all(map(math.isnan, found)):
        raise Unmeasurable("no row has tags")
    return np.asarray(found, dtype=np.float64)


def epiplexity(rows: Rows) -> float:
    """Return the bits that a model learned of the dataset as a whole.

    Raises:
        Unmeasurable: nobody trained a model on the rows to see.
    """
    if rows.around.epiplexity is None:
        raise Unmeasurable("no model was trained on the rows to see what it learns of them")
    return rows.around.epiplexity


def measures() -> list[MeasureRow]:
    """Return the measures of complexity by scorers."""
    card = cards("complexity", "scored.toml")
    return [
        *(per_row(card[name], name, partial(Rows.numbers, name=column)) for name, column in _COLUMNS.items()),
        per_row(card["ifd_difficulty"], "ifd_difficulty", ifd),
        per_row(card["tag_count"], "tag_count", tag_counts),
        together(card["epiplexity"], "epiplexity", epiplexity),
    ]
