"""What earlier runs of any edition needed: the source that a forecast trusts first."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from qdcbench.api import SETUP_INTENTS
from qdcbench.errors import RecordError
from qdcbench.migrate import to_current
from qdcbench.records import DatasetSummary, RunRecord, RunSpec, from_json

__all__ = ["History", "Rate", "rate_of", "read_history"]


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Records of earlier runs, each run once; ``unreadable`` counts the files that could not be read."""

    records: tuple[RunRecord, ...] = ()
    unreadable: int = 0
    by_method: Mapping[str, tuple[RunRecord, ...]] = field(init=False)

    def __post_init__(self) -> None:
        found: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for record in self.records:
            found[record.spec.method].append(record)
        object.__setattr__(self, "by_method", {name: tuple(records) for name, records in found.items()})

    def like(self, cell: RunSpec) -> tuple[list[RunRecord], list[RunRecord]]:
        """Return records of the cell's method and parameters that say what rows cost: its task and teacher, others."""
        same: list[RunRecord] = []
        other: list[RunRecord] = []
        for record in self.by_method.get(cell.method, ()):
            spec = record.spec
            if (spec.method_version, spec.params) != (cell.method_version, cell.params) or not _counts(record):
                continue
            alike = spec.task == cell.task and spec.teacher.identity == cell.teacher.identity
            (same if alike else other).append(record)
        return same, other

    def seconds(self, stage: str, fits: Callable[[RunRecord], bool], per: Callable[[RunRecord], float]) -> float | None:
        """Return the median seconds of a stage per unit over complete runs that fit, None when there is none."""
        found = [
            record.provenance.seconds[stage] / units
            for record in self.records
            if record.status == "complete" and record.provenance and stage in record.provenance.seconds
            if fits(record) and (units := per(record)) > 0
        ]
        return median(found) if found else None


def read_history(results: Path) -> History:
    """Read the records of all editions under a folder; what cannot be read is counted and left out."""
    records: dict[str, RunRecord] = {}
    unreadable = 0
    for path in sorted(results.glob("*/runs/**/*.json")):
        try:
            value = to_current(json.loads(path.read_text(encoding="utf-8")), str(path))
            record = from_json(RunRecord, value, str(path))
        except (OSError, ValueError, RecordError):
            unreadable += 1
            continue
        records.setdefault(record.run_id, record)
    return History(records=tuple(records.values()), unreadable=unreadable)


def _counts(record: RunRecord) -> bool:
    """Whether a record says what rows cost: its generation ended by itself, with rows or without spending."""
    if record.dataset is None or (record.failure is not None and record.failure.stage == "generate"):
        return False
    return record.dataset.accepted > 0 or record.dataset.usage.calls == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """What a method needed in earlier runs, as means over them.

    ``setup_calls`` come before the first row, ``calls`` with each row; tokens are those of a mean call. ``rows`` is how
    many rows the method gives at most under the asked budget.
    """

    calls: float
    setup_calls: float
    prompt_tokens: float
    completion_tokens: float
    rows: float


def rate_of(records: Sequence[RunRecord], examples: int) -> Rate:
    """Return the rate over records that count, for a budget of ``examples`` rows."""
    sets = [record.dataset for record in records if record.dataset is not None]
    calls = sum(d.usage.calls for d in sets)
    return Rate(
        calls=fmean((d.usage.calls - _setup_calls(d)) / max(1, d.accepted) for d in sets),
        setup_calls=fmean(_setup_calls(d) for d in sets),
        prompt_tokens=sum(d.usage.prompt_tokens for d in sets) / max(1, calls),
        completion_tokens=sum(d.usage.completion_tokens for d in sets) / max(1, calls),
        rows=fmean(_rows(record, examples) for record in records),
    )


def _setup_calls(dataset: DatasetSummary) -> int:
    return sum(dataset.usage.calls_by_intent.get(intent, 0) for intent in SETUP_INTENTS)


def _rows(record: RunRecord, examples: int) -> float:
    """Rows of a method that ended by itself: as many as then, or as large a share of the budget if that is more."""
    dataset = record.dataset
    if dataset is None or dataset.stopped_by != "method":
        return examples
    return min(examples, max(dataset.accepted, dataset.accepted / record.spec.budget.examples * examples))
