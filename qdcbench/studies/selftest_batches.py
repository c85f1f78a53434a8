"""What the self-test plants: every design and scenario, cut into batches of editions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qdcbench.stages.analysis.relations import AXES
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.operating import PARTS, Part
from qdcbench.studies.nature import COLUMNS
from qdcbench.studies.planted import Planted
from qdcbench.studies.tally import Batch
from qdcbench.studies.trials import COMMITTED, DRAWN, source_of
from qdcbench.studies.trials_dials import MARGIN, TurnedDial
from qdcbench.studies.trials_rankings import EqualArms, Spreads

__all__ = ["FEWEST_EDITIONS", "POWER", "Plan", "batches"]

FEWEST_EDITIONS = 20
"""With fewer the scenarios that take a share of the editions have none."""

POWER_EFFECTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

BATCH = 50
"""Editions of a batch; results do not depend on it."""

POWER = "power"
"""First word of the scenarios in which one axis alone does something."""

NULL, EFFECTS = "nothing, methods differ", "effects"

OTHER_SHARE = 4
"""Nulls other than the main one are counted over one in so many editions."""

SLOW_SHARE = 10
"""So are second looks and verdicts, over one in so many."""

POWER_SHARE = 20
"""So is power."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which committed edition is the model, and how many editions are planted for each design and scenario.

    ``sizes`` are the numbers of methods of the drawn designs. Counts are kept in ``store``.
    """

    source: Path
    store: Path
    editions: int = 2_000
    parts: tuple[Part, ...] = PARTS
    sizes: tuple[int, ...] = (6, 8, 12, 30)
    root_seed: int = 0
    workers: int = 2


def _effects(**columns: tuple[float, float]) -> FloatArray:
    """Return effects by column, on ID and OOD; columns not named have none."""
    effects = np.zeros((len(COLUMNS), 2))
    for name, pair in columns.items():
        effects[COLUMNS.index(name.replace("_", " "))] = pair
    return effects


NOTHING = _effects(training_words=(0.3, 0.2))
"""No axis does anything; more words to train on do."""

SCENARIOS: Mapping[str, Planted] = {
    "nothing": Planted(effects=NOTHING),
    NULL: Planted(effects=NOTHING, between=0.6),
    "nothing, odd methods": Planted(effects=NOTHING, between=0.6, tails=3),
    "nothing, own slopes": Planted(effects=NOTHING, between=0.3, own_slopes=0.3),
    EFFECTS: Planted(effects=_effects(quality=(0.4, 0.1), diversity=(0.1, 0.4), complexity=(0.2, 0.2)), between=0.3),
}

POWER_SCENARIOS: Mapping[str, Planted] = {
    f"{POWER}, {axis} {effect:g}": Planted(effects=_effects(**{axis: (effect, effect)}), between=0.3)
    for axis in AXES
    for effect in POWER_EFFECTS
}

NOISES: Mapping[Spreads, str] = {
    "equal": "equal spread",
    "differ": "spreads differ",
    "one noisy": "one arm noisy",
}
RANKINGS: Mapping[str, EqualArms] = {
    f"{repetitions} repetitions, {words}": EqualArms(repetitions=repetitions, spreads=spreads)
    for repetitions in (3, 5, 10)
    for spreads, words in NOISES.items()
}
ARMS = (4, 12, 28)


def _turned() -> Iterator[tuple[str, TurnedDial]]:
    """Return what is planted on a dial, by name: nothing, the margin, and twice the margin."""
    for settings, repetitions in ((1, 3), (2, 3), (1, 5), (2, 5)):
        size = f"{settings} × {repetitions}"
        for effect in (0.0, MARGIN, 2 * MARGIN):
            yield f"{size}, effect {effect:g}", TurnedDial(settings=settings, repetitions=repetitions, effect=effect)
        heavy = TurnedDial(settings=settings, repetitions=repetitions, errors="heavy tails")
        yield f"{size}, effect 0, heavy tails", heavy
        if settings > 1:
            noisy = TurnedDial(settings=settings, repetitions=repetitions, errors="one setting noisier")
            yield f"{size}, effect 0, one setting noisier", noisy


def batches(plan: Plan) -> list[Batch[Any]]:
    """Return all batches of a plan, those that take longest first."""
    kinds = [*_verdicts(plan), *_relations(plan), *_dials(plan), *_rankings(plan)]
    return [batch for kind in kinds if kind.part in plan.parts for batch in _cut(kind)]


def _kind(plan: Plan, part: Part, where: tuple[str, int], scenario: tuple[str, object], share: int = 1) -> Batch[Any]:
    """Return all editions of one kind; ``where`` is design and size, ``scenario`` its name and what it plants."""
    return Batch(
        part=part, design=where[0], size=where[1], scenario=scenario[0], planted=scenario[1], source=plan.source,
        root_seed=plan.root_seed, first=0, n=plan.editions // share,
    )  # fmt: skip


def _designs(plan: Plan) -> list[tuple[str, int]]:
    n_methods = len(set(source_of(plan.source).nature.layout.methods))
    return [(COMMITTED, n_methods), *((DRAWN, size) for size in plan.sizes)]


def _relations(plan: Plan) -> Iterator[Batch[Any]]:
    for where in _designs(plan):
        for name, planted in SCENARIOS.items():
            share = 1 if name in (NULL, EFFECTS) else OTHER_SHARE
            yield _kind(plan, "relations", where, (name, planted), share)
        for scenario in POWER_SCENARIOS.items():
            yield _kind(plan, "relations", where, scenario, POWER_SHARE)


def _verdicts(plan: Plan) -> Iterator[Batch[Any]]:
    for where in _designs(plan):
        for name in (NULL, EFFECTS):
            yield _kind(plan, "second looks", where, (name, SCENARIOS[name]), SLOW_SHARE)
            yield _kind(plan, "verdicts", where, (name, SCENARIOS[name]), SLOW_SHARE)


def _dials(plan: Plan) -> Iterator[Batch[Any]]:
    for name, planted in _turned():
        yield _kind(plan, "interventions", ("factorial", planted.settings * planted.repetitions), (name, planted))


def _rankings(plan: Plan) -> Iterator[Batch[Any]]:
    for size in ARMS:
        for scenario in RANKINGS.items():
            yield _kind(plan, "rankings", ("equal arms", size), scenario)


def _cut(batch: Batch[Any]) -> Iterator[Batch[Any]]:
    for first in range(0, batch.n, BATCH):
        yield replace(batch, first=first, n=min(BATCH, batch.n - first))
