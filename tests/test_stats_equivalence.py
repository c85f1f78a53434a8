"""Two one-sided tests: the p-value agrees with the interval, with statsmodels, and keeps its level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from qdcbench.stats.equivalence import equivalence_p


@given(st.floats(-2, 2), st.floats(0.01, 2), st.integers(1, 40), st.floats(0.01, 2))
def test_it_is_below_alpha_exactly_when_the_interval_lies_inside(estimate, stderr, df, margin):
    p = equivalence_p(estimate, stderr, df, margin)
    for alpha in (0.01, 0.05, 0.2):
        half = stats.t.ppf(1 - alpha, df) * stderr
        if abs(abs(estimate) + half - margin) > 1e-9:
            assert (p < alpha) == (abs(estimate) + half < margin)


def test_statsmodels_says_the_same():
    values = np.random.default_rng(0).normal(0.1, 0.5, 15)
    expected = DescrStatsW(values).ttost_mean(-0.4, 0.4)[0]
    stderr = values.std(ddof=1) / np.sqrt(15)
    assert equivalence_p(float(values.mean()), float(stderr), 14, 0.4) == pytest.approx(expected)


def test_an_effect_on_the_margin_passes_in_one_of_twenty_at_most():
    rng = np.random.default_rng(1)
    draws = rng.normal(0.5, 1, (4000, 40))
    stderrs = draws.std(axis=1, ddof=1) / np.sqrt(40)
    passed = [equivalence_p(m, s, 39, 0.5) < 0.05 for m, s in zip(draws.mean(axis=1), stderrs, strict=True)]
    assert 0.03 < np.mean(passed) < 0.065
