"""The conformance checks every plugin must pass; pytest and ``qdcbench check`` call the same functions."""

import ast
import contextlib
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from qdcbench.api import Example, MethodPlugin, Task
from qdcbench.budgets import budget_named
from qdcbench.errors import PluginError, QdcError
from qdcbench.records import Budget, RunSpec, SelectionSpec
from qdcbench.registry import Entry, Registry, discover, resolve_params
from qdcbench.seeds import stream
from qdcbench.selection import normal_prompt
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import SyntheticDataset, generate, read_calls
from qdcbench.store import Store
from qdcbench.teachers.build import parse_teacher
from qdcbench.teachers.prompts import PromptBook

__all__ = ["Finding", "check_method", "check_plugins", "check_task"]

SECONDS = 20.0
"""A tiny dataset from the scripted teacher must be made well within this."""

MOST_LINES = 100
"""Lines of a method's file, blank ones included: one that needs more hides what it does."""

COST_FACTOR = 2.0
"""How far the calls that a method declares may be from those it spends, either way."""

_MOVES = re.compile(r"(quality|diversity|complexity|cost)[+-]")

Outcome = tuple[str, bool, str]
"""A check, whether it holds, and what was seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Outcome of one check on one plugin."""

    plugin: str
    check: str
    holds: bool
    detail: str = ""


def foreign_imports(path: Path) -> list[str]:
    """Return imports of ours other than ``qdcbench.api`` (relative ones to siblings beginning with _ are fine)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == "qdcbench" and a.name != "qdcbench.api"]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == 0 and module.split(".")[0] == "qdcbench" and module != "qdcbench.api":
                found.append(module)
            elif node.level and not module.startswith("_"):
                found.append("." * node.level + module)
    return found


def tiny_spec(entry: Entry[MethodPlugin], repetition: int = 0, budget: Budget | None = None) -> RunSpec:
    """Return the smallest run of a method with its defaults on ``list_edits``, from the strong scripted teacher."""
    _, params = resolve_params(entry.plugin, {})
    return RunSpec(
        arm=entry.name, method=entry.name, method_version=entry.plugin.version, role=entry.plugin.role, params=params,
        task="list_edits", task_version=1, teacher=parse_teacher("scripted:strong"),
        budget=budget or budget_named("tiny"), selection=SelectionSpec(), probe="none", probe_repetitions=1,
        measure_n=20, repetition=repetition, root_seed=7, hashes={"method": entry.sha256},
    )  # fmt: skip


def _parents_known(made: SyntheticDataset, seeds: list[Example]) -> bool:
    known = {seed.id for seed in seeds}
    for attempt in made.attempts:
        if not set(attempt.parents) <= known:
            return False
        known.add(Example(prompt=attempt.prompt, completion=attempt.completion).id)
    return True


def _global_state() -> str:
    return f"{random.getstate()} {np.random.get_state()}"  # noqa: NPY002  (read, never drawn from)


def _files(*folders: Path) -> frozenset[Path]:
    return frozenset(p for folder in folders for p in folder.rglob("*") if "__pycache__" not in p.parts)


def _by_source(entry: Entry[MethodPlugin]) -> Iterator[Outcome]:
    """Check what the file itself says."""
    plugin = entry.plugin
    foreign = foreign_imports(entry.path)
    yield "imports only qdcbench.api", not foreign, ", ".join(foreign)
    lines = len(entry.path.read_text(encoding="utf-8").splitlines())
    yield f"is a file of at most {MOST_LINES} lines", lines <= MOST_LINES, f"{lines} lines"
    yield "has a summary and a reference", bool(plugin.summary.strip() and plugin.reference.strip()), ""
    told = bool(plugin.fidelity)
    yield "states its fidelity", told or plugin.role != "method", "" if told else "no components"
    prompts = entry.prompts is not None or set(plugin.intents) <= {"chat"}
    yield "has prompts for a chat teacher", prompts, ""
    if plugin.role == "method":
        bare = [f.name for f in fields(plugin.params) if not str(f.metadata.get("does", "")).strip()]
        yield "says what every dial does", not bare, f"no dial(...): {', '.join(bare)}" if bare else ""
        moves = {f.name: str(f.metadata.get("moves", "")).split() for f in fields(plugin.params)}
        odd = [f"{name}: {word}" for name, words in moves.items() for word in words if not _MOVES.fullmatch(word)]
        yield "names axes that its dials move", not odd, ", ".join(odd)


def _by_runs(entry: Entry[MethodPlugin], registry: Registry, folder: Path) -> Iterator[Outcome]:
    """Run the method four times in the scratch ``folder`` and look at what it did."""
    plugin = entry.plugin

    def bench(run: str) -> Bench:
        return Bench(registry=registry, store=Store(folder / run), base=folder, seconds=SECONDS)

    def made(run: str, repetition: int) -> SyntheticDataset:
        return generate(tiny_spec(entry, repetition), bench(run))

    before = _global_state()
    start = time.perf_counter()
    first = made("a", 0)
    seconds = time.perf_counter() - start
    after = _global_state()
    again, other = made("b", 0), made("a", 1)
    accepted = sum(a.accepted for a in first.attempts)
    seeds = list(registry.task("list_edits").plugin.seed_examples(
        stream(7, "seed_examples", {"task": "list_edits", "repetition": 0})))  # fmt: skip
    empty_by_design = plugin.name == "no_training"
    made_some = bool(accepted) or empty_by_design
    yield f"makes examples within {SECONDS:g} s", made_some, f"{accepted} in {seconds:.1f} s"
    yield "same spec, same dataset", first.sha256 == again.sha256 and first.attempts == again.attempts, ""
    yield "another repetition, another dataset", first.sha256 != other.sha256 or empty_by_design, ""
    yield "stays inside its budget", *_inside(first, budget_named("tiny"))
    yield "parents are seed examples or earlier attempts", _parents_known(first, seeds), ""
    yield "leaves global generators alone", before == after, ""
    if first.usage.calls:
        half = replace(budget_named("tiny"), name="half", teacher_calls=max(1, first.usage.calls // 2))
        early = generate(tiny_spec(entry, 0, half), bench("c"))
        holds, detail = _inside(early, half)
        yield "stays inside a budget that ends early", holds, f"{detail}, ended by {early.stopped_by}"
    if plugin.role == "method":
        asked = {call.template for r in (0, 1) for call in read_calls(tiny_spec(entry, r), bench("a"))}
        yield "asks with prompts of its file", *_written(entry, asked)
        yield f"declares its calls within a factor of {COST_FACTOR:g}", *_cost(plugin, first, accepted)


def _inside(made: SyntheticDataset, budget: Budget) -> tuple[bool, str]:
    usage, rows = made.usage, sum(a.accepted for a in made.attempts)
    tokens, calls = budget.teacher_tokens or 0, budget.teacher_calls or 0
    holds = usage.tokens <= tokens and usage.calls <= calls and rows <= budget.examples
    return holds, f"{usage.calls} of {calls:,} calls, {usage.tokens:,} tokens"


def _written(entry: Entry[MethodPlugin], asked: set[str]) -> tuple[bool, str]:
    """Whether every question has a section in the prompt file: a scripted teacher goes on without, a chat one fails."""
    sections = PromptBook.load(entry.prompts, entry.name).sections
    absent = sorted(asked - set(sections))
    return not absent, f"no section {', '.join(absent)}" if absent else f"{len(asked)} of {len(sections)} sections"


def _cost(plugin: MethodPlugin, made: SyntheticDataset, accepted: int) -> tuple[bool, str]:
    """Compare calls at this size, so that what a method asks once before its first row counts on both sides."""
    if not accepted or (plugin.cost is None and not made.usage.calls):
        return True, "nothing to compare"
    if plugin.cost is None:
        return False, f"declares no cost and spent {made.usage.calls / accepted:.2f} calls a row"
    declared = sum(plugin.cost.calls.values()) + plugin.cost.setup_calls / accepted
    spent = made.usage.calls / accepted
    near = spent <= COST_FACTOR * declared and declared <= COST_FACTOR * spent
    return near, f"declares {declared:.2f} calls a row at {accepted} rows and spent {spent:.2f}"


def check_method(entry: Entry[MethodPlugin], registry: Registry) -> list[Finding]:
    """Check one method: what its file says, then four tiny runs on the scripted teacher.

    The runs take place in an empty working folder, so that a file that the method writes is seen.
    """
    entry = replace(entry, path=entry.path.resolve(), prompts=entry.prompts and entry.prompts.resolve())
    registry = replace(registry, methods={**registry.methods, entry.name: entry})
    found = list(_by_source(entry))
    if "chat" in entry.plugin.intents and entry.plugin.role != "imported":
        found.append(("runs on the scripted teacher", True, "needs a chat teacher by declaration; not run here"))
    elif entry.plugin.role != "imported":
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as working:
            places = (entry.path.parent, Path(working))
            before = _files(*places)
            try:
                with contextlib.chdir(working):
                    found += _by_runs(entry, registry, Path(scratch))
            except Exception as error:  # whatever a plugin raises is the finding
                kind = "" if isinstance(error, QdcError) else f"{type(error).__name__}: "
                found.append(("runs on the scripted teacher", False, f"{kind}{error}"))
            new = sorted(path.name for path in _files(*places) - before)
            found.append(("writes no file", not new, ", ".join(new)))
    return [Finding(plugin=entry.name, check=check, holds=holds, detail=detail) for check, holds, detail in found]


def check_task(entry: Entry[Task]) -> list[Finding]:
    """Check one task: verifier against its own seeds, held-out sets apart from seeds and from each other."""
    task = entry.plugin
    findings: list[Finding] = []

    def note(check: str, holds: bool, detail: str = "") -> None:
        findings.append(Finding(plugin=entry.name, check=check, holds=holds, detail=detail))

    foreign = foreign_imports(entry.path)
    note("imports only qdcbench.api", not foreign, ", ".join(foreign))
    seeds = list(task.seed_examples(random.Random(1)))
    note(
        "same generator, same seed examples", seeds == list(task.seed_examples(random.Random(1))), f"{len(seeds)} seeds"
    )
    note("accepts its own seed examples", all(task.verify(seed).correct is not False for seed in seeds))
    wrong = [replace(seed, completion=seed.completion + " 7 7 7 nonsense") for seed in seeds]
    known = [task.verify(seed).correct is not None for seed in seeds]
    rejects: Callable[[Any], bool] = lambda row: task.verify(row).correct is False  # noqa: E731
    note("rejects a corrupted copy", not any(known) or all(map(rejects, wrong)))
    sets = task.held_out()
    prompts = [{normal_prompt(item.prompt) for item in part.items} for part in sets]
    together = sum(len(group) for group in prompts)
    note(
        "held-out sets share no prompt", len(set().union(*prompts)) == together, f"{len(sets)} sets, {together:,} items"
    )
    seen = {normal_prompt(seed.prompt) for seed in seeds}
    note("no seed example is held out", not any(seen & group for group in prompts))
    note("has an ID and an OOD set", {part.distance for part in sets} == {"id", "ood"})
    return findings


@cache
def _registry(folders: tuple[Path, ...]) -> Registry:
    return discover(folders)


def _check(name: str, folders: tuple[Path, ...]) -> list[Finding]:
    registry = _registry(folders)
    known = name in registry.tasks
    return check_task(registry.task(name)) if known else check_method(registry.method(name), registry)


def check_plugins(names: Sequence[str], folders: Sequence[Path] = (), processes: int = 2) -> Iterator[list[Finding]]:
    """Check methods and tasks by name, some at once; yield the findings of each, in the order of ``names``.

    Raises:
        ConfigError: there is no plugin of a name.
        PluginError: a plugin is broken, or ended the process it was checked in.
    """
    places = tuple(folder.resolve() for folder in folders)
    if len(names) == 1 or processes == 1:
        yield from (_check(name, places) for name in names)
        return
    # spawn, not fork: thread pools of the libraries do not survive a fork.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_one_thread)
    with pool:
        futures = [pool.submit(_check, name, places) for name in names]
        for name, future in zip(names, futures, strict=True):
            try:
                yield future.result()
            except BrokenProcessPool:
                raise PluginError(f"a process ended while plugins were checked, at {name!r} or soon after") from None
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _one_thread() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
