"""How far two arms are apart, and how many repetitions would tell them apart."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import special

from qdcbench.records import Interval
from qdcbench.stats.rank import PairwiseTest

__all__ = ["MOST_REPETITIONS", "Gap", "difference", "gap_of", "repetitions_needed"]

MOST_REPETITIONS = 1_000
"""Beyond this many repetitions a difference counts as one that no study would find."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """The difference of two arms: its mean over ``repetitions``, the error of that mean and its degrees of freedom."""

    mean: float
    stderr: float
    df: float
    repetitions: int


def gap_of(test: PairwiseTest, left: int, right: int) -> Gap | None:
    """Return left minus right; None where they have no common repetition or the design has no residual."""
    if np.isnan(test.stderr[left, right]):
        return None
    return Gap(
        mean=float(test.gap[left, right]),
        stderr=float(test.stderr[left, right]),
        df=test.df,
        repetitions=int(test.n_common[left, right]),
    )


def difference(gap: Gap, level: float = 0.95) -> Interval:
    """Return the mean difference with Student's interval, the error and degrees of freedom being `pairwise`'s."""
    half = float(special.stdtrit(gap.df, 0.5 + level / 2)) * gap.stderr
    return Interval(
        point=gap.mean,
        low=gap.mean - half,
        high=gap.mean + half,
        level=level,
        kind="paired t, larger of pooled and own error",
        n=gap.repetitions,
    )


def repetitions_needed(gap: Gap, repetitions: int, power: float = 0.8) -> int | None:
    """Return how many repetitions of every arm would find a true difference of this size at the two-sided 5 %.

    The spread of a paired difference is taken as observed, and the degrees of freedom grow with the repetitions as
    they do in a complete design (those of now come from ``repetitions``, at least 2). None where more than
    `MOST_REPETITIONS` are needed, as where the difference is zero. An observed difference is itself uncertain: this
    plans a next study and says nothing about the power that this one had.
    """
    if gap.mean == 0:
        return None
    if gap.stderr == 0:
        return 2
    in_errors = abs(gap.mean) / (gap.stderr * sqrt(gap.repetitions))
    df_each = gap.df / (repetitions - 1)

    def enough(n: int) -> bool:
        return _power(in_errors * sqrt(n), df_each * (n - 1)) >= power

    if not enough(MOST_REPETITIONS):
        return None
    too_few, plenty = 1, MOST_REPETITIONS
    while plenty - too_few > 1:
        middle = (too_few + plenty) // 2
        too_few, plenty = (too_few, middle) if enough(middle) else (middle, plenty)
    return plenty


def _power(effect: float, df: float) -> float:
    """Return the power of a two-sided t-test at 5 % for a positive effect in standard errors.

    Of the tail on the effect's side: the other has less than 1e-4 where the power is near 0.8. Past twice the critical
    value, where the power is above 0.95, that of twice the critical value: the noncentral t is hard to have far out.
    """
    critical = float(special.stdtrit(df, 0.975))
    return 1 - float(special.nctdtr(df, min(effect, 2 * critical), critical))
