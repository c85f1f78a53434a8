"""Dials inside a pool: which rows an arm takes, so that one thing about them changes and the rest stays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qdcbench.api import DataError, Example

from ._dials_pool import DialPool

__all__ = ["Setting", "chosen", "copied", "exchanged"]

ANSWER_ODDS = 6.0
"""Most that the log odds of a row may change with a standard deviation of its answer's words."""

ROUNDS = 4
HALVINGS = 16


@dataclass(frozen=True)
class Setting:
    """What an arm asks of the choice: share of clusters, depth from -1 to 1, and how hard prompts' words are held."""

    clusters: float
    depth: float
    hold: float


def _whole(shares: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Return whole numbers of that sum nearest to the shares of it (largest remainders, the first of equals)."""
    exact = shares / shares.sum() * total
    found: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    found[np.argsort(found - exact, kind="stable")[: total - int(found.sum())]] += 1
    return found


def _depths(pool: DialPool, depth: float, n: int) -> NDArray[np.int64]:
    """Return how many of n rows each stratum gives: a mixture of the whole pool and its shallow or its deep third."""
    ordered, third = np.sort(pool.stratum), max(1, len(pool.rows) // 3)
    end = ordered[:third] if depth < 0 else ordered[-third:]
    whole, turned = (np.bincount(part, minlength=int(ordered[-1]) + 1) / len(part) for part in (ordered, end))
    return _whole((1 - abs(depth)) * whole + abs(depth) * turned, n)


def _quotas(pool: DialPool, setting: Setting, n: int) -> NDArray[np.int64]:
    """Return how many rows each stratum (S) and cluster (K) gives.

    Every stratum takes its rows from the clusters in the same proportions, those that they have in the pool; what a
    cluster lacks is taken from the others.
    """
    kept = np.sort(pool.kinds[: max(1, round(setting.clusters * len(pool.kinds)))])
    sizes = np.bincount(pool.kind, minlength=int(pool.kind.max()) + 1).astype(np.float64)
    quotas = np.zeros((int(pool.stratum.max()) + 1, len(sizes)), dtype=np.int64)
    for stratum, wanted in enumerate(_depths(pool, setting.depth, n).tolist()):
        there = np.bincount(pool.kind[pool.stratum == stratum], minlength=len(sizes))[kept]
        if there.sum() < wanted:
            raise DataError(
                f"dialled: at clusters = {setting.clusters:g} and depth = {setting.depth:g}, {wanted} of {n} rows are "
                f"to be of stratum {stratum} of depth and the pool has {there.sum()}; raise factor, or turn less far"
            )
        given = np.zeros(len(kept), dtype=np.int64)
        while (left := wanted - int(given.sum())) > 0:
            room = there - given
            given += np.minimum(_whole(np.where(room > 0, sizes[kept], 0), left), room)
        quotas[stratum, kept] = given
    return quotas


def chosen(pool: DialPool, setting: Setting, n: int) -> NDArray[np.int64]:
    """Return the places of n rows, ascending, that fill the quotas of the setting.

    Within a quota rows are drawn with odds that grow or fall exponentially with the words of prompt and of answer, so
    that the mean words come to those of the pool, as near as the bounds of the odds let them.

    Raises:
        DataError: the pool lacks rows for the setting.
    """
    quotas = _quotas(pool, setting, n)
    cells = pool.stratum * quotas.shape[1] + pool.kind
    room = quotas.ravel()[cells]
    target = pool.words.mean(axis=0)
    standard = (pool.words - target) / np.where(pool.words.std(axis=0) > 0, pool.words.std(axis=0), 1)
    chance = -np.log(-np.log(pool.luck[:, 0]))  # of Gumbel: the highest of odds + chance are a draw by these odds

    def drawn(odds: NDArray[np.float64]) -> NDArray[np.int64]:
        order = np.lexsort((-(standard @ odds + chance), cells))
        first = np.searchsorted(cells[order], cells[order])
        return np.sort(order[np.arange(len(order)) - first < room[order]])

    odds = np.zeros(2)
    for side in (0, 1) * ROUNDS:
        high = (setting.hold, ANSWER_ODDS)[side]
        low = -high
        for _ in range(HALVINGS):
            odds[side] = (low + high) / 2
            if pool.words[drawn(odds), side].mean() < target[side]:
                low = odds[side]
            else:
                high = odds[side]
    return drawn(odds)


def exchanged(rows: Sequence[Example], places: Sequence[int], wrong: Callable[[Example], bool]) -> list[Example]:
    """Return the rows, those at ``places`` with one another's answers such that each is ``wrong``.

    Raises:
        DataError: their answers are too much alike, or there is only one such row.
    """

    def with_answer(place: int, other: int) -> Example:
        return replace(rows[place], completion=rows[other].completion, lineage={"operator": "corrupt"})

    sources = [*places[1:], *places[:1]]
    for here, place in enumerate(places):
        if wrong(with_answer(place, sources[here])):
            continue
        for there, other in enumerate(places):
            if wrong(with_answer(place, sources[there])) and wrong(with_answer(other, sources[here])):
                sources[here], sources[there] = sources[there], sources[here]
                break
        else:
            raise DataError(
                f"dialled: {len(places)} rows cannot all have a wrong answer of one another; ask for more rows"
            )
    changed = list(rows)
    for place, source in zip(places, sources, strict=True):
        changed[place] = with_answer(place, source)
    return changed


def copied(rows: Sequence[Example], first: Sequence[int], n: int) -> list[Example]:
    """Return the rows and copies of them, n together, each copied as often as the others or once more.

    ``first`` are places of some rows (the wrong ones), which keep their share among the copies.
    """
    others = [place for place in range(len(rows)) if place not in set(first)]
    spread = {place: (rank + 0.5) / len(part) for part in (first, others) for rank, place in enumerate(part)}
    turns = sorted(spread, key=lambda place: (spread[place], place))
    copies = [rows[turns[number % len(turns)]] for number in range(n - len(rows))]
    return [*rows, *(replace(row, lineage={"operator": "copy"}) for row in copies)]
