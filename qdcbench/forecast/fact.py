"""A forecast beside what the runs then took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qdcbench.forecast.amount import NOTHING, Amount, total
from qdcbench.forecast.cells import CellForecast, Forecast
from qdcbench.records import RunRecord
from qdcbench.teachers.build import prices_of

__all__ = ["Compared", "compare"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One arm with one teacher over the cells that were run: what was forecast, and what their records say.

    Judging and retries are in neither. ``cells`` of ``forecast_cells`` have a record.
    """

    arm: str
    teacher: str
    cells: int
    forecast_cells: int
    forecast: Amount
    fact: Amount
    source: str


def compare(found: Forecast, made: Iterable[RunRecord]) -> tuple[Compared, ...]:
    """Return a row per arm and teacher, and a last one for all, over cells of the forecast that now have a record."""
    records = {record.run_id: record for record in made}
    groups: dict[tuple[str, str], list[CellForecast]] = {}
    for cell in found.cells:
        groups.setdefault((cell.spec.arm, cell.spec.teacher.name), []).append(cell)
    rows = [_row(names, cells, records) for names, cells in groups.items()]
    return (*rows, _row(("all", ""), list(found.cells), records)) if len(rows) > 1 else tuple(rows)


def _row(names: tuple[str, str], cells: Sequence[CellForecast], records: Mapping[str, RunRecord]) -> Compared:
    ended = [cell for cell in cells if cell.spec.run_id in records]
    sources = sorted({cell.source for cell in ended})
    return Compared(
        arm=names[0],
        teacher=names[1],
        cells=len(ended),
        forecast_cells=len(cells),
        forecast=total(cell.method for cell in ended),
        fact=total(_fact(records[cell.spec.run_id]) for cell in ended),
        source=sources[0] if len(sources) == 1 else "",
    )


def _fact(record: RunRecord) -> Amount:
    """Return what a record says was used; a run that failed before it had rows used nothing that is known."""
    seconds = None if record.provenance is None else sum(record.provenance.seconds.values())
    if record.dataset is None:
        return Amount(seconds=seconds)
    usage = record.dataset.usage
    free = not usage.calls or not prices_of(record.spec.teacher)
    return Amount(
        calls=float(usage.calls),
        prompt_tokens=float(usage.prompt_tokens),
        completion_tokens=float(usage.completion_tokens),
        tokens=float(usage.tokens),
        money=NOTHING.money if free else usage.money,
        seconds=seconds,
        seconds_at_least=seconds or 0.0,
    )
