"""Live progress of a run: a table on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from qdcbench.editions import Edition
from qdcbench.executors.pool import CellEvent
from qdcbench.plan import Plan
from qdcbench.records import RunRecord, RunSpec
from qdcbench.teachers.ledger.read import Spend

__all__ = ["Progress", "progress"]


class Progress(Protocol):
    """What a run tells its display."""

    def tick(self) -> None:
        """Redraw the clock."""
        ...

    def event(self, event: CellEvent) -> None:
        """Take note of a cell that moved on."""
        ...


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


class _State:
    """Counts behind both displays."""

    def __init__(
        self, plan: Plan, edition: Edition, cells: Sequence[RunSpec], spend: Callable[[], Spend] | None
    ) -> None:
        self._spend = spend
        self._looked, self._seen = 0.0, ""
        self.total = len(plan.cells)
        self.to_run = len(cells)
        self.before = len(plan.cells) - len(cells)
        self.name = plan.suite.name
        self.active: dict[str, tuple[RunSpec, str, float]] = {}
        self.complete = self.failed = self.tokens = self.calls = 0
        self.start = time.monotonic()

    def note(self, event: CellEvent) -> None:
        """Update from an event."""
        if event.record is None:
            since = self.active.get(event.spec.run_id, (None, "", time.monotonic()))[2]
            self.active[event.spec.run_id] = (event.spec, event.stage, since)
            return
        self.active.pop(event.spec.run_id, None)
        self.complete += event.record.status == "complete"
        self.failed += event.record.status == "failed"
        if event.record.dataset is not None:
            self.tokens += event.record.dataset.usage.tokens
            self.calls += event.record.dataset.usage.calls

    @property
    def ended(self) -> int:
        """Cells that ended in this session."""
        return self.complete + self.failed

    def eta(self) -> str:
        """Remaining time at this session's pace."""
        if not self.ended:
            return "--:--"
        spent = time.monotonic() - self.start
        return _clock(spent / self.ended * (self.to_run - self.ended))

    def spent(self) -> str:
        """What the ledger says was really spent, looked up at most every second; empty where nobody is paid."""
        now = time.monotonic()
        if self._spend is not None and now - self._looked > 1.0:
            self._looked, spend = now, self._spend()
            money = "" if spend.unpriced else f" ({spend.money:,.2f} dollars)"
            self._seen = f"{spend.calls:,} requests paid for in all{money}, "
        return self._seen

    def line(self) -> str:
        """One line of counts."""
        text = f"{self.before + self.ended}/{self.total} cells"
        if self.failed:
            text += f", {self.failed} failed"
        return (f"{text}, {self.calls:,} teacher calls, {self.tokens:,} tokens, "
                f"{self.spent()}{_clock(time.monotonic() - self.start)} spent, {self.eta()} to go")  # fmt: skip


def _outcome(record: RunRecord) -> str:
    if record.failure is not None:
        return f"failed in {record.failure.stage}: {record.failure.message}"
    prefix = f"{record.spec.task}_"
    scores = [s for s in record.scores if s.metric == "exact_match" and s.probe_repetition == 0 and s.value is not None]
    shown = ", ".join(f"{s.eval_task.removeprefix(prefix)} {s.value:.3f}" for s in scores)
    rows = record.dataset.selected if record.dataset else 0
    return f"{rows:,} rows; exact match {shown}"


class _Plain:
    def __init__(self, state: _State) -> None:
        self.state = state

    def tick(self) -> None:
        """Do nothing: plain lines appear when a cell ends."""

    def event(self, event: CellEvent) -> None:
        """Print a line when a cell ended."""
        self.state.note(event)
        if event.record is not None:
            spec = event.spec
            print(f"[{self.state.line()}] {spec.arm} r{spec.repetition} {spec.teacher.name}: {_outcome(event.record)}",
                  flush=True)  # fmt: skip


class _Live:
    def __init__(self, state: _State, live: Live) -> None:
        self.state = state
        self.live = live
        self.recent: list[str] = []

    def tick(self) -> None:
        """Redraw."""
        table = Table(title=f"{self.state.name}: {self.state.line()}", title_justify="left", box=None, pad_edge=False)
        for column in ("arm", "repetition", "teacher", "stage", "for"):
            table.add_column(column)
        for spec, stage, since in self.state.active.values():
            table.add_row(spec.arm, str(spec.repetition), spec.teacher.name, stage, _clock(time.monotonic() - since))
        self.live.update(table)

    def event(self, event: CellEvent) -> None:
        """Note it; an ended cell's line scrolls above the table."""
        self.state.note(event)
        if event.record is not None:
            self.live.console.print(
                f"{event.spec.arm} r{event.spec.repetition}: {_outcome(event.record)}", markup=False
            )
        self.tick()


@contextmanager
def progress(
    plan: Plan, edition: Edition, cells: Sequence[RunSpec], *, plain: bool, spend: Callable[[], Spend] | None = None
) -> Iterator[Progress]:
    """Show a run until the block ends; ``spend`` looks up what the teachers were really asked."""
    state = _State(plan, edition, cells, spend)
    print(f"suite {plan.suite.name}: {len(plan.cells)} cells, {len(cells)} to run, into {edition.folder}", flush=True)
    if plain or not sys.stdout.isatty():
        yield _Plain(state)
        return
    with Live(console=Console(), refresh_per_second=4, transient=True) as live:
        yield _Live(state, live)
