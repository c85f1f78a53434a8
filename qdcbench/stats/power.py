"""What a study of this size could have seen: smallest detectable effect and effective number of units."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

__all__ = ["detectable_effect", "effective_n"]


def detectable_effect(stderr: float, df: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest true effect that a two-sided t-test finds with the given power.

    In the unit of ``stderr``; exact, from the noncentral t distribution with ``df`` degrees of freedom.
    """
    return stderr * _noncentrality(round(df, 2), power, alpha)


@cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 400 nodes of Gauss and Legendre on [-1, 1] and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    return nodes, weights


@cache
def _noncentrality(df: float, power: float, alpha: float) -> float:
    """Return the effect in standard errors; six decimals, so that processors agree on it."""
    critical = float(special.stdtrit(df, 1 - alpha / 2))
    # The power is averaged over quantiles of the estimated standard error; SciPy's noncentral t is NaN far out.
    nodes, weights = _nodes()
    spread = np.sqrt(special.chdtri(df, 1 - (nodes + 1) / 2) / df)

    def gap(effect: float) -> float:
        found = special.ndtr(effect - critical * spread) + special.ndtr(-effect - critical * spread)
        return float(weights @ found / 2) - power

    return round(float(optimize.brentq(gap, 0.0, 10 * critical, xtol=1e-9)), 6)


def effective_n(n_units: int, n_clusters: int, stderr_independent: float, stderr_clustered: float) -> float:
    """Return how many independent units would give the clustered standard error.

    Between the number of clusters and the number of units, as far as a noisy standard error can tell.
    """
    if stderr_clustered <= 0:
        return float(n_units)
    return float(min(max(n_units * (stderr_independent / stderr_clustered) ** 2, n_clusters), n_units))
