"""Tokens of a text by one documented rule, and n-grams as integers that never cross a row's border."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

__all__ = ["TOKEN", "Tokens", "bytes_of", "count_words", "split_tokens", "split_words", "tokenise"]

TOKEN = re.compile(r"\w+|[^\w\s]")
"""A token is a run of letters, digits and underscores, or one other visible character; case is folded first.

A language written without spaces comes out as one token a run, so n-gram measures of it count phrases.
"""

_WORD = re.compile(r"\w+")

_CHUNK = 4096
"""Rows tokenised at a time: the strings of all tokens at once would take several times the memory of their numbers."""

IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.int32]


def split_tokens(text: str) -> list[str]:
    """Return the tokens of a text in order, case folded."""
    return TOKEN.findall(text.casefold())


def split_words(text: str) -> list[str]:
    """Return the words of a text in order, case folded: tokens that are not punctuation."""
    return _WORD.findall(text.casefold())


def count_words(text: str) -> int:
    """Return the number of words: tokens that are not punctuation."""
    return len(_WORD.findall(text))


def bytes_of(text: str) -> bytes:
    """Return the text as UTF-8; half a surrogate pair, which broken data may hold, as the three bytes of its number."""
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of n rows, one row after another.

    ``codes`` (total,) numbers each token, those of row i stand from ``starts[i]`` to ``starts[i + 1]`` of
    ``starts`` (n + 1,), and every code is below ``size``. The n-grams of order k are codes again, see `ngrams`.
    """

    codes: CodeArray
    starts: IntArray
    size: int

    @property
    def lengths(self) -> IntArray:
        """The number of tokens of each row, (n,)."""
        return np.diff(self.starts)

    @property
    def row(self) -> IntArray:
        """The row of each token, (total,), not falling."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    def ngrams(self, order: int, unigrams: "Tokens") -> "Tokens":
        """Return the n-grams of ``order`` from those of ``order - 1`` (self) and single tokens, numbered exactly.

        A row with t tokens has max(0, t - order + 1) of them.
        """
        lengths = self.lengths
        # The n-grams of order - 1 that have a next token in their row, beside those tokens.
        has_next = np.ones(len(self.codes), dtype=bool)
        has_next[self.starts[1:][lengths > 0] - 1] = False
        is_next = np.ones(len(unigrams.codes), dtype=bool)
        for offset in range(order - 1):
            is_next[unigrams.starts[:-1][unigrams.lengths > offset] + offset] = False
        keys = self.codes[has_next] * np.int64(max(unigrams.size, 1)) + unigrams.codes[is_next]
        different, codes = np.unique(keys, return_inverse=True)
        return Tokens(codes.astype(np.int32), _starts(np.maximum(lengths - 1, 0)), len(different))

    def take(self, indices: IntArray) -> "Tokens":
        """Return the tokens of the rows at ``indices`` (numbered from 0 in that order), codes unchanged."""
        lengths = self.lengths[indices]
        starts = _starts(lengths)
        places = np.repeat(self.starts[indices] - starts[:-1], lengths)
        places += np.arange(len(places))
        return Tokens(self.codes[places], starts, self.size)

    def once_a_row(self) -> "Tokens":
        """Return the same with each code at most once in a row, in the order of codes."""
        width = np.int64(max(self.size, 1))
        # Sorting outright is several times as fast as numpy's unique, which hashes.
        keys = np.sort(self.row * width + self.codes)
        keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
        row, codes = np.divmod(keys, width)
        lengths = np.bincount(row, minlength=len(self.starts) - 1)
        return Tokens(codes.astype(np.int32), _starts(lengths), self.size)

    def distinct(self) -> int:
        """Return how many different codes occur."""
        seen = np.zeros(self.size, dtype=bool)
        seen[self.codes] = True
        return int(np.count_nonzero(seen))


def _starts(lengths: IntArray) -> IntArray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def tokenise(texts: Sequence[str]) -> Tokens:
    """Return the single tokens of all texts, numbered in the order of their first appearance."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    codes = []
    lengths = np.zeros(len(texts), dtype=np.int64)
    for start in range(0, len(texts), _CHUNK):
        found = [split_tokens(text) for text in texts[start : start + _CHUNK]]
        lengths[start : start + len(found)] = list(map(len, found))
        codes.append(np.fromiter(map(numbers.__getitem__, chain.from_iterable(found)), dtype=np.int32))
    return Tokens(np.concatenate([np.zeros(0, np.int32), *codes]), _starts(lengths), len(numbers))
