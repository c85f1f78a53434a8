"""Shares of the explained variance by general dominance: what each regressor adds, averaged over all orders."""

import math
from dataclasses import dataclass

import numpy as np

from qdcbench.records import Interval
from qdcbench.stats.bootstrap import Bootstrap, FloatArray, cluster_bootstrap
from qdcbench.stats.panel import FITS_AT_ONCE, ClusterSums, Panel

__all__ = ["dominance", "dominance_intervals"]

SMALLEST_PIVOT = 1e-10
"""Share of a regressor's variance that others must leave for it to add anything; what is below is rounding."""


def dominance(cross: FloatArray, n_regressors: int) -> FloatArray:
    """Return general dominance shares of R^2, shape (fits, regressors, outcomes).

    ``cross`` (fits, columns, columns) are cross-products about group means, the regressors first, then the outcomes.
    The share of a regressor is the rise of R^2 that it brings, averaged over all orders in which regressors can come
    in (Lindeman, Merenda and Gold 1980; Budescu 1993; the Shapley value of R^2), so that shares add to R^2. Of two
    regressors that are one column each gets half. NaN where an outcome does not vary.
    """
    diagonal = np.diagonal(cross, axis1=1, axis2=2)
    floors = SMALLEST_PIVOT * diagonal[:, :n_regressors].max(axis=0)
    shares = np.zeros((cross.shape[0], n_regressors, cross.shape[1] - n_regressors))
    state = _State(rows=cross[:, :n_regressors], left=tuple(range(n_regressors)), first=0)
    _add_gains(shares, state, floors)
    total = diagonal[:, None, n_regressors:]
    result: FloatArray = np.where(total > 0, shares / np.where(total > 0, total, 1.0), np.nan)
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """Cross-products of the regressors not yet in a set, with each other and the outcomes, the set swept out.

    ``rows`` (fits, left, left and outcomes); ``left`` are the regressors' numbers. Sets grow by regressors from
    ``first`` on only, so that each of the 2^k sets comes up once.
    """

    rows: FloatArray
    left: tuple[int, ...]
    first: int


def _add_gains(shares: FloatArray, state: _State, floors: FloatArray) -> None:
    """Add what each regressor adds to the set of ``state``, then go on to the sets that hold one regressor more.

    The gain of a regressor is the square of what it shares with the outcome over what is left of it.
    """
    k, n_left = floors.size, len(state.left)
    weight = 1.0 / (k * math.comb(k - 1, k - n_left)) if n_left else 0.0
    for place, j in enumerate(state.left):
        row = state.rows[:, place]
        there = row[:, place] > floors[j]
        share = np.where(there, 1.0 / np.where(there, row[:, place], 1.0), 0.0)
        shares[:, j, :] += weight * share[:, None] * row[:, n_left:] ** 2
        if j < state.first or n_left == 1:
            continue
        others = [at for at in range(n_left) if at != place]
        kept = [*others, *range(n_left, row.shape[1])]
        taken = (state.rows[:, others, place] * share[:, None])[:, :, None] * row[:, None, kept]
        rest = state.rows[:, others][:, :, kept] - taken
        _add_gains(shares, _State(rows=rest, left=tuple(state.left[at] for at in others), first=j + 1), floors)


def dominance_intervals(
    panel: Panel, outcomes: FloatArray, rng: np.random.Generator, how: Bootstrap
) -> tuple[tuple[Interval, ...], ...]:
    """Return for each outcome the shares of all regressors with intervals that resample clusters.

    ``outcomes`` has shape (units, outcomes). A share is never negative, so the interval of one that is nothing lies
    above zero: it says how large a share may be, not whether there is one.
    """
    k, m = panel.x.shape[1], outcomes.shape[1]
    sums = ClusterSums.of(np.column_stack([panel.x, outcomes]), panel.groups, panel.clusters)

    def shares(counts: FloatArray) -> FloatArray:
        parts = [sums.within(counts[i : i + FITS_AT_ONCE]) for i in range(0, counts.shape[0], FITS_AT_ONCE)]
        return np.concatenate([dominance(part, k).transpose(0, 2, 1).reshape(-1, m * k) for part in parts])

    found = cluster_bootstrap(shares, sums.sizes.shape[0], rng, how)
    return tuple(found[j * k : (j + 1) * k] for j in range(m))
