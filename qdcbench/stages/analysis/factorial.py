"""Methods whose dials were crossed: what each dial does to every outcome, and what they do together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from qdcbench.claims import AXES
from qdcbench.records import FactorEffect, SuiteFacts
from qdcbench.stages.analysis.interventions import Block, Dials, block_of, dials_of, outcome_of, placed
from qdcbench.stages.analysis.rankings import primary_scores, ranked_scores
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.compare import benjamini_hochberg
from qdcbench.stats.factorial import block_mean, interactions, partial_effect

__all__ = ["factor_effects"]

LARGEST_TERM = 3
"""Dials in the largest interaction that is shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Crossed:
    """Datasets of one method in one scope, in the blocks whose group crosses the dials."""

    scope: str
    method: str
    dials: Dials
    blocks: dict[Block, list[Unit]]


def factor_effects(units: Sequence[Unit], suite: SuiteFacts) -> tuple[FactorEffect, ...]:
    """Return main effects and interactions of dials for each method (any role) that crosses at least two.

    A group counts where every combination of its levels was made in at least one repetition. Outcomes are the primary
    score on ID, OOD, each OOD set and their difference, and the three primary measures: a dial that is meant for
    one axis should move that one alone. Adjusted by Benjamini and Hochberg over one method's effects in a scope.
    """
    found: list[FactorEffect] = []
    for crossed in _designs(units):
        effects = [effect for outcome in _outcomes(crossed, suite) for effect in _effects(crossed, outcome)]
        p = np.array([np.nan if e.p_value is None else e.p_value for e in effects], dtype=np.float64)
        found += [
            replace(effect, p_adjusted=None if np.isnan(q) else float(q))
            for effect, q in zip(effects, benjamini_hochberg(p), strict=True)
        ]
    return tuple(found)


def _designs(units: Sequence[Unit]) -> list[_Crossed]:
    by_method: dict[tuple[bool, str], dict[str, list[Unit]]] = defaultdict(lambda: defaultdict(list))
    for unit in units:
        spec = unit.record.spec
        by_method[not spec.teacher.simulated, spec.method][unit.group].append(unit)
    found = []
    for (real, method), groups in sorted(by_method.items()):
        kept = {group: members for group, members in groups.items() if _is_crossed(members)}
        members = [unit for group in sorted(kept) for unit in kept[group]]
        if not members:
            continue
        blocks: dict[Block, list[Unit]] = defaultdict(list)
        for unit in members:
            blocks[block_of(unit)].append(unit)
        found.append(
            _Crossed(
                scope="real" if real else "simulated",
                method=method,
                dials=dials_of(members),
                blocks=dict(sorted(blocks.items())),
            )
        )
    return found


def _is_crossed(units: Sequence[Unit]) -> bool:
    """Whether the dials that vary in one group are at least two and have all combinations of their levels."""
    dials = dials_of(units)
    if len(dials.ranges) < 2:
        return False
    made = {tuple(float(unit.record.spec.params[name]) for name in dials.ranges) for unit in units}
    return made == set(product(*(sorted(set(levels)) for levels in zip(*made, strict=True))))


def _outcomes(crossed: _Crossed, suite: SuiteFacts) -> tuple[str, ...]:
    near, far = primary_scores(suite)
    tasks = sorted({unit.record.spec.task for members in crossed.blocks.values() for unit in members})
    sets = [name for task in tasks for name in ranked_scores(suite, task)]
    names = [near, far, *sets, f"{near} - {far}", *(suite.primary[axis] for axis in AXES)]
    there = [unit for members in crossed.blocks.values() for unit in members]
    return tuple(n for n in dict.fromkeys(names) if any(outcome_of(unit, n) is not None for unit in there))


def _effects(crossed: _Crossed, outcome: str) -> list[FactorEffect]:
    """Return the effect of every term on one outcome; blocks in which a term cannot be fitted are left out of it."""
    names = tuple(crossed.dials.ranges)
    slopes: dict[tuple[int, ...], dict[Block, float]] = defaultdict(dict)
    sizes: dict[Block, int] = {}
    for block, members in crossed.blocks.items():
        known = [(unit, value) for unit in members if (value := outcome_of(unit, outcome)) is not None]
        if not known:
            continue
        sizes[block] = len(known)
        terms, columns = interactions(crossed.dials.levels([unit for unit, _ in known]), LARGEST_TERM)
        held = crossed.dials.intercepts([unit for unit, _ in known])
        for term, slope in zip(terms, _fitted(columns, held, np.array([v for _, v in known])), strict=True):
            if slope is not None:
                slopes[term][block] = slope
    return [
        _effect(crossed, outcome, tuple(names[i] for i in term), slopes[term], sizes)
        for term in sorted(slopes, key=lambda term: (len(term), term))
    ]


def _fitted(columns: FloatArray, held: FloatArray, outcome: FloatArray) -> list[float | None]:
    """Return the coefficient of each column in the model of all of them."""
    return [
        partial_effect(columns[:, i], np.column_stack([held, np.delete(columns, i, axis=1)]), outcome)
        for i in range(columns.shape[1])
    ]


def _effect(
    crossed: _Crossed, outcome: str, factors: tuple[str, ...], slopes: dict[Block, float], sizes: dict[Block, int]
) -> FactorEffect:
    found = block_mean(np.array(list(slopes.values())), placed(slopes))
    return FactorEffect(
        scope=crossed.scope,
        method=crossed.method,
        factors=factors,
        outcome=outcome,
        interval=found.interval(),
        p_value=found.p_value,
        p_adjusted=None,
        n_units=sum(sizes[block] for block in slopes),
        n_repetitions=found.n_repetitions,
    )
