"""How far ranked arms are apart: each next to its neighbour in the order, and next to the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qdcbench.records import Interval, Ranking, Separation, SuiteFacts
from qdcbench.stages.analysis.rankings import by_repetition, direction, score_table
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.improvement import probability_of_improvement
from qdcbench.stats.rank import PairwiseTest, pairwise
from qdcbench.stats.separation import MOST_REPETITIONS, Gap, difference, gap_of, repetitions_needed

__all__ = ["separations"]

NO_PAIR = "no repetition is complete on both sides"
NO_SPREAD = "too few repetitions, so no spread is known"
EQUAL = "the two are equal over their common repetitions"
OTHER_ORDER = "the arm that ranks higher is behind over the repetitions that both have"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Scores of one ranking: ``values`` has shape (arms in ranked order, repetitions)."""

    ranking: Ranking
    arms: tuple[str, ...]
    values: FloatArray
    test: PairwiseTest
    sign: float


def separations(ranked: Sequence[Ranking], units: Sequence[Unit], suite: SuiteFacts) -> tuple[Separation, ...]:
    """Compare the arms of each ranking with the next in order, then with the best.

    Differences are the better arm's score minus the worse's in the score's own unit (so negative where less is
    better), with the error that the ranking's tie groups use.
    """
    index = by_repetition(units)
    return tuple(
        _separation(table, better, worse)
        for ranking in ranked
        for table in (_table(ranking, index, suite),)
        for better, worse in _pairs(len(table.arms))
    )


def _pairs(n_arms: int) -> list[tuple[int, int]]:
    """Return neighbours in order, then the best with each that is not its neighbour."""
    return [(i, i + 1) for i in range(n_arms - 1)] + [(0, i) for i in range(2, n_arms)]


def _table(ranking: Ranking, index: Mapping[tuple[str, str], Mapping[int, Unit]], suite: SuiteFacts) -> _Table:
    arms = tuple(rank.arm for rank in ranking.ranks)
    values = score_table([index[ranking.group, arm] for arm in arms], ranking.score)
    return _Table(
        ranking=ranking, arms=arms, values=values, test=pairwise(values), sign=direction(ranking.score, suite)
    )


def _separation(table: _Table, better: int, worse: int) -> Separation:
    gap = gap_of(table.test, better, worse)
    p = float(table.test.p_adjusted[better, worse])
    common = int(table.test.n_common[better, worse])
    needed = None if gap is None else repetitions_needed(gap, table.values.shape[1])
    return Separation(
        group=table.ranking.group,
        score=table.ranking.score,
        better=table.arms[better],
        worse=table.arms[worse],
        difference=_difference(table, better, worse, gap),
        improvement=probability_of_improvement(table.sign * table.values[better], table.sign * table.values[worse]),
        p_adjusted=None if np.isnan(p) else p,
        repetitions=common,
        repetitions_needed=needed,
        reason=_reason(table, gap, common, needed),
    )


def _difference(table: _Table, better: int, worse: int, gap: Gap | None) -> Interval:
    if gap is not None:
        return difference(gap)
    common = int(table.test.n_common[better, worse])
    return Interval(
        point=float(table.test.gap[better, worse]) if common else None,
        low=None,
        high=None,
        n=common,
        reason=NO_SPREAD if common else NO_PAIR,
    )


def _reason(table: _Table, gap: Gap | None, common: int, needed: int | None) -> str:
    """Say why no number of repetitions is given, or why the one given is to be read with care."""
    if gap is None:
        return NO_SPREAD if common else NO_PAIR
    if gap.mean == 0:
        return EQUAL
    if needed is None:
        return f"more than {MOST_REPETITIONS:,} repetitions would be needed"
    return OTHER_ORDER if table.sign * gap.mean < 0 else ""
