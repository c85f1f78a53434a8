"""Arms at equal amounts of one budget: rows, training words or teacher tokens."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qdcbench.records import BudgetPoint, BudgetTrack, DatasetSummary, SuiteFacts
from qdcbench.stages.analysis.comparable import VARY_BY_METHOD, VARY_BY_REPETITION
from qdcbench.stages.analysis.rankings import direction, places, primary_scores, tie_groups
from qdcbench.stages.analysis.units import Unit, training_words
from qdcbench.stats.bootstrap import FloatArray, t_interval

__all__ = ["TRACKS", "budget_tracks"]

SAME = math.log(1.03)
"""Amounts within 3 % of each other count as equal (assumed): a data set a few rows short is still one of n rows."""

MOST_AMOUNTS = 5

MIXED = "all arms: the budgets of this setting were run with different tasks or probes, so they are not one track"

TRACKS: Mapping[str, Callable[[DatasetSummary], float | None]] = {
    "rows": lambda dataset: float(dataset.selected),
    "training words": training_words,
    "teacher tokens": lambda dataset: float(dataset.usage.tokens),
}
"""What a data set spent of each budget."""

Curve = tuple[FloatArray, FloatArray]
"""Log amounts in rising order and the scores there, each of shape (budgets run,)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arm:
    """One arm over budgets: a curve for each repetition, and the log amounts that all of them reach."""

    name: str
    curves: Mapping[int, Curve]
    low: float
    high: float

    def at(self, log_amounts: Sequence[float], repetition: int) -> FloatArray:
        """Return a repetition's scores, linear in the log amount between budgets run; NaN where it is missing."""
        if repetition not in self.curves:
            return np.full(len(log_amounts), math.nan)
        return np.interp(log_amounts, *self.curves[repetition])

    def was_run_at(self, log_amount: float) -> bool:
        """Say whether every repetition has a data set of this amount."""
        return all(np.min(np.abs(amounts - log_amount)) <= SAME for amounts, _ in self.curves.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Track:
    """One budget of one setting, and the score that is ranked on it."""

    setting: str
    score: str
    name: str
    sign: float


def budget_tracks(units: Sequence[Unit], suite: SuiteFacts) -> tuple[BudgetTrack, ...]:
    """Rank the method arms of each setting at up to five equal amounts of each budget, for the primary scores.

    A setting is a group without its budget. Between two budgets that were run a repetition's score is interpolated,
    linear in the log of the amount; beyond them nothing is said. All amounts of a track rank the same arms: those
    that share the range of amounts for which arms x width is greatest, or, where no two share a range, the one
    amount that most arms share. ``left_out`` names the others, and repetitions without a score at some budget.
    """
    settings: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        spec = unit.record.spec
        if spec.role == "method":
            settings["|".join([spec.task, spec.teacher.name, spec.selection.rule])].append(unit)
    return tuple(
        _track(_Track(setting=setting, score=score, name=name, sign=direction(score, suite)), members)
        for setting, members in sorted(settings.items())
        for score in primary_scores(suite)
        for name in TRACKS
    )


def _track(track: _Track, units: Sequence[Unit]) -> BudgetTrack:
    if _recipes(units) > 1:
        return BudgetTrack(setting=track.setting, score=track.score, track=track.name, points=(), left_out=(MIXED,))
    left_out: list[str] = []
    by_arm: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_arm[unit.record.spec.arm].append(unit)
    arms = [arm for name in sorted(by_arm) if (arm := _arm(track, name, by_arm[name], left_out)) is not None]
    low, high = _shared_range(arms)
    kept = [arm for arm in arms if _reaches(arm, low, high)]
    compared = f"compared are arms at {_words(low, high)}"
    if len(kept) < 2:
        kept, compared = [], "no two arms have the same amount"
    left_out += [
        f"{arm.name}: has {_words(arm.low, arm.high)} {track.name}; {compared}" for arm in arms if arm not in kept
    ]
    amounts = _amounts(kept, low, high) if kept else []
    return BudgetTrack(
        setting=track.setting,
        score=track.score,
        track=track.name,
        points=_points(track, kept, amounts),
        left_out=tuple(sorted(left_out)),
    )


def _arm(track: _Track, name: str, units: Sequence[Unit], left_out: list[str]) -> _Arm | None:
    """Return an arm's curves; say in ``left_out`` what has none. A repetition needs a score at each of its budgets."""
    budgets = {unit.record.spec.budget.name for unit in units}
    found: dict[int, dict[str, tuple[float, float]]] = defaultdict(dict)
    for unit in units:
        amount = None if unit.record.dataset is None else TRACKS[track.name](unit.record.dataset)
        value = unit.scores.get(track.score)
        if amount is not None and amount > 0 and value is not None:
            found[unit.record.spec.repetition][unit.record.spec.budget.name] = (math.log(amount), value)
    whole = {repetition: at for repetition, at in sorted(found.items()) if set(at) == budgets}
    for repetition in sorted({unit.record.spec.repetition for unit in units} - set(whole)):
        missing = ", ".join(sorted(budgets - set(found.get(repetition, {}))))
        left_out.append(f"{name}, repetition {repetition}: no {track.name} or no score at {missing}")
    if not whole:
        return None
    curves = {repetition: _curve(list(at.values())) for repetition, at in whole.items()}
    low = max(float(amounts[0]) for amounts, _ in curves.values())
    high = min(float(amounts[-1]) for amounts, _ in curves.values())
    return _Arm(name=name, curves=curves, low=low, high=high)


def _curve(points: Sequence[tuple[float, float]]) -> Curve:
    """Return points in the order of their amounts; where two budgets spent the same, their mean score."""
    scores: dict[float, list[float]] = defaultdict(list)
    for amount, value in sorted(points):
        scores[amount].append(value)
    return np.array(list(scores)), np.array([math.fsum(values) / len(values) for values in scores.values()])


def _reaches(arm: _Arm, low: float, high: float) -> bool:
    return arm.low - SAME <= low and high <= arm.high + SAME


def _shared_range(arms: Sequence[_Arm]) -> tuple[float, float]:
    """Return the log range of amounts with the greatest arms x width, or the amount that most arms share."""
    lows, highs = np.array([arm.low for arm in arms]), np.array([arm.high for arm in arms])
    starts, ends = np.unique(lows), np.unique(highs)
    started = lows[:, None] - SAME <= starts
    n_arms = started.T.astype(np.int64) @ (highs[:, None] + SAME >= ends)
    width = ends - starts[:, None]
    worth = np.where((n_arms > 1) & (width > SAME), n_arms * width, 0.0)
    if worth.size and worth.max() > 0:
        start, end = np.unravel_index(np.argmax(worth), worth.shape)
        return float(starts[start]), float(ends[end])
    run = [amount for amount, _ in _run(arms)]
    amount = max(run, key=lambda one: sum(_reaches(arm, one, one) for arm in arms), default=0.0)
    return amount, amount


def _run(arms: Sequence[_Arm]) -> list[tuple[float, int]]:
    """Return the log amounts of all data sets and how many have each, the most frequent first."""
    run = [amounts for arm in arms for amounts, _ in arm.curves.values()]
    amounts, counts = np.unique(np.concatenate(run) if run else np.empty(0), return_counts=True)
    return [(float(amounts[i]), int(counts[i])) for i in np.argsort(-counts, kind="stable")]


def _amounts(arms: Sequence[_Arm], low: float, high: float) -> list[float]:
    """Return up to five log amounts that all arms reach.

    The ends first, then amounts that as many data sets have as there are arms, then middles of the widest gaps. An
    end gives way to such an amount that equals it: 1,999 rows to 2,000.
    """
    usual = [
        amount
        for amount, count in _run(arms)
        if count >= len(arms) and all(_reaches(arm, amount, amount) for arm in arms)
    ]
    chosen: list[float] = []
    for amount in [_nearby(usual, low), _nearby(usual, high), *usual]:
        if len(chosen) < MOST_AMOUNTS and all(abs(amount - other) > 2 * SAME for other in chosen):
            chosen = sorted([*chosen, amount])
    while 1 < len(chosen) < MOST_AMOUNTS:
        gaps = [after - before for before, after in pairwise(chosen)]
        if max(gaps) <= 4 * SAME:
            break
        widest = gaps.index(max(gaps))
        chosen.insert(widest + 1, chosen[widest] + gaps[widest] / 2)
    return chosen


def _nearby(amounts: Sequence[float], end: float) -> float:
    """Return the first of these amounts that equals an end of the range, else the end itself."""
    return next((amount for amount in amounts if abs(amount - end) <= SAME), end)


def _points(track: _Track, arms: Sequence[_Arm], log_amounts: Sequence[float]) -> tuple[BudgetPoint, ...]:
    """Return the arms in order at each amount."""
    repetitions = sorted({repetition for arm in arms for repetition in arm.curves})
    tables = np.array([[arm.at(log_amounts, repetition) for repetition in repetitions] for arm in arms])
    return tuple(
        point
        for column, log_amount in enumerate(log_amounts)
        for point in _points_at(track, arms, log_amount, tables[:, :, column])
    )


def _points_at(track: _Track, arms: Sequence[_Arm], log_amount: float, table: FloatArray) -> list[BudgetPoint]:
    """Return the arms in order at one amount; ``table`` has their scores, shape (arms, repetitions)."""
    means = [track.sign * float(np.nanmean(row)) for row in table]
    order = sorted(range(len(arms)), key=lambda i: (-means[i], arms[i].name))
    marks = tie_groups(table[order])
    place = places(means)
    return [
        BudgetPoint(
            amount=float(round(math.exp(log_amount))),
            arm=arms[i].name,
            value=t_interval(table[i][~np.isnan(table[i])]),
            place=place[i],
            tie_group=mark,
            interpolated=not arms[i].was_run_at(log_amount),
        )
        for i, mark in zip(order, marks, strict=True)
    ]


def _words(low: float, high: float) -> str:
    """Write a range of log amounts; that of an arm with one budget is turned round where its repetitions differ."""
    first, last = round(math.exp(min(low, high))), round(math.exp(max(low, high)))
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _recipes(units: Sequence[Unit]) -> int:
    """Return in how many ways the data sets of a setting were trained on and scored; more than one is no track."""
    by_design = VARY_BY_METHOD | VARY_BY_REPETITION
    found = set()
    for unit in units:
        spec = unit.record.spec
        shared = tuple(sorted((name, value) for name, value in spec.hashes.items() if name not in by_design))
        found.add((spec.task_version, spec.probe, spec.probe_repetitions, shared))
    return len(found)
