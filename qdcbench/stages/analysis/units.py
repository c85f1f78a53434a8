"""The unit of every statistic: one generated dataset with its measures and its probe-averaged scores."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdcbench.errors import RecordError
from qdcbench.records import DatasetSummary, RunRecord, SuiteFacts, group_of

__all__ = ["Unit", "axes_of", "ordered", "short_name", "training_words", "units"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One complete run. ``reasons`` say why a measure has no value.

    ``log_words`` is the log of training words, ``log_length`` the log of a training row's mean words, prompt and
    completion together; they differ by the log of the rows.
    """

    record: RunRecord
    group: str
    cluster: str
    measures: Mapping[str, float | None]
    reasons: Mapping[str, str]
    scores: Mapping[str, float | None]
    log_words: float | None
    log_length: float | None


def ordered(records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """Return records in the one order that all output follows, whatever order they came in."""
    return tuple(sorted(records, key=lambda r: (group_of(r.spec), r.spec.arm, r.spec.repetition, r.run_id)))


def units(records: Sequence[RunRecord], suite: SuiteFacts) -> tuple[Unit, ...]:
    """Return a unit for every complete record, in the order of the records.

    Raises:
        RecordError: a record states the same measure or score twice.
    """
    named = _several_filters(records)
    return tuple(_unit(record, suite, named) for record in records if record.status == "complete")


def axes_of(records: Sequence[RunRecord]) -> dict[str, str]:
    """Return the axis of every measure.

    Raises:
        RecordError: two records disagree.
    """
    axes: dict[str, str] = {}
    for record in records:
        for item in record.measurements:
            if axes.setdefault(item.metric, item.axis) != item.axis:
                raise RecordError(
                    f"measure {item.metric!r} has axis {item.axis!r} in run {record.run_id} and "
                    f"{axes[item.metric]!r} elsewhere; take the measures of all runs with one version"
                )
    return dict(sorted(axes.items()))


def short_name(eval_task: str, task: str) -> str:
    """Return the name of an evaluation set without the task's: ``list_edits_ood_pairs`` becomes ``ood_pairs``."""
    return eval_task.removeprefix(f"{task}_")


def training_words(dataset: DatasetSummary | None) -> float | None:
    """Return the words of all training rows; None where nothing was selected."""
    length = _row_words(dataset)
    return None if dataset is None or length is None else dataset.selected * length


def _row_words(dataset: DatasetSummary | None) -> float | None:
    """Return the mean words of a training row; None where there are no rows or no words."""
    if dataset is None or dataset.mean_prompt_words is None or dataset.mean_completion_words is None:
        return None
    words = dataset.mean_prompt_words + dataset.mean_completion_words
    return words if words > 0 and dataset.selected > 0 else None


def _unit(record: RunRecord, suite: SuiteFacts, named: frozenset[tuple[str, str]]) -> Unit:
    measures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for item in record.measurements:
        if item.metric in measures:
            raise RecordError(f"run {record.run_id} states measure {item.metric!r} twice; take its measures again")
        measures[item.metric] = item.value
        reasons[item.metric] = item.reason
    words, length = training_words(record.dataset), _row_words(record.dataset)
    return Unit(
        record=record,
        group=group_of(record.spec),
        cluster=record.spec.method,
        measures=measures,
        reasons=reasons,
        scores=_scores(record, suite, named),
        log_words=None if words is None else math.log(words),
        log_length=None if length is None else math.log(length),
    )


def _several_filters(records: Sequence[RunRecord]) -> frozenset[tuple[str, str]]:
    """Return (eval task, metric) that occur with more than one filter, whose names must say which."""
    filters: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        for score in record.scores:
            filters[score.eval_task, score.metric].add(score.filter)
    return frozenset(key for key, names in filters.items() if len(names) > 1)


def _scores(record: RunRecord, suite: SuiteFacts, named: frozenset[tuple[str, str]]) -> dict[str, float | None]:
    """Return probe-averaged scores by short name, with ``id`` and ``ood`` as means over their sets."""
    by_set: dict[str, dict[str, dict[int, float | None]]] = defaultdict(lambda: defaultdict(dict))
    for score in record.scores:
        metric = score.metric + (f",{score.filter}" if (score.eval_task, score.metric) in named else "")
        values = by_set[score.eval_task][metric]
        if score.probe_repetition in values:
            raise RecordError(
                f"run {record.run_id} states {score.eval_task}:{metric} of probe {score.probe_repetition} twice; "
                "evaluate it again"
            )
        values[score.probe_repetition] = score.value
    probes = {score.probe_repetition for score in record.scores}
    means = {
        (eval_task, metric): _mean([values.get(probe) for probe in sorted(probes)])
        for eval_task, metrics in by_set.items()
        for metric, values in metrics.items()
    }
    return _named_scores(means, record.spec.task, suite)


def _named_scores(
    means: Mapping[tuple[str, str], float | None], task: str, suite: SuiteFacts
) -> dict[str, float | None]:
    """Shorten names and add the means over ID and OOD sets; a set whose short name they take keeps its long one."""
    derived: dict[str, float | None] = {}
    for name, sets in (("id", suite.id_sets.get(task, ())), ("ood", suite.ood_sets.get(task, ()))):
        for metric in {metric for _, metric in means} if sets else set():
            derived[f"{name}:{metric}"] = _mean([means.get((eval_task, metric)) for eval_task in sets])
    plain: dict[str, float | None] = {}
    for (eval_task, metric), value in means.items():
        name = f"{short_name(eval_task, task)}:{metric}"
        taken = name in derived and derived[name] != value
        plain[f"{eval_task}:{metric}" if taken else name] = value
    return dict(sorted({**plain, **derived}.items()))


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, None where any value is missing: a mean over other sets or probes is another quantity."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
