"""Diversity of the meanings as a mean distance of unit vectors, from the mean vector."""

import numpy as np
import numpy.typing as npt

from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable

__all__ = ["cosine_distance", "mean_cosine_distance"]


def cosine_distance(vectors: npt.NDArray[np.float32]) -> float:
    """Return one minus the mean cosine of the pairs i != j of unit vectors (n, d), in [0, 2].

    The sum over all pairs is the squared length of the sum of the vectors, so no pair is formed.

    Raises:
        Unmeasurable: fewer than two rows.
    """
    n = len(vectors)
    if n < 2:
        raise Unmeasurable("a distance between rows needs two rows")
    total: FloatArray = vectors.sum(axis=0, dtype=np.float64)
    own = float(np.einsum("ij,ij->", vectors, vectors, dtype=np.float64))
    return min(2.0, max(0.0, 1.0 - (float(total @ total) - own) / (n * (n - 1))))


def mean_cosine_distance(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return the mean cosine distance of two different texts of a side, in [0, 2]; free of n, blind to clumps."""
    return cosine_distance(rows.embeddings(encoder, side))
