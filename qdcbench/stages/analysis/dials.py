"""Arms of one method beside each other: what setting its dials differently did, repetition by repetition."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from qdcbench.records import DialEffect, Interval, SuiteFacts
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import t_interval

__all__ = ["dial_effects"]

AXES = ("quality", "diversity", "complexity")


def dial_effects(units: Sequence[Unit], suite: SuiteFacts) -> tuple[DialEffect, ...]:
    """Return each pair of arms of a method (no controls) within a group, with the differences of primaries.

    Both arms of a repetition have the same seed examples, evaluation and probe seeds, so the unit is the difference
    within a repetition; the interval is Student's t over repetitions. Exploratory: no correction for many.
    """
    arms: dict[tuple[str, str], dict[str, dict[int, Unit]]] = defaultdict(lambda: defaultdict(dict))
    for unit in units:
        spec = unit.record.spec
        if spec.role == "method":
            arms[unit.group, spec.method][spec.arm][spec.repetition] = unit
    return tuple(
        _effect(group, (one, other), (found[one], found[other]), suite)
        for (group, _), found in sorted(arms.items())
        for one, other in combinations(sorted(found), 2)
    )


def _effect(
    group: str, names: tuple[str, str], pair: tuple[dict[int, Unit], dict[int, Unit]], suite: SuiteFacts
) -> DialEffect:
    first, second = (min(arm.items())[1].record.spec for arm in pair)
    names_of = {axis: suite.primary[axis] for axis in AXES}
    scores = dict(zip(("id", "ood"), primary_scores(suite), strict=True))
    known = [(pair[0][k], pair[1][k]) for k in sorted(set(pair[0]) & set(pair[1]))]
    values = {axis: [(a.measures.get(name), b.measures.get(name)) for a, b in known] for axis, name in names_of.items()}
    values |= {key: [(a.scores.get(name), b.scores.get(name)) for a, b in known] for key, name in scores.items()}
    return DialEffect(
        group=group,
        method=first.method,
        simulated=first.teacher.simulated,
        arm=names[0],
        other=names[1],
        changed={
            name: (first.params.get(name), second.params.get(name))
            for name in sorted({*first.params, *second.params})
            if first.params.get(name) != second.params.get(name)
        },
        differences={key: _difference(pairs) for key, pairs in values.items()},
    )


def _difference(pairs: Sequence[tuple[float | None, float | None]]) -> Interval:
    gaps = [b - a for a, b in pairs if a is not None and b is not None]
    if not gaps:
        return Interval(point=None, low=None, high=None, reason="no repetition is complete on both sides")
    return t_interval(np.array(gaps, dtype=np.float64))
