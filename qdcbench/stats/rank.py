"""Order of arms with tie groups: which arms cannot be told apart."""

from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.compare import holm

__all__ = ["PairwiseTest", "letters", "pairwise"]

LATIN = ascii_lowercase + ascii_uppercase


@dataclass(frozen=True, kw_only=True, slots=True)
class PairwiseTest:
    """Holm-adjusted p-values of all pairs of arms, shape (arms, arms), NaN where a pair cannot be compared."""

    p_adjusted: FloatArray
    df: float
    stderr_of_difference: float | None


def pairwise(values: FloatArray) -> PairwiseTest:
    """Compare all pairs of arms; ``values`` has shape (arms, repetitions), NaN where a repetition is missing.

    Every pair is compared over its common repetitions. Its error is the larger of two: the residual of arm +
    repetition pooled over all arms (a randomised block design), and the spread of its own differences. Three
    repetitions alone leave a pair two degrees of freedom, with which no difference outlives the adjustment; the
    pooled error alone, in simulations with 8 to 10 equal arms, told some apart in 6-11 % of studies where arms
    differed in spread, and in 13-20 % where one was four times as noisy. The larger of both: 3-5 % and 6-9 %.
    """
    there = ~np.isnan(values)
    n_arms = values.shape[0]
    adjusted = np.full((n_arms, n_arms), np.nan)
    variance, df = _block_residual(values, there)
    if variance is None:
        return PairwiseTest(p_adjusted=adjusted, df=df, stderr_of_difference=None)
    rows, columns = np.triu_indices(n_arms, 1)
    p = np.full(rows.size, np.nan)
    most = 0
    for pair, (i, j) in enumerate(zip(rows, columns, strict=True)):
        gaps = (values[i] - values[j])[there[i] & there[j]]
        if gaps.size:
            own = float(gaps.var(ddof=1)) if gaps.size > 1 else 0.0
            p[pair] = _p_of(float(gaps.mean()), np.sqrt(max(2 * variance, own) / gaps.size), df)
            most = max(most, gaps.size)
    adjusted[rows, columns] = adjusted[columns, rows] = holm(p)
    typical = float(np.sqrt(2 * variance / most)) if most else None
    return PairwiseTest(p_adjusted=adjusted, df=df, stderr_of_difference=typical)


def _p_of(gap: float, stderr: float, df: float) -> float:
    """Return the two-sided p-value of a gap; without any spread an equal pair is a tie and any other differs."""
    if abs(gap) <= 1e-12:
        return 1.0
    return float(2 * stats.t.sf(abs(gap) / stderr, df)) if stderr > 0 else 0.0


def _block_residual(values: FloatArray, there: NDArray[np.bool_]) -> tuple[float | None, float]:
    """Return the mean square of the residual of arm + repetition and its degrees of freedom."""
    arms, repetitions = np.nonzero(there)
    if arms.size == 0:
        return None, 0.0
    design = np.zeros((arms.size, sum(values.shape)))
    design[np.arange(arms.size), arms] = 1
    design[np.arange(arms.size), values.shape[0] + repetitions] = 1
    rank = int(np.linalg.matrix_rank(design))
    df = float(arms.size - rank)
    if df < 1:
        return None, df
    observed = values[there]
    fitted = design @ np.linalg.lstsq(design, observed, rcond=None)[0]
    return float(np.sum((observed - fitted) ** 2) / df), df


def letters(different: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the compact letter display: two arms share a letter exactly when they are not different.

    ``different`` is symmetric, shape (arms, arms), arms in the order in which letters are to appear. Insert
    and absorb (Piepho 2004).
    """
    n = different.shape[0]
    columns = [frozenset(range(n))] if n else []
    for i in range(n):
        for j in range(i + 1, n):
            if different[i, j]:
                columns = _split(columns, i, j)
    columns.sort(key=sorted)
    return tuple("".join(_symbol(c) for c, column in enumerate(columns) if i in column) for i in range(n))


def _symbol(index: int) -> str:
    """Return one letter for a tie group: Latin, and past those the Cyrillic block on."""
    return LATIN[index] if index < len(LATIN) else chr(0x0410 + index - len(LATIN))


def _split(columns: list[frozenset[int]], i: int, j: int) -> list[frozenset[int]]:
    """Cut every column that holds both arms in two, then drop columns contained in another."""
    cut: set[frozenset[int]] = set()
    for column in columns:
        cut |= {column - {i}, column - {j}} if i in column and j in column else {column}
    return [column for column in cut if not any(column < other for other in cut)]
