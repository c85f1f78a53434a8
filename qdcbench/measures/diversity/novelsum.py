"""Diversity of the meanings as distances weighed by nearness and density (NovelSum)."""

import math

import numpy as np

from qdcbench.measures.diversity.neighbours import NEIGHBOURS, nearest_distances, nearest_of
from qdcbench.measures.diversity.pairs import Vectors, cosine_blocks, distances
from qdcbench.measures.diversity.reference import reference_pool
from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable

__all__ = ["densities", "novelsum", "novelsum_of", "novelsum_self"]

_ALPHA = 1.0
_BETA = 0.5
_NEAREST = 0.01
"""Mean distance to the neighbours below which density stops rising: it would be infinite for copies (assumed)."""


def densities(nearest: Vectors) -> FloatArray:
    """Return one over the mean of each row's distances (n, K) to its neighbours, (n,), at most 100."""
    means: FloatArray = nearest.mean(axis=1, dtype=np.float64)
    return 1.0 / np.maximum(means, _NEAREST)


def novelsum_of(vectors: Vectors, density: FloatArray, alpha: float = _ALPHA, beta: float = _BETA) -> float:
    """Return the sum over rows i of sum_j rank_i(j)^-alpha density_j^beta d(i, j), d the cosine distance, j not i.

    The nearest other row has rank 1; among equally near ones the less dense comes first, so that the order of rows
    does not matter. arXiv:2502.17184.

    Args:
        vectors: unit vectors (n, d), n at least 2.
        density: of each row, (n,), above 0.
        alpha: how fast the weight falls with the rank.
        beta: how much the density counts.
    """
    n = len(vectors)
    weight = np.arange(1, n, dtype=np.float64) ** -alpha
    dense = (density**beta).astype(np.float32).view(np.uint32).astype(np.uint64)
    values = []
    for start, cosines in cosine_blocks(vectors, vectors):
        own = np.arange(len(cosines))
        apart = distances(cosines)
        apart[own, start + own] = np.inf
        # Bits of floats that are not negative sort as the floats do, so one sort orders pairs of distance and density.
        keys = apart.view(np.uint32).astype(np.uint64)
        keys <<= np.uint64(32)
        keys |= dense
        keys.sort(axis=1)
        by_rank = keys.view(np.float32).reshape(len(keys), n, 2)[:, : n - 1]
        # The product does not mind which half of a word the machine stores first.
        values.append((by_rank[..., 0] * by_rank[..., 1]) @ weight)
    return math.fsum(np.concatenate(values).tolist())


def novelsum(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return NovelSum with the density that the reference corpus has around each row, 0 or more; grows with n.

    Raises:
        Unmeasurable: fewer than two rows, no reference, or one of fewer rows than there are neighbours.
    """
    pool = reference_pool(rows)
    if len(pool) < NEIGHBOURS:
        raise Unmeasurable(f"the density needs {NEIGHBOURS} rows of the reference and it has {len(pool)}")
    vectors = _at_least_two(rows).embeddings(encoder, side)
    return novelsum_of(vectors, densities(nearest_distances(vectors, NEIGHBOURS, pool.embeddings(encoder, side))))


def novelsum_self(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return NovelSum with the density of the rows themselves, each without itself, 0 or more; grows with n.

    Raises:
        Unmeasurable: fewer than two rows.
    """
    vectors = _at_least_two(rows).embeddings(encoder, side)
    return novelsum_of(vectors, densities(nearest_of(rows, encoder, side)))


def _at_least_two(rows: Rows) -> Rows:
    if len(rows) < 2:
        raise Unmeasurable("a distance between rows needs two rows")
    return rows
