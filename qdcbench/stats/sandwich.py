"""The bias-reduced cluster sandwich (CR2) of one coefficient, with matrices no larger than the regressors.

The hat matrix of a cluster is B_g B_g' with B the orthonormal design (group intercepts and regressors), so that
(I - B_g B_g')^(-1/2) = I + B_g f(B_g' B_g) B_g' with f(s) = 1 / (r (1 + r)), r = sqrt(1 - s): only the small matrix
B_g' B_g is decomposed, whatever the size of the cluster.
"""

from dataclasses import dataclass

import numpy as np

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.collinearity import orthonormal
from qdcbench.stats.panel import IntArray, Panel, centre, codes, group_sums

__all__ = ["Fit", "Scores"]

FITS_ITSELF = 1e-8
"""What may be left of a direction within a cluster that the cluster alone determines; its root is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Least squares with group intercepts, ready for any outcome.

    ``basis`` (units, regressors kept) is orthonormal and within groups, the focal regressor last; the effect is
    the outcome's product with that column over ``focal_rest``, the length the controls leave of the focal regressor.
    ``group``, ``cluster`` and ``cell`` (cluster within group) are codes from 0.
    """

    basis: FloatArray
    focal_rest: float
    group: IntArray
    cluster: IntArray
    cell: IntArray
    group_sizes: FloatArray
    n_clusters: int

    @classmethod
    def of(cls, panel: Panel) -> "Fit | None":
        """Return the fit with controls that add nothing left out; None where nothing is left of the focal one."""
        columns = centre(np.roll(panel.x, -1, axis=1), panel.groups)
        basis, kept, added = orthonormal(columns)
        if not kept or kept[-1] != columns.shape[1] - 1:
            return None
        group, n_groups = codes(panel.groups)
        cluster, n_clusters = codes(panel.clusters)
        return cls(
            basis=basis,
            focal_rest=float(added[-1]),
            group=group,
            cluster=cluster,
            cell=cluster * n_groups + group,
            group_sizes=np.bincount(group).astype(np.float64),
            n_clusters=n_clusters,
        )

    @property
    def n_parameters(self) -> int:
        """Intercepts and slopes."""
        return len(self.group_sizes) + len(self.basis.T)

    def by_cell(self, columns: FloatArray) -> FloatArray:
        """Return sums of ``columns`` (units, columns) in each cluster and group, (clusters, groups, columns)."""
        n_groups = self.group_sizes.size
        sums = group_sums(columns, self.cell, self.n_clusters * n_groups)
        return sums.reshape(self.n_clusters, n_groups, columns.shape[1])

    def by_cluster(self, columns: FloatArray) -> FloatArray:
        """Return sums of ``columns`` (units, columns) in each cluster, (clusters, columns)."""
        return group_sums(columns, self.cluster, self.n_clusters)

    def loadings(self, columns: FloatArray) -> FloatArray:
        """Return B_g' times each column, cluster by cluster, (clusters, parameters, columns)."""
        intercepts = self.by_cell(columns) / np.sqrt(self.group_sizes)[None, :, None]
        slopes = np.stack([self.by_cluster(direction[:, None] * columns) for direction in self.basis.T], axis=1)
        return np.concatenate([intercepts, slopes], axis=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Weights (units,) whose products with residuals, summed by cluster, are the CR2 scores of the effect.

    The score of cluster g is linear in the outcome; ``own`` (clusters,) are squared lengths of the weights,
    ``loaded`` (clusters, parameters) is B_g' times them, ``total`` (clusters,) their sums, ``ones`` (clusters,
    parameters) is B_g' times ones.
    """

    weights: FloatArray
    own: FloatArray
    loaded: FloatArray
    total: FloatArray
    ones: FloatArray

    @classmethod
    def of(cls, fit: Fit) -> "Scores":
        """Weigh each cluster's influence by the inverse root of I - B_g B_g'."""
        small = fit.loadings(fit.basis)
        n_groups = fit.group_sizes.size
        counts = fit.by_cell(np.ones((fit.cell.size, 1)))[:, :, 0]
        gram = np.zeros((fit.n_clusters, fit.n_parameters, fit.n_parameters))
        at = np.arange(n_groups)
        gram[:, at, at] = counts / fit.group_sizes
        gram[:, :, n_groups:] = small
        gram[:, n_groups:, :] = np.swapaxes(small, 1, 2)
        influence = fit.basis[:, -1] / fit.focal_rest
        loaded = small[:, :, -1] / fit.focal_rest
        added = np.einsum("cij,cj->ci", _root_beyond_one(gram), loaded)
        weights = influence + (added[:, :n_groups] / np.sqrt(fit.group_sizes))[fit.cluster, fit.group]
        weights += np.einsum("ui,ui->u", fit.basis, added[fit.cluster, n_groups:])
        ones = np.concatenate([counts / np.sqrt(fit.group_sizes), fit.by_cluster(fit.basis)], axis=1)
        sums = fit.by_cluster(np.column_stack([weights**2, weights]))
        return cls(
            weights=weights,
            own=sums[:, 0],
            loaded=loaded + np.einsum("cij,cj->ci", gram, added),
            total=sums[:, 1],
            ones=ones,
        )

    def degrees_of_freedom(self, shared: FloatArray) -> FloatArray:
        """Return Satterthwaite's degrees of freedom of the variance (Bell and McCaffrey 2002), shape as given.

        ``shared`` is the correlation of errors within clusters in the working model. NaN where no cluster has a score.
        """
        independent = np.diag(self.own) - self.loaded @ self.loaded.T
        by_cluster = np.diag(self.total) - self.loaded @ self.ones.T
        together = by_cluster @ by_cluster.T
        trace = (1 - shared) * np.trace(independent) + shared * np.trace(together)
        squares = (
            (1 - shared) ** 2 * np.sum(independent**2)
            + 2 * shared * (1 - shared) * np.sum(independent * together)
            + shared**2 * np.sum(together**2)
        )
        found: FloatArray = np.where(squares > 0, trace**2 / np.where(squares > 0, squares, 1.0), np.nan)
        return found


def _root_beyond_one(gram: FloatArray) -> FloatArray:
    """Return f(gram) of the module's text, shape (clusters, parameters, parameters) as given."""
    values, vectors = np.linalg.eigh(gram)
    left = 1 - values
    root = np.sqrt(np.maximum(left, FITS_ITSELF))
    factors = np.where(left > FITS_ITSELF, 1 / (root * (1 + root)), -1 / np.maximum(values, FITS_ITSELF))
    found: FloatArray = (vectors * factors[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    return found
