"""Standardised partial effects over clustered units, with standard errors that hold for few clusters.

The units of one method share whatever is peculiar to it, so methods are clusters, and there are few of them:
6 to 12, with four regressors that vary mostly between methods. In simulations of that shape (6 to 8 clusters,
no effect, test at 5 %) the usual sandwich with t(clusters - 1) rejected in 18-27 % of studies, the restricted wild
cluster bootstrap in 5-10 %, sign flips of cluster scores in 8-16 %. The bias-reduced sandwich (CR2) with
Satterthwaite degrees of freedom (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018) rejected in 2-5 %, also
with heavy tails and unequal variances; it is what is used here. The working model of its degrees of freedom has
a shared cluster component, estimated from the residuals; with independent errors as working model it rejected
in up to 7 %. With four clusters and four regressors nothing that could reject at all held its level.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qdcbench.records import Interval
from qdcbench.stats.bootstrap import Bootstrap, FloatArray, cluster_bootstrap
from qdcbench.stats.power import detectable_effect, effective_n

__all__ = ["Effect", "Panel", "bootstrap_effects", "effects", "leave_one_out", "standardise"]

IntArray = NDArray[np.int64]

SMALLEST_SINGULAR = 1e-6
"""Smallest singular value, as a share of the largest, below which standardised columns count as collinear."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """Units with a regressor of interest first: ``x`` (units, regressors), groups and clusters (units,).

    Groups (settings) get an intercept each; clusters (methods) may span groups. Build it with ``standardise``
    applied to each column, so that effects are in standard deviations.
    """

    x: FloatArray
    groups: IntArray
    clusters: IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """Partial effect of the first regressor on one outcome; all but the counts are None with a ``reason``."""

    estimate: float | None
    n_units: int
    n_clusters: int
    stderr: float | None = None
    df: float | None = None
    p_value: float | None = None
    correlation: float | None = None
    detectable: float | None = None
    n_effective: float | None = None
    reason: str = ""

    def interval(self, level: float = 0.95) -> Interval:
        """Return the estimate with Student's interval at that level."""
        low = high = None
        if self.estimate is not None and self.stderr is not None and self.df is not None:
            half = float(stats.t.ppf(0.5 + level / 2, self.df)) * self.stderr
            low, high = self.estimate - half, self.estimate + half
        return Interval(
            point=self.estimate, low=low, high=high, level=level, kind="CR2 t", n=self.n_units, reason=self.reason
        )


def standardise(values: FloatArray, groups: IntArray) -> FloatArray | None:
    """Centre within groups and divide by the pooled standard deviation, shape (units,); None where constant."""
    centred = _centre(values[:, None], groups)[:, 0]
    df = int(values.size - np.unique(groups).size)
    if df < 1 or np.abs(centred).max() <= 1e-9 * max(1e-12, float(np.abs(values).max())):
        return None
    scaled: FloatArray = centred / np.sqrt(np.sum(centred**2) / df)
    return scaled


def _centre(columns: FloatArray, groups: IntArray) -> FloatArray:
    """Subtract group means; ``columns`` has shape (units, columns)."""
    members = _dummies(groups)
    centred: FloatArray = columns - members @ ((members.T @ columns) / members.sum(axis=0)[:, None])
    return centred


def _dummies(labels: IntArray) -> FloatArray:
    """Return 0/1 membership, shape (units, distinct labels)."""
    members: FloatArray = (labels[:, None] == np.unique(labels)).astype(np.float64)
    return members


def effects(panel: Panel, outcomes: FloatArray) -> tuple[Effect, ...]:
    """Return the effect on each outcome; ``outcomes`` has shape (units, outcomes), standardised, no NaN."""
    n = panel.x.shape[0]
    n_clusters = int(np.unique(panel.clusters).size)
    reason = _why_not(panel, n_clusters)
    if reason:
        empty = Effect(estimate=None, n_units=n, n_clusters=n_clusters, reason=reason)
        return tuple(empty for _ in range(outcomes.shape[1]))
    fit = _Fit.of(panel)
    return tuple(_effect(fit, outcomes[:, j]) for j in range(outcomes.shape[1]))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """What all outcomes of one panel share: design (units, columns), its inverse cross-product, CR2 scores."""

    panel: Panel
    design: FloatArray
    inverse: FloatArray
    adjusted: FloatArray

    @classmethod
    def of(cls, panel: Panel) -> "_Fit":
        """Compute the shared parts once."""
        design = np.column_stack([panel.x, _dummies(panel.groups)])
        inverse = np.linalg.inv(design.T @ design)
        adjusted = _adjusted_influence(design, inverse, design @ inverse[:, 0], panel.clusters)
        return cls(panel=panel, design=design, inverse=inverse, adjusted=adjusted)


def _effect(fit: _Fit, y: FloatArray) -> Effect:
    """Return the effect on one outcome of shape (units,)."""
    panel, n = fit.panel, y.size
    n_clusters = fit.adjusted.shape[0]
    coefficients = fit.inverse @ (fit.design.T @ y)
    residuals = y - fit.design @ coefficients
    estimate, square = float(coefficients[0]), float(residuals @ residuals)
    if square <= 1e-18 * float(y @ y):
        reason = "the fit is exact, so no error can be estimated"
        return Effect(estimate=estimate, n_units=n, n_clusters=n_clusters, reason=reason)
    stderr = float(np.sqrt(np.sum((fit.adjusted @ y) ** 2)))
    df = _satterthwaite(fit.adjusted, panel.clusters, _shared_variance(residuals, panel.clusters))
    simple = float(np.sqrt(square / (n - fit.design.shape[1]) * fit.inverse[0, 0]))
    focal = panel.x[:, 0]
    return Effect(
        estimate=estimate,
        n_units=n,
        n_clusters=n_clusters,
        stderr=stderr,
        df=df,
        p_value=float(2 * stats.t.sf(abs(estimate) / stderr, df)),
        correlation=float(focal @ y / np.sqrt((focal @ focal) * (y @ y))),
        detectable=detectable_effect(stderr, df),
        n_effective=effective_n(n, n_clusters, simple, stderr),
    )


def _why_not(panel: Panel, n_clusters: int) -> str:
    """Return why the panel cannot be fitted, empty where it can."""
    n, k = panel.x.shape
    if n_clusters < 3:
        return f"{n_clusters} method{'' if n_clusters == 1 else 's'}, and at least 3 are needed"
    if n - k - np.unique(panel.groups).size < 1:
        return f"{n} datasets are too few for {k} regressors"
    singular = np.linalg.svd(_centre(panel.x, panel.groups), compute_uv=False)
    if singular[-1] < SMALLEST_SINGULAR * singular[0]:
        return "the measure cannot be told apart from what is held fixed (collinear)"
    return ""


def _adjusted_influence(
    design: FloatArray, inverse: FloatArray, influence: FloatArray, clusters: IntArray
) -> FloatArray:
    """Return rows whose product with the outcome are the CR2 cluster scores, shape (clusters, units).

    Row g is (I - H)' restricted to g, times (I - H_gg)^(-1/2), times the influence of g on the estimate; the
    root is a pseudo-inverse where a cluster fits itself exactly.
    """
    rows = np.zeros((np.unique(clusters).size, design.shape[0]))
    for row, cluster in enumerate(np.unique(clusters)):
        own = np.flatnonzero(clusters == cluster)
        part = design[own]
        values, vectors = np.linalg.eigh(np.eye(own.size) - part @ inverse @ part.T)
        root = np.where(values > 1e-8, 1 / np.sqrt(np.maximum(values, 1e-8)), 0.0)
        scaled = vectors @ (root * (vectors.T @ influence[own]))
        rows[row] = -design @ (inverse @ (part.T @ scaled))
        rows[row, own] += scaled
    return rows


def _shared_variance(residuals: FloatArray, clusters: IntArray) -> float:
    """Return the mean correlation of residuals within clusters, from 0 to 0.99."""
    sums = _dummies(clusters).T @ residuals
    sizes = _dummies(clusters).sum(axis=0)
    pairs = float(np.sum(sizes * (sizes - 1)))
    if pairs == 0:
        return 0.0
    products = float(sums @ sums - residuals @ residuals) / pairs
    return float(np.clip(products / (residuals @ residuals / residuals.size), 0.0, 0.99))


def _satterthwaite(adjusted: FloatArray, clusters: IntArray, shared: float) -> float:
    """Return degrees of freedom of the variance estimate under the working model (Bell and McCaffrey 2002)."""
    by_cluster = adjusted @ _dummies(clusters)
    covariance = (1 - shared) * adjusted @ adjusted.T + shared * by_cluster @ by_cluster.T
    return float(np.trace(covariance) ** 2 / np.sum(covariance**2))


def leave_one_out(panel: Panel, outcome: FloatArray) -> tuple[float, float] | None:
    """Return the least and greatest effect with one cluster left out, standardised over what remains.

    One odd cluster may also stretch the standard deviations and so make an effect look small. None where a fit
    is impossible.
    """
    estimates = []
    for cluster in np.unique(panel.clusters):
        kept = panel.clusters != cluster
        groups = panel.groups[kept]
        focal, *controls = (standardise(column[kept], groups) for column in panel.x.T)
        y = standardise(outcome[kept], groups)
        if focal is None or y is None:
            return None
        x = np.column_stack([focal, *(column for column in controls if column is not None)])
        rest = Panel(x=x, groups=groups, clusters=panel.clusters[kept])
        if _why_not(rest, 3):
            return None
        estimates.append(float(np.linalg.lstsq(x, y, rcond=None)[0][0]))
    return min(estimates), max(estimates)


def bootstrap_effects(
    panel: Panel, outcomes: FloatArray, rng: np.random.Generator, how: Bootstrap
) -> tuple[Interval, ...]:
    """Return cluster-bootstrap intervals of the same effects, all outcomes from the same resamples.

    A second look, not the basis of a verdict: with few clusters these intervals are too short.
    """
    n_clusters = int(np.unique(panel.clusters).size)
    return cluster_bootstrap(lambda counts: _weighted_estimates(panel, outcomes, counts), n_clusters, rng, how)


def _weighted_estimates(panel: Panel, outcomes: FloatArray, counts: FloatArray) -> FloatArray:
    """Fit with clusters repeated ``counts`` (fits, clusters) times; return (fits, outcomes), NaN where singular.

    From cross-products per cluster: group intercepts are swept out by the Schur complement, so that a
    thousand fits are three matrix products and one batch of small solves.
    """
    k = panel.x.shape[1]
    both = np.column_stack([panel.x, outcomes])
    members, groups = _dummies(panel.clusters), _dummies(panel.groups)
    products = np.einsum("nc,ni,nj->cij", members, panel.x, both, optimize=True)
    sums = np.einsum("nc,ng,ni->cgi", members, groups, both, optimize=True)
    sizes = counts @ (members.T @ groups)
    cross = np.tensordot(counts, products, axes=1)
    totals = np.tensordot(counts, sums, axes=1)
    means = totals / np.maximum(sizes, 1.0)[:, :, None]
    cross = cross - np.einsum("bgi,bgj->bij", totals[:, :, :k], means)
    square, right = cross[:, :, :k], cross[:, :, k:]
    eigenvalues = np.linalg.eigvalsh(square)
    bad = eigenvalues[:, 0] < SMALLEST_SINGULAR**2 * np.maximum(eigenvalues[:, -1], 1e-300)
    square = np.where(bad[:, None, None], np.eye(k), square)
    estimates: FloatArray = np.linalg.solve(square, right)[:, 0, :]
    estimates[bad] = np.nan
    return estimates
