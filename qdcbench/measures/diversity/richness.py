"""Diversity of the words: how long a text runs before its words repeat."""

from collections.abc import Iterable

import numpy as np

from qdcbench.measures.rows import Rows, Side, Unmeasurable
from qdcbench.measures.text import split_words

__all__ = ["mtld"]

_THRESHOLD = 0.72
_SEED = 2010
"""Any number: it fixes one order of the sorted rows that has nothing to do with what they say."""


def mtld(rows: Rows, side: Side = "prompt") -> float:
    """Return the mean words a factor, read forwards and backwards (MTLD, McCarthy & Jarvis 2010), at least 1.

    A factor ends with the word at which its different words over its words come down to .72; the rest after the last
    factor counts as the part of a factor that it has come down. Words are read across rows, since most rows are
    shorter than a factor, and the rows are sorted and then shuffled by a fixed seed: the same rows in any order have
    one value, and rows that begin alike do not stand together as they would in a sorted text.

    Raises:
        Unmeasurable: no row has a word.
    """
    texts = sorted(rows.texts(side))
    order = np.random.default_rng(_SEED).permutation(len(texts)).tolist()
    words = [word for i in order for word in split_words(texts[i])]
    if not words:
        raise Unmeasurable(f"no {side} has a word")
    return len(words) * (1 / _factors(words) + 1 / _factors(reversed(words))) / 2


def _factors(words: Iterable[str]) -> float:
    seen: set[str] = set()
    add, size, factors = seen.add, 0, 0
    for word in words:
        add(word)
        size += 1
        if len(seen) <= _THRESHOLD * size:
            factors += 1
            size = 0
            seen.clear()
    part = (1 - len(seen) / size) / (1 - _THRESHOLD) if size else 0.0
    # Words that never repeat are taken as one factor, or the value would be infinite.
    return factors + part or 1.0
