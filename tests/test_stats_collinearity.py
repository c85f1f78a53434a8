"""Regressors that can and cannot be told from each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.stats.collinearity import correlations, orthonormal, variance_inflation


def columns_of(rng: np.random.Generator, n: int = 40, k: int = 4) -> np.ndarray:
    columns = rng.standard_normal((n, k)) @ rng.standard_normal((k, k))
    return columns - columns.mean(axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_variance_inflation_is_that_of_statsmodels(seed: int) -> None:
    influence = pytest.importorskip("statsmodels.stats.outliers_influence")
    columns = columns_of(np.random.default_rng(seed))
    theirs = [influence.variance_inflation_factor(columns, j) for j in range(4)]
    np.testing.assert_allclose(variance_inflation(columns), theirs, rtol=1e-8)


def test_correlations_are_those_of_numpy() -> None:
    columns = columns_of(np.random.default_rng(0))
    np.testing.assert_allclose(correlations(columns), np.corrcoef(columns.T), atol=1e-12)


def test_a_column_that_others_make_up_has_no_finite_factor_and_leaves_the_rest_theirs() -> None:
    columns = columns_of(np.random.default_rng(1), k=3)
    made_up = np.column_stack([columns, columns[:, 0] - 3 * columns[:, 1]])
    factors = variance_inflation(made_up)
    assert np.isinf(factors[[0, 1, 3]]).all()
    assert factors[2] == pytest.approx(variance_inflation(columns)[2])


@given(st.integers(0, 10_000), st.floats(-8, 8))
@settings(max_examples=30, deadline=None)
def test_a_basis_spans_the_columns_and_units_do_not_matter(seed: int, exponent: float) -> None:
    rng = np.random.default_rng(seed)
    columns = columns_of(rng)
    basis, kept, added = orthonormal(columns)
    assert kept == (0, 1, 2, 3) and (added > 0).all()
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(basis @ (basis.T @ columns), columns, atol=1e-9 * np.abs(columns).max())
    scales = np.array([1.0, 10.0**exponent, 1.0, 10.0**-exponent])
    again, same, _ = orthonormal(columns * scales)
    assert same == kept
    np.testing.assert_allclose(np.abs(np.sum(again * basis, axis=0)), 1.0, atol=1e-6)


def test_zero_and_repeated_columns_are_left_out() -> None:
    columns = columns_of(np.random.default_rng(2), k=2)
    several = np.column_stack([columns[:, 0], 0 * columns[:, 0], 5 * columns[:, 0], columns[:, 1]])
    _, kept, _ = orthonormal(several)
    assert kept == (0, 3)
    empty, none, added = orthonormal(np.zeros((5, 1)))
    assert empty.shape == (5, 0) and none == () and added.size == 0
