"""A committed record beside the one that was made again: what differs, field by field."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qdcbench.canon import canonical_json, plain
from qdcbench.records import RunRecord, RunSpec

__all__ = ["Compared", "Difference", "compare", "difference", "label"]

_OF_THE_NETWORK = frozenset({"usage.failed_calls", "usage.discarded_tokens"})
"""What retries cost when the answers were asked for; a replay asks nobody."""

_COMPUTED = frozenset({"value", "low", "high", "stderr", "final_loss"})
"""Fields computed in floating point, whose last digits another processor may round otherwise."""

_FOLDERS = re.compile(r"(?:/[^/\s'\"]+)+/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field of one run that was made again with another value.

    ``distance`` is the relative distance (absolute below 1) of two numbers that a measure, a training or an evaluation
    computed, None where only equality counts.
    """

    run: str
    label: str
    field: str
    committed: Any
    regenerated: Any
    distance: float | None = None

    @property
    def sentence(self) -> str:
        """One line."""
        there, here = (canonical_json(value) for value in (self.committed, self.regenerated))
        near = "" if self.distance is None else f" (relative distance {self.distance:.1e})"
        return f"run {self.run} ({self.label}): {self.field} is {there} in the record and {here} made again{near}"


def label(spec: RunSpec) -> str:
    """Return what people call a run."""
    return f"{spec.arm} r{spec.repetition} {spec.teacher.name}"


def difference(record: RunRecord, name: str, committed: Any, regenerated: Any) -> Difference:
    """Return a difference in one field of a record."""
    distance = None
    numbers = [abs(value) for value in (committed, regenerated) if isinstance(value, int | float)]
    if name.rpartition(".")[2] in _COMPUTED and len(numbers) == 2:
        distance = abs(committed - regenerated) / max(1.0, *numbers)
    return Difference(
        run=record.run_id,
        label=label(record.spec),
        field=name,
        committed=committed,
        regenerated=regenerated,
        distance=distance,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """All differences of a run, and for each kind of thing (data sets, measures, ...) how many there are and differ."""

    differences: tuple[Difference, ...]
    total: Mapping[str, int]
    different: Mapping[str, int]


def compare(record: RunRecord, made: RunRecord, *, probes: bool) -> Compared:
    """Compare two records of a run: outcome, data set, measures, and with ``probes`` trainings and scores.

    Values are compared by their canonical JSON, so to the byte. Where and when a run happened is not compared, nor
    what retries cost.
    """
    found: list[Difference] = []
    total, different = {}, {}
    for kind, (before, after) in _parts(record, made, probes).items():
        names = sorted({*before, *after})
        wrong = {name: list(_unequal(name, before.get(name), after.get(name))) for name in names}
        total[kind] = len(names)
        different[kind] = sum(1 for rows in wrong.values() if rows)
        found += [difference(record, *row) for rows in wrong.values() for row in rows]
    there, here = _ending(record, probes), _ending(made, probes)
    if there != here:
        found.insert(0, difference(record, "outcome", there, here))
    return Compared(differences=tuple(found), total=total, different=different)


_Part = Mapping[str, Any]


def _parts(record: RunRecord, made: RunRecord, probes: bool) -> dict[str, tuple[_Part, _Part]]:
    """Return what is compared, by kind and by the name that a difference is told under."""
    kinds = {"data sets": _dataset, "measures": _measures}
    if probes:
        kinds |= {"trainings": _trainings, "scores": _scores}
    return {kind: (of(record), of(made)) for kind, of in kinds.items()}


def _dataset(record: RunRecord) -> _Part:
    asked_for_real = not record.spec.teacher.simulated
    if record.dataset is None or (asked_for_real and record.failure is not None and record.failure.stage == "generate"):
        return {}  # which answers had come in when a generation failed was a matter of time
    leaves = _flat(plain(record.dataset))
    return {"dataset": {name: value for name, value in leaves.items() if name not in _OF_THE_NETWORK}}


def _measures(record: RunRecord) -> _Part:
    return {row.metric: plain(row) for row in record.measurements}


def _trainings(record: RunRecord) -> _Part:
    return {f"probe {row.repetition}": plain(row) for row in record.probes}


def _scores(record: RunRecord) -> _Part:
    return {f"probe {s.probe_repetition} {s.eval_task} {s.metric} {s.filter}": plain(s) for s in record.scores}


def _ending(record: RunRecord, probes: bool) -> str:
    failure = record.failure
    # Where nothing is trained, no training can fail.
    if failure is None or (failure.stage == "probe" and not probes):
        return "complete"
    # The same sentence may name files, which lie elsewhere now.
    return f"failed in {failure.stage}: {failure.kind}: {_FOLDERS.sub('', failure.message)}"


def _unequal(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    left, right = _flat(before), _flat(after)
    if before is None or after is None:
        if canonical_json(before) != canonical_json(after):
            yield name, None if before is None else "there", None if after is None else "there"
        return
    for leaf in sorted({*left, *right}):
        there, here = left.get(leaf), right.get(leaf)
        if canonical_json(there) != canonical_json(here):
            yield f"{name}.{leaf}", there, here


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted names; an empty mapping has none."""
    if not isinstance(value, Mapping):
        return {name: value}
    leaves: dict[str, Any] = {}
    for key, inner in value.items():
        leaves |= _flat(inner, f"{name}.{key}".lstrip("."))
    return leaves
