"""Effects of dials that were set on purpose: a slope in each block, and the mean of the slopes over blocks.

A block is a repetition in one setting: its arms share seeds, pool and teacher, so whatever is peculiar to it is in all
of them and leaves their differences. Blocks of one repetition in different settings share seeds too. So repetitions are
what is independent, not blocks or datasets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qdcbench.records import Interval
from qdcbench.stats.bootstrap import FloatArray

__all__ = ["BlockMean", "Blocks", "block_mean", "coded", "interactions", "partial_effect"]

IntArray = NDArray[np.int64]

SMALLEST_RESIDUAL = 1e-8
"""Share of a column's length that must be left after the others are taken out; below it the two are one."""

EQUAL = 1e-9
"""Values nearer than this, as a share of the largest, are the same number calculated in another order."""


def coded(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return levels between -1/2 at ``low`` and 1/2 at ``high``, so that an effect is the change over the range."""
    scaled: FloatArray = (np.asarray(values, dtype=np.float64) - low) / (high - low) - 0.5
    return scaled


def interactions(factors: FloatArray, order: int = 3) -> tuple[tuple[tuple[int, ...], ...], FloatArray]:
    """Return the terms up to ``order`` factors, and their products as columns, shape (units, terms).

    ``factors`` has shape (units, factors); a term is the tuple of the factors in it, fewest first.
    """
    n_factors = factors.shape[1]
    terms = tuple(term for size in range(1, min(order, n_factors) + 1) for term in combinations(range(n_factors), size))
    return terms, np.column_stack([np.prod(factors[:, list(term)], axis=1) for term in terms])


def partial_effect(column: FloatArray, held: FloatArray, outcome: FloatArray) -> float | None:
    """Return the least-squares coefficient of ``column`` with the columns of ``held`` in the model too.

    ``column`` and ``outcome`` have shape (units,) without NaN, ``held`` (units, held). None where the column cannot be
    told from the others, which may themselves be redundant.
    """
    left = column - held @ np.linalg.lstsq(held, column, rcond=None)[0]
    size = float(left @ left)
    if size <= SMALLEST_RESIDUAL**2 * max(1.0, float(column @ column)):
        return None
    effect = float(left @ outcome) / size
    # What is left of equal numbers that were added in another order is no effect.
    return 0.0 if abs(effect) <= EQUAL * float(np.abs(outcome).max(initial=0.0)) else effect


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockMean:
    """Mean of a number over blocks; ``stderr`` and ``df`` are None with a ``reason`` where no spread is known.

    ``n_repetitions`` counts what is independent.
    """

    estimate: float | None
    n_blocks: int
    n_repetitions: int
    stderr: float | None = None
    df: float | None = None
    reason: str = ""

    @property
    def p_value(self) -> float | None:
        """Two-sided p-value of no effect; None where no spread is known."""
        if self.estimate is None or self.stderr is None or self.df is None:
            return None
        return float(2 * stats.t.sf(abs(self.estimate) / self.stderr, self.df))

    def interval(self, level: float = 0.95) -> Interval:
        """Return the mean with Student's interval at that level."""
        low = high = None
        if self.estimate is not None and self.stderr is not None and self.df is not None:
            half = float(stats.t.ppf(0.5 + level / 2, self.df)) * self.stderr
            low, high = self.estimate - half, self.estimate + half
        return Interval(
            point=self.estimate, low=low, high=high, level=level, kind="t over repetitions", n=self.n_blocks,
            reason=self.reason,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """Where each block belongs, in order: its setting, its task, and its repetition."""

    settings: tuple[str, ...]
    tasks: tuple[str, ...]
    repetitions: tuple[int, ...]


def block_mean(values: FloatArray, blocks: Blocks) -> BlockMean:
    """Return the mean of one value a block, shape (blocks,), no NaN.

    Settings are those that were chosen, not a sample of all settings, so what differs between them is no error. What is
    left is added over the settings of a repetition, whose seeds they share within a task, and its spread over
    repetitions is the error: with one setting that is Student's t, with several of which each has all repetitions it is
    Student's t of the means of the repetitions. Tasks have seeds of their own, so each has its own spread, with
    Satterthwaite's degrees of freedom; a task with one repetition takes the pooled spread of the others.
    """
    values = np.asarray(values, dtype=np.float64)
    n = int(values.size)
    labels, tasks = np.asarray(blocks.settings, dtype=str), np.asarray(blocks.tasks, dtype=str)
    names = sorted(set(zip(blocks.tasks, blocks.repetitions, strict=True)))
    found = BlockMean(estimate=None, n_blocks=n, n_repetitions=len(names))
    if n == 0:
        return replace(found, reason="no block has a value")
    found = replace(found, estimate=float(values.mean()))
    residuals = values.copy()
    for name in set(blocks.settings):
        residuals[labels == name] -= values[labels == name].mean()
    sums: dict[str, list[float]] = {}
    for task, repetition in names:
        mine = (tasks == task) & (np.asarray(blocks.repetitions) == repetition)
        sums.setdefault(task, []).append(float(residuals[mine].sum()))
    df = sum(len(part) - 1 for part in sums.values())
    if df < 1:
        return replace(found, reason="one repetition a task, so no spread is known")
    if max(abs(one) for part in sums.values() for one in part) <= EQUAL * max(1e-12, float(np.abs(values).max())):
        return replace(found, reason="all repetitions give the same number, so no spread is known")
    return _with_error(found, [np.asarray(part) for part in sums.values()], df)


def _with_error(found: BlockMean, sums: Sequence[FloatArray], df: int) -> BlockMean:
    """Return the mean with its error from the residuals' sums by repetition, task by task."""
    pooled = sum(float(part @ part) for part in sums) / df
    # What each task adds to the variance of the mean, and the degrees of freedom it is known with.
    known = [part.size - 1 if part.size > 1 else df for part in sums]
    shares = [
        (float(part @ part) / (part.size - 1) if part.size > 1 else pooled) * part.size / found.n_blocks**2
        for part in sums
    ]
    loss = sum(share**2 / freedom for share, freedom in zip(shares, known, strict=True))
    return replace(found, stderr=float(np.sqrt(sum(shares))), df=min(sum(shares) ** 2 / loss, float(df)))
