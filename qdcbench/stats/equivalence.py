"""Two one-sided tests: is an effect small enough not to matter?"""

from scipy import stats

__all__ = ["equivalence_p"]


def equivalence_p(estimate: float, stderr: float, df: float, margin: float) -> float:
    """Return the p-value of the hypothesis that the true effect is ``margin`` or more away from zero.

    Schuirmann's two one-sided t-tests: the larger of the two p-values, so that it is at most alpha exactly when the
    interval at level 1 - 2 alpha lies inside ±margin. ``stderr`` must be above 0 and ``margin`` in its unit.
    """
    above = stats.t.sf((estimate + margin) / stderr, df)
    below = stats.t.cdf((estimate - margin) / stderr, df)
    return float(max(above, below))
