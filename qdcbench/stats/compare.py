"""Paired differences between arms, and adjustment of p-values for their number."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from qdcbench.records import Interval
from qdcbench.stats.bootstrap import FloatArray, t_interval

__all__ = ["PairedDifference", "benjamini_hochberg", "holm", "holm_levels", "paired_difference", "sign_flip_p"]

EXACT_UP_TO = 16
"""Pairs up to which all sign patterns are counted; above it patterns are drawn."""

DRAWN_PATTERNS = 9_999


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedDifference:
    """Mean difference with its interval, and two p-values of the hypothesis that it is zero.

    ``p_sign_flip`` assumes only symmetry but cannot go below 2 / 2**pairs; ``p_t`` assumes normal differences.
    """

    interval: Interval
    p_t: float | None
    p_sign_flip: float | None


def paired_difference(left: FloatArray, right: FloatArray, rng: np.random.Generator) -> PairedDifference:
    """Compare two arms, both of shape (repetitions,), the same repetition at the same index.

    A p-value is None for one pair, and where all differences are equal: no spread is known then.
    """
    differences = np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)
    interval = t_interval(differences)
    n = differences.size
    if n < 2:
        return PairedDifference(interval=interval, p_t=None, p_sign_flip=None)
    if np.ptp(differences) <= 1e-12:
        return PairedDifference(interval=interval, p_t=None, p_sign_flip=sign_flip_p(differences, rng))
    t = differences.mean() / (differences.std(ddof=1) / np.sqrt(n))
    return PairedDifference(
        interval=interval, p_t=float(2 * stats.t.sf(abs(t), n - 1)), p_sign_flip=sign_flip_p(differences, rng)
    )


def sign_flip_p(differences: FloatArray, rng: np.random.Generator) -> float:
    """Return the two-sided p-value of the mean under random signs; ``differences`` has shape (pairs,).

    Exact up to 16 pairs; above, from drawn patterns with the observed one counted in, so never zero.
    """
    n = differences.size
    if n <= EXACT_UP_TO:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        means = np.abs((1.0 - 2.0 * bits) @ differences)
        return float(np.mean(means >= abs(differences.sum()) - 1e-12 * np.abs(differences).sum()))
    signs = rng.choice(np.array([-1.0, 1.0]), size=(DRAWN_PATTERNS, n))
    extreme = np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    return float((1 + extreme.sum()) / (1 + DRAWN_PATTERNS))


def holm(p_values: FloatArray) -> FloatArray:
    """Return Holm's adjusted p-values, shape as given; NaN stays NaN and is not counted (Holm 1979)."""
    return _stepwise(p_values, step_down=True)


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Return p-values adjusted for the false discovery rate, shape as given; NaN stays NaN and is not counted."""
    return _stepwise(p_values, step_down=False)


def _stepwise(p_values: FloatArray, step_down: bool) -> FloatArray:
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p_values.shape, np.nan)
    there = np.flatnonzero(~np.isnan(p_values))
    m = there.size
    order = there[np.argsort(p_values[there], kind="stable")]
    ranks = np.arange(1, m + 1)
    if step_down:
        steps = np.maximum.accumulate(p_values[order] * (m - ranks + 1))
    else:
        steps = np.minimum.accumulate((p_values[order] * m / ranks)[::-1])[::-1]
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def holm_levels(p_values: FloatArray, alpha: float = 0.05) -> FloatArray:
    """Return for each hypothesis the level whose interval excludes zero exactly when Holm rejects it.

    Step k of m tests at 1 - alpha / (m - k + 1); from the first step that fails on, its level holds for the
    rest. NaN p-values get alpha / (number of hypotheses), the widest, and are not counted otherwise.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    levels = np.full(p_values.shape, 1 - alpha / max(p_values.size, 1))
    there = np.flatnonzero(~np.isnan(p_values))
    order = there[np.argsort(p_values[there], kind="stable")]
    steps = alpha / np.arange(there.size, 0, -1)
    failing = np.flatnonzero(p_values[order] > steps)
    if failing.size:
        steps[failing[0] :] = steps[failing[0]]
    levels[order] = 1 - steps
    return levels
