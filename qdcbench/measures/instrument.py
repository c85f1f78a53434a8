"""Take measures of a dataset at a fixed number of rows, each with an interval or a reason."""

import math
from collections.abc import Iterable

import numpy as np

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable
from qdcbench.measures.table import METRICS, MeasureRow
from qdcbench.records import Measurement, Metric

__all__ = ["HALVES", "measure_rows"]

HALVES = 10
"""Half-samples behind the interval of a measure that is not a mean."""

_T_HALVES = 2.2621571628
"""97.5 % quantile of Student's t with HALVES - 1 degrees of freedom."""

_Z = 1.9599639845

_LEAST_FOR_INTERVAL = 20
"""Fewer rows than this cannot be halved to any use."""


def measure_rows(
    rows: Rows, *, n: int, seed_stream: np.random.Generator, names: Iterable[str] | None = None
) -> tuple[Measurement, ...]:
    """Take measures of ``n`` rows drawn without replacement, in the order of `METRICS` or of ``names``.

    The rows are put in canonical order before the draw, so a shuffle of them changes nothing, and all draws
    come before the first measure, so what is asked for does not change any value.

    The 95 % interval is for the process that made the rows, these being independent draws from it. A mean
    has the normal one, a share Wilson's. Every other measure is taken on `HALVES` random halves of the
    n rows; their relative standard deviation estimates the relative standard error at n (the delete-d
    jackknife with d = n/2, Shao & Wu 1989, whose factor (n - d)/d is 1), and the interval is the value plus and
    minus t times that, cut to the measure's range. Halves are compared only with halves, so a measure's
    dependence on n does not enter; a bootstrap would bring it in, for it draws copies.

    Args:
        rows: the dataset, any number of rows.
        n: rows to measure. With fewer there, a measure that does not depend on n is taken on what there
            is, with its own ``n``; any other has no value.
        seed_stream: source of all draws.
        names: which measures; all by default.

    Raises:
        ConfigError: a name is unknown or n is below 1.
        DataError: an encoder's weights are not the pinned ones.
    """
    wanted = list(METRICS) if names is None else list(names)
    for name in wanted:
        if name not in METRICS:
            raise ConfigError(f"there is no measure {name!r}; {did_you_mean(name, METRICS)}")
    if n < 1:
        raise ConfigError(f"measures need n of at least 1, not {n}")
    size = min(n, len(rows))
    sample = rows.canonical().take(np.sort(seed_stream.permutation(len(rows))[:size]).astype(np.int64))
    halves = [np.sort(seed_stream.permutation(size)[: size // 2]).astype(np.int64) for _ in range(HALVES)]
    parts: list[Rows] = [sample.take(half) for half in halves] if size >= _LEAST_FOR_INTERVAL else []
    return tuple(_measurement(METRICS[name], sample, parts, n) for name in wanted)


def _measurement(row: MeasureRow, sample: Rows, parts: list[Rows], n: int) -> Measurement:
    metric, size = row.metric, len(sample)
    try:
        if size < n and not row.size_free:
            raise Unmeasurable(f"there are {size} rows and {n} were asked for; this measure depends on their number")
        if row.each is not None:
            value, low, high = _mean_interval(metric, row.each(sample))
        else:
            assert row.whole is not None
            value = row.whole(sample)
            low, high = _half_interval(row, value, parts)
    except Unmeasurable as refusal:
        return Measurement(metric=metric.name, axis=metric.axis, value=None, n=size, reason=str(refusal))
    if not math.isfinite(value):
        reason = "a value of single rows is not a finite number"
        return Measurement(metric=metric.name, axis=metric.axis, value=None, n=size, reason=reason)
    return Measurement(metric=metric.name, axis=metric.axis, value=value, n=size, low=low, high=high)


def _clip(metric: Metric, value: float) -> float:
    value = value if metric.low is None else max(metric.low, value)
    return value if metric.high is None else min(metric.high, value)


def _mean_interval(metric: Metric, values: FloatArray) -> tuple[float, float | None, float | None]:
    size = len(values)
    mean = math.fsum(values.tolist()) / size
    if size < 2 or not math.isfinite(mean):
        return mean, None, None
    if metric.unit == "share":
        centre = (mean + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
        reach = _Z / (1 + _Z**2 / size) * math.sqrt(mean * (1 - mean) / size + _Z**2 / (4 * size**2))
        return mean, min(mean, max(0.0, centre - reach)), max(mean, min(1.0, centre + reach))
    reach = _Z * float(np.std(values, ddof=1)) / math.sqrt(size)
    return mean, _clip(metric, mean - reach), _clip(metric, mean + reach)


def _half_interval(row: MeasureRow, value: float, parts: list[Rows]) -> tuple[float | None, float | None]:
    assert row.whole is not None
    try:
        halves = [row.whole(part) for part in parts]
    except Unmeasurable:
        # The whole can be measured and some half cannot: a value without an interval.
        return None, None
    if not halves:
        return None, None
    centre = float(np.mean(halves))
    # All these measures are at least zero and a power of n near n, so their relative errors are alike.
    reach = _T_HALVES * float(np.std(halves, ddof=1)) * (value / centre if centre > 0 else 1.0)
    return _clip(row.metric, value - reach), _clip(row.metric, value + reach)
