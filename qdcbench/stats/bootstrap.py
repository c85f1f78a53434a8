"""Intervals for means of few repetitions and for statistics of few clusters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qdcbench.records import Interval

__all__ = ["Bootstrap", "FloatArray", "Statistic", "cluster_bootstrap", "t_interval"]

FloatArray = NDArray[np.float64]

Statistic = Callable[[FloatArray], FloatArray]
"""Maps how often each cluster is drawn, shape (resamples, clusters), to values, shape (resamples, outcomes)."""

LARGEST_LOST_SHARE = 0.05
"""Share of resamples that may be without a value; above it the rest is no fair sample of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bootstrap:
    """How to resample clusters: number of resamples, interval level and kind."""

    resamples: int = 5_000
    level: float = 0.95
    kind: Literal["percentile", "bca"] = "percentile"


def t_interval(values: FloatArray, level: float = 0.95) -> Interval:
    """Return the mean with Student's interval; ``values`` has shape (repetitions,) and holds no NaN.

    For a handful of repetitions: a bootstrap of three numbers has ten different resamples and is far too short.
    """
    values = np.asarray(values, dtype=np.float64)
    n = int(values.size)
    if n == 0:
        return Interval(point=None, low=None, high=None, level=level, kind="t", n=0, reason="no value")
    mean = float(values.mean())
    if n == 1:
        reason = "one repetition, so no spread is known"
        return Interval(point=mean, low=None, high=None, level=level, kind="t", n=1, reason=reason)
    half = float(_quantile(level, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Interval(point=mean, low=mean - half, high=mean + half, level=level, kind="t", n=n)


@cache
def _quantile(level: float, df: int) -> float:
    """Return Student's quantile, of which an analysis needs a handful, each a hundred thousand times."""
    return float(stats.t.ppf(0.5 + level / 2, df))


def cluster_bootstrap(
    statistic: Statistic, n_clusters: int, rng: np.random.Generator, how: Bootstrap
) -> tuple[Interval, ...]:
    """Resample whole clusters with replacement; return one interval per outcome of the statistic.

    Values of the statistic that are NaN (a resample that cannot be fitted) are left out; where more than a
    twentieth are, or where there are fewer than three clusters, the bounds are None with the reason.
    """
    point = statistic(np.ones((1, n_clusters)))[0]
    if n_clusters < 3:
        return tuple(_without_bounds(value, how, n_clusters, "fewer than three clusters") for value in point)
    draws = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=how.resamples)
    values = statistic(draws.astype(np.float64))
    left_out = statistic(np.ones((n_clusters, n_clusters)) - np.eye(n_clusters))
    return tuple(_bounds(point[j], values[:, j], left_out[:, j], how) for j in range(point.size))


def _without_bounds(point: float, how: Bootstrap, n: int, reason: str) -> Interval:
    value = None if np.isnan(point) else float(point)
    return Interval(point=value, low=None, high=None, level=how.level, kind=f"cluster {how.kind}", n=n, reason=reason)


def _bounds(point: float, values: FloatArray, left_out: FloatArray, how: Bootstrap) -> Interval:
    """Return the interval from resampled values, shape (resamples,), and leave-one-out values, shape (clusters,)."""
    n = int(left_out.size)
    kept = values[~np.isnan(values)]
    if np.isnan(point) or kept.size < (1 - LARGEST_LOST_SHARE) * values.size:
        return _without_bounds(point, how, n, f"{values.size - kept.size} of {values.size} resamples cannot be fitted")
    tail = (1 - how.level) / 2
    shares = np.array([tail, 1 - tail])
    if how.kind == "bca":
        if np.isnan(left_out).any():
            return _without_bounds(point, how, n, "a fit without one cluster is impossible")
        shares = _bca_shares(point, kept, left_out, shares)
    low, high = np.quantile(kept, shares)
    return Interval(
        point=float(point), low=float(low), high=float(high), level=how.level, kind=f"cluster {how.kind}", n=n
    )


def _bca_shares(point: float, values: FloatArray, left_out: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the bias-corrected, accelerated quantile shares (Efron 1987, equation 6.8)."""
    below = (np.sum(values < point) + 0.5 * np.sum(values == point)) / values.size
    bias = stats.norm.ppf(np.clip(below, 0.5 / values.size, 1 - 0.5 / values.size))
    away = left_out.mean() - left_out
    spread = np.sum(away**2) ** 1.5
    acceleration = np.sum(away**3) / (6 * spread) if spread > 0 else 0.0
    z = bias + stats.norm.ppf(shares)
    adjusted: FloatArray = stats.norm.cdf(bias + z / (1 - acceleration * z))
    return adjusted
