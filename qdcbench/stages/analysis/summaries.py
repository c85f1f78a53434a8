"""Arm summaries: means over repetitions, yields and cost."""

from collections.abc import Callable, Sequence

import numpy as np

from qdcbench.records import ArmSummary, DatasetSummary, Interval, PromisedCell, RunRecord
from qdcbench.stages.analysis.cost import NO_INTENTS, row_cost
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import t_interval

__all__ = ["arm_summary", "interval_over"]

_NO_PRICE = "the teacher has no price"
_NO_ROWS = "no row was accepted"


def interval_over(values: Sequence[float | None], reasons: Sequence[str] = ()) -> Interval:
    """Return the interval over the values that are there; the reason names how many are not, and why."""
    known = [value for value in values if value is not None]
    interval = t_interval(np.array(known, dtype=np.float64))
    missing = len(values) - len(known)
    if not missing:
        return interval
    why = next((reason for value, reason in zip(values, reasons, strict=False) if value is None and reason), "")
    parts = [f"{missing} of {len(values)} datasets have no value" + (f" ({why})" if why else "")]
    if known and interval.reason:
        parts.append(interval.reason)
    return Interval(
        point=interval.point, low=interval.low, high=interval.high, level=interval.level, kind=interval.kind,
        n=interval.n, reason="; ".join(parts),
    )  # fmt: skip


def arm_summary(
    cell: PromisedCell, records: Sequence[RunRecord], units: Sequence[Unit], names: tuple[Sequence[str], Sequence[str]]
) -> ArmSummary:
    """Summarise one arm from its records and units; ``names`` are all measures and all scores of the analysis."""
    measure_names, score_names = names
    rows = any(unit.record.dataset is not None and unit.record.dataset.accepted for unit in units)
    return ArmSummary(
        group=cell.group,
        arm=cell.arm,
        method=cell.method,
        role=cell.role,
        simulated=cell.simulated,
        promised=cell.n,
        complete=len(units),
        failures=tuple(_sentence(record) for record in records if record.status == "failed"),
        run_ids=tuple(record.run_id for record in records),
        measures={
            name: interval_over([u.measures.get(name) for u in units], [u.reasons.get(name, "") for u in units])
            for name in measure_names
        },
        scores={name: interval_over([u.scores.get(name) for u in units]) for name in score_names},
        teacher_tokens=_over(units, lambda d: float(d.usage.tokens)),
        teacher_calls=_over(units, lambda d: float(d.usage.calls)),
        accepted_share=_over(units, lambda d: d.accepted / d.attempts if d.attempts else None),
        selected_rows=_over(units, lambda d: float(d.selected)),
        setup_tokens=_over(units, lambda d: row_cost(d).setup_tokens, NO_INTENTS),
        row_tokens=_over(units, lambda d: row_cost(d).tokens, _NO_ROWS),
        row_tokens_amortised=_over(units, lambda d: row_cost(d).tokens_amortised, NO_INTENTS if rows else _NO_ROWS),
        money=_over(units, lambda d: d.usage.money, _NO_PRICE),
        row_money=_over(units, lambda d: row_cost(d).money, _NO_PRICE),
        row_money_amortised=_over(units, lambda d: row_cost(d).money_amortised, _NO_PRICE),
    )


def _over(units: Sequence[Unit], value: Callable[[DatasetSummary], float | None], why: str = "") -> Interval:
    """Return the interval of a number of each dataset; ``why`` is the usual reason for a missing one."""
    datasets = [unit.record.dataset for unit in units]
    values = [None if dataset is None else value(dataset) for dataset in datasets]
    return interval_over(values, [why] * len(values))


def _sentence(record: RunRecord) -> str:
    failure = record.failure
    if failure is None:
        return f"repetition {record.spec.repetition}: failed, and the record does not say why"
    return f"repetition {record.spec.repetition}: {failure.kind} in {failure.stage}: {failure.message}"
