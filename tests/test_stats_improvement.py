"""The share of repetitions won has SciPy's exact interval, which covers whatever the scores are distributed like."""

import numpy as np
import pytest
from scipy import stats

from qdcbench.stats.improvement import probability_of_improvement


@pytest.mark.parametrize(("wins", "n"), [(0, 3), (2, 3), (3, 3), (7, 10), (25, 25)])
def test_it_is_the_exact_binomial_interval_of_the_wins(wins: int, n: int) -> None:
    better = np.where(np.arange(n) < wins, 1.0, -1.0)
    found = probability_of_improvement(better, np.zeros(n))
    exact = stats.binomtest(wins, n).proportion_ci(method="exact")
    assert found.point == pytest.approx(wins / n) and found.n == n
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_a_tie_is_half_a_win_and_counts_against_both_bounds() -> None:
    found = probability_of_improvement(np.array([1.0, 0.0, 0.0, -1.0]), np.zeros(4))
    assert found.point == 0.5
    assert found.low == pytest.approx(stats.binomtest(1, 4).proportion_ci().low)
    assert found.high == pytest.approx(stats.binomtest(3, 4).proportion_ci().high)


def test_swapping_the_arms_mirrors_it() -> None:
    left, right = np.random.default_rng(0).integers(0, 4, size=(2, 9)).astype(float)
    one, other = probability_of_improvement(left, right), probability_of_improvement(right, left)
    assert (one.point, one.low, one.high) == pytest.approx((1 - other.point, 1 - other.high, 1 - other.low))


def test_what_a_repetition_shares_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    left, right, shared = rng.normal(size=(3, 6))
    assert probability_of_improvement(left, right) == probability_of_improvement(left + 9 * shared, right + 9 * shared)


def test_missing_repetitions_are_left_out_and_none_left_is_said() -> None:
    hole = np.array([np.nan, 2.0, 3.0])
    assert probability_of_improvement(hole, np.zeros(3)) == probability_of_improvement(hole[1:], np.zeros(2))
    nothing = probability_of_improvement(hole, np.array([1.0, np.nan, np.nan]))
    assert nothing.point is None and nothing.low is None and nothing.reason


@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_intervals_cover_for_skewed_scores_of_unequal_spread(spread: float) -> None:
    rng = np.random.default_rng(2)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.normal(size=n)
        return spread * rng.exponential(size=n) + 0.5 + shared, rng.exponential(size=n) + shared

    left, right = draw(200_000)
    truth = float(np.mean(left > right))
    found = [probability_of_improvement(*draw(8)) for _ in range(600)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 600)
