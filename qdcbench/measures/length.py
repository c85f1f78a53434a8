"""How much a measure follows the length of the texts, and its value at a length that compared data share.

A measure that moves with length inside one dataset, where the method, the teacher and the topic are the same,
moves with it between datasets too; the twin takes that part out. It is a straight line (in logarithms where
the measure is not a mean), so a twin far from the data's own lengths is an extrapolation.
"""

import math
from collections.abc import Sequence

import numpy as np

from qdcbench.measures.rows import FloatArray, IntArray

__all__ = ["STRATA", "at_length", "slope_of_means", "slope_of_strata", "strata"]

STRATA = 10
"""Parts of equal size, short rows to long rows, on which a measure of rows together is taken."""

_FEWEST = 20
"""Rows of a part; fewer say more about chance than about length."""


def strata(words: FloatArray) -> list[IntArray]:
    """Return the indices of the rows of each part, from short to long; nothing where the rows are too few or alike."""
    if len(words) < STRATA * _FEWEST or float(np.ptp(words)) == 0.0:
        return []
    order = np.argsort(words, kind="stable")
    return [np.sort(part).astype(np.int64) for part in np.array_split(order, STRATA)]


def _slope(x: FloatArray, y: FloatArray) -> float | None:
    spread = x - x.mean()
    total = float(spread @ spread)
    if total > 0 and float(np.ptp(y)) == 0.0:
        return 0.0  # and not the rounding of a mean
    return float(spread @ (y - y.mean())) / total if total > 0 else None


def slope_of_means(words: FloatArray, values: FloatArray) -> float | None:
    """Return the least-squares change of the value of single rows per unit of log(1 + words)."""
    return _slope(words, values) if len(values) > 2 else None


def slope_of_strata(words: Sequence[float], values: Sequence[float | None]) -> float | None:
    """Return the least-squares change of log(value) per unit of log(1 + words) over the parts.

    None where a part has no value above zero.
    """
    known = [value for value in values if value is not None and value > 0]
    if not known or len(known) < len(values):
        return None
    return _slope(np.asarray(words, dtype=np.float64), np.log(np.asarray(known, dtype=np.float64)))


def at_length(value: float, slope: float, gap: float, *, additive: bool) -> float:
    """Return the value moved along the slope by ``gap``, the reference minus the data's mean log(1 + words)."""
    if additive:
        return value + slope * gap
    return value * math.exp(max(-50.0, min(50.0, slope * gap)))
