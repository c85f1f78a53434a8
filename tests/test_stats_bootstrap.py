"""Intervals agree with SciPy, cover at their level and say why they have no bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from qdcbench.stats.bootstrap import Bootstrap, FloatArray, Statistic, cluster_bootstrap, t_interval


def weighted_mean(values: FloatArray) -> Statistic:
    return lambda counts: (counts @ values / counts.sum(axis=1))[:, None]


@given(arrays(np.float64, st.integers(2, 8), elements=st.floats(-10, 10, width=32)), st.sampled_from([0.8, 0.95]))
def test_t_interval_is_scipys(values: FloatArray, level: float) -> None:
    found = t_interval(values, level)
    half = stats.t.ppf(0.5 + level / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    assert found.point == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=1e-12)
    assert found.high == pytest.approx(values.mean() + half, abs=1e-12)


def test_t_interval_without_spread_has_no_bounds() -> None:
    one, none = t_interval(np.array([0.4])), t_interval(np.array([]))
    assert (one.point, one.low, one.high, one.n) == (0.4, None, None, 1)
    assert "one repetition" in one.reason
    assert (none.point, none.n) == (None, 0)


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_bootstrap_agrees_with_scipy_on_single_values(kind: str) -> None:
    values = np.random.default_rng(0).exponential(size=25)
    how = Bootstrap(resamples=100_000, kind=kind)  # type: ignore[arg-type]
    (found,) = cluster_bootstrap(weighted_mean(values), 25, np.random.default_rng(1), how)
    name = {"percentile": "percentile", "bca": "BCa"}[kind]
    theirs = stats.bootstrap((values,), np.mean, n_resamples=100_000, method=name, rng=np.random.default_rng(2))
    assert found.point == pytest.approx(values.mean())
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.015)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.025)


def test_bootstrap_covers_where_clusters_are_many() -> None:
    hits = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = rng.standard_normal(40)
        (found,) = cluster_bootstrap(weighted_mean(values), 40, rng, Bootstrap(resamples=300))
        hits += found.low < 0 < found.high  # type: ignore[operator]
    assert 0.90 < hits / 300 < 0.98


def test_bootstrap_says_why_it_has_no_bounds() -> None:
    rng = np.random.default_rng(0)
    (few,) = cluster_bootstrap(weighted_mean(np.ones(2)), 2, rng, Bootstrap())
    assert few.low is None and "fewer than three" in few.reason

    def fragile(counts: FloatArray) -> FloatArray:
        return np.where(counts.min(axis=1) == 0, np.nan, 1.0)[:, None]

    (lost,) = cluster_bootstrap(fragile, 5, rng, Bootstrap(resamples=100))
    assert lost.point == 1.0 and lost.low is None and "cannot be fitted" in lost.reason


def test_bootstrap_is_a_function_of_its_generator() -> None:
    values, how = np.arange(8.0), Bootstrap(resamples=100)
    first, again, other = (
        cluster_bootstrap(weighted_mean(values), 8, np.random.default_rng(seed), how) for seed in (3, 3, 4)
    )
    assert first == again != other
