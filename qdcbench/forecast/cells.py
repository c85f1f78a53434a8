"""All cells of a plan that are still to do, one by one and summed by arm and teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from qdcbench.api import MethodPlugin
from qdcbench.canon import digest
from qdcbench.forecast.amount import Amount, total
from qdcbench.forecast.cell import generation, judging, timed
from qdcbench.forecast.history import History
from qdcbench.plan import Plan
from qdcbench.records import RunSpec
from qdcbench.registry import Registry

__all__ = ["JUDGING", "CellForecast", "Forecast", "Line", "forecast"]

JUDGING = "judging"
"""What the line is called that holds the questions to the judge, which are the benchmark's cost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellForecast:
    """What one cell will need: ``method`` is charged to its budget, ``judging`` comes on top; time is in ``method``."""

    spec: RunSpec
    method: Amount
    judging: Amount
    source: str

    @property
    def both(self) -> Amount:
        """Method and judging together."""
        return total([self.method, self.judging])


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One arm with one teacher (or the judging of all arms with one teacher): the sum over its cells to do.

    ``hours`` are wall clock with all workers at work, None where a part is not known; ``hours_at_least`` is the part
    that is. ``source`` says where calls, tokens and money come from.
    """

    arm: str
    role: str
    teacher: str
    cells: int
    to_do: int
    amount: Amount
    hours: float | None
    hours_at_least: float
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A plan's forecast: a line an arm and teacher, their total, and the cells to do in the order of starting."""

    lines: tuple[Line, ...]
    total: Line
    cells: tuple[CellForecast, ...]
    workers: int


def _line(names: tuple[str, str, str], cells: int, amounts: Sequence[Amount], source: str, workers: int) -> Line:
    arm, role, teacher = names
    amount = total(amounts)
    return Line(
        arm=arm,
        role=role,
        teacher=teacher,
        cells=cells,
        to_do=len(amounts),
        amount=amount,
        hours=None if amount.seconds is None else amount.seconds / 3600 / workers,
        hours_at_least=amount.seconds_at_least / 3600 / workers,
        source=source if amounts else "nothing to do",
    )


class _Cells:
    """Forecasts cells of one plan; repetitions of an arm share the work, as nothing in it depends on the repetition."""

    def __init__(self, registry: Registry, history: History) -> None:
        self._registry = registry
        self._history = history
        self._known: dict[str, CellForecast] = {}

    def of(self, cell: RunSpec) -> CellForecast:
        key = digest({**_fields(cell), "teacher": cell.teacher, "budget": cell.budget})
        if key not in self._known:
            plugin: MethodPlugin = self._registry.method(cell.method).plugin
            amount, source = generation(cell, plugin, self._history)
            self._known[key] = CellForecast(
                spec=cell,
                method=timed(cell, amount, self._history),
                judging=judging(cell),
                source=source,
            )
        return replace(self._known[key], spec=cell)


def _fields(cell: RunSpec) -> Mapping[str, object]:
    return {
        "method": [cell.method, cell.method_version, cell.params],
        "task": cell.task,
        "probe": [cell.hashes.get("probe"), cell.probe_repetitions],
        "measure_n": cell.measure_n,
    }


def forecast(
    plan: Plan, registry: Registry, history: History, *, to_do: Sequence[RunSpec] | None = None, workers: int = 1
) -> Forecast:
    """Return what the cells ``to_do`` (default: all) will need; ``workers`` processes share the time.

    Answers that are already in the request cache cost nothing, which is not foreseen: the forecast is for new ones.
    """
    of = _Cells(registry, history).of
    cells = tuple(of(cell) for cell in (plan.cells if to_do is None else to_do))
    promised: dict[tuple[str, str, str], int] = {}
    for spec in plan.cells:
        arm = (spec.arm, str(spec.role), spec.teacher.name)
        promised[arm] = promised.get(arm, 0) + 1
    lines = []
    for names, count in promised.items():
        mine = [c for c in cells if (c.spec.arm, c.spec.role, c.spec.teacher.name) == names]
        source = mine[0].source if mine else ""
        lines.append(_line(names, count, [c.method for c in mine], source, workers))
    for teacher in dict.fromkeys(c.spec.teacher.name for c in cells):
        judged = [c.judging for c in cells if c.spec.teacher.name == teacher]
        source = "tokens assumed"
        lines.append(_line((JUDGING, "benchmark", teacher), len(judged), judged, source, workers))
    everything = _line(("total", "", ""), len(plan.cells), [c.both for c in cells], "", workers)
    return Forecast(lines=tuple(lines), total=everything, cells=cells, workers=workers)
