"""Diversity of the text as a compressor sees it."""

import gzip
import lzma

from qdcbench.measures.rows import Rows, Side, Unmeasurable
from qdcbench.measures.text import bytes_of

__all__ = ["compression_ratio", "compression_ratio_gzip", "window"]

_LEAST_WINDOW = 4096
"""Bytes; the codec takes no smaller one."""

_MOST_WINDOW = 1 << 28
"""Bytes; the codec takes at most six times as many, and its memory is about seven times the window (assumed)."""


def _sorted_bytes(rows: Rows, side: Side, between: str) -> bytes:
    text = bytes_of(between.join(sorted(rows.texts(side))))
    if not text.strip():
        raise Unmeasurable(f"every {side} is empty")
    return text


def window(size: int) -> int:
    """Return the window for a text of ``size`` bytes: all of it, 256 MiB at most."""
    return min(max(_LEAST_WINDOW, size), _MOST_WINDOW)


def compression_ratio(rows: Rows, side: Side = "prompt") -> float:
    """Return bytes over compressed bytes of the sorted rows, above 0; high means redundant.

    Sorting makes the value the same for every order of rows, and the window is as long as the text (256 MiB at
    most), so unlike with gzip, which looks back 32 KiB, a copy counts wherever it stands. Raw LZMA2 without
    container: no header or checksum is counted. After Shaib et al. 2024, arXiv:2403.00553, who use gzip.

    Raises:
        Unmeasurable: all texts are empty.
    """
    text = _sorted_bytes(rows, side, "\n")
    codec = {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": window(len(text))}
    return len(text) / len(lzma.compress(text, format=lzma.FORMAT_RAW, filters=[codec]))


def compression_ratio_gzip(rows: Rows, side: Side = "prompt") -> float:
    """Return bytes over the bytes of one gzip file of the rows joined by spaces, above 0; high means redundant.

    The form of Shaib et al. 2024, arXiv:2403.00553, with the rows sorted, since gzip looks back 32 KiB and
    its ratio would otherwise depend on their order. Their library compresses the compressed text once more.

    Raises:
        Unmeasurable: all texts are empty.
    """
    text = _sorted_bytes(rows, side, " ")
    return len(text) / len(gzip.compress(text, mtime=0))
