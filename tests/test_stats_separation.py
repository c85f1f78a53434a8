"""Repetitions needed have the power that they promise; differences have the ranking's own error."""

import numpy as np
import pytest
from scipy import stats

from qdcbench.stats.power import detectable_effect
from qdcbench.stats.rank import pairwise
from qdcbench.stats.separation import MOST_REPETITIONS, Gap, difference, gap_of, repetitions_needed


def power_of(gap: float, spread: float, n: int, df: float) -> float:
    """Power of a two-sided t-test at 5 % by SciPy's noncentral t distribution."""
    critical = stats.t.ppf(0.975, df)
    noncentrality = abs(gap) / spread * np.sqrt(n)
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))


@pytest.mark.parametrize("arms", [2, 8])
@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 1.5])
def test_it_is_the_least_number_with_that_power(arms: int, effect: float) -> None:
    repetitions = 3
    gap = Gap(mean=effect, stderr=1 / np.sqrt(repetitions), df=(arms - 1) * (repetitions - 1), repetitions=repetitions)
    needed = repetitions_needed(gap, repetitions)
    assert needed is not None
    assert power_of(effect, 1.0, needed, (arms - 1) * (needed - 1)) >= 0.8 - 1e-4
    if needed > 2:
        assert power_of(effect, 1.0, needed - 1, (arms - 1) * (needed - 2)) < 0.8 + 1e-4


def test_two_arms_need_what_statsmodels_says_of_a_paired_test() -> None:
    power = pytest.importorskip("statsmodels.stats.power")
    gap = Gap(mean=-0.6, stderr=0.5, df=3.0, repetitions=4)
    wanted = power.TTestPower().solve_power(effect_size=0.6, alpha=0.05, power=0.8)
    assert repetitions_needed(gap, 4) == int(np.ceil(wanted))


@pytest.mark.parametrize("df_each", [1.0, 2.5, 20.0])
def test_it_agrees_with_the_smallest_detectable_effect(df_each: float) -> None:
    for n in (3, 8, 40):
        least = detectable_effect(1 / np.sqrt(n), df_each * (n - 1))
        for effect, expected in ((least * (1 + 1e-5), n), (least * (1 - 1e-5), n + 1)):
            gap = Gap(mean=effect, stderr=0.5, df=3 * df_each, repetitions=4)
            assert repetitions_needed(gap, 4) == expected


def test_planned_repetitions_find_the_difference_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    gap = Gap(mean=0.8, stderr=np.sqrt(2 / 3), df=6.0, repetitions=3)
    n = repetitions_needed(gap, 3)
    assert n is not None
    found = 0
    for _ in range(600):
        values = rng.normal(size=(4, n)) + 3 * rng.normal(size=n)
        values[0] += 0.8
        residual = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
        error = 2 * np.sum(residual**2) / (3 * (n - 1)) / n
        found += abs(values[0].mean() - values[1].mean()) > stats.t.ppf(0.975, 3 * (n - 1)) * np.sqrt(error)
    assert abs(found / 600 - 0.8) < 3 * np.sqrt(0.8 * 0.2 / 600) + 0.03  # n is a whole number, so a little above


def test_no_number_is_given_where_none_would_do() -> None:
    assert repetitions_needed(Gap(mean=0.0, stderr=1.0, df=4.0, repetitions=3), 3) is None
    assert repetitions_needed(Gap(mean=1e-3, stderr=1.0, df=4.0, repetitions=3), 3) is None
    assert repetitions_needed(Gap(mean=1.0, stderr=0.0, df=4.0, repetitions=3), 3) == 2
    smallest = 2.8016 / np.sqrt(MOST_REPETITIONS)
    assert repetitions_needed(Gap(mean=1.01 * smallest, stderr=0.5, df=30.0, repetitions=4), 4) is not None
    assert repetitions_needed(Gap(mean=0.99 * smallest, stderr=0.5, df=30.0, repetitions=4), 4) is None


def test_two_arms_have_the_paired_t_interval_and_it_mirrors() -> None:
    values = np.random.default_rng(1).normal(size=(2, 5))
    test = pairwise(values)
    gap, back = gap_of(test, 0, 1), gap_of(test, 1, 0)
    assert gap is not None and back is not None
    interval = difference(gap)
    expected = stats.ttest_rel(values[0], values[1]).confidence_interval()
    assert (interval.low, interval.high, interval.n) == pytest.approx((expected.low, expected.high, 5))
    assert difference(back).low == pytest.approx(-interval.high)


def test_intervals_cover_where_arms_differ_in_spread() -> None:
    rng = np.random.default_rng(3)
    covered, noisy = [], []
    for _ in range(300):
        spreads = np.exp(0.6 * rng.normal(size=10))
        test = pairwise(spreads[:, None] * rng.normal(size=(10, 4)) + 5 * rng.normal(size=4))
        for left, right in ((0, 1), (2, 3), (4, 5)):
            gap = gap_of(test, left, right)
            assert gap is not None
            interval = difference(gap)
            assert interval.low is not None and interval.high is not None
            covered.append(interval.low <= 0 <= interval.high)
            if max(spreads[left], spreads[right]) > 1.8:
                noisy.append(covered[-1])
    error = np.sqrt(0.05 * 0.95 / len(covered))
    assert np.mean(covered) > 0.95 - 3 * error
    assert np.mean(noisy) > 0.85


def test_a_noisy_pair_has_its_own_error_and_a_quiet_one_the_pooled() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(12, 6))
    values[0] *= 20
    test = pairwise(values)
    own = np.std(values[0] - values[1], ddof=1) / np.sqrt(6)
    quiet = np.std(values[2] - values[3], ddof=1) / np.sqrt(6)
    assert test.stderr[0, 1] == pytest.approx(own)
    assert test.stderr[2, 3] > quiet


def test_arms_without_a_common_repetition_have_no_gap() -> None:
    values = np.array([[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 9.0, 9.5], [1.0, 2.1, 3.0, 3.2]])
    assert gap_of(pairwise(values), 0, 1) is None
    assert gap_of(pairwise(values), 0, 2) is not None
