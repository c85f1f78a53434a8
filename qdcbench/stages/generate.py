"""Spec to synthetic dataset: run a method under its budget and keep every attempt."""

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdcbench.api import (
    INTENTS,
    BudgetExhausted,
    Cost,
    Example,
    GenerationContext,
    MethodPlugin,
    PluginError,
    Task,
    Teacher,
)
from qdcbench.canon import digest
from qdcbench.deadline import deadline
from qdcbench.records import DATA_PARAMS, Attempt, Budget, Call, RunSpec, Usage, from_json
from qdcbench.registry import Entry, resolve_params
from qdcbench.seeds import seed_for, stream
from qdcbench.stages.bench import Bench
from qdcbench.stages.context import AttemptLog, Context, Given
from qdcbench.stages.tools import SLACK, Run, tools_of
from qdcbench.store import Store, read_jsonl, write_jsonl
from qdcbench.teachers.build import build_teacher, prices_of
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook

__all__ = ["CALLS", "STAGE_VERSION", "SyntheticDataset", "generate", "generation_key", "partial", "read_calls"]

STAGE_VERSION = 2
"""Raised when the same method and seeds would give other rows."""

CALLS = "calls.jsonl"
"""The ledger of a generation: a line a question, in the order of asking."""

PARTIAL = "generate-partial"
"""Store stage of what a failed generation had made."""

LONGEST_TEXT = 100_000
"""Characters; a longer prompt or completion is a runaway reply, not an example."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticDataset:
    """What a method made in one run: all attempts, what was spent, and why it ended."""

    sha256: str
    attempts: tuple[Attempt, ...]
    usage: Usage
    stopped_by: str

    @property
    def rejected_by(self) -> dict[str, int]:
        """Rejections counted by reason."""
        return dict(sorted(Counter(a.reason for a in self.attempts if not a.accepted).items()))


def generation_key(spec: RunSpec, entry: Entry[MethodPlugin]) -> str:
    """Digest of everything that can change the rows; a method that asks nobody does not depend on the teacher."""
    return digest(
        {
            "stage": STAGE_VERSION,
            "method": [spec.method, spec.method_version, entry.sha256],
            "params": {k: v for k, v in spec.params.items() if k not in DATA_PARAMS or "data" not in spec.hashes},
            "data": spec.hashes.get("data", ""),
            "task": [spec.task, spec.task_version, spec.hashes.get("task", "")],
            "teacher": spec.teacher.identity if entry.plugin.intents else None,
            "budget": spec.budget,
            "repetition": spec.repetition,
            "root_seed": spec.root_seed,
        }
    )


def _desk(spec: RunSpec, task: Task, plugin: MethodPlugin, bench: Bench) -> Desk:
    teacher: Teacher = _NoTeacher(plugin.name)
    if plugin.intents:
        teacher = build_teacher(spec.teacher, task, bench.spending.access(spec, "generate"), bench.base)
        if teacher.simulated and "chat" in plugin.intents:
            raise PluginError(f"method {plugin.name!r} writes free-form prompts and needs a chat teacher (openai:...)")
        beyond = sorted(set(plugin.intents) - set(getattr(teacher, "intents", INTENTS)))
        if beyond:
            raise PluginError(
                f"teacher {spec.teacher.name} cannot be asked what {plugin.name!r} asks: {', '.join(beyond)}"
            )
    return Desk(teacher, Meter(spec.budget, prices=prices_of(spec.teacher)), spec.teacher.name)


def _roles(spec: RunSpec, entry: Entry[MethodPlugin], desk: Desk) -> Mapping[str, MeteredRole]:
    book = PromptBook.load(entry.prompts, entry.name)
    names = ("teacher", "answerer", "judge")
    axes = {"task": spec.task, "repetition": spec.repetition}
    return {
        name: MeteredRole(desk, book, seed=seed_for(spec.root_seed, "teacher", axes | {"role": name}), name=name)
        for name in names
    }


class _NoTeacher:
    """Stands where a method said it asks nobody."""

    simulated = True

    def __init__(self, method: str) -> None:
        self._method = method

    def complete(self, requests: Any, seed: int) -> Any:
        """Refuse: the run's cache key left the teacher out because the method declared no intents."""
        raise PluginError(f"method {self._method!r} asked a teacher but declares no intents; list them in @method")


def _checked(item: Any, method: str) -> Example:
    if not isinstance(item, Example):
        raise PluginError(f"method {method!r} yielded a {type(item).__name__}; it must yield qdcbench.api.Example")
    for name in ("prompt", "completion"):
        text = getattr(item, name)
        if not isinstance(text, str) or not text.strip():
            raise PluginError(f"method {method!r} yielded an example whose {name} is empty or not a text")
        if len(text) > LONGEST_TEXT:
            raise PluginError(f"method {method!r} yielded a {name} of {len(text):,} characters; cut or reject it")
    return item


def _run(spec: RunSpec, entry: Entry[MethodPlugin], context: GenerationContext, log: AttemptLog, base: Path) -> str:
    """Drive the generator; return what stopped it."""
    given = dict(spec.params)
    if given.get("path") and "data" in spec.hashes:
        given["path"] = str(base / given["path"])
    params, _ = resolve_params(entry.plugin, given)
    rows: Iterator[Any] = iter(entry.plugin.generate(context, params))
    try:
        for item in itertools.islice(rows, spec.budget.examples):
            log.add(_checked(item, entry.name), "")
    except BudgetExhausted as end:
        return end.limit
    finally:
        close = getattr(rows, "close", None)
        if close is not None:
            close()
    accepted = sum(1 for attempt in log.attempts if attempt.accepted)
    return "examples" if accepted >= spec.budget.examples else "method"


def partial(spec: RunSpec, bench: Bench) -> SyntheticDataset | None:
    """Return what a failed generation of this spec had made and spent, None when there is nothing."""
    found = bench.store.find(PARTIAL, generation_key(spec, bench.registry.method(spec.method)))
    return None if found is None else _read(found)


def _affordable(budget: Budget, cost: Cost | None) -> int:
    """Rows that the budget may pay for if they cost half of what the method declares, at most those it asks for.

    Declared costs hold within a factor of two. To aim too high costs a few questions whose rows are never made; to
    aim too low would cost rows.
    """
    if cost is None or not sum(cost.calls.values()):
        return budget.examples
    calls, setup, tokens = sum(cost.calls.values()), cost.setup_calls, cost.prompt_tokens + cost.completion_tokens
    paid = [float(budget.examples)]
    if budget.teacher_tokens is not None:
        paid.append((budget.teacher_tokens / tokens - setup) / calls)
    if budget.teacher_calls is not None:
        paid.append((budget.teacher_calls - setup) / calls)
    return max(1, int(min(paid[0], 2 * min(paid))))


def _write(store: Store, stage: str, key: str, log: AttemptLog, desk: Desk, stopped_by: str) -> Path:
    rows = [[a.prompt, a.completion] for a in log.attempts if a.accepted]
    with store.create(stage, key) as folder:
        write_jsonl(folder / "attempts.jsonl", log.attempts)
        write_jsonl(folder / CALLS, desk.calls)
        write_jsonl(
            folder / "summary.json", [{"sha256": digest(rows), "stopped_by": stopped_by, "usage": desk.meter.usage()}]
        )
    return store.path(stage, key)


def _read(folder: Path) -> SyntheticDataset:
    attempts = tuple(from_json(Attempt, row, str(folder)) for row in read_jsonl(folder / "attempts.jsonl"))
    summary = read_jsonl(folder / "summary.json")[0]
    usage = from_json(Usage, summary["usage"], str(folder))
    return SyntheticDataset(sha256=summary["sha256"], attempts=attempts, usage=usage, stopped_by=summary["stopped_by"])


def read_calls(spec: RunSpec, bench: Bench) -> tuple[Call, ...]:
    """Return the ledger of a generation that is in the store, in the order of asking; empty when there is none."""
    found = bench.store.find("generate", generation_key(spec, bench.registry.method(spec.method)))
    rows = [] if found is None else read_jsonl(found / CALLS)
    return tuple(from_json(Call, row, str(found)) for row in rows)


def generate(spec: RunSpec, bench: Bench) -> SyntheticDataset:
    """Return the dataset of a spec, from the store or made now.

    Raises:
        PluginError: the method broke its contract, raised, or ran past the wall clock; attempts made until then are
            kept in the store under ``generate-partial``.
        TeacherError: the teacher gave up.
    """
    entry = bench.registry.method(spec.method)
    key = generation_key(spec, entry)
    found = bench.store.find("generate", key)
    if found is not None:
        return _read(found)
    task = bench.task(spec)
    # A budget's own clock ends a method at its next question; only one that asks no more is interrupted, later.
    seconds = bench.seconds if spec.budget.seconds is None else spec.budget.seconds + SLACK
    axes = {"task": spec.task, "repetition": spec.repetition}
    desk = _desk(spec, task, entry.plugin, bench)
    log = AttemptLog(desk, name_writers=spec.teacher.kind == "ensemble")
    seeds = tuple(task.seed_examples(stream(spec.root_seed, "seed_examples", axes)))
    for seed in seeds:
        desk.know(seed)
    given = Given(
        seed_examples=seeds,
        remaining=_affordable(spec.budget, entry.plugin.cost),
        members=tuple(teacher.name for teacher in spec.teacher.each),
        rng=stream(spec.root_seed, "generate", axes | {"method": spec.method}),
        shared_rng=stream(spec.root_seed, "generate", axes | {"method": ""}),
    )
    tools = tools_of(Run(spec=spec, bench=bench, desk=desk, seeds=seeds, key=key))
    context = Context(task, _roles(spec, entry, desk), log, given, tools)
    try:
        with deadline(seconds, f"method {spec.method!r} ran past its wall clock of {seconds:g} s"):
            stopped_by = _run(spec, entry, context, log, bench.base)
            desk.finish()
    except Exception:
        desk.drop()
        shutil.rmtree(bench.store.path(PARTIAL, key), ignore_errors=True)  # the latest failure is the one to look at
        _write(bench.store, PARTIAL, key, log, desk, "error")
        raise
    finally:
        desk.close()
    return _read(_write(bench.store, "generate", key, log, desk, stopped_by))
