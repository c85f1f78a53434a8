"""Tie groups say exactly which arms differ; the pooled test is the textbook's and holds its level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from qdcbench.stats.rank import letters, pairwise


@given(st.integers(0, 8).flatmap(lambda n: arrays(np.bool_, (n, n))))
def test_arms_share_a_letter_exactly_when_they_do_not_differ(matrix: np.ndarray) -> None:
    different = np.triu(matrix, 1) | np.triu(matrix, 1).T
    marks = letters(different)
    for i in range(len(marks)):
        assert marks[i]
        for j in range(len(marks)):
            assert bool(set(marks[i]) & set(marks[j])) == (i == j or not different[i, j])


def test_letters_of_a_chain_by_hand() -> None:
    different = np.zeros((4, 4), dtype=bool)
    different[0, 2:] = different[1, 3] = True
    assert letters(different | different.T) == ("a", "ab", "bc", "c")


def test_tie_groups_by_hand() -> None:
    """Error 0.1 for every pair but for the repetitions' own shifts, so that only gaps of 1 outlive the adjustment."""
    shifts = np.array([0.0, 5.0, -3.0, 1.0])
    wobble = 0.05 * np.array([[1, -1, 1, -1], [-1, 1, 1, -1], [1, 1, -1, -1], [-1, -1, 1, 1]])
    values = np.array([3.0, 2.99, 2.0, 1.0])[:, None] + shifts + wobble
    assert letters(pairwise(values).p_adjusted < 0.05) == ("a", "a", "b", "c")


def test_two_arms_are_a_paired_t_test() -> None:
    values = np.random.default_rng(0).normal(size=(2, 6))
    assert pairwise(values).p_adjusted[0, 1] == pytest.approx(stats.ttest_rel(values[0], values[1]).pvalue)


def test_pooled_error_is_that_of_two_way_anova_with_holes() -> None:
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 5)) + rng.normal(size=5) + np.arange(4)[:, None]
    values[1, 2] = values[3, 0] = np.nan
    arms, repetitions = np.nonzero(~np.isnan(values))
    design = np.column_stack([arms[:, None] == np.arange(4), repetitions[:, None] == np.arange(1, 5)]).astype(float)
    model = api.OLS(values[arms, repetitions], design).fit()
    found = pairwise(values)
    assert found.df == model.df_resid
    own = np.var(values[1] - values[3], ddof=1, where=~np.isnan(values[1] - values[3]))
    assert found.stderr[1, 3] == pytest.approx(np.sqrt(max(2 * model.mse_resid, own) / 3))
    assert found.n_common[1, 3] == 3 and found.n_common[0, 0] == 5


def test_gaps_and_errors_are_those_of_each_pair_alone() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(6, 5)) * np.array([1, 1, 1, 1, 9, 9])[:, None]
    values[rng.random(values.shape) < 0.2] = np.nan
    found = pairwise(values)
    residual = found.stderr**2 * found.n_common
    for i in range(6):
        for j in range(6):
            gaps = (values[i] - values[j])[~np.isnan(values[i] - values[j])]
            assert found.gap[i, j] == pytest.approx(gaps.mean()) and found.n_common[i, j] == gaps.size
            own = gaps.var(ddof=1) if gaps.size > 1 else 0.0
            assert residual[i, j] == pytest.approx(max(own, residual[0, 0]))


def test_arms_without_a_common_repetition_cannot_be_told_apart() -> None:
    values = np.array([[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 9.0, 9.5], [1.0, 2.1, 3.0, 3.2]])
    assert np.isnan(pairwise(values).p_adjusted[0, 1])
    assert np.isnan(pairwise(np.array([[1.0], [5.0]])).p_adjusted).all()
    assert np.isnan(pairwise(np.empty((3, 0))).p_adjusted).all()


def test_ties_are_not_errors() -> None:
    assert pairwise(np.tile([0.1, 0.2, 0.4], (3, 1))).p_adjusted[0, 1] == 1.0


@pytest.mark.parametrize(
    ("arms", "repetitions", "spread"),
    [(4, 3, "equal"), (8, 3, "equal"), (8, 5, "two"), (10, 3, "many"), (20, 3, "many")],
)
def test_equal_arms_are_rarely_told_apart(arms: int, repetitions: int, spread: str) -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        own = {
            "equal": np.ones(arms),
            "two": np.where(np.arange(arms) % 2, 2.0, 1.0),
            "many": np.exp(0.6 * rng.normal(size=arms)),
        }[spread]
        values = own[:, None] * rng.normal(size=(arms, repetitions)) + 3 * rng.normal(size=repetitions)
        wrong += bool((pairwise(values).p_adjusted < 0.05).any())
    assert wrong / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_arms_of_one_spread_keep_most_degrees_of_freedom_and_arms_of_many_lose_them() -> None:
    rng = np.random.default_rng(5)

    def typical_df(spreads: np.ndarray) -> float:
        return float(np.median([pairwise(spreads[:, None] * rng.normal(size=(12, 4))).df for _ in range(60)]))

    assert typical_df(np.ones(12)) == 33.0
    assert typical_df(np.exp(np.linspace(-2, 2, 12))) < 12.0


def test_planted_agreement_of_spreads_is_recovered() -> None:
    """Variances drawn as scaled inverse chi-square with 4 degrees of freedom: a pair has 2 x (4 + 5) of them."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(20):
        spreads = np.sqrt(4 / rng.chisquare(4, size=150))
        found.append(pairwise(spreads[:, None] * rng.normal(size=(150, 6))).df)
    assert float(np.median(found)) == pytest.approx(18.0, rel=0.15)


def test_degrees_of_freedom_do_not_depend_on_unit_or_shift() -> None:
    values = np.random.default_rng(6).normal(size=(9, 3)) * np.exp(np.linspace(-2, 2, 9))[:, None]
    moved = pairwise(100 * values + 7 + np.array([0.0, 50.0, -20.0]))
    assert pairwise(values).df == pytest.approx(moved.df)
    assert pairwise(values).p_adjusted == pytest.approx(moved.p_adjusted, nan_ok=True)


def test_large_gaps_are_told_apart_with_three_repetitions() -> None:
    values = np.arange(6)[:, None] * 10 + np.random.default_rng(3).normal(size=(6, 3))
    marks = letters(pairwise(values[::-1]).p_adjusted < 0.05)
    assert marks == tuple("abcdef")
