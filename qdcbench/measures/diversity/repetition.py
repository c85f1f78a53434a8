"""Diversity of the words: how much of a row stands in other rows too."""

import numpy as np

from qdcbench.measures.rows import IntArray, Rows, Side, Unmeasurable
from qdcbench.measures.text import Tokens

__all__ = ["self_repetition"]

_ORDER = 4


def _fourgrams_once(rows: Rows, side: Side) -> Tokens:
    def sliced(whole: Tokens, indices: IntArray, _: int) -> Tokens:
        return whole.take(indices)

    return rows.per_row(("4-grams once", side), lambda: rows.ngrams(_ORDER, side).once_a_row(), sliced)


def self_repetition(rows: Rows, side: Side = "prompt") -> float:
    """Return the mean over rows of log(1 + sum over the row's different 4-grams of the other rows that hold it).

    Of Shaib et al. 2024 (arXiv:2403.00553) as their library counts: a 4-gram once a row, whatever it repeats
    inside, and rows that are too short for one add log 1 = 0. At least 0, at most about log(n L).

    Raises:
        Unmeasurable: no row has four tokens.
    """
    grams = _fourgrams_once(rows, side)
    if not len(grams.codes):
        raise Unmeasurable(f"no {side} has {_ORDER} tokens")
    others = np.bincount(grams.codes, minlength=grams.size)[grams.codes] - 1
    up_to = np.concatenate([np.zeros(1, np.int64), np.cumsum(others)])
    return float(np.log1p(np.diff(up_to[grams.starts])).mean())
