"""Suite to cells: every default filled in, every name resolved, every mistake told at once."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qdcbench.budgets import budget_named
from qdcbench.canon import digest
from qdcbench.claims import AXES, Known, Primaries, promised_studies, record_key, study_mistakes
from qdcbench.errors import ConfigError, QdcError, did_you_mean
from qdcbench.foreign import belongs
from qdcbench.measures.table import METRICS
from qdcbench.probes.recipe import recipe_named
from qdcbench.records import RunSpec, SelectionSpec
from qdcbench.registry import Registry, resolve_params
from qdcbench.suite import Arm, Suite
from qdcbench.teachers.build import parse_teacher

__all__ = ["LOWER_SCORES", "SCORE_METRICS", "Plan", "expand", "options_of", "primaries_of"]

SCORE_METRICS = ("exact_match", "answer_nll")
"""Metrics that every evaluation set is scored by."""

LOWER_SCORES = ("answer_nll",)
"""Those of them that are better lower."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A suite and its cells, in the order they are started."""

    suite: Suite
    held_out: Mapping[str, str]
    """Each evaluation set's distance, ``id`` or ``ood``."""
    cells: tuple[RunSpec, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _TaskFacts:
    name: str
    version: int
    file: str | None
    sha256: str
    held_out: Mapping[str, str]


def _task_facts(suite: Suite, registry: Registry, base: Path) -> _TaskFacts:
    if suite.task_file is None:
        entry = registry.task(suite.task)
        sets = {part.name: part.distance for part in entry.plugin.held_out()}
        return _TaskFacts(name=entry.name, version=entry.plugin.version, file=None, sha256=entry.sha256, held_out=sets)
    from qdcbench.file_task import read_task_file

    task = read_task_file(base / suite.task_file)
    sets = {part.name: part.distance for part in task.held_out()}
    return _TaskFacts(name=task.name, version=task.version, file=suite.task_file, sha256=task.sha256, held_out=sets)


def _data_hash(params: Mapping[str, Any], base: Path, output: str) -> str:
    """Digest of what a ``path`` or ``folder`` parameter names, from the suite's folder; empty without one."""
    if params.get("folder"):
        return _folder_hash(base / str(params["folder"]), base, output)
    if "path" not in params:
        return ""
    path = base / str(params["path"])
    if not path.exists():
        raise ConfigError(f"the data file {path} does not exist; paths start from the suite's folder")
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        total.update(file.read_bytes())
    return total.hexdigest()


def _folder_hash(folder: Path, base: Path, output: str) -> str:
    """Digest of a program's working folder: names, contents and modes of all that is copied for a run."""
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}; folder starts from the suite's folder")
    if base.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"the folder {folder} holds the suite itself; put the program into a folder of its own")
    rows = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not belongs(name, output):
            continue
        if path.is_symlink():
            rows.append([name.as_posix(), "link", str(path.readlink())])
        elif path.is_file():
            runs = bool(path.stat().st_mode & 0o100)
            rows.append([name.as_posix(), "program" if runs else "file", hashlib.sha256(path.read_bytes()).hexdigest()])
    return digest(rows)


def options_of(suite: Suite, teacher: str) -> dict[str, Any]:
    """Return the options for all teachers of the suite, and those in a table under this teacher's name."""
    shared = {name: value for name, value in suite.teacher_options.items() if name not in suite.every_teacher}
    return {**shared, **suite.teacher_options.get(teacher, {})}


def _arm_cells(suite: Suite, arm: Arm, registry: Registry, facts: _TaskFacts, base: Path) -> list[RunSpec]:
    entry = registry.method(arm.method)
    plugin = entry.plugin
    _, resolved = resolve_params(plugin, arm.params)
    data = _data_hash(arm.params, base, str(resolved.get("output", "")))
    recipe = recipe_named(suite.probe)
    cells = []
    for teacher_name, budget in itertools.product(arm.teachers or suite.teachers, suite.every_budget):
        teacher = parse_teacher(teacher_name, options_of(suite, teacher_name), base)
        hashes = {"method": entry.sha256, "task": facts.sha256, "probe": digest(recipe)}
        if data:
            hashes["data"] = data
        for repetition in range(suite.repetitions):
            cells.append(
                RunSpec(
                    arm=arm.name,
                    method=plugin.name,
                    method_version=plugin.version,
                    role=plugin.role,
                    params=resolved,
                    params_given=dict(arm.params),
                    task=facts.name,
                    task_version=facts.version,
                    task_file=facts.file,
                    teacher=teacher,
                    budget=budget_named(budget),
                    selection=SelectionSpec(rule=arm.selection or suite.selection, n=suite.selection_n),
                    probe=suite.probe,
                    probe_repetitions=suite.probe_repetitions,
                    measure_n=suite.measure_n,
                    repetition=repetition,
                    root_seed=suite.root_seed,
                    hashes=hashes,
                )
            )
    return cells


def expand(suite: Suite, registry: Registry, base: Path) -> Plan:
    """Return all cells; repetition 0 of every arm comes first, so that a partial board shows every arm.

    Raises:
        ConfigError: every wrong name, parameter and value of the suite in one message.
    """
    wrong: list[str] = []
    cells: list[RunSpec] = []

    def note(check: Any, *arguments: Any) -> Any:
        try:
            return check(*arguments)
        except QdcError as error:
            if str(error) not in wrong:
                wrong.append(str(error))
            return None

    for budget in suite.every_budget:
        note(budget_named, budget)
    note(recipe_named, suite.probe)
    for teacher in suite.every_teacher:
        note(parse_teacher, teacher, options_of(suite, teacher), base)
    for axis in AXES:
        name = getattr(suite.primary, axis)
        if name not in METRICS:
            note(_unknown_measure, axis, name)
    facts = note(_task_facts, suite, registry, base)
    for arm in suite.arms:
        if facts is None:
            note(registry.method, arm.method)
            continue
        cells += note(_arm_cells, suite, arm, registry, facts, base) or []
    known = Known(
        measures=frozenset(METRICS),
        metrics=SCORE_METRICS,
        sets=facts.held_out if facts else None,
        methods=tuple(sorted({arm.method for arm in suite.arms})),
    )
    for study in suite.studies:
        wrong += study_mistakes(study, known, cells)
    if wrong:
        raise ConfigError(f"suite {suite.name!r}: {'; '.join(wrong)}")
    ids = [cell.run_id for cell in cells]
    twice = sorted({cell.arm for cell in cells if ids.count(cell.run_id) > 1})
    if twice:
        raise ConfigError(f"suite {suite.name!r}: arms {', '.join(twice)} are the same run; remove one")
    held_out = facts.held_out if facts else {}
    digests = {
        record_key(study): study.sha256 for study in promised_studies(suite.studies, primaries_of(suite, held_out))
    }
    cells = [replace(cell, studies=digests) for cell in cells]
    return Plan(suite=suite, held_out=held_out, cells=_in_order(cells))


def primaries_of(suite: Suite, held_out: Mapping[str, str]) -> Primaries:
    """Return what the short names of studies stand for in a suite whose task has these evaluation sets."""
    return Primaries(
        names={name: getattr(suite.primary, name) for name in (*AXES, "score")},
        sets=tuple(held_out),
        smallest_effect=suite.primary.smallest_effect,
        lower_scores=LOWER_SCORES,
        lower_measures=tuple(row.name for row in METRICS.values() if not row.card.higher_is_better),
    )


def _in_order(cells: Sequence[RunSpec]) -> tuple[RunSpec, ...]:
    """Put repetition 0 of every arm first, and cells that share their data, rule after rule, far from one another.

    What one of them made the others find; side by side, workers would make the same data twice.
    """
    before: Counter[str] = Counter()
    places = []
    for i, cell in enumerate(cells):
        data = digest([cell.method, cell.params, cell.teacher.identity, cell.repetition, cell.hashes.get("data", "")])
        places.append((cell.repetition, before[data], i))
        before[data] += 1
    return tuple(cells[i] for _, _, i in sorted(places))


def _unknown_measure(axis: str, name: str) -> None:
    raise ConfigError(f"primary.{axis} names the unknown measure {name!r}, {did_you_mean(name, METRICS)}")
