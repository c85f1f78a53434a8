"""Diversity of the meanings as the distance to the nearest rows, exact."""

import numpy as np

from qdcbench.measures.diversity.pairs import Vectors, cosine_blocks, distances
from qdcbench.measures.rows import Rows, Side, Unmeasurable

__all__ = ["NEIGHBOURS", "knn_distance", "nearest_distances", "nearest_of"]

NEIGHBOURS = 10
"""Neighbours that Simula's local diversity and NovelSum's density look at."""


def nearest_distances(vectors: Vectors, k: int, among: Vectors | None = None) -> Vectors:
    """Return the cosine distances (n, k) of unit vectors (n, d) to the k nearest, rising.

    Args:
        vectors: the rows that look for neighbours.
        k: how many each finds, at most as many as there are.
        among: where they look (m, d); by default among the other rows, where each leaves itself out but not its copies.
    """
    others = vectors if among is None else among
    found = np.empty((len(vectors), k), dtype=np.float32)
    first = len(others) - k
    for start, cosines in cosine_blocks(vectors, others):
        if among is None:
            own = np.arange(len(cosines))
            cosines[own, start + own] = -np.inf
        cosines.partition(first, axis=1)
        found[start : start + len(cosines)] = np.sort(distances(cosines[:, first:]), axis=1)
    return found


def nearest_of(rows: Rows, encoder: str, side: Side) -> Vectors:
    """Return the rising distances (n, k) of each row to its k = 10 nearest others, or to all where there are fewer.

    Raises:
        Unmeasurable: fewer than two rows.
    """
    if len(rows) < 2:
        raise Unmeasurable("a distance between rows needs two rows")
    k = min(NEIGHBOURS, len(rows) - 1)
    return rows.shared(("nearest", encoder, side), lambda: nearest_distances(rows.embeddings(encoder, side), k))


def knn_distance(rows: Rows, encoder: str, k: int, side: Side = "prompt") -> float:
    """Return the mean cosine distance of a text to its k nearest others, k at most 10, in [0, 2]; falls with n.

    Raises:
        Unmeasurable: there are no k other rows.
    """
    nearest = nearest_of(rows, encoder, side)
    if nearest.shape[1] < k:
        raise Unmeasurable(f"{k} nearest others need {k + 1} rows and there are {len(rows)}")
    return float(nearest[:, :k].mean(dtype=np.float64))
