"""The conformance checks every plugin must pass; pytest and ``qdcbench check`` call the same functions."""

import ast
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qdcbench.api import Example, MethodPlugin, Task
from qdcbench.budgets import budget_named
from qdcbench.errors import QdcError
from qdcbench.records import RunSpec, SelectionSpec
from qdcbench.registry import Entry, Registry, resolve_params
from qdcbench.seeds import stream
from qdcbench.selection import normal_prompt
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import SyntheticDataset, generate
from qdcbench.store import Store
from qdcbench.teachers.build import parse_teacher

__all__ = ["Finding", "check_method", "check_task"]

SECONDS = 20.0
"""A tiny dataset from the scripted teacher must be made well within this."""


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


def tiny_spec(entry: Entry[MethodPlugin], repetition: int = 0, teacher: str = "scripted:strong") -> RunSpec:
    """Return the smallest run of a method with its defaults on ``list_edits``."""
    _, params = resolve_params(entry.plugin, {})
    return RunSpec(
        arm=entry.name, method=entry.name, method_version=entry.plugin.version, role=entry.plugin.role, params=params,
        task="list_edits", task_version=1, teacher=parse_teacher(teacher), budget=budget_named("tiny"),
        selection=SelectionSpec(), probe="none", probe_repetitions=1, measure_n=20, repetition=repetition,
        root_seed=7, hashes={"method": entry.sha256},
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


def _behaviour(entry: Entry[MethodPlugin], registry: Registry, folder: Path) -> Iterator[tuple[str, bool, str]]:
    """Run the method three times in the scratch ``folder`` and look at what it did."""
    plugin = entry.plugin

    def made(run: str, repetition: int) -> SyntheticDataset:
        bench = Bench(registry=registry, store=Store(folder / run), base=folder, seconds=SECONDS)
        return generate(tiny_spec(entry, repetition), bench)

    before = _global_state()
    start = time.perf_counter()
    first = made("a", 0)
    seconds = time.perf_counter() - start
    after = _global_state()
    again, other = made("b", 0), made("a", 1)
    accepted = [a for a in first.attempts if a.accepted]
    seeds = list(registry.task("list_edits").plugin.seed_examples(
        stream(7, "seed_examples", {"task": "list_edits", "repetition": 0})))  # fmt: skip
    budget = budget_named("tiny")
    empty_by_design = plugin.name == "no_training"
    yield (
        f"makes examples within {SECONDS:g} s",
        bool(accepted) or empty_by_design,
        f"{len(accepted)} in {seconds:.1f} s",
    )
    yield "same spec, same dataset", first.sha256 == again.sha256 and first.attempts == again.attempts, ""
    yield "another repetition, another dataset", first.sha256 != other.sha256 or empty_by_design, ""
    inside = first.usage.tokens <= (budget.teacher_tokens or 0) and first.usage.calls <= (budget.teacher_calls or 0)
    yield "stays inside its budget", inside, f"{first.usage.calls} calls, {first.usage.tokens:,} tokens"
    yield "parents are seed examples or earlier attempts", _parents_known(first, seeds), ""
    yield "leaves global generators alone", before == after, ""


def check_method(entry: Entry[MethodPlugin], registry: Registry) -> list[Finding]:
    """Check one method: static rules, then three tiny runs on the scripted teacher."""
    plugin = entry.plugin
    findings: list[Finding] = []

    def note(check: str, holds: bool, detail: str = "") -> None:
        findings.append(Finding(plugin=entry.name, check=check, holds=holds, detail=detail))

    foreign = foreign_imports(entry.path)
    note("imports only qdcbench.api", not foreign, ", ".join(foreign))
    note("has a summary and a reference", bool(plugin.summary.strip() and plugin.reference.strip()))
    note(
        "states its fidelity",
        bool(plugin.fidelity) or plugin.role != "method",
        "" if plugin.fidelity else "no components",
    )
    note("has prompts for a chat teacher", entry.prompts is not None or set(plugin.intents) <= {"chat"})
    if plugin.role == "imported":
        return findings
    if "chat" in plugin.intents:
        note("runs on the scripted teacher", True, "needs a chat teacher by declaration; not run here")
        return findings
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for check, holds, detail in _behaviour(entry, registry, Path(scratch)):
                note(check, holds, detail)
        except Exception as error:  # whatever a plugin raises is the finding
            kind = "" if isinstance(error, QdcError) else f"{type(error).__name__}: "
            note("runs on the scripted teacher", False, f"{kind}{error}")
    return findings


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
