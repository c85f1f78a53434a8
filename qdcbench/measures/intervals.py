"""Intervals of measures: of a mean, of a share, of a count of different things, of anything else from random halves."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qdcbench.measures.rows import FloatArray
from qdcbench.records import Metric

__all__ = ["HALVES", "clip", "copies_interval", "half_interval", "mean_interval"]

HALVES = 10
"""Half-samples behind the interval of a measure that is not a mean."""

_T_HALVES = 2.2621571628
"""97.5 % quantile of Student's t with HALVES - 1 degrees of freedom."""

_Z = 1.9599639845

Interval = tuple[float | None, float | None]


def clip(metric: Metric, value: float) -> float:
    """Return the value cut to the metric's range."""
    value = value if metric.low is None else max(metric.low, value)
    return value if metric.high is None else min(metric.high, value)


def mean_interval(metric: Metric, values: FloatArray) -> tuple[float, float | None, float | None]:
    """Return the mean of (m,) values and its 95 % interval: normal, Wilson's for a share."""
    size = len(values)
    mean = math.fsum(values.tolist()) / size
    if size < 2 or not math.isfinite(mean):
        return mean, None, None
    if metric.unit == "share":
        centre = (mean + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
        reach = _Z / (1 + _Z**2 / size) * math.sqrt(mean * (1 - mean) / size + _Z**2 / (4 * size**2))
        return mean, min(mean, max(0.0, centre - reach)), max(mean, min(1.0, centre + reach))
    reach = _Z * float(np.std(values, ddof=1)) / math.sqrt(size)
    return mean, clip(metric, mean - reach), clip(metric, mean + reach)


def half_interval(metric: Metric, value: float, halves: Sequence[float | None]) -> Interval:
    """Return a 95 % interval from the measure of random halves of the rows.

    Their relative standard deviation estimates the relative standard error at n (the delete-d jackknife with
    d = n/2, Shao & Wu 1989, whose factor (n - d)/d is 1). Halves are compared only with halves, so a measure's
    dependence on n does not enter; a bootstrap would bring it in, for it draws copies. There is none where
    some half could not be measured. Where a measure counts what was seen of a finite number of things, halves have
    seen less of it than all rows: near saturation the interval is too wide.
    """
    found = [half for half in halves if half is not None]
    if len(found) < len(halves) or not found:
        return None, None
    centre = float(np.mean(found))
    # All these measures are at least zero and a power of n near n, so their relative errors are alike.
    reach = _T_HALVES * float(np.std(found, ddof=1)) * (value / centre if centre > 0 else 1.0)
    return clip(metric, value - reach), clip(metric, value + reach)


def copies_interval(counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return a 95 % interval of the number of copies among n independent draws, from how often each text came.

    Copies are the draws less the different texts, 0 to n - 1. Their number is a sum of rare events while there are few,
    so the interval is that of Fay & Feuer 1997 for weighted Poisson sums, and not symmetric; without a copy it ends
    at 3.7 of them. Halves cannot give one: most have no copy where all rows have few.
    """
    from scipy.special import gammaincinv

    copies = float(counts.sum() - len(counts))
    # As a sum of rare events copies cannot vary more than their number (assumed; estimates of few do).
    variance = min(copies, _variance_of_kinds(counts))
    low = variance / copies * float(gammaincinv(copies**2 / variance, 0.025)) if copies and variance else copies
    more, wider = copies + 1, variance + 1
    high = wider / more * float(gammaincinv(more**2 / wider, 0.975))
    return low, min(high, float(counts.sum()) - 1)


def _variance_of_kinds(counts: npt.NDArray[np.int64]) -> float:
    """Return the estimated variance of the number of different texts among as many independent draws.

    The texts' probabilities are put together from what was seen, scaled down to Good's coverage 1 - f1/n, the more
    the rarer, and as many unseen ones as Chao 1984 estimates, alike; f1 texts came once, f2 twice.
    """
    n = float(counts.sum())
    once, twice = float(np.count_nonzero(counts == 1)), float(np.count_nonzero(counts == 2))
    unseen = (n - 1) / n * (once**2 / (2 * twice) if twice else once * (once - 1) / 2)
    # With every draw different, the chance of a copy is read from there being none.
    missing = min(once / n, 1 - 1 / n) if unseen else 0.0
    shares = counts / n
    rarity = shares * (1 - shares) ** n
    seen = n * (shares - missing * rarity / rarity.sum()) if unseen else counts.astype(np.float64)
    expected = np.append(seen, n * missing / unseen if unseen else 0.0)
    weight = np.append(np.ones(len(counts)), unseen)
    absent = np.exp(-expected)
    spread = float(weight @ (absent * (1 - absent))) - float(weight @ (expected * absent)) ** 2 / n
    return max(0.0, spread)
