"""Block slopes and their mean: exact on planted effects, statsmodels as second opinion, error rate by simulation."""

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qdcbench.stats.factorial import Blocks, block_mean, coded, interactions, partial_effect

RNG = np.random.default_rng


def test_codes_run_over_the_range():
    assert list(coded(np.array([0.2, 0.6, 1.0]), 0.2, 1.0)) == pytest.approx([-0.5, 0.0, 0.5])


def test_terms_are_products_fewest_factors_first():
    factors = RNG(0).normal(size=(5, 3))
    terms, columns = interactions(factors)
    assert terms == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert columns[:, 4] == pytest.approx(factors[:, 0] * factors[:, 2])
    assert columns[:, 6] == pytest.approx(factors.prod(axis=1))
    assert len(interactions(factors, order=2)[0]) == 6


def design(levels):
    points = np.array(list(product(*levels)))
    return np.column_stack([coded(p, p.min(), p.max()) for p in points.T])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_planted_effects_come_back_exactly_with_any_spacing(seed):
    rng = RNG(seed)
    codes = design([np.sort(rng.uniform(0, 1, 3)), np.array([0.0, 1.0]), np.sort(rng.uniform(1, 9, 4))])
    _, columns = interactions(codes)
    truth = rng.normal(size=columns.shape[1])
    outcome = 3 + columns @ truth
    held = np.ones((len(codes), 1))
    found = [
        partial_effect(columns[:, i], np.column_stack([held, np.delete(columns, i, axis=1)]), outcome)
        for i in range(columns.shape[1])
    ]
    assert found == pytest.approx(list(truth), abs=1e-8)


def test_statsmodels_gives_the_same_coefficients():
    rng = RNG(1)
    codes = design([[0, 1, 2], [0, 1, 2], [0, 1, 4]])
    _, columns = interactions(codes)
    outcome = rng.normal(size=len(codes))
    model = sm.OLS(outcome, sm.add_constant(columns)).fit()
    for i in range(columns.shape[1]):
        held = np.column_stack([np.ones(len(codes)), np.delete(columns, i, axis=1)])
        assert partial_effect(columns[:, i], held, outcome) == pytest.approx(model.params[i + 1], abs=1e-10)


def test_what_cannot_be_told_apart_has_no_effect_and_leaves_the_others_theirs():
    x = np.array([-0.5, 0.0, 0.5, 0.5])
    z = np.array([0.5, -0.5, 0.0, 0.5])
    ones = np.ones((4, 1))
    assert partial_effect(x, np.column_stack([ones, 2 * x + 1]), x) is None
    assert partial_effect(np.full(4, 0.5), ones, x) is None
    twice = np.column_stack([ones, z, z])
    assert partial_effect(x, twice, 3 * x + z) == pytest.approx(3)


def at(settings, tasks=None):
    """Blocks of these settings, each counting its repetitions from 0; all of one task unless told."""
    turns = [settings[:place].count(name) for place, name in enumerate(settings)]
    tasks = tuple(tasks or ["t"] * len(settings))
    return Blocks(settings=tuple(settings), tasks=tasks, repetitions=tuple(turns))


def test_one_setting_is_the_t_test():
    values = RNG(2).normal(0.4, 1, 9)
    found = block_mean(values, at(["a"] * 9))
    test = stats.ttest_1samp(values, 0)
    ends = test.confidence_interval(0.9)
    assert found.p_value == pytest.approx(test.pvalue) and found.df == pytest.approx(8)
    assert (found.interval(0.9).low, found.interval(0.9).high) == pytest.approx((ends.low, ends.high))


def test_settings_of_a_repetition_count_as_their_mean():
    values = RNG(3).normal(0.4, 1, (3, 5))
    found = block_mean(values.ravel(), at([name for name in "abc" for _ in range(5)]))
    test = stats.ttest_1samp(values.mean(axis=0), 0)
    assert found.p_value == pytest.approx(test.pvalue) and found.df == pytest.approx(4)
    assert (found.n_blocks, found.n_repetitions) == (15, 5)


def test_a_copy_of_a_setting_adds_nothing():
    values = RNG(9).normal(size=5)
    once, twice = block_mean(values, at(["a"] * 5)), block_mean(np.tile(values, 2), at(["a"] * 5 + ["b"] * 5))
    assert twice.stderr == pytest.approx(once.stderr) and twice.df == pytest.approx(once.df)


def test_tasks_are_the_unpaired_test_of_unequal_spreads():
    """The mean of a and b is zero where a and -b are equal, which is Welch's test."""
    rng = RNG(3)
    a, b = rng.normal(0.2, 1, 6), rng.normal(0.4, 3, 6)
    names = ["a"] * 6 + ["b"] * 6
    found = block_mean(np.concatenate([a, b]), at(names, names))
    test = stats.ttest_ind(a, -b, equal_var=False)
    assert found.p_value == pytest.approx(test.pvalue) and found.df == pytest.approx(test.df)
    ends = test.confidence_interval(0.95)
    assert (found.interval().low, found.interval().high) == pytest.approx((ends.low / 2, ends.high / 2))


def test_what_differs_between_settings_is_no_error():
    values, blocks = RNG(5).normal(size=6), at(["a", "a", "a", "b", "b", "b"])
    moved = block_mean(values + np.repeat([9.0, -9.0], 3), blocks)
    assert moved.stderr == pytest.approx(block_mean(values, blocks).stderr)
    assert moved.estimate == pytest.approx(values.mean())


def test_a_task_with_one_repetition_counts_with_the_spread_of_the_others():
    names = ["a", "a", "a", "b"]
    found = block_mean(np.array([1.0, 2.0, 3.0, 8.0]), at(names, names))
    assert found.estimate == 3.5 and found.stderr == pytest.approx(np.sqrt(1.0 / 4)) and found.df == 2


def test_noise_of_arithmetic_is_no_effect():
    column, ones = np.array([-0.5, 0.0, 0.5]), np.ones((3, 1))
    assert partial_effect(column, ones, np.array([4.1, 4.1, 4.1 + 1e-15])) == 0.0


@pytest.mark.parametrize(
    ("values", "settings", "why"),
    [
        ([], [], "no block"),
        ([1.0], ["a"], "one repetition"),
        ([1.0, 2.0], ["a", "b"], "one repetition"),
        ([0.3, 0.3 + 1e-16, 0.3], ["a"] * 3, "same number"),
        ([0.0, 0.0], ["a"] * 2, "same number"),
        ([0.1, 0.1, 0.7, 0.7], ["a", "a", "b", "b"], "same number"),
        ([0.1, 0.2, 0.7, 0.6], ["a", "a", "b", "b"], "same number"),
    ],
)
def test_no_spread_is_no_error_and_is_said(values, settings, why):
    found = block_mean(np.array(values), at(settings))
    assert why in found.reason and found.stderr is None and found.p_value is None
    assert found.interval().low is None and found.interval().reason == found.reason
    assert found.estimate == (pytest.approx(np.mean(values)) if values else None)


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_the_error_rate_holds_however_much_settings_of_a_repetition_share(shared):
    rng = RNG(4)
    blocks = at(["a"] * 3 + ["b"] * 3)

    def null():
        common = np.tile(rng.normal(size=3), 2)
        return np.repeat([2.0, -2.0], 3) + np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=6)

    drawn = [block_mean(null(), blocks).p_value < 0.05 for _ in range(4000)]
    assert 0.035 < np.mean(drawn) < 0.065
