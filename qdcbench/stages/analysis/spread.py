"""Where the spread of a score within a group comes from: arms, repetitions, datasets, probes, evaluation items."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qdcbench.records import Score, SuiteFacts, VarianceShare
from qdcbench.stages.analysis.rankings import ranked_scores
from qdcbench.stages.analysis.units import Unit, short_name
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.variance import Components, Labels, components

__all__ = ["variance_shares"]

TOO_FEW = "needs two arms that share two repetitions"
ONE_PROBE = "one probe a dataset, so its part is inside repetition and generation seed"
NO_ERRORS = "no standard error is recorded"
SAME_ITEMS = "all arms answer the same items, so how much of this is inside the other sources cannot be told"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """Scores of single probes, shape (measurements,); ``item_variances`` of those with a standard error."""

    values: FloatArray
    labels: Labels
    item_variances: FloatArray


def variance_shares(units: Sequence[Unit], suite: SuiteFacts) -> tuple[VarianceShare, ...]:
    """Split the variance of each ranked score in each group over its sources, method arms alone.

    ``arm``, ``repetition`` (what all arms of a repetition share: seed examples and the probe's seed; pairing removes
    it), ``generation seed`` (what one dataset has alone) and ``probe seed`` are variance components of one
    measurement on these evaluation items, and their shares add to 1. An estimate below zero is written as 0 and the
    reason says so.

    ``items`` is another quantity: the mean of lm-eval's squared standard errors, the variance if a measurement were
    taken on another draw of as many items (over k sets the sum of their squares by k squared, sets being drawn apart).
    All arms answer the same items and records hold no single answers: what arms have in common of it is in no
    difference between them, the rest is inside the other sources, and which is which cannot be told. So it has no
    share; of the variance with items drawn anew it is at least items / (sum + items) and at most items / sum, the sum
    being that of the other sources.
    """
    groups: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.record.spec.role == "method":
            groups[unit.group].append(unit)
    return tuple(
        row
        for group, members in sorted(groups.items())
        for score in ranked_scores(suite, members[0].record.spec.task)
        for row in _rows(group, score, _measured(members, score, suite))
    )


def _rows(group: str, score: str, measured: _Measured) -> list[VarianceShare]:
    none = Components(arm=None, repetition=None, dataset=None, probe=None)
    found = components(measured.values, measured.labels) if measured.values.size else none
    estimates = {
        "arm": (found.arm, TOO_FEW),
        "repetition": (found.repetition, TOO_FEW),
        "generation seed": (found.dataset, TOO_FEW),
        "probe seed": (found.probe, ONE_PROBE),
    }
    total = math.fsum(max(estimate, 0.0) for estimate, _ in estimates.values() if estimate is not None)
    rows = [_row(group, score, source, *estimate, total) for source, estimate in estimates.items()]
    return [*rows, _items_row(group, score, measured)]


def _row(group: str, score: str, source: str, estimate: float | None, reason: str, total: float) -> VarianceShare:
    if estimate is None:
        return VarianceShare(group=group, score=score, source=source, variance=None, share=None, reason=reason)
    kept = max(estimate, 0.0)
    below = f"estimated as {estimate:.2g}, so no spread of this source is seen" if estimate < 0 else ""
    share = kept / total if total > 0 else None
    return VarianceShare(group=group, score=score, source=source, variance=kept, share=share, reason=below)


def _items_row(group: str, score: str, measured: _Measured) -> VarianceShare:
    known = measured.item_variances.size > 0
    return VarianceShare(
        group=group,
        score=score,
        source="items",
        variance=float(measured.item_variances.mean()) if known else None,
        share=None,
        reason=SAME_ITEMS if known else NO_ERRORS,
    )


def _measured(units: Sequence[Unit], score: str, suite: SuiteFacts) -> _Measured:
    """Collect single probes' scores; a dataset whose score is missing has none."""
    arms = {arm: code for code, arm in enumerate(sorted({unit.record.spec.arm for unit in units}))}
    values: list[float] = []
    codes: list[tuple[int, int, int]] = []
    errors: list[float] = []
    for unit in units:
        if unit.scores.get(score) is None:
            continue
        for probe, scores in _by_probe(unit, score, suite).items():
            values.append(math.fsum(one.value for one in scores if one.value is not None) / len(scores))
            codes.append((arms[unit.record.spec.arm], unit.record.spec.repetition, probe))
            squares = [one.stderr**2 for one in scores if one.stderr is not None]
            if len(squares) == len(scores):
                errors.append(math.fsum(squares) / len(scores) ** 2)
    table = np.array(codes, dtype=np.int64).reshape(-1, 3)
    return _Measured(
        values=np.array(values, dtype=np.float64),
        labels=Labels(arm=table[:, 0], repetition=table[:, 1], probe=table[:, 2]),
        item_variances=np.array(errors, dtype=np.float64),
    )


def _by_probe(unit: Unit, score: str, suite: SuiteFacts) -> dict[int, list[Score]]:
    """Return what each probe scored on the sets that a score is the mean of."""
    task = unit.record.spec.task
    name, _, metric = score.partition(":")
    derived = {"id": suite.id_sets.get(task, ()), "ood": suite.ood_sets.get(task, ())}
    found: dict[int, list[Score]] = defaultdict(list)
    for one in unit.record.scores:
        among = one.eval_task in derived[name] if name in derived else short_name(one.eval_task, task) == name
        if among and metric in (one.metric, f"{one.metric},{one.filter}"):
            found[one.probe_repetition].append(one)
    return found
