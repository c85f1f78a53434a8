"""Complexity from rankings of small batches: a judge scores a few prompts together, pairs of scores become strengths.

Simula (arXiv:2603.29791, by secondary sources) scores batches of about 5, each row in several, and makes Elo ratings of
the pairs. Elo depends on the order of the pairs; `bradley_terry` does not. Anchors in every batch, which are the same
for every dataset, make strengths of different datasets comparable: 0 is their mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator, cg

from qdcbench.api import Asker, Example
from qdcbench.errors import ConfigError
from qdcbench.scorers.batch_scores import Batch, together
from qdcbench.scorers.judge import Numbers

__all__ = ["Design", "Outcomes", "Ranked", "batches_of", "bradley_terry", "elo", "outcomes", "rank"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PRIOR_DEVIATION = 3.0
"""Standard deviation in nats of the prior of a strength (assumed): weak beside a few pairs, and enough for a row that
won or lost them all to have a finite one."""

_PRECISION = 1e-10
_STEPS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """``size`` prompts in a batch, ``anchors`` of them anchors; each row is in ``times`` batches.

    About 5 in a batch is Simula's, twice a re-implementation's of it; one anchor a batch is assumed.
    """

    size: int = 5
    anchors: int = 1
    times: int = 2

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: a batch has no room for a row and one more prompt, or a row would be in no batch.
        """
        if self.anchors < 0 or self.size < max(2, self.anchors + 1) or self.times < 1:
            raise ConfigError(
                f"batches of {self.size} with {self.anchors} anchors, {self.times} times over, rank nothing; "
                "a batch needs two prompts, one of them a row, and a row at least one batch"
            )


def batches_of(rows: int, anchors: int, design: Design, stream: np.random.Generator) -> list[tuple[int, ...]]:
    """Return batches of indices below ``rows + anchors``, those from ``rows`` on being anchors.

    Each round is a new permutation of the rows cut into batches, a short last one filled up with rows from the round's
    start. Anchors take turns, and every batch is in random order, since judges have a bias of position.
    """
    room = design.size - min(design.anchors, anchors)
    found: list[tuple[int, ...]] = []
    for _ in range(design.times):
        order = stream.permutation(rows)
        for start in range(0, rows, room):
            chosen = order[start : start + room].tolist()
            if len(chosen) < room:
                chosen += order[: min(room - len(chosen), start)].tolist()
            turn = len(found) * (design.size - room)
            chosen += [rows + (turn + place) % anchors for place in range(design.size - room)]
            found.append(tuple(chosen[place] for place in stream.permutation(len(chosen)).tolist()))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """Pairs in the order of their batches: ``won`` (m,) is 1 where ``first`` (m,) beat ``second`` (m,), 0.5 a tie."""

    first: IntArray
    second: IntArray
    won: FloatArray


def outcomes(batches: Sequence[Sequence[int]], scores: Sequence[Sequence[float] | None]) -> Outcomes:
    """Turn scores of batches into pairs of all that stood together; a batch without scores gives none."""
    found = [
        (batch[i], batch[j], 0.5 + 0.5 * float(np.sign(given[i] - given[j])))
        for batch, given in zip(batches, scores, strict=True)
        if given is not None
        for i, j in combinations(range(len(batch)), 2)
    ]
    first, second, won = zip(*found, strict=True) if found else ((), (), ())
    return Outcomes(
        first=np.asarray(first, dtype=np.int64),
        second=np.asarray(second, dtype=np.int64),
        won=np.asarray(won, dtype=np.float64),
    )


def bradley_terry(players: int, pairs: Outcomes, prior_deviation: float = _PRIOR_DEVIATION) -> FloatArray:
    """Return the strengths (players,) in nats that make the outcomes most likely under a normal prior around 0.

    The probability that i beats j is 1 / (1 + exp(s_j - s_i)); a tie is half a win for each. The order of pairs does
    not matter. Newton's method with conjugate gradients, so memory is linear in players and pairs.
    """
    ridge = 1.0 / prior_deviation**2
    first, second, won = pairs.first, pairs.second, pairs.won

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(first, values, players).astype(np.float64) - np.bincount(second, values, players)

    def cost(strengths: FloatArray) -> float:
        gap = strengths[first] - strengths[second]
        return float(np.sum(np.logaddexp(0.0, gap) - won * gap)) + ridge / 2 * float(strengths @ strengths)

    strengths = np.zeros(players)
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(strengths[second] - strengths[first]))
        slope = summed(chance - won) + ridge * strengths
        if not np.max(np.abs(slope), initial=0.0) > _PRECISION:
            break
        step = _newton_step(slope, chance * (1 - chance), pairs, ridge)
        scale, before = 1.0, cost(strengths)
        while cost(strengths - scale * step) > before and scale > _PRECISION:
            scale /= 2
        strengths = strengths - scale * step
    return strengths


def _newton_step(slope: FloatArray, weights: FloatArray, pairs: Outcomes, ridge: float) -> FloatArray:
    players = len(slope)
    first, second = pairs.first, pairs.second
    diagonal = np.bincount(first, weights, players) + np.bincount(second, weights, players) + ridge

    def curved(vector: FloatArray) -> FloatArray:
        pulls = weights * (vector[first] - vector[second])
        return np.bincount(first, pulls, players) - np.bincount(second, pulls, players) + ridge * vector

    hessian: Any = LinearOperator((players, players), matvec=curved, dtype=np.float64)
    inverse: Any = LinearOperator((players, players), matvec=lambda vector: vector / diagonal, dtype=np.float64)
    step, _ = cg(hessian, slope, rtol=1e-10, maxiter=10 * players + 100, M=inverse)
    return np.asarray(step, dtype=np.float64)


def elo(players: int, pairs: Outcomes, start: float = 1000.0, factor: float = 16.0) -> FloatArray:
    """Return Elo ratings (players,) after the pairs in their order; another order gives other ratings.

    ``start`` and ``factor`` are those of a re-implementation of Simula.
    """
    ratings = [start] * players
    for i, j, won in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.won.tolist(), strict=True):
        moved = factor * (won - 1.0 / (1.0 + 10.0 ** ((ratings[j] - ratings[i]) / 400.0)))
        ratings[i] += moved
        ratings[j] -= moved
    return np.asarray(ratings, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """Strengths of n rows, 0 = the anchors' mean (of the rows' own mean without anchors), None for a row never read.

    ``elo`` are Simula's ratings by the same pairs, ``anchors`` the anchors' strengths; ``unread`` of ``batches``
    replies could not be read and were dropped.
    """

    column: Numbers
    elo: Numbers
    anchors: Numbers
    unread: int
    batches: int


def rank(
    judge: Asker,
    rows: Sequence[Example],
    anchors: Sequence[Example],
    stream: np.random.Generator,
    *,
    design: Design | None = None,
    scored: Callable[[Asker, Sequence[Batch]], list[list[float] | None]] = together,
) -> Ranked:
    """Rank the prompts of rows among each other and beside anchors.

    Args:
        judge: whom to ask.
        rows: whose prompts are ranked; n / (rows in a batch) questions for each time.
        anchors: examples that are the same for all datasets that are to be compared, such as a task's seed examples.
        stream: source of the batches.
        design: sizes of batches.
        scored: how a batch gets its scores; `batch_scores.apart` is for a scripted judge, which sees one at once.

    Raises:
        BudgetExhausted: the judge's budget has no room for all batches.
        PluginError: the judge is scripted and was asked about prompts together.
        TeacherError: the judge gave no usable answer after all retries.
    """
    everything = [*rows, *anchors]
    places = batches_of(len(rows), len(anchors), design or Design(), stream)
    scores = scored(judge, [tuple(everything[place] for place in batch) for batch in places])
    pairs = outcomes(places, scores)
    strengths = bradley_terry(len(everything), pairs)
    seen = np.zeros(len(everything), dtype=bool)
    seen[pairs.first] = seen[pairs.second] = True
    zero = seen.copy()
    if seen[len(rows) :].any():
        zero[: len(rows)] = False
    strengths = strengths - (strengths[zero].mean() if zero.any() else 0.0)
    known = _known(strengths, seen)
    return Ranked(
        column=known[: len(rows)],
        elo=_known(elo(len(everything), pairs), seen)[: len(rows)],
        anchors=known[len(rows) :],
        unread=scores.count(None),
        batches=len(places),
    )


def _known(values: FloatArray, seen: npt.NDArray[np.bool_]) -> Numbers:
    return tuple(float(value) if there else None for value, there in zip(values, seen, strict=True))
