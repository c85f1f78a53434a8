"""An edition on disk: the promise, the records, the analysis.

results/<edition>/suite.json                       what was promised: the suite and all cells
results/<edition>/runs/<task>/<arm>/<...>.json     one record a run
results/<edition>/analysis.json                    derived; made again by ``qdcbench analyze``
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from qdcbench.canon import pretty_json
from qdcbench.claims import spelled_out
from qdcbench.errors import RecordError, did_you_mean
from qdcbench.measures.table import METRICS
from qdcbench.migrate import to_current
from qdcbench.plan import Plan, primaries_of
from qdcbench.records import Analysis, PromisedCell, RunRecord, RunSpec, SuiteFacts, from_json, group_of
from qdcbench.store import write_atomic
from qdcbench.suite import Suite

__all__ = [
    "Edition",
    "complete_runs",
    "facts_of",
    "foreign_records",
    "load_edition",
    "path_for",
    "read_analysis",
    "write_analysis",
    "write_plan",
    "write_record",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edition:
    """What a folder under ``results/`` holds: the plan and the records there are (failed ones included)."""

    folder: Path
    plan: Plan
    records: tuple[RunRecord, ...]
    facts: SuiteFacts

    @property
    def missing(self) -> tuple[RunSpec, ...]:
        """Promised cells without a record."""
        present = {record.run_id for record in self.records}
        return tuple(cell for cell in self.plan.cells if cell.run_id not in present)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.=,_-]+", "-", text).strip("-")[:80] or "x"


def path_for(folder: Path, spec: RunSpec) -> Path:
    """Where a record lies. The path is for people; identity is inside the record."""
    name = f"{_slug(spec.teacher.name)}-{_slug(spec.budget.name)}-r{spec.repetition}-{spec.run_id}.json"
    return folder / "runs" / _slug(spec.task) / _slug(spec.arm) / name


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the promise."""
    write_atomic(
        folder / "suite.json", pretty_json({"suite": plan.suite, "held_out": plan.held_out, "cells": plan.cells})
    )


def write_record(folder: Path, record: RunRecord) -> Path:
    """Write one record and return its path."""
    path = path_for(folder, record.spec)
    write_atomic(path, pretty_json(record))
    return path


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist; run the suite into that folder first") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read as JSON ({error}); restore it or delete it and run again") from None


def _read_record(path: Path) -> RunRecord:
    record = from_json(RunRecord, to_current(_read_json(path), str(path)), str(path))
    if record.run_id != record.spec.run_id:
        raise RecordError(f"{path} was edited: its run_id is {record.run_id}, its spec gives {record.spec.run_id}")
    return record


def facts_of(plan: Plan, edition: str) -> SuiteFacts:
    """Return what the analysis needs to know of the promise."""
    promised: dict[tuple[str, str], PromisedCell] = {}
    for cell in plan.cells:
        group = group_of(cell)
        before = promised.get((group, cell.arm))
        promised[group, cell.arm] = PromisedCell(
            group=group,
            arm=cell.arm,
            method=cell.method,
            role=cell.role,
            simulated=cell.teacher.simulated,
            n=1 + (before.n if before else 0),
        )
    primaries = primaries_of(plan.suite, plan.held_out)
    rows = [row for row in METRICS.values() if row.card.axis == "diversity"]
    task = plan.cells[0].task if plan.cells else plan.suite.task
    return SuiteFacts(
        edition=edition,
        primary=primaries.names,
        smallest_effect=primaries.smallest_effect,
        promised=tuple(promised.values()),
        id_sets={task: tuple(f"{task}_{name}" for name, distance in plan.held_out.items() if distance == "id")},
        ood_sets={task: tuple(f"{task}_{name}" for name, distance in plan.held_out.items() if distance == "ood")},
        copy_measures=tuple(row.name for row in rows if row.card.sees_copies),
        instruction_measures=tuple(row.name for row in rows if row.card.side == "prompt"),
        root_seed=plan.suite.root_seed,
        lower_is_better=primaries.lower_scores,
        lower_is_better_measures=primaries.lower_measures,
        studies=tuple(spelled_out(study, primaries) for study in plan.suite.studies),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Promise:
    """What ``suite.json`` holds."""

    suite: Suite
    held_out: Mapping[str, Literal["id", "ood"]]
    cells: tuple[RunSpec, ...]


def _read_promise(path: Path) -> Plan:
    value = _read_json(path)
    parts = {"suite", "held_out", "cells"}
    if not isinstance(value, dict) or not parts <= set(value):
        raise RecordError(f"{path} is not a promise of ours; write it again with qdcbench run")
    promise = from_json(_Promise, {name: value[name] for name in parts}, str(path))
    ids = [cell.run_id for cell in promise.cells]
    if len(set(ids)) < len(ids):
        raise RecordError(f"{path} promises a cell twice; write it again with qdcbench run")
    if promise.suite.primary.smallest_effect < 0:
        raise RecordError(f"{path} has a smallest effect of interest below 0; write it again with qdcbench run")
    return Plan(suite=promise.suite, held_out=dict(promise.held_out), cells=promise.cells)


def load_edition(folder: Path) -> Edition:
    """Read an edition's promise and records.

    Raises:
        RecordError: no such edition, or a file in it is malformed, edited, or from the future.
    """
    if not folder.is_dir():
        near = did_you_mean(folder.name, [p.name for p in folder.parent.glob("*") if p.is_dir()])
        raise RecordError(f"there is no edition folder {folder}; {near}")
    plan = _read_promise(folder / "suite.json")
    promised = {cell.run_id: cell for cell in plan.cells}
    records = []
    for path in sorted((folder / "runs").rglob("*.json")):
        record = _read_record(path)
        if record.run_id not in promised:
            raise RecordError(f"{path} is not of this suite: it was made by other code or parameters; move it away")
        # A label is no part of a run: the promise says what an arm is called.
        records.append(replace(record, spec=replace(record.spec, arm=promised[record.run_id].arm)))
    return Edition(folder=folder, plan=plan, records=tuple(records), facts=facts_of(plan, folder.resolve().name))


def complete_runs(folder: Path) -> frozenset[str]:
    """Return the run ids under a folder whose record is complete; none where there is no folder."""
    files = sorted((folder / "runs").rglob("*.json")) if folder.is_dir() else []
    return frozenset(record.run_id for record in map(_read_record, files) if record.status == "complete")


def foreign_records(folder: Path, plan: Plan) -> list[Path]:
    """Return the record files under a folder that are not of the plan, by the run id in each."""
    promised = {cell.run_id for cell in plan.cells}
    files = sorted((folder / "runs").rglob("*.json")) if folder.is_dir() else []
    return [path for path in files if _read_record(path).run_id not in promised]


def write_analysis(folder: Path, analysis: Analysis) -> Path:
    """Write ``analysis.json`` and return its path."""
    write_atomic(folder / "analysis.json", pretty_json(analysis))
    return folder / "analysis.json"


def read_analysis(folder: Path) -> Analysis:
    """Read ``analysis.json``; RecordError when it is missing or malformed."""
    path = folder / "analysis.json"
    return from_json(Analysis, _read_json(path), str(path))
