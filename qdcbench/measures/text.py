"""Tokens of a text by one documented rule, and n-grams as integers that never cross a row's border."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TOKEN", "Tokens", "count_words", "split_tokens", "tokenise"]

TOKEN = re.compile(r"\w+|[^\w\s]")
"""A token is a run of letters, digits and underscores, or one other visible character; case is folded first.

A language written without spaces comes out as one token a run, so n-gram measures of it count phrases.
"""

_WORD = re.compile(r"\w+")

IntArray = npt.NDArray[np.int64]


def split_tokens(text: str) -> list[str]:
    """Return the tokens of a text in order, case folded."""
    return TOKEN.findall(text.casefold())


def count_words(text: str) -> int:
    """Return the number of words: tokens that are not punctuation."""
    return sum(1 for _ in _WORD.finditer(text))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of all rows, one after another.

    ``codes`` (total,) numbers each token, ``row`` (total,) says which row it stands in (not falling), and
    ``size`` is the number of different codes. The n-grams of order k are codes again, see `ngrams`.
    """

    codes: IntArray
    row: IntArray
    size: int

    def ngrams(self, order: int, unigrams: "Tokens") -> "Tokens":
        """Return the n-grams of ``order`` from those of ``order - 1`` (self) and single tokens, numbered exactly.

        A row with t tokens has max(0, t - order + 1) of them.
        """
        shift = order - 1
        if not len(self.codes):
            return Tokens(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
        inside = unigrams.row[shift:] == unigrams.row[:-shift]
        # The n-grams of order - 1 that have a next token in their row, in the order of their first token.
        ends = np.flatnonzero(inside) + shift
        has_next = np.append(self.row[1:] == self.row[:-1], False)
        keys = self.codes[has_next] * np.int64(max(unigrams.size, 1)) + unigrams.codes[ends]
        different, codes = np.unique(keys, return_inverse=True)
        return Tokens(codes.astype(np.int64), unigrams.row[ends], len(different))

    def take(self, indices: IntArray, n_rows: int) -> "Tokens":
        """Return the tokens of the rows at ``indices`` (numbered from 0 in that order), codes unchanged."""
        starts = np.searchsorted(self.row, np.arange(n_rows + 1))
        lengths = (starts[1:] - starts[:-1])[indices]
        row = np.repeat(np.arange(len(indices)), lengths)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return Tokens(self.codes[np.repeat(starts[indices], lengths) + offset], row, self.size)

    def distinct(self) -> int:
        """Return how many different codes occur."""
        seen = np.zeros(self.size, dtype=bool)
        seen[self.codes] = True
        return int(seen.sum())


def tokenise(texts: Sequence[str]) -> Tokens:
    """Return the single tokens of all texts, numbered in the order of their first appearance."""
    numbers: dict[str, int] = {}
    codes: list[int] = []
    lengths: list[int] = []
    for text in texts:
        found = split_tokens(text)
        codes.extend(numbers.setdefault(token, len(numbers)) for token in found)
        lengths.append(len(found))
    row = np.repeat(np.arange(len(texts), dtype=np.int64), np.asarray(lengths, dtype=np.int64))
    return Tokens(np.asarray(codes, dtype=np.int64), row, len(numbers))
