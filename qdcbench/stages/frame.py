"""Pandas views of records: a row per dataset, per measure or score of one, and any record of an analysis flat.

Every frame has its columns also where it has no row. Missing numbers are NaN, missing texts empty.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from qdcbench.errors import RecordError
from qdcbench.records import DatasetSummary, Interval, Measurement, ProbeRun, RunRecord, Score, SuiteFacts, group_of
from qdcbench.stages.analysis.cost import row_cost
from qdcbench.stages.analysis.units import Unit, ordered, short_name, training_words, units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["flat", "measure_rows", "probe_rows", "score_rows", "tidy"]

_KINDS = {float: "float64", int: "int64", bool: "bool", str: "str"}

_OF_RUN = {
    "run_id": "str", "group": "str", "arm": "str", "method": "str", "role": "str", "task": "str", "repetition": "int64",
}  # fmt: skip
"""What says of which run a row is, with the column's type."""


def flat(kind: type[Any], rows: Iterable[tuple[Sequence[Any], Any]], keys: Mapping[str, str]) -> "pd.DataFrame":
    """Return records of one dataclass as a frame; ``rows`` are pairs of the values of ``keys`` and a record.

    ``keys`` maps the columns that come first to their types. A number, text or tuple of texts is a column of its
    field's name; an `Interval` called x becomes ``x``, ``x_low``, ``x_high``, ``x_level``, ``x_kind``, ``x_n`` and
    ``x_reason``; a pair of numbers ``x_low`` and ``x_high``. Fields that hold records or mappings have no column.
    """
    columns = _columns_of(kind)
    kinds = {**keys, **{column.name: column.kind for column in columns}}
    return _frame(kinds, ([*key, *(column.of(record) for column in columns)] for key, record in rows))


def _frame(kinds: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> "pd.DataFrame":
    import pandas as pd

    table = list(rows)
    values: list[Sequence[Any]] = list(zip(*table, strict=True)) if table else [()] * len(kinds)
    columns = {}
    for (name, kind), column in zip(kinds.items(), values, strict=True):
        cells = ["" if cell is None else cell for cell in column] if kind == "str" else list(column)
        columns[name] = pd.Series(cells, dtype=kind)
    return pd.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    of: Callable[[Any], Any]


def _columns_of(kind: type[Any]) -> tuple[_Column, ...]:
    hints = get_type_hints(kind)
    return tuple(column for f in fields(kind) for column in _columns_of_field(f.name, hints[f.name]))


def _columns_of_field(name: str, hint: Any) -> Iterator[_Column]:
    """Yield the columns of one field, by what its annotation says it holds."""
    optional = NoneType in get_args(hint)
    (inner,) = [part for part in get_args(hint) if part is not NoneType] if optional else [hint]
    if inner is Interval:
        parts = get_type_hints(Interval)
        for part in ("point", "low", "high", "level", "kind", "n", "reason"):
            missing = 0 if part == "n" else None
            yield _Column(
                name if part == "point" else f"{name}_{part}", _kind_of(parts[part]), _reader(name, part, missing)
            )
    elif get_args(inner) == (float, float):
        for place, end in enumerate(("low", "high")):
            yield _Column(f"{name}_{end}", "float64", _end_reader(name, place))
    elif inner in _KINDS or _words(inner) or get_args(inner) == (str, ...):
        yield _Column(name, _kind_of(hint), lambda record: getattr(record, name))


def _reader(name: str, part: str, missing: Any) -> Callable[[Any], Any]:
    def read(record: Any) -> Any:
        interval = getattr(record, name)
        return missing if interval is None else getattr(interval, part)

    return read


def _end_reader(name: str, place: int) -> Callable[[Any], Any]:
    def read(record: Any) -> Any:
        pair = getattr(record, name)
        return None if pair is None else pair[place]

    return read


def _kind_of(hint: Any) -> str:
    """Return the type of a column: whole numbers that may be missing are floats, so that NaN can say so."""
    known = set(get_args(hint)) - {NoneType}
    if NoneType in get_args(hint) and known <= {int, float}:
        return "float64"
    return "str" if _words(hint) else _KINDS.get(hint, "object")


def _words(hint: Any) -> bool:
    """Whether a field holds one of several words."""
    return get_origin(hint) is Literal


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
    lines = ordered(records)
    known = [by_id.get(record.run_id) for record in lines]
    fixed = _frame(_OF_RUN | _MADE, ([*_run_key(record), *_made(record)] for record in lines))
    found = {
        "measure": sorted({name for unit in known if unit for name in unit.measures}),
        "score": sorted({name for unit in known if unit for name in unit.scores}),
    }
    _require_names(found, set(fixed.columns), known)
    values = {
        name: pd.Series([unit and getattr(unit, f"{what}s").get(name) for unit in known], dtype="float64")
        for what, names in found.items()
        for name in names
    }
    return pd.concat([fixed, pd.DataFrame(values, index=fixed.index)], axis=1)


def _require_names(found: Mapping[str, Sequence[str]], taken: set[str], known: Sequence[Unit | None]) -> None:
    for what, names in found.items():
        if clash := sorted(taken & set(names)):
            run = next(u.record.run_id for u in known if u and clash[0] in {*u.measures, *u.scores})
            raise RecordError(f"{what} {clash[0]!r} of run {run} has the name of another column; rename it")
        taken |= set(names)


_MADE = {
    "status": "str", "simulated": "bool", "teacher": "str", "budget": "str", "selection": "str", "attempts": "float64",
    "accepted": "float64", "contaminated": "float64", "selected": "float64", "stopped_by": "str",
    "mean_prompt_words": "float64", "mean_completion_words": "float64", "training_words": "float64",
    "teacher_calls": "float64", "teacher_tokens": "float64", "teacher_prompt_tokens": "float64",
    "teacher_completion_tokens": "float64", "failed_calls": "float64", "setup_tokens": "float64",
    "row_tokens": "float64", "row_tokens_amortised": "float64", "money": "float64", "row_money": "float64",
    "row_money_amortised": "float64", "failure": "str",
}  # fmt: skip
"""What was asked of a run and what came of it, with the column's type."""


def _run_key(record: RunRecord) -> list[Any]:
    spec = record.spec
    return [record.run_id, group_of(spec), spec.arm, spec.method, spec.role, spec.task, spec.repetition]


def _made(record: RunRecord) -> list[Any]:
    """Return the values of the columns `_MADE`."""
    spec, failure = record.spec, record.failure
    asked = [record.status, spec.teacher.simulated, spec.teacher.name, spec.budget.name, spec.selection.rule]
    made = _of_dataset(record.dataset) if record.dataset else {}
    rest = [made.get(name) for name in list(_MADE)[len(asked) : -1]]
    return [*asked, *rest, f"{failure.kind} in {failure.stage}: {failure.message}" if failure else ""]


def _of_dataset(dataset: DatasetSummary) -> dict[str, Any]:
    usage, cost = dataset.usage, row_cost(dataset)
    return {
        "attempts": dataset.attempts, "accepted": dataset.accepted, "contaminated": dataset.contaminated,
        "selected": dataset.selected, "stopped_by": dataset.stopped_by,
        "mean_prompt_words": dataset.mean_prompt_words, "mean_completion_words": dataset.mean_completion_words,
        "training_words": training_words(dataset), "teacher_calls": usage.calls, "teacher_tokens": usage.tokens,
        "teacher_prompt_tokens": usage.prompt_tokens, "teacher_completion_tokens": usage.completion_tokens,
        "failed_calls": usage.failed_calls, "setup_tokens": cost.setup_tokens, "row_tokens": cost.tokens,
        "row_tokens_amortised": cost.tokens_amortised, "money": usage.money, "row_money": cost.money,
        "row_money_amortised": cost.money_amortised,
    }  # fmt: skip


def measure_rows(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return one row per measure of a run (`Measurement`), as it stands in the record."""
    return flat(Measurement, ((_run_key(r), item) for r in ordered(records) for item in r.measurements), _OF_RUN)


def score_rows(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return one row per score of a probe (`Score`); ``set`` is the evaluation set without the task's name."""
    rows = (
        ([*_run_key(record), short_name(item.eval_task, record.spec.task)], item)
        for record in ordered(records)
        for item in record.scores
    )
    return flat(Score, rows, _OF_RUN | {"set": "str"})


def probe_rows(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return one row per training of the probe (`ProbeRun`)."""
    keys = {("run_repetition" if name == "repetition" else name): kind for name, kind in _OF_RUN.items()}
    return flat(ProbeRun, ((_run_key(r), probe) for r in ordered(records) for probe in r.probes), keys)
