"""Columns over clustered units within groups, and the cross-products from which a thousand fits are cheap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdcbench.stats.bootstrap import FloatArray

__all__ = [
    "FITS_AT_ONCE",
    "BoolArray",
    "ClusterSums",
    "IntArray",
    "Panel",
    "centre",
    "codes",
    "group_sums",
    "standardise",
    "swept",
]

IntArray = NDArray[np.int64]

BoolArray = NDArray[np.bool_]

FITS_AT_ONCE = 2_000
"""Fits whose cross-products are in memory together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """Units with a regressor of interest first: ``x`` (units, regressors), groups and clusters (units,).

    Groups (settings) get an intercept each; clusters (methods) may span groups. Build it with ``standardise``
    applied to each column, so that effects are in standard deviations.
    """

    x: FloatArray
    groups: IntArray
    clusters: IntArray


def codes(labels: NDArray[np.generic]) -> tuple[IntArray, int]:
    """Return labels as 0, 1, ... in sorted order, shape as given, and how many there are."""
    names, inverse = np.unique(labels, return_inverse=True)
    return inverse.astype(np.int64), int(names.size)


def group_sums(columns: FloatArray, groups: IntArray, n_groups: int) -> FloatArray:
    """Return sums within groups; ``columns`` (units, columns), groups coded from 0, result (groups, columns)."""
    sums = np.empty((n_groups, columns.shape[1]))
    for j, column in enumerate(columns.T):
        sums[:, j] = np.bincount(groups, weights=column, minlength=n_groups)
    return sums


def centre(columns: FloatArray, groups: IntArray) -> FloatArray:
    """Subtract group means; ``columns`` has shape (units, columns), groups any integers."""
    coded, n_groups = codes(groups)
    means = group_sums(columns, coded, n_groups) / np.bincount(coded)[:, None]
    centred: FloatArray = columns - means[coded]
    return centred


def standardise(values: FloatArray, groups: IntArray) -> FloatArray | None:
    """Centre within groups and divide by the pooled standard deviation, shape (units,); None where constant."""
    centred = centre(values[:, None], groups)[:, 0]
    df = int(values.size - np.unique(groups).size)
    if df < 1 or np.abs(centred).max() <= 1e-9 * max(1e-12, float(np.abs(values).max())):
        return None
    scaled: FloatArray = centred / np.sqrt(np.sum(centred**2) / df)
    return scaled


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterSums:
    """What a fit needs of each cluster, so that resampling clusters is adding up.

    ``products`` (clusters, columns, columns), ``sums`` (clusters, groups, columns), ``sizes`` (clusters, groups).
    """

    products: FloatArray
    sums: FloatArray
    sizes: FloatArray

    @classmethod
    def of(cls, columns: FloatArray, groups: IntArray, clusters: IntArray) -> "ClusterSums":
        """Add up ``columns`` (units, columns); clusters are in sorted order."""
        group, n_groups = codes(groups)
        cluster, n_clusters = codes(clusters)
        # Centred first: the sums then are small, and little is lost where they are subtracted again.
        columns = centre(columns, groups)
        cell = cluster * n_groups + group
        shape = (n_clusters, n_groups)
        products = np.stack([columns[cluster == c].T @ columns[cluster == c] for c in range(n_clusters)])
        return cls(
            products=products,
            sums=group_sums(columns, cell, n_clusters * n_groups).reshape(*shape, columns.shape[1]),
            sizes=np.bincount(cell, minlength=n_clusters * n_groups).reshape(shape).astype(np.float64),
        )

    def within(self, counts: FloatArray) -> FloatArray:
        """Return cross-products about group means with clusters repeated ``counts`` (fits, clusters) times.

        Shape (fits, columns, columns).
        """
        width = self.products.shape[1]
        cross = np.empty((counts.shape[0], width, width))
        for start in range(0, counts.shape[0], FITS_AT_ONCE):
            part = counts[start : start + FITS_AT_ONCE]
            totals = np.tensordot(part, self.sums, axes=1)
            means = totals / np.maximum(part @ self.sizes, 1.0)[:, :, None]
            about = np.tensordot(part, self.products, axes=1) - np.swapaxes(totals, 1, 2) @ means
            cross[start : start + FITS_AT_ONCE] = about
        return cross


def swept(cross: FloatArray, column: int, floor: float) -> FloatArray:
    """Take out of all columns what one explains; shape (fits, columns, columns) as given.

    Nothing is taken where no more than ``floor`` is left of the column: it adds nothing to those before it.
    """
    pivot = cross[:, column, column]
    share = np.where(pivot > floor, 1.0 / np.where(pivot > floor, pivot, 1.0), 0.0)
    rest: FloatArray = cross - (cross[:, :, column] * share[:, None])[:, :, None] * cross[:, None, column, :]
    return rest
