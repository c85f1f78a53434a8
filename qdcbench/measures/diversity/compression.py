"""Diversity of the text as a compressor sees it."""

import lzma

from qdcbench.measures.rows import Rows, Side, Unmeasurable

__all__ = ["compression_ratio"]

_LEAST_WINDOW = 4096
"""Bytes; the codec takes no smaller one."""


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
