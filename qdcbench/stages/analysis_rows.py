"""An analysis as rows: which records each frame of it holds, and the columns that say where each belongs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from qdcbench.records import (
    Analysis,
    ArmSummary,
    AxisShare,
    BudgetPoint,
    BudgetTrack,
    Collinearity,
    Comparison,
    ControlCheck,
    FactorEffect,
    Interval,
    LevelMean,
    OutcomeResult,
    Rank,
    Relation,
    Separation,
    StudyResult,
    VarianceShare,
    Verdict,
)

__all__ = ["SOURCES", "Source"]

Rows = Iterator[tuple[Sequence[Any], Any]]
"""The values of the keys, and a record of the source's kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What a frame is made of: ``rows`` of an analysis, ``kind`` the class of their records, ``keys`` with types."""

    kind: type[Any]
    rows: Callable[[Analysis], Rows]
    keys: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Value:
    """A number that has its name in a key."""

    value: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class _KeysAlone:
    """Nothing beside the keys."""


def _words(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "str")


def _all(name: str, kind: type[Any]) -> Source:
    """Return the source of a field of the analysis that is a tuple of flat records."""
    records = attrgetter(name)
    return Source(kind=kind, rows=lambda analysis: (((), record) for record in records(analysis)), keys={})


def _of_arms(name: str, key: str) -> Source:
    """Return the source of a mapping that every arm has, one row per name in it."""

    def rows(analysis: Analysis) -> Rows:
        for arm in analysis.arms:
            for its, value in getattr(arm, name).items():
                yield (arm.group, arm.arm, arm.method, arm.role, its), _Value(value=value)

    return Source(kind=_Value, rows=rows, keys=_words("group", "arm", "method", "role", key))


def _ranks(analysis: Analysis) -> Rows:
    """Yield ranked arms, then those that are listed only, then promised arms without a value, all three."""
    nothing = Interval(point=None, low=None, high=None, reason="no complete dataset has a value")
    for ranking in analysis.rankings:
        missing = tuple(Rank(place=0, arm=arm, value=nothing, tie_group="") for arm in ranking.missing)
        for rank in (*ranking.ranks, *ranking.unranked, *missing):
            yield (ranking.group, ranking.score, ranking.coverage), rank


def _track(track: BudgetTrack) -> tuple[str, str, str]:
    return track.setting, track.score, track.track


def _points(analysis: Analysis) -> Rows:
    for track in analysis.tracks:
        for point in track.points:
            yield _track(track), point


def _left_out(analysis: Analysis) -> Rows:
    for track in analysis.tracks:
        for sentence in track.left_out:
            yield (*_track(track), sentence), _KeysAlone()


def _correlations(analysis: Analysis) -> Rows:
    for item in analysis.collinearity:
        for other, value in item.correlations:
            yield (item.scope, item.name, other, value), _KeysAlone()


def _outcomes(analysis: Analysis) -> Iterator[tuple[tuple[str, str], OutcomeResult]]:
    for study in analysis.studies:
        for outcome in study.tests:
            yield (study.name, study.scope), outcome


def _levels(analysis: Analysis) -> Rows:
    for (name, scope), test in _outcomes(analysis):
        for level in test.curve:
            yield (name, scope, test.outcome), level


def _groups(analysis: Analysis) -> Rows:
    for (name, scope), test in _outcomes(analysis):
        for group, effect in test.by_group:
            yield (name, scope, test.outcome, group), _Value(value=effect)


def _dials(analysis: Analysis) -> Rows:
    for dial in analysis.dials:
        changed = "; ".join(f"{name}: {old} to {new}" for name, (old, new) in dial.changed.items())
        for outcome, difference in dial.differences.items():
            yield (dial.group, dial.method, dial.arm, dial.other, changed, outcome), _Value(value=difference)


def _filters(analysis: Analysis) -> Rows:
    for arms in analysis.filters:
        for rule, arm in arms.rules.items():
            yield (arms.setting, rule, f"{arms.setting}|{rule}", arm, arms.arm, arms.method), _KeysAlone()


SOURCES: Mapping[str, Source] = {
    "arms": _all("arms", ArmSummary),
    "arm_measures": _of_arms("measures", "measure"),
    "arm_scores": _of_arms("scores", "score"),
    "rankings": Source(kind=Rank, rows=_ranks, keys=_words("group", "score") | {"coverage": "float64"}),
    "comparisons": _all("comparisons", Comparison),
    "separations": _all("separations", Separation),
    "tracks": Source(kind=BudgetPoint, rows=_points, keys=_words("setting", "score", "track")),
    "tracks_left_out": Source(kind=_KeysAlone, rows=_left_out, keys=_words("setting", "score", "track", "sentence")),
    "variances": _all("variances", VarianceShare),
    "relations": _all("relations", Relation),
    "contrasts": _all("contrasts", Relation),
    "shares": _all("shares", AxisShare),
    "collinearity": _all("collinearity", Collinearity),
    "correlations": Source(
        kind=_KeysAlone, rows=_correlations, keys=_words("scope", "name", "other") | {"correlation": "float64"}
    ),
    "factorial": _all("factorial", FactorEffect),
    "dials": Source(kind=_Value, rows=_dials, keys=_words("group", "method", "arm", "other", "changed", "outcome")),
    "studies": _all("studies", StudyResult),
    "study_tests": Source(kind=OutcomeResult, rows=_outcomes, keys=_words("name", "scope")),
    "study_levels": Source(kind=LevelMean, rows=_levels, keys=_words("name", "scope", "outcome")),
    "study_groups": Source(kind=_Value, rows=_groups, keys=_words("name", "scope", "outcome", "group")),
    "verdicts": _all("verdicts", Verdict),
    "controls": _all("controls", ControlCheck),
    "filters": Source(
        kind=_KeysAlone, rows=_filters, keys=_words("setting", "selection", "group", "arm", "together", "method")
    ),
}
"""Every frame of an analysis by its name."""
