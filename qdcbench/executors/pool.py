"""Worker processes on this machine: one thread each, a broken one is replaced, a stuck one is killed."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from qdcbench.editions import write_record
from qdcbench.errors import QdcError, StoreError, TeacherError
from qdcbench.pipeline import run_spec
from qdcbench.provenance import now, provenance
from qdcbench.records import Failure, RunRecord, RunSpec
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.store import Store
from qdcbench.teachers.account import CapReached

__all__ = ["CellEvent", "Site", "run_cells"]

ENDING = 10.0
"""Seconds that busy workers have to record what is already paid for, when a run is ended early."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where cells run and write: all a worker needs, as plain values. Without ``probes`` nothing is trained."""

    edition: Path
    store: Path
    base: Path
    plugins: tuple[Path, ...] = ()
    cell_seconds: float = 1800.0
    workers: int = 2
    spending: Spending = field(default_factory=Spending)
    probes: bool = True

    def bench(self) -> Bench:
        """Build the bench in this process."""
        return Bench(
            registry=discover(self.plugins),
            store=Store(self.store),
            base=self.base,
            seconds=self.cell_seconds,
            spending=self.spending,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CellEvent:
    """A cell began a stage, or ended (``record`` is set)."""

    spec: RunSpec
    stage: str
    record: RunRecord | None = None


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    cell: RunSpec | None = None
    since: float = field(default=0.0)


def _work(pipe: Connection, site: Site) -> None:
    """Body of a worker: receive a spec, run it, write its record, send it back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # unwinds, so teachers are closed
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    bench = site.bench()
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone: nobody wants the answer
        while (spec := pipe.recv()) is not None:
            try:
                record = run_spec(spec, bench, pipe.send, probes=site.probes)
                write_record(site.edition, record)
            except (StoreError, TeacherError) as error:
                # Nowhere to write a failure, or nothing left to spend: the parent ends the run with the sentence.
                pipe.send(error)
            else:
                pipe.send(record)


def _end_with_parent() -> None:
    # A parent killed by SIGKILL cannot stop its workers, so each watches for its end.
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _start(site: Site) -> _Worker:
    # spawn, not fork: torch's thread pools do not survive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, site), daemon=True)
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM")}
    os.environ.update({"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"})
    try:
        process.start()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    theirs.close()
    return _Worker(process=process, pipe=ours)


def _lost(worker: _Worker, site: Site, message: str) -> RunRecord:
    assert worker.cell is not None
    record = RunRecord(
        run_id=worker.cell.run_id,
        spec=worker.cell,
        status="failed",
        failure=Failure(stage="worker", kind="WorkerLost", message=message),
        provenance=provenance(now(), {"worker": time.monotonic() - worker.since}),
    )
    write_record(site.edition, record)
    return record


def _stop(workers: Sequence[_Worker]) -> None:
    """End workers: idle ones by a word, busy ones by a signal, so that both clean up after themselves.

    What a teacher was asked for is paid, so a busy worker has a while to receive and record it.
    """
    for worker in workers:
        if worker.process.is_alive():
            with contextlib.suppress(OSError):
                if worker.cell is None:
                    worker.pipe.send(None)
                else:
                    worker.process.terminate()
    until = time.monotonic() + ENDING
    for worker in workers:
        worker.process.join(timeout=max(0.0, until - time.monotonic()))
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()


def _hand_out(worker: _Worker, queue: deque[RunSpec]) -> None:
    if not queue:
        return
    cell = queue.popleft()
    try:
        worker.pipe.send(cell)
    except OSError:  # it died while idle: the cell goes back and the loop replaces the worker
        queue.appendleft(cell)
        worker.process.join()
        return
    worker.cell, worker.since = cell, time.monotonic()


def run_cells(cells: Sequence[RunSpec], site: Site, tick: Callable[[], None] = lambda: None) -> Iterator[CellEvent]:
    """Run all cells and yield what happens; ``tick`` is called about twice a second.

    A worker that dies (killed, out of memory) or outlasts the cell's clock and ten minutes a training gives a
    failed record and is replaced. Closing the iterator, or an interrupt, ends all workers; records already
    written stay.

    Raises:
        CapReached: the suite's clock ended, or nothing may be spent any more.
        StoreError: the disk refused a record.
    """
    queue = deque(cells)
    began, clock = time.monotonic(), site.spending.caps.seconds
    workers: list[_Worker] = []
    try:
        workers += [_start(site) for _ in range(min(site.workers, len(queue)))]
        for worker in workers:
            _hand_out(worker, queue)
        while any(worker.cell for worker in workers):
            ready = wait([worker.pipe for worker in workers if worker.cell], timeout=0.5)
            tick()
            if clock is not None and time.monotonic() - began > clock:
                raise CapReached(
                    f"the suite's clock of {clock:g} s ended; finished cells are kept, the same command goes on",
                    f"suite:{site.spending.suite}",
                )
            for index, worker in enumerate(workers):
                if worker.cell is None:
                    continue
                if worker.pipe in ready:
                    yield from _receive(worker, site)
                elif time.monotonic() - worker.since > _patience(worker.cell, site):
                    record = _lost(worker, site, f"no answer within {_patience(worker.cell, site):.0f} s; killed")
                    yield CellEvent(spec=worker.cell, stage="failed", record=record)
                    worker.cell = None
                    worker.process.kill()
                    worker.process.join()  # until then it looks alive and would be handed the next cell
                if worker.cell is None and not worker.process.is_alive():
                    _stop([worker])
                    workers[index] = worker = _start(site) if queue else worker
                if worker.cell is None and queue:
                    _hand_out(worker, queue)
    finally:
        _stop(workers)


def _patience(cell: RunSpec, site: Site) -> float:
    # Measuring and training come on top of the method's own clock.
    return (cell.budget.seconds or site.cell_seconds) + 60.0 + 600.0 * cell.probe_repetitions


def _receive(worker: _Worker, site: Site) -> Iterator[CellEvent]:
    assert worker.cell is not None
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
        record = _lost(
            worker, site, f"the worker process ended with code {code}; memory or a crash; --retry-failed runs it again"
        )
        yield CellEvent(spec=worker.cell, stage="failed", record=record)
        worker.cell = None
        return
    if isinstance(message, QdcError):
        raise message
    if isinstance(message, RunRecord):
        yield CellEvent(spec=worker.cell, stage=message.status, record=message)
        worker.cell = None
    else:
        yield CellEvent(spec=worker.cell, stage=str(message))
