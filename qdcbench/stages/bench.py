"""What every stage needs beside its record: plugins, the store, where relative paths start, the clock."""

from dataclasses import dataclass
from pathlib import Path

from qdcbench.api import Task
from qdcbench.records import RunSpec
from qdcbench.registry import Registry
from qdcbench.store import Store

__all__ = ["Bench"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Plugins, store, folder of relative paths, and seconds a method may take."""

    registry: Registry
    store: Store
    base: Path
    seconds: float = 1800.0

    def task(self, spec: RunSpec) -> Task:
        """Return the task of a spec, from the registry or from its task file."""
        if spec.task_file is not None:
            from qdcbench.file_task import read_task_file

            return read_task_file(self.base / spec.task_file)
        return self.registry.task(spec.task).plugin
