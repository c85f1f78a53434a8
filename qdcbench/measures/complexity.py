"""Complexity of single rows as one number a row; the measure is its mean."""

import numpy as np

from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable
from qdcbench.measures.text import count_words

__all__ = ["answer_nll", "depths", "word_counts"]


def depths(rows: Rows) -> FloatArray:
    """Return the number of operations of each prompt that the task can parse.

    Raises:
        Unmeasurable: it can parse none.
    """
    known = [s.depth for s in rows.structures or () if s is not None]
    if not known:
        raise Unmeasurable("the task knows no structure of any prompt")
    return np.asarray(known, dtype=np.float64)


def word_counts(rows: Rows, side: Side) -> FloatArray:
    """Return the number of words of each text on one side.

    Raises:
        Unmeasurable: there is no row.
    """
    if not len(rows):
        raise Unmeasurable("there is no row")
    return np.asarray([count_words(text) for text in rows.texts(side)], dtype=np.float64)


def answer_nll(rows: Rows) -> FloatArray:
    """Return the mean negative log-likelihood of each completion under a reference model, nats a token.

    It cannot tell hard from wrong: a corrupted answer is unlikely too.

    Raises:
        Unmeasurable: no reference model scored the rows.
    """
    if not rows.answer_nll:
        raise Unmeasurable("no reference model scored the completions")
    return np.asarray(rows.answer_nll, dtype=np.float64)
