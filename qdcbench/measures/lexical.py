"""Diversity of the words: distinct n-grams, repeated rows, and how far the text can be compressed."""

import lzma

from qdcbench.measures.rows import Rows, Side, Unmeasurable

__all__ = ["compression_ratio", "distinct", "ngram_diversity", "unique_rows"]

_LEAST_WINDOW = 4096
"""Bytes; the codec takes no smaller one."""


def _share_of_distinct(rows: Rows, order: int, side: Side) -> float | None:
    grams = rows.ngrams(order, side)
    return grams.distinct() / len(grams.codes) if len(grams.codes) else None


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


def compression_ratio(rows: Rows, side: Side = "prompt") -> float:
    """Return bytes over compressed bytes of the sorted rows, above 0; high means redundant.

    Sorting makes the value the same for every order of rows, and the window is as long as the text, so
    unlike with gzip, which looks back 32 KiB, a copy counts wherever it stands. Raw LZMA2 without
    container: no header or checksum is counted. After Shaib et al. 2024, arXiv:2403.00553, who use gzip.

    Raises:
        Unmeasurable: all texts are empty.
    """
    text = "\n".join(sorted(rows.texts(side))).encode("utf-8")
    if not text.strip():
        raise Unmeasurable(f"every {side} is empty")
    codec = {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": max(_LEAST_WINDOW, len(text))}
    return len(text) / len(lzma.compress(text, format=lzma.FORMAT_RAW, filters=[codec]))
