"""Whether a forecast fits under the caps of a suite, and how far it would come where it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qdcbench.canon import plain
from qdcbench.forecast.cells import CellForecast, Forecast
from qdcbench.records import Caps
from qdcbench.suite import Suite

__all__ = ["CapFit", "cap_fits"]

Scope = Literal["suite", "cell"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CapFit:
    """One cap beside what is forecast: ``need`` is the sum (or, for a cell, the dearest cell), None where unknown.

    ``within`` of ``cells`` cells fit under it; None where that is not known.
    """

    scope: Scope
    kind: str
    cap: float
    need: float | None
    within: int | None
    cells: int
    sentence: str

    @property
    def fits(self) -> bool | None:
        """True, False, or None where it is not known."""
        return None if self.within is None else self.within == self.cells


def cap_fits(suite: Suite, found: Forecast, spent: Caps | None = None) -> tuple[CapFit, ...]:
    """Return a line a cap.

    ``spent`` is what was already spent under the caps of the suite. Retries and answers that are thrown away count
    against a cap and are not forecast.
    """
    before = plain(spent or Caps())
    fits = []
    for kind, cap in plain(suite.caps).items():
        if cap is not None:
            fits.append(_of_suite(kind, float(cap), float(before[kind] or 0.0), found))
    for kind, cap in plain(suite.cell_caps).items():
        if cap is not None:
            fits.append(_of_cell(kind, float(cap), found))
    return tuple(fits)


def _need(cell: CellForecast, kind: str, workers: int) -> float | None:
    if kind == "seconds":
        seconds = cell.both.seconds
        return None if seconds is None else seconds / workers
    value: float | None = getattr(cell.both, kind)
    return value


def _of_suite(kind: str, cap: float, spent: float, found: Forecast) -> CapFit:
    needs = [_need(cell, kind, found.workers) for cell in found.cells]
    name = f"the suite's cap of {_words(kind, cap)}"
    within = _reach(needs, cap - spent)
    known = [need for need in needs if need is not None]
    need = sum(known) + spent if len(known) == len(needs) else None
    if within is None:
        sentence = f"whether {name} is enough is not known: {_unknown(kind)}"
    elif within == len(needs):
        sentence = f"{name} is enough: {_words(kind, sum(known) + spent)} forecast"
    else:
        share = 100 * within / len(needs)
        sentence = f"{name} would end it after about {share:.0f} % of the cells ({within} of {len(needs)})"
    if spent:
        sentence += f"; {_words(kind, spent)} of it was spent before"
    return CapFit(scope="suite", kind=kind, cap=cap, need=need, within=within, cells=len(needs), sentence=sentence)


def _reach(needs: Sequence[float | None], room: float) -> int | None:
    """How many cells, in order, fit into the room; None where an unknown need comes before it is full."""
    for index, need in enumerate(needs):
        if need is None:
            return None
        room -= need
        if room < 0:
            return index
    return len(needs)


def _of_cell(kind: str, cap: float, found: Forecast) -> CapFit:
    needs = [_need(cell, kind, 1) for cell in found.cells]
    known = [need for need in needs if need is not None]
    over = sum(need > cap for need in known)
    name = f"the cap of {_words(kind, cap)} on a cell"
    complete = len(known) == len(needs)
    if over:
        sentence = f"{name} would end {over} of {len(needs)} cells before their time"
    elif complete:
        sentence = f"{name} is enough: {_words(kind, max(known, default=0.0))} forecast for the dearest"
    else:
        sentence = f"whether {name} is enough is not known: {_unknown(kind)}"
    return CapFit(
        scope="cell",
        kind=kind,
        cap=cap,
        need=max(known, default=0.0) if complete else None,
        within=len(needs) - over if complete or over else None,
        cells=len(needs),
        sentence=sentence,
    )


def _unknown(kind: str) -> str:
    if kind == "money":
        return "a teacher has no price, or a method neither ran before nor declares what it needs"
    if kind == "seconds":
        return "a stage was never measured with this teacher, probe or task"
    return "a method neither ran before nor declares what it needs"


def _words(kind: str, value: float) -> str:
    if kind == "money":
        return f"{value:,.2f} USD"
    if kind == "seconds":
        return f"{value / 3600:,.1f} hours" if value >= 3600 else f"{value:,.0f} seconds"
    return f"{value:,.0f} {kind}"
