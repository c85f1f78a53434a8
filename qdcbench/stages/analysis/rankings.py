"""Comparisons against the baseline arm, and rankings with tie groups."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from qdcbench.records import ArmSummary, Comparison, PromisedCell, Rank, Ranking, SuiteFacts
from qdcbench.seeds import array_stream
from qdcbench.stages.analysis.units import Unit, short_name
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.compare import benjamini_hochberg, holm, paired_difference
from qdcbench.stats.rank import letters, pairwise

__all__ = [
    "ByRepetition",
    "by_repetition",
    "comparisons",
    "direction",
    "places",
    "primary_scores",
    "ranked_scores",
    "rankings",
    "score_table",
    "tie_groups",
]

LEVEL = 0.05

ByRepetition = Mapping[tuple[str, str], Mapping[int, Unit]]
"""(group, arm) to repetition to unit."""


def primary_scores(suite: SuiteFacts) -> tuple[str, str]:
    """Return the names of the two primary scores, ID first."""
    return f"id:{suite.primary['score']}", f"ood:{suite.primary['score']}"


def ranked_scores(suite: SuiteFacts, task: str) -> tuple[str, ...]:
    """Return the scores that are ranked: the primaries, then each OOD set."""
    metric = suite.primary["score"]
    sets = [f"{short_name(name, task)}:{metric}" for name in suite.ood_sets.get(task, ())]
    return tuple(dict.fromkeys([*primary_scores(suite), *sets]))


def direction(score: str, suite: SuiteFacts) -> float:
    """Return 1 where more of a score is better and -1 where less is."""
    return -1.0 if score.partition(":")[2] in suite.lower_is_better else 1.0


def by_repetition(units: Sequence[Unit]) -> ByRepetition:
    """Return the units of each arm of each group by repetition."""
    index: dict[tuple[str, str], dict[int, Unit]] = defaultdict(dict)
    for unit in units:
        index[unit.group, unit.record.spec.arm][unit.record.spec.repetition] = unit
    return index


def comparisons(units: Sequence[Unit], suite: SuiteFacts, score_names: Sequence[str]) -> tuple[Comparison, ...]:
    """Compare each arm with the baseline arm of its group, repetition by repetition."""
    index = by_repetition(units)
    found: list[Comparison] = []
    for group in sorted({cell.group for cell in suite.promised}):
        cells = [cell for cell in suite.promised if cell.group == group]
        if suite.baseline not in {cell.arm for cell in cells}:
            continue
        raw = [
            _comparison(cell, score, index, suite)
            for cell in sorted(cells, key=lambda c: c.arm)
            if cell.arm != suite.baseline
            for score in score_names
        ]
        found.extend(_adjust(raw))
    return tuple(found)


def _comparison(cell: PromisedCell, score: str, index: ByRepetition, suite: SuiteFacts) -> Comparison:
    ours, theirs = index.get((cell.group, cell.arm), {}), index.get((cell.group, suite.baseline), {})
    pairs = [
        (left, right)
        for repetition in sorted(set(ours) & set(theirs))
        if (left := ours[repetition].scores.get(score)) is not None
        and (right := theirs[repetition].scores.get(score)) is not None
    ]
    axes = {"group": cell.group, "arm": cell.arm, "score": score}
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    result = paired_difference(table[:, 0], table[:, 1], array_stream(suite.root_seed, "analyze/compare", axes))
    difference = result.interval
    if not pairs:
        difference = replace(difference, reason="no repetition is complete on both sides")
    return Comparison(
        group=cell.group,
        arm=cell.arm,
        baseline=suite.baseline,
        score=score,
        difference=difference,
        p_value=result.p_t,
        p_adjusted=None,
        n_pairs=len(pairs),
        primary=cell.role != "control" and score in primary_scores(suite),
        p_sign_flip=result.p_sign_flip,
    )


def _adjust(raw: Sequence[Comparison]) -> list[Comparison]:
    """Adjust primaries by Holm and the rest by Benjamini and Hochberg, each family within one group."""
    p = np.array([np.nan if item.p_value is None else item.p_value for item in raw], dtype=np.float64)
    primary = np.array([item.primary for item in raw], dtype=bool)
    adjusted = np.where(primary, holm(np.where(primary, p, np.nan)), benjamini_hochberg(np.where(primary, np.nan, p)))
    return [
        replace(item, p_adjusted=None if np.isnan(value) else float(value))
        for item, value in zip(raw, adjusted, strict=True)
    ]


def rankings(arms: Sequence[ArmSummary], units: Sequence[Unit], suite: SuiteFacts) -> tuple[Ranking, ...]:
    """Rank the method arms of each group on each ranked score; controls and imported data follow unranked."""
    index = by_repetition(units)
    task_of = {unit.group: unit.record.spec.task for unit in units}
    return tuple(
        _ranking(score, [arm for arm in arms if arm.group == group], index, suite)
        for group in sorted({arm.group for arm in arms})
        for score in (ranked_scores(suite, task_of[group]) if group in task_of else primary_scores(suite))
    )


def _ranking(score: str, arms: Sequence[ArmSummary], index: ByRepetition, suite: SuiteFacts) -> Ranking:
    sign = direction(score, suite)
    known = [arm for arm in arms if arm.scores[score].point is not None]
    known.sort(key=lambda arm: (-sign * (arm.scores[score].point or 0.0), arm.arm))
    ranked = [arm for arm in known if arm.role == "method"]
    promised = [arm for arm in arms if arm.role == "method"]
    total = sum(arm.promised for arm in promised)
    marks = tie_groups(score_table([index[arm.group, arm.arm] for arm in ranked], score))
    order = places([sign * (arm.scores[score].point or 0.0) for arm in ranked])
    return Ranking(
        group=arms[0].group,
        score=score,
        coverage=sum(arm.scores[score].n for arm in ranked) / total if total else 0.0,
        ranks=tuple(
            Rank(
                place=place,
                arm=arm.arm,
                value=arm.scores[score],
                tie_group=mark,
                role=arm.role,
            )
            for arm, place, mark in zip(ranked, order, marks, strict=True)
        ),
        unranked=tuple(
            Rank(place=0, arm=arm.arm, value=arm.scores[score], tie_group="", role=arm.role)
            for arm in known
            if arm.role != "method"
        ),
        missing=tuple(sorted(arm.arm for arm in promised if arm.scores[score].point is None)),
    )


def score_table(arms: Sequence[Mapping[int, Unit]], score: str) -> FloatArray:
    """Return the scores of arms, shape (arms, repetitions that any of them has), NaN where one has none."""
    repetitions = sorted({repetition for arm in arms for repetition in arm})
    values: FloatArray = np.full((len(arms), len(repetitions)), np.nan)
    for row, arm in enumerate(arms):
        for column, repetition in enumerate(repetitions):
            value = arm[repetition].scores.get(score) if repetition in arm else None
            if value is not None:
                values[row, column] = value
    return values


def tie_groups(values: FloatArray) -> tuple[str, ...]:
    """Return the letters of arms, ``values`` as for `pairwise`; arms that cannot be compared share one."""
    with np.errstate(invalid="ignore"):
        return letters(pairwise(values).p_adjusted < LEVEL)


def places(means: Sequence[float]) -> tuple[int, ...]:
    """Return the place of each arm by its mean, more being better: one more than the number of arms above it."""
    return tuple(1 + sum(other > mean for other in means) for mean in means)
