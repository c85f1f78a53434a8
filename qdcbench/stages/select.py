"""Synthetic dataset to training set: the suite's selection rule, decontaminated against every held-out set."""

from dataclasses import dataclass

from qdcbench.api import Task
from qdcbench.canon import digest
from qdcbench.records import Example, RunSpec
from qdcbench.seeds import stream
from qdcbench.selection import normal_prompt, select
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import SyntheticDataset

__all__ = ["TrainingSet", "held_out_prompts", "training_set"]

_HELD_OUT: dict[tuple[str, str], frozenset[str]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSet:
    """Rows the probe is trained on; ``sha256`` is of their texts in order."""

    sha256: str
    rows: tuple[Example, ...]
    contaminated: int


def held_out_prompts(task: Task, sha256: str) -> frozenset[str]:
    """Normal prompts of all held-out sets, computed once a process for a task of that digest."""
    key = (task.name, sha256)
    if key not in _HELD_OUT:
        _HELD_OUT[key] = frozenset(normal_prompt(item.prompt) for part in task.held_out() for item in part.items)
    return _HELD_OUT[key]


def training_set(spec: RunSpec, bench: Bench, made: SyntheticDataset) -> TrainingSet:
    """Apply the spec's selection. Cheap, so it is not cached."""
    task = bench.task(spec)
    held_out = held_out_prompts(task, spec.hashes.get("task", ""))
    rng = stream(spec.root_seed, "select", {"task": spec.task, "repetition": spec.repetition})
    chosen = select(made.attempts, spec.selection, held_out, task.verify, rng)
    texts = [[row.prompt, row.completion] for row in chosen.rows]
    return TrainingSet(sha256=digest(texts), rows=chosen.rows, contaminated=chosen.contaminated)
