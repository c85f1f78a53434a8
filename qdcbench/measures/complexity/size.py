"""Complexity as what is left of a text when a compressor has taken out what repeats, whatever its length."""

import math
import zlib
from functools import lru_cache

import numpy as np

from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable
from qdcbench.measures.text import bytes_of

__all__ = ["compressed_size", "deflated", "expected_size"]

_EXPECTED = {
    1: 3.0, 2: 4.0, 4: 6.0, 8: 10.0, 16: 17.8, 32: 32.9, 64: 59.6, 128: 99.5, 256: 167.9, 512: 294.5,
    1024: 544.9, 2048: 1032.5, 4096: 1975.5, 8192: 3785.5, 16384: 7260.9,
}  # fmt: skip
"""Mean deflated bytes of pieces of ordinary English by their bytes, as ``tests/perf/measure_words.py`` prints them.

Measured on the 175 human seed tasks of Self-Instruct (yizhongw/self-instruct, Apache-2.0): of 3,000 random pieces of
single texts up to 512 bytes; beyond, grown as 4,000 pieces of these texts one after another grow.
"""

_BYTES = np.log(np.asarray(list(_EXPECTED), dtype=np.float64))
_DEFLATED = np.log(np.asarray(list(_EXPECTED.values()), dtype=np.float64))
_LAST_SLOPE = float((_DEFLATED[-1] - _DEFLATED[-2]) / (_BYTES[-1] - _BYTES[-2]))


def deflated(data: bytes) -> int:
    """Return the bytes of ``data`` in a raw deflate stream at level 9, without header or checksum."""
    codec = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(codec.compress(data)) + len(codec.flush())


@lru_cache(maxsize=4096)
def expected_size(size: int) -> float:
    """Return the deflated bytes of ``size`` bytes of ordinary English; straight lines between logarithms."""
    x = math.log(size)
    if x > _BYTES[-1]:
        return math.exp(_DEFLATED[-1] + (x - _BYTES[-1]) * _LAST_SLOPE)
    return math.exp(float(np.interp(x, _BYTES, _DEFLATED)))


def compressed_size(rows: Rows, side: Side = "completion") -> FloatArray:
    """Return the deflated bytes of each text over those of ordinary English as long, (n,); NaN for an empty text.

    1 is English as people write it, less is text that repeats itself, more is text with little order. The length
    is taken out by the curve of `expected_size`, so a text does not score for being long.

    Raises:
        Unmeasurable: all texts are empty.
    """
    texts = [bytes_of(text) for text in rows.texts(side)]
    if not any(texts):
        raise Unmeasurable(f"every {side} is empty")
    values = [deflated(data) / expected_size(len(data)) if data else math.nan for data in texts]
    return np.asarray(values, dtype=np.float64)
