"""Diversity of the words: how alike rows are, each against all others (self-BLEU) or pair by pair (ROUGE-L)."""

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from qdcbench.measures.rows import FloatArray, IntArray, Rows, Side, Unmeasurable
from qdcbench.measures.text import Tokens

__all__ = ["rouge_l", "self_bleu"]

_ORDERS = (1, 2, 3, 4)

_EPSILON = 0.1
"""Counts as so many matches where an order has none: the first smoothing of Chen & Cherry 2014, nltk's method1."""

_READ = 512
"""Tokens of a text that are compared with others; the time of a pair grows with the product of its lengths."""

_SURROGATES = (0xD800, 0x0800)
"""First of the numbers that no character may have, and how many they are."""


def self_bleu(rows: Rows, side: Side = "prompt") -> float:
    """Return the mean BLEU-4 of each row with all other rows as its references, in [0, 1]; high means alike.

    Equals nltk's ``sentence_bleu`` with ``SmoothingFunction().method1`` on our tokens. BLEU clips a row's n-gram
    count at the largest count in any one other row, so the two largest counts of each n-gram and the rows' lengths
    are all that is needed: no pair of rows is looked at.

    Raises:
        Unmeasurable: there are fewer than two rows, or none has a token.
    """
    _check(rows, side)
    lengths = rows.ngrams(1, side).lengths
    shares = []
    for order in _ORDERS:
        matched = _clipped_matches(rows.ngrams(order, side))
        there = np.maximum(lengths - order + 1, 1)
        shares.append(np.where(matched > 0, matched, _EPSILON) / there)
        if order == 1:
            none = matched == 0
    score = np.exp(np.log(shares).mean(axis=0)) * _brevity(lengths)
    return float(np.where(none, 0.0, score).mean())


def _check(rows: Rows, side: Side) -> None:
    if len(rows) < 2:
        raise Unmeasurable("likeness of rows needs at least two rows")
    if not len(rows.ngrams(1, side).codes):
        raise Unmeasurable(f"no {side} has a token")


def _clipped_matches(grams: Tokens) -> FloatArray:
    """Return how many n-grams of each row another row has too, each counted as often as in the row that has it most."""
    n = len(grams.starts) - 1
    keys, counts = np.unique(grams.codes * np.int64(n) + grams.row, return_counts=True)
    codes, row = np.divmod(keys, np.int64(n))
    order = np.lexsort((-counts, codes))
    codes, row, counts = codes[order], row[order], counts[order]
    first = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    place = np.flatnonzero(first)[np.cumsum(first) - 1]
    # The row that has an n-gram most is held against the row that comes second, which may be nobody.
    second = np.append(np.where(first[1:], 0, counts[1:]), 0)[: len(counts)]
    most_elsewhere = np.where(first, second, counts[place])
    matched: FloatArray = np.bincount(row, np.minimum(counts, most_elsewhere), n).astype(np.float64)
    return matched


def _brevity(lengths: IntArray) -> FloatArray:
    """Return BLEU's penalty of each row for being shorter than the nearest length of another; of two, the shorter."""
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(np.float64)
    below = np.append(-np.inf, ranked[:-1])
    above = np.append(ranked[1:], np.inf)
    nearest = np.where(ranked - below <= above - ranked, below, above)
    penalty = np.ones(len(lengths))
    short = (ranked <= nearest) & (ranked > 0)
    penalty[order[short]] = np.exp(1.0 - nearest[short] / ranked[short])
    penalty[order[ranked == 0]] = 0.0
    return penalty


def rouge_l(rows: Rows, side: Side = "prompt") -> float:
    """Return the mean ROUGE-L F-measure of all pairs of rows, in [0, 1]; high means alike.

    The F-measure of two token sequences is twice their longest common subsequence over the sum of their lengths, by
    bit-parallel search. A row without tokens is like no other. Of a text the first 512 tokens are read.

    Raises:
        Unmeasurable: there are fewer than two rows, or none has a token.
    """
    _check(rows, side)
    likeness = rows.per_row(("rouge-l", side), lambda: _all_pairs(rows.ngrams(1, side)), _block)
    n = len(rows)
    return float((likeness.sum(dtype=np.float64) - np.trace(likeness, dtype=np.float64)) / (n * (n - 1)))


def _block(whole: npt.NDArray[np.float32], indices: IntArray, _: int) -> npt.NDArray[np.float32]:
    return whole[np.ix_(indices, indices)]


def _all_pairs(tokens: Tokens) -> npt.NDArray[np.float32]:
    """Return the F-measures of all pairs, (n, n)."""
    _, codes = np.unique(tokens.codes, return_inverse=True)
    first, count = _SURROGATES
    codes = np.where(codes >= first, codes + count, codes).astype("<u4")
    # Tokens as characters: comparing strings is what the package is fastest at.
    starts, lengths = tokens.starts.tolist(), np.minimum(tokens.lengths, _READ)
    texts = [codes[s : s + k].tobytes().decode("utf-32-le") for s, k in zip(starts, lengths.tolist(), strict=False)]
    common = cdist(texts, texts, scorer=LCSseq.similarity, dtype=np.int32)
    sizes = np.maximum(lengths[:, None] + lengths[None, :], 1)
    likeness: npt.NDArray[np.float32] = (2.0 * common / sizes).astype(np.float32)
    return likeness
