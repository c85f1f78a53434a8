"""Complexity as counts of single rows: operations, words and word pieces."""

import math

import numpy as np

from qdcbench.errors import DataError
from qdcbench.measures.encoders.minilm import count_pieces
from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable
from qdcbench.measures.text import count_words

__all__ = ["depths", "token_counts", "word_counts"]


def depths(rows: Rows) -> FloatArray:
    """Return the number of operations of each prompt, NaN where the task cannot parse it.

    Raises:
        Unmeasurable: it can parse none.
    """
    found = [math.nan if s is None else s.depth for s in rows.column("structure")]
    if all(map(math.isnan, found)):
        raise Unmeasurable("the task knows no structure of any prompt")
    return np.asarray(found, dtype=np.float64)


def word_counts(rows: Rows, side: Side) -> FloatArray:
    """Return the number of words of each text on one side.

    Raises:
        Unmeasurable: there is no row.
    """
    if not len(rows):
        raise Unmeasurable("there is no row")
    return np.asarray([count_words(text) for text in rows.texts(side)], dtype=np.float64)


def token_counts(rows: Rows, side: Side) -> FloatArray:
    """Return the number of MiniLM's word pieces of each text on one side, (n,), however long the text.

    Raises:
        Unmeasurable: there is no row, or no tokeniser.
    """
    if not len(rows):
        raise Unmeasurable("there is no row")
    try:
        return count_pieces(rows.texts(side)).astype(np.float64)
    except DataError as error:
        raise Unmeasurable(f"nothing counts word pieces: {error}") from error
