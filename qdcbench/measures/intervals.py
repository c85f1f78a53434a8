"""Intervals of measures: of a mean, of a share, and of anything else from random halves."""

import math
from collections.abc import Sequence

import numpy as np

from qdcbench.measures.rows import FloatArray
from qdcbench.records import Metric

__all__ = ["HALVES", "clip", "half_interval", "mean_interval"]

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
    some half could not be measured.
    """
    found = [half for half in halves if half is not None]
    if len(found) < len(halves) or not found:
        return None, None
    centre = float(np.mean(found))
    # All these measures are at least zero and a power of n near n, so their relative errors are alike.
    reach = _T_HALVES * float(np.std(found, ddof=1)) * (value / centre if centre > 0 else 1.0)
    return clip(metric, value - reach), clip(metric, value + reach)
