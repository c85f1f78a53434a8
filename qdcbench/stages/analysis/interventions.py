"""Interventional studies: what an outcome does as one dial of a method is turned, the rest of a block being equal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qdcbench.canon import digest
from qdcbench.claims import is_level, terms_of
from qdcbench.records import Interval, LevelMean, Study, StudyTest, SuiteFacts
from qdcbench.seeds import array_stream
from qdcbench.stages.analysis.decisions import Estimate
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.compare import sign_flip_p
from qdcbench.stats.factorial import Blocks, block_mean, coded, partial_effect
from qdcbench.stats.power import detectable_effect

__all__ = ["Block", "Dials", "block_of", "dials_of", "estimates", "outcome_of", "placed"]

Block = tuple[str, int]
"""Group and repetition: arms in it share seeds, pool and teacher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dials:
    """The numeric parameters that datasets of one method differ in, with their lowest and highest level."""

    ranges: Mapping[str, tuple[float, float]]

    def levels(self, units: Sequence[Unit]) -> FloatArray:
        """Return levels from -1/2 to 1/2, shape (units, dials)."""
        columns = [
            coded(np.array([float(unit.record.spec.params[name]) for unit in units]), low, high)
            for name, (low, high) in self.ranges.items()
        ]
        return np.column_stack(columns) if columns else np.zeros((len(units), 0))

    def intercepts(self, units: Sequence[Unit]) -> FloatArray:
        """Return one column of 0 and 1 for each combination of the other parameters, shape (units, combinations)."""
        kinds = [digest({k: v for k, v in u.record.spec.params.items() if k not in self.ranges}) for u in units]
        return np.column_stack([[float(kind == one) for kind in kinds] for one in sorted(set(kinds))])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trial:
    """An interventional study in one scope: its datasets, those to subtract by block and level, how many promised."""

    study: Study
    scope: str
    units: tuple[Unit, ...]
    nulls: Mapping[tuple[Block, float], tuple[Unit, ...]]
    promised: int
    root_seed: int


def block_of(unit: Unit) -> Block:
    """Return the block a dataset is in."""
    return unit.group, unit.record.spec.repetition


def _task_of(group: str) -> str:
    return group.partition("|")[0]


def placed(blocks: Iterable[Block]) -> Blocks:
    """Return where blocks belong, in their order."""
    groups, repetitions = zip(*blocks, strict=True) if (blocks := list(blocks)) else ((), ())
    return Blocks(settings=tuple(groups), tasks=tuple(map(_task_of, groups)), repetitions=tuple(repetitions))


def outcome_of(unit: Unit, outcome: str) -> float | None:
    """Return a score, a measure or the difference of two, spelled out; None where a part has no value."""
    values = [unit.scores.get(term, unit.measures.get(term)) for term in terms_of(outcome)]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return known[0] if len(known) == 1 else known[0] - known[1]


def dials_of(units: Sequence[Unit]) -> Dials:
    """Return the dials that vary over datasets of one method, in order of their names."""
    shared = set.intersection(*(set(unit.record.spec.params) for unit in units)) if units else set()
    ranges = {}
    for name in sorted(shared):
        values = [unit.record.spec.params[name] for unit in units]
        if all(is_level(value) for value in values) and min(values) < max(values):
            ranges[name] = (float(min(values)), float(max(values)))
    return Dials(ranges=ranges)


def estimates(study: Study, scope: str, units: Sequence[Unit], suite: SuiteFacts) -> tuple[Estimate, ...]:
    """Return the estimate of each test of an interventional study, spelled out; ``units`` are those of the scope."""
    nulls: dict[tuple[Block, float], list[Unit]] = defaultdict(list)
    for unit in units:
        level = unit.record.spec.params.get(study.factor)
        if unit.record.spec.method == study.against and is_level(level):
            nulls[block_of(unit), float(level)].append(unit)
    trial = _Trial(
        study=study,
        scope=scope,
        units=tuple(unit for unit in units if unit.record.spec.method == study.method),
        nulls={key: tuple(found) for key, found in nulls.items()},
        promised=sum(c.n for c in suite.promised if c.method == study.method and c.simulated == (scope == "simulated")),
        root_seed=suite.root_seed,
    )
    dials = dials_of(trial.units)
    if study.factor not in dials.ranges:
        reason = f"{study.factor} has fewer than two levels among the {len(trial.units)} complete datasets"
        return tuple(Estimate(unit=test.outcome, reason=reason) for test in study.tests)
    return tuple(_estimate(trial, dials, test) for test in study.tests)


def _estimate(trial: _Trial, dials: Dials, test: StudyTest) -> Estimate:
    factor = trial.study.factor
    low, high = dials.ranges[factor]
    blocks = _values(trial, test.outcome)
    slopes: dict[Block, float] = {}
    for block, values in sorted(blocks.items()):
        slope = _slope(values, dials, factor)
        if slope is not None:
            slopes[block] = slope
    found = block_mean(np.array(list(slopes.values())), placed(slopes))
    used = sum(len(blocks[block]) for block in slopes)
    return Estimate(
        unit=f"change of {test.outcome} from {factor} = {low:g} to {high:g}",
        point=found.estimate,
        stderr=found.stderr,
        df=found.df,
        p_value=found.p_value,
        n_units=used,
        n_clusters=found.n_repetitions,
        reason=found.reason if slopes else f"no block has {test.outcome} at two levels of {factor}",
        left_out=_left_out(trial.promised - used, trial.promised),
        p_permutation=_sign_flips(trial, test, _by_repetition(slopes)),
        detectable=detectable_effect(found.stderr, found.df) if found.stderr and found.df else None,
        curve=_curve({block: blocks[block] for block in slopes}, factor),
        by_group=_by_group(slopes),
    )


def _left_out(n: int, promised: int) -> str:
    return f"{n} of {promised} promised datasets are missing, have no value or stand in a block without a slope" * (
        n > 0
    )


def _values(trial: _Trial, outcome: str) -> dict[Block, list[tuple[Unit, float]]]:
    """Return the datasets of each block with their outcome, less the null's where one is named."""
    blocks: dict[Block, list[tuple[Unit, float]]] = defaultdict(list)
    for unit in trial.units:
        value = outcome_of(unit, outcome)
        if trial.study.against:
            level = float(unit.record.spec.params[trial.study.factor])
            null = _mean([outcome_of(u, outcome) for u in trial.nulls.get((block_of(unit), level), ())])
            value = None if value is None or null is None else value - null
        if value is not None:
            blocks[block_of(unit)].append((unit, value))
    return blocks


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _slope(values: Sequence[tuple[Unit, float]], dials: Dials, factor: str) -> float | None:
    """Return the change of the outcome over the factor's range within one block, the other dials held."""
    units = [unit for unit, _ in values]
    levels, place = dials.levels(units), list(dials.ranges).index(factor)
    held = np.column_stack([dials.intercepts(units), np.delete(levels, place, axis=1)])
    return partial_effect(levels[:, place], held, np.array([value for _, value in values]))


def _sign_flips(trial: _Trial, test: StudyTest, slopes: FloatArray) -> float | None:
    if slopes.size < 2:
        return None
    axes = {"study": trial.study.name, "scope": trial.scope, "outcome": test.outcome}
    return sign_flip_p(slopes, array_stream(trial.root_seed, "analyze/studies", axes))


def _by_repetition(slopes: Mapping[Block, float]) -> FloatArray:
    """Return the mean slope of each repetition of a task, shape (repetitions,)."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (group, repetition), slope in slopes.items():
        found[_task_of(group), repetition].append(slope)
    return np.array([np.mean(values) for _, values in sorted(found.items())])


def _curve(blocks: Mapping[Block, Sequence[tuple[Unit, float]]], factor: str) -> tuple[LevelMean, ...]:
    """Return the mean outcome by level, the other dials averaged within each block."""
    by_level: dict[float, dict[Block, list[float]]] = defaultdict(lambda: defaultdict(list))
    for block, values in blocks.items():
        for unit, value in values:
            by_level[float(unit.record.spec.params[factor])][block].append(value)
    return tuple(
        LevelMean(
            level=level,
            mean=block_mean(np.array([np.mean(values) for values in found.values()]), placed(found)).interval(),
        )
        for level, found in sorted(by_level.items())
    )


def _by_group(slopes: Mapping[Block, float]) -> tuple[tuple[str, Interval], ...]:
    groups: dict[str, dict[Block, float]] = defaultdict(dict)
    for block, slope in slopes.items():
        groups[block[0]][block] = slope
    return tuple(
        (group, block_mean(np.array(list(values.values())), placed(values)).interval())
        for group, values in sorted(groups.items())
    )
