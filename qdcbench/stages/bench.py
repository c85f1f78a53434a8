"""What every stage needs beside its record: plugins, the store, where relative paths start, the clock."""

from dataclasses import dataclass, field
from pathlib import Path

from qdcbench.api import Task
from qdcbench.records import Caps, RunSpec
from qdcbench.registry import Registry
from qdcbench.store import Store
from qdcbench.teachers.account import Access, Scope

__all__ = ["Bench", "Spending"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """Where teachers' answers are recorded and what may be spent: on the suite of that name, and on one cell.

    ``ledger`` None keeps everything in memory. ``replay_only`` refuses to ask anybody.
    """

    ledger: Path | None = None
    replay_only: bool = False
    suite: str = ""
    caps: Caps = field(default_factory=Caps)
    cell_caps: Caps = field(default_factory=Caps)

    def access(self, spec: RunSpec, stage: str) -> Access:
        """Return what the teachers of one stage of a run are built with."""
        return Access(
            ledger=self.ledger,
            replay_only=self.replay_only,
            scopes=(
                Scope(name=f"suite:{self.suite or spec.task}", caps=self.caps),
                Scope(name=f"run:{spec.run_id}", caps=self.cell_caps),
            ),
            labels={"run": spec.run_id, "method": spec.method, "arm": spec.arm, "stage": stage},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Plugins, store, folder of relative paths, seconds a method may take, and what its teachers may spend."""

    registry: Registry
    store: Store
    base: Path
    seconds: float = 1800.0
    spending: Spending = field(default_factory=Spending)

    def task(self, spec: RunSpec) -> Task:
        """Return the task of a spec, from the registry or from its task file."""
        if spec.task_file is not None:
            from qdcbench.file_task import read_task_file

            return read_task_file(self.base / spec.task_file)
        return self.registry.task(spec.task).plugin
