"""Checks that the controls come out in the order that makes the other numbers believable."""

from collections.abc import Callable, Mapping, Sequence

from qdcbench.canon import round_float
from qdcbench.records import ControlCheck, SuiteFacts
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.units import Unit

__all__ = ["control_checks"]

ByArm = Mapping[str, Mapping[int, Unit]]

Complaint = tuple[int, list[str]]
"""How many comparisons could be made, and a sentence for each that failed."""

ORDERS = (("oracle", "corrupted_25"), ("corrupted_25", "corrupted_75"), ("oracle", "no_training"))
"""Pairs of controls of which the first must score higher on ID."""


def control_checks(units: Sequence[Unit], groups: Sequence[str], suite: SuiteFacts) -> tuple[ControlCheck, ...]:
    """Check every group in every repetition; what cannot be checked is said to be so, never passed."""
    found = []
    for group in groups:
        arms: dict[str, dict[int, Unit]] = {}
        for unit in units:
            if unit.group == group:
                arms.setdefault(unit.record.spec.arm, {})[unit.record.spec.repetition] = unit
        for better, worse in ORDERS:
            name = f"{better} above {worse} on ID"
            found.append(_check(name, group, arms, (better, worse), lambda a, b: _higher(a, b, suite)))
        name = "duplicated below oracle on diversity that sees copies"
        found.append(_check(name, group, arms, ("duplicated", "oracle"), lambda a, b: _less_diverse(a, b, suite)))
        name = "shuffled answers equal to oracle on diversity of prompts"
        found.append(_check(name, group, arms, ("shuffled_answers", "oracle"), lambda a, b: _same(a, b, suite)))
    return tuple(found)


def _check(
    name: str, group: str, arms: ByArm, pair: tuple[str, str], compare: Callable[[Unit, Unit], Complaint]
) -> ControlCheck:
    left, right = arms.get(pair[0], {}), arms.get(pair[1], {})
    common = sorted(set(left) & set(right))
    made, wrong = 0, []
    for repetition in common:
        n, complaints = compare(left[repetition], right[repetition])
        made += n
        wrong += [f"repetition {repetition}: {complaint}" for complaint in complaints]
    if wrong:
        return ControlCheck(name=name, group=group, holds=False, detail="; ".join(wrong))
    if made:
        return ControlCheck(name=name, group=group, holds=True, detail=f"holds in {made} comparisons")
    absent = [arm for arm in pair if not arms.get(arm)]
    if absent:
        why = f"no complete run of {' and '.join(absent)}"
    else:
        why = "no repetition of both has a value to compare" if common else "no repetition is complete on both sides"
    return ControlCheck(name=name, group=group, holds=False, detail=f"not checked: {why}", checked=False)


def _higher(better: Unit, worse: Unit, suite: SuiteFacts) -> Complaint:
    name = primary_scores(suite)[0]
    left, right = better.scores.get(name), worse.scores.get(name)
    if left is None or right is None:
        return 0, []
    sign = -1.0 if suite.primary["score"] in suite.lower_is_better else 1.0
    if sign * left > sign * right:
        return 1, []
    return 1, [f"{better.record.spec.arm} {left:.4g}, {worse.record.spec.arm} {right:.4g}"]


def _less_diverse(copies: Unit, oracle: Unit, suite: SuiteFacts) -> Complaint:
    made, wrong = 0, []
    for name in sorted(suite.copy_measures):
        left, right = copies.measures.get(name), oracle.measures.get(name)
        if left is None or right is None:
            continue
        made += 1
        sign = -1.0 if name in suite.lower_is_better_measures else 1.0
        if sign * left >= sign * right:
            wrong.append(f"{name} is {left:.4g} with copies and {right:.4g} without")
    return made, wrong


def _same(shuffled: Unit, oracle: Unit, suite: SuiteFacts) -> Complaint:
    made, wrong = 0, []
    for name in sorted(suite.instruction_measures):
        left, right = shuffled.measures.get(name), oracle.measures.get(name)
        if left is None and right is None:
            continue
        made += 1
        # Equal as written: a record keeps ten digits.
        if left is None or right is None or round_float(left) != round_float(right):
            wrong.append(f"{name} is {_shown(left)} with shuffled answers and {_shown(right)} without")
    return made, wrong


def _shown(value: float | None) -> str:
    return "without value" if value is None else f"{round_float(value)}"
