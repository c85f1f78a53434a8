"""Choose rows one by one: by what each is worth by itself and by how much of a pool it brings nearer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Goal", "choose"]

HELD = 16_000
"""Rows of a pool whose similarities are held at once, 1 GB; those of a larger pool are computed when needed."""
_BATCH = 8
_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a choice is to make large: the sum of ``worth`` and ``cover`` times the facility location.

    Facility location is the sum, over all rows of the pool, of the cosine to the nearest chosen row. ``groups`` gives
    each row's group and ``room`` how many of each may be chosen; None: one group without limit.
    """

    worth: Sequence[float]
    cover: float
    groups: Sequence[int] | None = None
    room: Sequence[int] = ()


def _similarities(vectors: "NDArray[np.float32]", held: int) -> "Callable[[NDArray[np.int64]], NDArray[np.float32]]":
    """A function from places (b) to their cosines with the whole pool (b, n)."""
    import numpy as np

    n = len(vectors)
    if n > held:
        return lambda places: vectors[places] @ vectors.T
    table = np.empty((n, n), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        np.matmul(vectors[start : start + _BLOCK], vectors.T, out=table[start : start + _BLOCK])
    return lambda places: table[places]


def choose(vectors: "NDArray[np.float32]", count: int, goal: Goal, held: int = HELD) -> list[int]:
    """Return the places of up to ``count`` rows of a pool of unit vectors (n, d), the greedy choice, best first.

    Each step takes the row that adds most, the first of equals. What a row adds only falls as others are chosen, so
    an old figure is an upper bound, and only rows whose bound is highest are looked at anew (Minoux 1978). The
    similarities of a pool of up to ``held`` rows are held, those of a larger one are computed when needed.
    """
    import numpy as np

    n, similar = len(vectors), _similarities(vectors, held)
    worth = np.asarray(goal.worth, dtype=np.float64)
    groups = np.zeros(n, dtype=np.int64) if goal.groups is None else np.asarray(goal.groups, dtype=np.int64)
    room = list(goal.room) or [n]
    covered = np.zeros(n, dtype=np.float32)
    bounds = np.full(n, np.inf)
    bounds[np.asarray(room)[groups] < 1] = -np.inf
    chosen: list[int] = []
    while len(chosen) < min(count, n):
        fresh = np.zeros(n, dtype=bool)
        while not fresh[best := int(np.argmax(bounds))] and bounds[best] > -np.inf:
            highest = np.argpartition(bounds, -_BATCH)[-_BATCH:] if n > _BATCH else np.arange(n)
            batch = np.union1d(highest[~fresh[highest] & (bounds[highest] > -np.inf)], [best])
            gains = np.maximum(similar(batch) - covered, 0).sum(axis=1, dtype=np.float64)
            bounds[batch] = worth[batch] + goal.cover * gains
            fresh[batch] = True
        if bounds[best] == -np.inf:
            break
        chosen.append(best)
        covered = np.maximum(covered, similar(np.asarray([best]))[0])
        bounds[best] = -np.inf
        room[groups[best]] -= 1
        if not room[groups[best]]:
            bounds[groups == groups[best]] = -np.inf
    return chosen
