"""A pandas view of run records: one row per dataset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qdcbench.errors import RecordError
from qdcbench.records import RunRecord, SuiteFacts, group_of
from qdcbench.stages.analysis.units import Unit, ordered, training_words, units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tidy"]


def tidy(records: Sequence[RunRecord], suite: SuiteFacts | None = None) -> "pd.DataFrame":
    """Return one row per record, failed ones too, in a fixed order.

    Columns: what was asked (``arm``, ``method``, ``task``, ...), what was made (``selected``, ``teacher_tokens``,
    ...), each measure by its name, each score as ``set:metric`` with probe repetitions averaged. With a suite
    there are also ``id:`` and ``ood:``, the means over its sets. Missing values are NaN.

    Raises:
        RecordError: a measure or score is stated twice or has the name of another column.
    """
    import pandas as pd

    facts = suite or SuiteFacts(edition="", primary={}, promised=(), id_sets={}, ood_sets={}, root_seed=0)
    by_id = {unit.record.run_id: unit for unit in units(records, facts)}
    rows = [_row(record, by_id.get(record.run_id)) for record in ordered(records)]
    fixed = list(dict.fromkeys(name for record in records[:1] for name in _columns(record)))
    names = sorted({name for row in rows for name in row} - set(fixed))
    return pd.DataFrame(rows, columns=[*fixed, *names])


def _columns(record: RunRecord) -> dict[str, Any]:
    spec, dataset = record.spec, record.dataset
    return {
        "run_id": record.run_id,
        "status": record.status,
        "group": group_of(spec),
        "arm": spec.arm,
        "method": spec.method,
        "role": spec.role,
        "task": spec.task,
        "teacher": spec.teacher.name,
        "simulated": spec.teacher.simulated,
        "budget": spec.budget.name,
        "selection": spec.selection.rule,
        "repetition": spec.repetition,
        "attempts": dataset.attempts if dataset else None,
        "accepted": dataset.accepted if dataset else None,
        "selected": dataset.selected if dataset else None,
        "training_words": training_words(dataset),
        "teacher_tokens": dataset.usage.tokens if dataset else None,
        "teacher_calls": dataset.usage.calls if dataset else None,
    }


def _row(record: RunRecord, unit: Unit | None) -> dict[str, Any]:
    row = _columns(record)
    if unit is not None:
        values = {**unit.measures, **unit.scores}
        if clash := sorted(set(values) & set(row) | set(unit.measures) & set(unit.scores)):
            raise RecordError(f"measure {clash[0]!r} of run {record.run_id} has the name of another column; rename it")
        row |= values
    return row
