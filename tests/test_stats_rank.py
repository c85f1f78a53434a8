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
    assert found.stderr_of_difference == pytest.approx(np.sqrt(2 * model.mse_resid / 5))


def test_arms_without_a_common_repetition_cannot_be_told_apart() -> None:
    values = np.array([[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 9.0, 9.5], [1.0, 2.1, 3.0, 3.2]])
    assert np.isnan(pairwise(values).p_adjusted[0, 1])
    assert np.isnan(pairwise(np.array([[1.0], [5.0]])).p_adjusted).all()
    assert np.isnan(pairwise(np.empty((3, 0))).p_adjusted).all()


def test_ties_are_not_errors() -> None:
    assert pairwise(np.tile([0.1, 0.2, 0.4], (3, 1))).p_adjusted[0, 1] == 1.0


@pytest.mark.parametrize(("arms", "repetitions", "noisier"), [(4, 3, 1), (8, 3, 1), (8, 5, 2)])
def test_equal_arms_are_rarely_told_apart(arms: int, repetitions: int, noisier: int) -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        spread = np.where(np.arange(arms) % 2, noisier, 1)[:, None]
        values = spread * rng.normal(size=(arms, repetitions)) + 3 * rng.normal(size=repetitions)
        wrong += bool((pairwise(values).p_adjusted < 0.05).any())
    assert wrong / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_large_gaps_are_told_apart_with_three_repetitions() -> None:
    values = np.arange(6)[:, None] * 10 + np.random.default_rng(3).normal(size=(6, 3))
    marks = letters(pairwise(values[::-1]).p_adjusted < 0.05)
    assert marks == tuple("abcdef")
