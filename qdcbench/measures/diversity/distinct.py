"""Diversity of the words: distinct n-grams and repeated rows."""

from collections import Counter

import numpy as np

from qdcbench.measures.intervals import copies_interval
from qdcbench.measures.rows import Rows, Side, Unmeasurable

__all__ = ["distinct", "ngram_diversity", "unique_bounds", "unique_rows"]


def _share_of_distinct(rows: Rows, order: int, side: Side) -> float | None:
    def compute() -> float | None:
        grams = rows.ngrams(order, side)
        return grams.distinct() / len(grams.codes) if len(grams.codes) else None

    return rows.shared(("share of distinct", order, side), compute)


def distinct(rows: Rows, order: int, side: Side = "prompt") -> float:
    """Return the different n-grams over all n-grams, in (0, 1] (Li et al. 2016, arXiv:1510.03055).

    Raises:
        Unmeasurable: no row has as many tokens.
    """
    share = _share_of_distinct(rows, order, side)
    if share is None:
        raise Unmeasurable(f"no {side} has {order} tokens")
    return share


def ngram_diversity(rows: Rows, side: Side = "prompt") -> float:
    """Return the sum of distinct-1 to distinct-4, in (0, 4] (Shaib et al. 2024, arXiv:2403.00553).

    The source joins all rows into one text; here no n-gram crosses a row's border, so the order of rows
    does not matter. An order that no row is long enough for adds nothing.

    Raises:
        Unmeasurable: no row has a token.
    """
    shares = [_share_of_distinct(rows, order, side) for order in (1, 2, 3, 4)]
    if shares[0] is None:
        raise Unmeasurable(f"no {side} has a token")
    return sum(share for share in shares if share is not None)


def unique_rows(rows: Rows, side: Side = "prompt") -> float:
    """Return the different texts over all rows, in (0, 1]; texts are equal when all characters are."""
    texts = rows.texts(side)
    if not texts:
        raise Unmeasurable("there is no row")
    return len(set(texts)) / len(texts)


def unique_bounds(rows: Rows, side: Side = "prompt") -> tuple[float, float]:
    """Return the 95 % interval of `unique_rows`, for rows that are independent draws."""
    counts = np.asarray(list(Counter(rows.texts(side)).values()), dtype=np.int64)
    low, high = copies_interval(counts)
    return (len(rows) - high) / len(rows), (len(rows) - low) / len(rows)
