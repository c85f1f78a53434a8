"""Paired tests agree with SciPy, adjustments with statsmodels."""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.compare import benjamini_hochberg, holm, holm_levels, paired_difference, sign_flip_p

p_values = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12).map(np.array)


@given(p_values)
@settings(deadline=None)
def test_adjustments_are_those_of_statsmodels(p: FloatArray) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    gc.freeze()  # multipletests collects garbage at every call, most of a second where torch is loaded
    try:
        np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1], rtol=1e-12)
        np.testing.assert_allclose(benjamini_hochberg(p), multitest.multipletests(p, method="fdr_bh")[1], rtol=1e-12)
    finally:
        gc.unfreeze()


@given(p_values, st.randoms(use_true_random=False))
def test_missing_p_values_are_not_counted(p: FloatArray, rng: "object") -> None:
    place = rng.randrange(p.size + 1)  # type: ignore[attr-defined]
    with_hole = np.insert(p, place, np.nan)
    for adjust in (holm, benjamini_hochberg):
        found = adjust(with_hole)
        assert np.isnan(found[place])
        np.testing.assert_array_equal(np.delete(found, place), adjust(p))


@given(p_values)
def test_intervals_at_holms_levels_exclude_zero_exactly_when_holm_rejects(p: FloatArray) -> None:
    levels = holm_levels(p)
    for value, level, rejected in zip(p, levels, holm(p) <= 0.05, strict=True):
        if abs(value - (1 - level)) > 1e-12:
            assert (value < 1 - level) == rejected


def test_hand_computed() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm_levels(np.array([0.01, 0.04, 0.03])), [1 - 0.05 / 3, 0.975, 0.975])
    assert holm(np.array([])).size == 0


def test_paired_difference_is_scipys() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(0.5, 1, 8), rng.normal(0, 1, 8)
    found = paired_difference(left, right, rng)
    theirs = stats.ttest_rel(left, right)
    exact = stats.permutation_test((left - right,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert found.p_t == pytest.approx(theirs.pvalue)
    assert found.p_sign_flip == pytest.approx(exact.pvalue)
    assert found.interval.low == pytest.approx(theirs.confidence_interval().low)


def test_paired_difference_of_three_equal_signs() -> None:
    found = paired_difference(np.array([1.0, 2.0, 4.0]), np.zeros(3), np.random.default_rng(0))
    assert found.p_sign_flip == 0.25


def test_no_p_value_without_spread() -> None:
    rng = np.random.default_rng(0)
    assert paired_difference(np.array([1.0]), np.array([0.5]), rng).p_t is None
    equal = paired_difference(np.array([1.0, 1.0]), np.array([0.5, 0.5]), rng)
    assert (equal.p_t, equal.interval.low, equal.interval.high) == (None, 0.5, 0.5)


def test_many_pairs_are_drawn_and_close_to_exact() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, 20)
    drawn = sign_flip_p(differences, np.random.default_rng(2))
    assert drawn == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)
    assert sign_flip_p(np.ones(30), np.random.default_rng(2)) == pytest.approx(1e-4)


def test_sign_flips_and_t_hold_their_level() -> None:
    rng = np.random.default_rng(3)
    found = [paired_difference(rng.normal(size=7), rng.normal(size=7), rng) for _ in range(1000)]
    assert np.mean([f.p_t <= 0.05 for f in found]) == pytest.approx(0.05, abs=0.02)  # type: ignore[operator]
    assert np.mean([f.p_sign_flip <= 0.05 for f in found]) == pytest.approx(0.047, abs=0.02)  # type: ignore[operator]
