"""Probability of improvement: how often a new dataset of one arm beats one of another."""

import numpy as np
from scipy import special

from qdcbench.records import Interval
from qdcbench.stats.bootstrap import FloatArray

__all__ = ["probability_of_improvement"]


def probability_of_improvement(better: FloatArray, worse: FloatArray, level: float = 0.95) -> Interval:
    """Return the probability that ``better`` scores higher in a new repetition, from paired repetitions.

    Both have shape (repetitions,), more is better, the same repetition at the same index; NaN leaves a repetition
    out. The point is the share of repetitions won, a tie being half a win; the interval is the exact binomial one
    (Clopper and Pearson), ties counted against either bound. It assumes nothing but independent repetitions, so
    three of them say little: even three wins of three allow 0.29.

    Not the Mann-Whitney share over all pairs of repetitions: it compares across repetitions, whose seed examples and
    probe seeds differ; with those taken out over two arms it becomes Wilcoxon's statistic of the pairs and answers
    another question. Nor a normal model with pooled error, which is wrong where arms differ in spread.
    """
    differences = np.asarray(better, dtype=np.float64) - np.asarray(worse, dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    n = differences.size
    if n == 0:
        reason = "no repetition is complete on both sides"
        return Interval(point=None, low=None, high=None, level=level, kind="exact binomial", reason=reason)
    ties = int(np.sum(np.abs(differences) <= 1e-12))
    wins = int(np.sum(differences > 1e-12))
    tail = (1 - level) / 2
    low = float(special.betaincinv(wins, n - wins + 1, tail)) if wins else 0.0
    most = wins + ties
    high = float(special.betaincinv(most + 1, n - most, 1 - tail)) if most < n else 1.0
    return Interval(point=(wins + ties / 2) / n, low=low, high=high, level=level, kind="exact binomial", n=n)
