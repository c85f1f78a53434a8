"""Cosines of all pairs of unit vectors, a block at a time: no n x n matrix is ever kept."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["ROUNDING", "Vectors", "cosine_blocks", "distances"]

Vectors = npt.NDArray[np.float32]

_BLOCK = 1 << 23
"""Cosines a block, 32 MiB: with fewer rows a block the product is slower, with more hardly faster."""

ROUNDING = 1e-5
"""Distances below this are what float32 leaves of 0 between two equal vectors."""


def cosine_blocks(left: Vectors, right: Vectors) -> Iterator[tuple[int, Vectors]]:
    """Yield the first row of a block of ``left`` (n, d) and the cosines (b, m) of its rows with ``right`` (m, d).

    The block may be written to; it is overwritten when the next one is made.
    """
    step = min(len(left), max(1, _BLOCK // max(1, len(right))))
    room = np.empty((step, len(right)), dtype=np.float32)
    across = np.ascontiguousarray(right.T)
    for start in range(0, len(left), max(1, step)):
        rows = left[start : start + step]
        yield start, np.matmul(rows, across, out=room[: len(rows)])


def distances(cosines: Vectors) -> Vectors:
    """Turn cosines into cosine distances where they stand, in [0, 2]; equal vectors get exactly 0."""
    np.subtract(1.0, cosines, out=cosines)
    np.minimum(cosines, 2.0, out=cosines)
    cosines[cosines < ROUNDING] = 0.0
    return cosines
