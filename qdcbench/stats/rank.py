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

    Every pair is compared over its common repetitions. The error is the residual of arm + repetition, pooled
    over all arms (a randomised block design): three repetitions leave a test of one pair two degrees of
    freedom, with which no difference outlives the adjustment. The price is the assumption that arms vary
    alike between repetitions.
    """
    there = ~np.isnan(values)
    n_arms = values.shape[0]
    p_raw = np.full((n_arms, n_arms), np.nan)
    variance, df = _block_residual(values, there)
    if variance is None or df < 1:
        return PairwiseTest(p_adjusted=p_raw, df=df, stderr_of_difference=None)
    rows, columns = np.triu_indices(n_arms, 1)
    common = (there[rows] & there[columns]).sum(axis=1)
    gaps = np.where(there[rows] & there[columns], values[rows] - values[columns], 0.0).sum(axis=1)
    usable = common > 0
    stderr = np.sqrt(2 * variance / np.maximum(common, 1))
    mean_gap = gaps / np.maximum(common, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.abs(mean_gap) <= 1e-12, 0.0, np.abs(mean_gap) / stderr)
    adjusted = holm(np.where(usable, 2 * stats.t.sf(t, df), np.nan))
    p_raw[rows, columns] = adjusted
    p_raw[columns, rows] = adjusted
    most = int(common.max(initial=0))
    typical = float(np.sqrt(2 * variance / most)) if most else None
    return PairwiseTest(p_adjusted=p_raw, df=df, stderr_of_difference=typical)


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
