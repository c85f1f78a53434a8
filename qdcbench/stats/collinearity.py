"""How far regressors can be told from each other."""

import numpy as np

from qdcbench.stats.bootstrap import FloatArray

__all__ = ["SMALLEST_REST", "correlations", "orthonormal", "variance_inflation"]

SMALLEST_REST = 1e-6
"""Share of a column's length that those before it must leave for it to count as a column of its own."""


def orthonormal(columns: FloatArray) -> tuple[FloatArray, tuple[int, ...], FloatArray]:
    """Return an orthonormal basis of the columns in their order, which columns are in it, and what each added.

    ``columns`` has shape (units, columns), centred. A column that is zero, or collinear with those before it, is
    left out of the basis, shape (units, kept); the third is the length of what each kept column added, shape (kept,).
    """
    basis: list[FloatArray] = []
    kept: list[int] = []
    added: list[float] = []
    for j, column in enumerate(columns.T):
        rest = column
        # Twice: what rounding lets through the first time is as large as what a near twin leaves.
        for _ in range(2):
            for direction in basis:
                rest = rest - direction * (direction @ rest)
        length = float(np.linalg.norm(rest))
        if length > SMALLEST_REST * float(np.linalg.norm(column)):
            basis.append(rest / length)
            kept.append(j)
            added.append(length)
    matrix = np.column_stack(basis) if basis else np.empty((columns.shape[0], 0))
    return matrix, tuple(kept), np.array(added)


def correlations(columns: FloatArray) -> FloatArray:
    """Return correlations, shape (columns, columns); ``columns`` (units, columns) are centred and not constant."""
    scaled = columns / np.linalg.norm(columns, axis=0)
    found: FloatArray = np.clip(scaled.T @ scaled, -1.0, 1.0)
    return found


def variance_inflation(columns: FloatArray) -> FloatArray:
    """Return each column's variance inflation factor, shape (columns,); infinite where the others make it up.

    ``columns`` (units, columns) are centred and not constant. The factor is 1 / (1 - R^2) of the column on the others
    (Marquardt 1970).
    """
    factors = np.empty(columns.shape[1])
    for j in range(columns.shape[1]):
        order = [*(i for i in range(columns.shape[1]) if i != j), j]
        _, kept, added = orthonormal(columns[:, order])
        alone = len(order) - 1 in kept
        factors[j] = (np.linalg.norm(columns[:, j]) / added[-1]) ** 2 if alone else np.inf
    return factors
