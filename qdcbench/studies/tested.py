"""The engine's tests of the primaries in a planted edition, beside the truth.

`both_looks` takes them from the relations of the analysis, which look twice at each. `first_looks` puts the same fit,
the same columns held and the same adjustment together without the second looks: one fit an axis for all outcomes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qdcbench.records import Interval, Relation, SuiteFacts
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.relations import contrasts, relations
from qdcbench.stages.analysis.table import AXES, LENGTH, TRAINING_WORDS, Samples, told_apart
from qdcbench.stats.compare import holm, holm_levels
from qdcbench.stats.panel import Panel
from qdcbench.stats.relations import Effect, effects
from qdcbench.studies.planted import Truth, table_of_truth
from qdcbench.studies.tally import LEVEL

__all__ = ["Tested", "below", "both_looks", "covers", "first_looks"]

OUTCOMES = ("ID", "OOD", "ID - OOD")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """One test: the effect planted, the same in the edition's own standard deviations, and what the engine says."""

    name: str
    effect: float
    realised: float
    p_value: float | None
    p_adjusted: float | None
    interval: Interval
    adjusted: Interval | None


def first_looks(truth: Truth, suite: SuiteFacts) -> dict[str, list[Tested]]:
    """Return the tests of both families, ``primaries`` and ``contrasts``, each adjusted by Holm."""
    samples, scores = Samples(table_of_truth(truth, suite)), primary_scores(suite)
    wanted = [suite.primary[axis] for axis in AXES] + [TRAINING_WORDS, LENGTH]
    sample = samples.having([*wanted, *scores])
    outcomes = [sample.standardised(name) for name in (*scores, " - ".join(scores))]
    found: dict[tuple[int, int], Effect] = {}
    for place, axis in enumerate(AXES):
        focal = sample.standardised(suite.primary[axis])
        held = told_apart(sample, [name for name in wanted if name != suite.primary[axis]])[0]
        columns = [column for column in (focal, *held.values(), *outcomes) if column is not None]
        width = 1 + len(held)
        assert len(columns) == width + len(OUTCOMES), "planted columns and scores vary"
        panel = Panel(x=np.column_stack(columns[:width]), groups=sample.groups, clusters=sample.clusters)
        for outcome, effect in enumerate(effects(panel, np.column_stack(columns[width:]))):
            found[place, outcome] = effect
    families = {"primaries": (0, 1), "contrasts": (2,)}
    return {
        name: _adjusted({key: effect for key, effect in found.items() if key[1] in members}, truth)
        for name, members in families.items()
    }


def _adjusted(found: dict[tuple[int, int], Effect], truth: Truth) -> list[Tested]:
    p = np.array([np.nan if e.p_value is None else e.p_value for e in found.values()], dtype=np.float64)
    rows = zip(found.items(), holm(p), holm_levels(p, LEVEL), strict=True)
    return [
        Tested(
            name=_name(*key),
            effect=_planted(truth.effects, *key),
            realised=_planted(truth.realised, *key),
            p_value=effect.p_value,
            p_adjusted=None if np.isnan(adjusted) else float(adjusted),
            interval=effect.interval(),
            adjusted=effect.interval(float(level)),
        )
        for (key, effect), adjusted, level in rows
    ]


def both_looks(truth: Truth, suite: SuiteFacts) -> list[tuple[Tested, Relation]]:
    """Return the tests of both families with the relations they are from, which have the second looks."""
    table, scores = table_of_truth(truth, suite), primary_scores(suite)
    names = (*scores, " - ".join(scores))
    found: Sequence[Relation] = (*relations(table, table.axes, suite), *contrasts(table, suite))
    tests = []
    for relation in found:
        key = (AXES.index(relation.axis), names.index(relation.score))
        one = Tested(
            name=_name(*key),
            effect=_planted(truth.effects, *key),
            realised=_planted(truth.realised, *key),
            p_value=relation.p_value,
            p_adjusted=relation.p_adjusted,
            interval=relation.effect,
            adjusted=relation.effect_adjusted,
        )
        tests.append((one, relation))
    return tests


def _name(axis: int, outcome: int) -> str:
    return f"{AXES[axis]} on {OUTCOMES[outcome]}"


def _planted(planted: np.ndarray[tuple[int, ...], np.dtype[np.float64]], axis: int, outcome: int) -> float:
    """Return an effect of ``planted`` (columns, scores) on an outcome; a difference of two for the last."""
    return float(planted[axis, 0] - planted[axis, 1]) if outcome == 2 else float(planted[axis, outcome])


def below(p_value: float | None) -> bool:
    """Whether there is a p-value below the level."""
    return p_value is not None and p_value < LEVEL


def covers(interval: Interval | None, effect: float) -> bool | None:
    """Whether the interval holds the effect; None where there is none."""
    if interval is None or interval.low is None or interval.high is None:
        return None
    return interval.low <= effect <= interval.high
