"""The smallest detectable effect is found at the promised rate."""

import numpy as np
import pytest

from qdcbench.stats.power import detectable_effect, effective_n


@pytest.mark.parametrize("n", [4, 8, 30, 200])
def test_agrees_with_statsmodels(n: int) -> None:
    power = pytest.importorskip("statsmodels.stats.power")
    theirs = power.TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert detectable_effect(1 / np.sqrt(n), n - 1) == pytest.approx(theirs, rel=1e-4)


def test_is_in_units_of_the_standard_error_and_falls_with_df() -> None:
    assert detectable_effect(2.0, 5) == pytest.approx(2 * detectable_effect(1.0, 5))
    effects = [detectable_effect(1.0, df) for df in (1, 1.3, 2, 5, 20, 1000)]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] == pytest.approx(1.96 + 0.8416, abs=0.01)


def test_effective_n_lies_between_clusters_and_units() -> None:
    assert effective_n(60, 6, 0.1, 0.1) == 60
    assert effective_n(60, 6, 0.1, 0.2) == pytest.approx(15)
    assert effective_n(60, 6, 0.1, 9.0) == 6
    assert effective_n(60, 6, 0.1, 0.05) == 60
    assert effective_n(60, 6, 0.0, 0.0) == 60
