"""Standardised partial effects over clustered units, with standard errors that hold for few clusters.

The units of one method share whatever is peculiar to it, so methods are clusters, and there are few of them:
6 to 12, with four regressors that vary mostly between methods. In simulations of that shape (6 to 8 clusters,
no effect, test at 5 %) the usual sandwich with t(clusters - 1) rejected in 18-27 % of studies, the restricted wild
cluster bootstrap in 5-10 %, sign flips of cluster scores in 8-16 %. The bias-reduced sandwich (CR2) with
Satterthwaite degrees of freedom (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018) rejected in 2-5 %, also
with heavy tails and unequal variances; it is what is used here. The working model of its degrees of freedom has
a shared cluster component, estimated from the residuals; with independent errors as working model it rejected
in up to 7 %. With four clusters and four regressors nothing that could reject at all held its level.

With training words and length both held there are five regressors. Where these vary mostly between methods, null
effects were rejected at 5 % in 2.8-5.7 % of studies of 7 to 30 clusters, and in 6.5-7.5 % with six; at Holm's first
step of six tests, 0.8 %, in 0-0.7 % at any number of clusters. Where they vary mostly within methods, in 2-4 %.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from qdcbench.records import Interval
from qdcbench.stats.bootstrap import Bootstrap, FloatArray, cluster_bootstrap
from qdcbench.stats.panel import ClusterSums, Panel, standardise, swept
from qdcbench.stats.power import detectable_effect, effective_n
from qdcbench.stats.sandwich import Fit, Scores

__all__ = ["Effect", "Panel", "bootstrap_effects", "effects", "leave_one_out", "standardise"]

SMALLEST_PIVOT = 1e-10
"""Share of a column's variance that others must leave in a resample; what is below is rounding."""

SMALLEST_SQUARE = 1e-18
"""Share of an outcome's squares that residuals must have for the fit not to be exact."""

SMALLEST_STDERR = 1e-7
"""Share of the residuals' length, in units of the effect, that a standard error must have not to be rounding."""


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
            half = float(special.stdtrit(self.df, 0.5 + level / 2)) * self.stderr
            low, high = self.estimate - half, self.estimate + half
        return Interval(
            point=self.estimate, low=low, high=high, level=level, kind="CR2 t", n=self.n_units, reason=self.reason
        )


def effects(panel: Panel, outcomes: FloatArray) -> tuple[Effect, ...]:
    """Return the effect on each outcome; ``outcomes`` has shape (units, outcomes), standardised, no NaN.

    A control that the ones before it make up is held already and left out.
    """
    n, n_clusters = panel.x.shape[0], int(np.unique(panel.clusters).size)
    reason, fit = "", None
    if n_clusters < 3:
        reason = f"{n_clusters} method{'' if n_clusters == 1 else 's'}, and at least 3 are needed"
    elif (fit := Fit.of(panel)) is None:
        reason = "the measure cannot be told apart from what is held fixed (collinear)"
    elif n - fit.n_parameters < 1:
        reason = f"{n} datasets are too few for {fit.basis.shape[1]} regressors"
    if reason or fit is None:
        empty = Effect(estimate=None, n_units=n, n_clusters=n_clusters, reason=reason)
        return tuple(empty for _ in range(outcomes.shape[1]))
    return _effects(fit, panel.x[:, 0], outcomes)


def _effects(fit: Fit, focal: FloatArray, outcomes: FloatArray) -> tuple[Effect, ...]:
    """Return the effect on each outcome from one fit, all outcomes together."""
    n, k = fit.basis.shape
    both = np.column_stack([focal, outcomes])
    both = both - (fit.by_cell(both).sum(axis=0) / fit.group_sizes[:, None])[fit.group]
    y, x = both[:, 1:], both[:, 0]
    products = fit.basis.T @ y
    residuals = y - fit.basis @ products
    estimates = products[-1] / fit.focal_rest
    squares, totals = np.sum(residuals**2, axis=0), np.sum(y**2, axis=0)
    scores = Scores.of(fit)
    stderr = np.sqrt(np.sum(fit.by_cluster(scores.weights[:, None] * residuals) ** 2, axis=0))
    exact = squares <= SMALLEST_SQUARE * totals
    # Clusters that each fit themselves leave no score, though datasets leave residuals.
    spent = stderr <= SMALLEST_STDERR * np.sqrt(squares) / fit.focal_rest
    unknown = exact | spent
    df = scores.degrees_of_freedom(_shared_variance(fit, residuals, np.where(exact, 1.0, squares)))
    p_values = 2 * special.stdtr(df, -np.abs(estimates) / np.where(unknown, 1.0, stderr))
    simple = np.sqrt(squares / (n - fit.n_parameters)) / fit.focal_rest
    correlations = x @ y / np.sqrt((x @ x) * np.where(totals > 0, totals, 1.0))
    empty = Effect(estimate=None, n_units=n, n_clusters=fit.n_clusters)
    found = []
    for j, estimate in enumerate(estimates.tolist()):
        if unknown[j]:
            why = "the fit is exact" if exact[j] else f"{fit.n_clusters} methods are too few for {k} regressors"
            found.append(replace(empty, estimate=estimate, reason=f"{why}, so no error can be estimated"))
            continue
        error, freedom = float(stderr[j]), float(df[j])
        found.append(
            replace(
                empty,
                estimate=estimate,
                stderr=error,
                df=freedom,
                p_value=float(p_values[j]),
                correlation=float(correlations[j]),
                detectable=detectable_effect(error, freedom),
                n_effective=effective_n(n, fit.n_clusters, float(simple[j]), error),
            )
        )
    return tuple(found)


def _shared_variance(fit: Fit, residuals: FloatArray, squares: FloatArray) -> FloatArray:
    """Return the mean correlation of residuals within clusters, from 0 to 0.99, shape (outcomes,)."""
    sizes = np.bincount(fit.cluster)
    pairs = float(np.sum(sizes * (sizes - 1)))
    if pairs == 0:
        return np.zeros(squares.size)
    products = (np.sum(fit.by_cluster(residuals) ** 2, axis=0) - squares) / pairs
    correlation: FloatArray = np.clip(products / (squares / residuals.shape[0]), 0.0, 0.99)
    return correlation


def leave_one_out(panel: Panel, outcome: FloatArray, minus: FloatArray | None = None) -> tuple[float, float] | None:
    """Return the least and greatest effect with one cluster left out, standardised over what remains.

    One odd cluster may also stretch the standard deviations and so make an effect look small. With ``minus`` it is
    the effect on ``outcome`` less that on ``minus``, each standardised. None where a fit is impossible.
    """
    outcomes = outcome[:, None] if minus is None else np.column_stack([outcome, minus])
    k, m = panel.x.shape[1], outcomes.shape[1]
    sums = ClusterSums.of(np.column_stack([panel.x, outcomes]), panel.groups, panel.clusters)
    n_clusters = sums.sizes.shape[0]
    counts = np.ones((n_clusters, n_clusters)) - np.eye(n_clusters)
    cross = sums.within(counts)
    estimates = _focal_effects(cross, k)
    sizes = counts @ sums.sizes
    spare = sizes.sum(axis=1) - np.sum(sizes > 0, axis=1) - k
    spreads = np.diagonal(cross, axis1=1, axis2=2)
    varies = spreads[:, k:] > SMALLEST_PIVOT * spreads[:, k:].max(axis=0)
    if np.isnan(estimates).any() or not varies.all() or spare.min() < 1:
        return None
    estimates = estimates * np.sqrt(spreads[:, :1] / spreads[:, k:])
    found = estimates[:, 0] - (estimates[:, 1] if m == 2 else 0.0)
    return float(found.min()), float(found.max())


def bootstrap_effects(
    panel: Panel, outcomes: FloatArray, rng: np.random.Generator, how: Bootstrap
) -> tuple[Interval, ...]:
    """Return cluster-bootstrap intervals of the same effects, all outcomes from the same resamples.

    A second look, not the basis of a verdict: with few clusters these intervals are too short.
    """
    k = panel.x.shape[1]
    sums = ClusterSums.of(np.column_stack([panel.x, outcomes]), panel.groups, panel.clusters)
    return cluster_bootstrap(lambda counts: _focal_effects(sums.within(counts), k), sums.sizes.shape[0], rng, how)


def _focal_effects(cross: FloatArray, n_regressors: int) -> FloatArray:
    """Return the first regressor's effect on each outcome, (fits, outcomes), NaN where controls make it up.

    ``cross`` (fits, columns, columns) are cross-products about group means, regressors first.
    """
    floors = SMALLEST_PIVOT * np.diagonal(cross, axis1=1, axis2=2).max(axis=0)
    for column in range(1, n_regressors):
        cross = swept(cross, column, float(floors[column]))
    rest = cross[:, 0, 0]
    there = rest > floors[0]
    estimates = cross[:, 0, n_regressors:] / np.where(there, rest, 1.0)[:, None]
    estimates[~there] = np.nan
    return estimates
