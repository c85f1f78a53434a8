"""Diversity of the meanings as an effective number: the Vendi score from the smaller Gram matrix, O(n d^2)."""

import math

import numpy as np
import numpy.typing as npt

from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable

__all__ = ["spectrum", "vendi", "vendi_of_spectrum"]

_BLOCK = 8192
_NOISE = 1e-12
"""Eigenvalues below this share of the trace are rounding; for small q they would count as directions."""


def spectrum(vectors: npt.NDArray[np.float32]) -> FloatArray:
    """Return the positive eigenvalues of K / n, falling, with sum 1, K (n, n) the cosines of the rows.

    The smaller of K and the d x d Gram matrix is taken: both have the same positive eigenvalues. It is summed in
    float64, block by block, so that scores of order 1 and more have the 12 digits of those from singular values.

    Raises:
        Unmeasurable: no row, or all vectors are zero.
    """
    n, d = vectors.shape
    if n <= d:
        whole = vectors.astype(np.float64)
        gram = whole @ whole.T
    else:
        gram = np.zeros((d, d))
        for start in range(0, n, _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float64)
            gram += block.T @ block
    trace = float(np.trace(gram))
    if trace <= 0:
        raise Unmeasurable("a Vendi score needs a row with a vector that is not zero")
    values = np.linalg.eigvalsh(gram / trace)[::-1]
    values = values[values > _NOISE]
    return np.asarray(values / values.sum(), dtype=np.float64)


def vendi_of_spectrum(values: FloatArray, q: float) -> float:
    """Return the exponential of the Rényi entropy of order q of eigenvalues with sum 1, from 1 to their number.

    q = 1 is Shannon's; q = inf is one over the largest. Small q feels rare directions, large q common ones.
    Friedman & Dieng 2023, arXiv:2210.02410; orders: Pasarkar & Dieng 2024, arXiv:2310.12952.
    """
    if q == 1:
        entropy = -float(np.sum(values * np.log(values)))
    elif math.isinf(q):
        entropy = -math.log(float(values.max()))
    else:
        entropy = math.log(float(np.sum(values**q))) / (1.0 - q)
    return min(float(len(values)), max(1.0, math.exp(entropy)))


def vendi(rows: Rows, encoder: str, q: float, side: Side = "prompt") -> float:
    """Return the Vendi score of order q of one side: the effective number of different ones, 1 to min(n, d)."""
    values = rows.shared(("spectrum", encoder, side), lambda: spectrum(rows.embeddings(encoder, side)))
    return vendi_of_spectrum(values, q)
