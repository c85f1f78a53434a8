"""What every figure, table and page needs to look up: which score is ID or OOD, which arm a run belongs to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from qdcbench.canon import plain
from qdcbench.records import Analysis, ArmSummary, Interval, Ranking, RunRecord, from_json
from qdcbench.report.groups import groups_in_order

__all__ = [
    "AXES",
    "DISTANCES",
    "DatasetPoint",
    "arm_score",
    "arms_in_order",
    "as_written",
    "dataset_points",
    "distance_of",
    "headline",
    "primary_measure",
    "ranking_for",
    "scores_at",
    "yardstick",
]

Distance = Literal["id", "ood"]

AXES = ("quality", "diversity", "complexity")
DISTANCES: tuple[Distance, ...] = ("id", "ood")
_ROLES = {"method": 0, "imported": 1, "control": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetPoint:
    """One complete generated dataset: its primaries and its scores, probe repetitions averaged.

    A value is None where the run has none. ``id`` and ``ood`` are means over the evaluation sets of that
    distance, each set weighing the same.
    """

    group: str
    arm: str
    role: str
    run_id: str
    quality: float | None
    diversity: float | None
    complexity: float | None
    id: float | None
    ood: float | None


def as_written(analysis: Analysis) -> Analysis:
    """Return the analysis as it is read back from its file: floats rounded to the digits that are written.

    Everything drawn starts from this, so that it has the same bytes right after a run and from committed files.
    """
    return from_json(Analysis, plain(analysis), f"the analysis of {analysis.edition}")


def distance_of(analysis: Analysis, score: str) -> str:
    """Return ``id``, ``ood`` or the empty text for a score that is neither."""
    if score in analysis.distances:
        return analysis.distances[score]
    words = re.split(r"[^a-z0-9]+", score.partition(":")[0].lower())
    return "ood" if "ood" in words else "id" if "id" in words else ""


def yardstick(analysis: Analysis, outcome: str) -> str:
    """Return what an outcome is counted in, so that outcomes with the same may share a scale: a metric, or itself."""
    parts = outcome.split(" - ")
    if not all(distance_of(analysis, part) for part in parts):
        return outcome
    return parts[0].partition(":")[2] or analysis.primary.get("score", "score")


def _names_at(analysis: Analysis, distance: Distance) -> list[str]:
    """Score names of a distance, of the suite's primary metric where it has one."""
    names = [name for name in analysis.score_names if distance_of(analysis, name) == distance]
    primary = [name for name in names if name.partition(":")[2] == analysis.primary.get("score")]
    return primary or names


def headline(analysis: Analysis, distance: Distance) -> str | None:
    """Return the one score that stands for a distance, None where the analysis has several and no aggregate.

    An aggregate is a score whose evaluation set is called ``id`` or ``ood`` itself.
    """
    names = _names_at(analysis, distance)
    aggregates = [name for name in names if name.partition(":")[0] in {distance, f"{distance}_mean"}]
    if aggregates:
        return aggregates[0]
    return names[0] if len(names) == 1 else None


def scores_at(analysis: Analysis, distance: Distance) -> list[str]:
    """Return the single evaluation sets of a distance, without an aggregate over several of them."""
    names = _names_at(analysis, distance)
    return [name for name in names if name != headline(analysis, distance)] or names


def arm_score(analysis: Analysis, arm: ArmSummary, distance: Distance) -> Interval:
    """Return an arm's score at a distance; without an aggregate, the mean of its sets and no bounds."""
    name = headline(analysis, distance)
    if name is not None:
        return arm.scores.get(name, Interval(point=None, low=None, high=None, reason="no complete run"))
    points = [arm.scores[s].point for s in scores_at(analysis, distance) if s in arm.scores]
    known = [p for p in points if p is not None]
    if not known or len(known) < len(points):
        return Interval(point=None, low=None, high=None, reason="an evaluation set has no score")
    reason = f"mean of {len(known)} evaluation sets, for which the analysis has no interval"
    return Interval(point=fmean(known), low=None, high=None, reason=reason)


def primary_measure(arm: ArmSummary, analysis: Analysis, axis: str) -> Interval:
    """Return an arm's primary measure on an axis."""
    missing = Interval(point=None, low=None, high=None, reason="not measured")
    return arm.measures.get(analysis.primary.get(axis, ""), missing)


def ranking_for(analysis: Analysis, group: str, score: str | None) -> Ranking | None:
    """Return the ranking of a group by a score, None where there is none."""
    return next((r for r in analysis.rankings if r.group == group and r.score == score), None)


def arms_in_order(analysis: Analysis, group: str) -> list[ArmSummary]:
    """Return the arms of a group: methods by rank (OOD, else ID), then imported data, then controls, by OOD score."""
    places: dict[str, int] = {}
    for distance in reversed(DISTANCES):
        ranking = ranking_for(analysis, group, headline(analysis, distance))
        if ranking is not None:
            places = {rank.arm: rank.place for rank in ranking.ranks}
            break

    def key(arm: ArmSummary) -> tuple[int, float, float, str]:
        point = arm_score(analysis, arm, "ood").point
        place = places.get(arm.arm, float("inf"))
        return (_ROLES.get(arm.role, 0), place, float("inf") if point is None else -point, arm.arm)

    return sorted((arm for arm in analysis.arms if arm.group == group), key=key)


def dataset_points(analysis: Analysis, records: Iterable[RunRecord]) -> list[DatasetPoint]:
    """Return one point per complete dataset of the analysis, in order of group, arm and run."""
    where = {run_id: arm for arm in analysis.arms for run_id in arm.run_ids}
    points = []
    for record in records:
        arm = where.get(record.run_id)
        if arm is None or record.status != "complete":
            continue
        values = {m.metric: m.value for m in record.measurements}
        at = {axis: values.get(analysis.primary.get(axis, "")) for axis in AXES}
        means = {distance: _mean_over_sets(analysis, record, distance) for distance in DISTANCES}
        points.append(
            DatasetPoint(group=arm.group, arm=arm.arm, role=arm.role, run_id=record.run_id, **at, **means),
        )
    order = {group: i for i, group in enumerate(groups_in_order(analysis))}
    return sorted(points, key=lambda p: (order.get(p.group, len(order)), p.arm, p.run_id))


def _mean_over_sets(analysis: Analysis, record: RunRecord, distance: Distance) -> float | None:
    """Mean over the evaluation sets of a distance, each the mean of its probe repetitions; None if any is missing."""
    by_set: dict[str, list[float | None]] = {}
    for score in record.scores:
        short = f"{score.eval_task.removeprefix(record.spec.task + '_')}:{score.metric}"
        if score.metric == analysis.primary.get("score", score.metric) and distance_of(analysis, short) == distance:
            by_set.setdefault(score.eval_task, []).append(score.value)
    values = [value for group in by_set.values() for value in group]
    if not values or any(value is None for value in values):
        return None
    return fmean(fmean(v for v in group if v is not None) for group in by_set.values())
