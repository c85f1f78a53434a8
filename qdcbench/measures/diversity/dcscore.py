"""Diversity of the meanings as a classification: how sure each row is told from the others (DCScore)."""

import math

import numpy as np

from qdcbench.measures.diversity.pairs import Vectors, cosine_blocks
from qdcbench.measures.rows import Rows, Side, Unmeasurable

__all__ = ["dcscore", "dcscore_of"]


def dcscore_of(vectors: Vectors, tau: float) -> float:
    """Return the sum over unit vectors (n, d) of the softmax weight that a row's cosines over tau give to itself.

    n copies give 1 and copying all rows changes nothing. With tau = 1 and no negative cosine the value cannot pass
    e = 2.72 whatever n: orthogonal rows give n e / (e + n - 1). A small tau lifts that ceiling to n.
    arXiv:2502.08512.

    Raises:
        Unmeasurable: there is no row.
    """
    if not len(vectors):
        raise Unmeasurable("there is no row")
    told = []
    for start, cosines in cosine_blocks(vectors, vectors):
        own = np.arange(len(cosines))
        # Against the row's own cosine no exponential overflows, and rounding of its length cancels.
        cosines -= cosines[own, start + own][:, None].copy()
        cosines *= 1.0 / tau
        np.exp(cosines, out=cosines)
        told.append(1.0 / cosines.sum(axis=1, dtype=np.float64))
    return min(float(len(vectors)), max(1.0, math.fsum(np.concatenate(told).tolist())))


def dcscore(rows: Rows, encoder: str, tau: float, side: Side = "prompt") -> float:
    """Return the DCScore of one side by temperature tau, from 1 to n."""
    return dcscore_of(rows.embeddings(encoder, side), tau)
