"""One dataset of the validity study, measured as the measure stage measures a training set, and kept in a store."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import qdcbench
from qdcbench.api import Example, Task
from qdcbench.canon import digest
from qdcbench.measures.encoders import identity
from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.known import WHY_ABSENT
from qdcbench.measures.rows import Rows
from qdcbench.records import Budget, Measurement, RunSpec, SelectionSpec, TeacherSpec, from_json
from qdcbench.registry import Entry, Registry, discover
from qdcbench.scorers.gold import gold_column
from qdcbench.seeds import array_stream, seed_for
from qdcbench.stages import measure as stage
from qdcbench.stages.bench import Bench
from qdcbench.stages.known import Given, around_of, known_of
from qdcbench.store import Store, read_jsonl, write_jsonl
from qdcbench.studies.recipes import Recipe, SeenThrough, made, right_answers

__all__ = ["TASK", "Job", "lacking", "measured", "needs_models", "rows_of", "task_of_study", "texts"]

TASK = "list_edits"
_JUDGE = TeacherSpec(kind="scripted", model="strong")
_JUDGED = "judge_score"
_UNREAD = "the scripted judge cannot read a prompt with filler"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One dataset, the measures to take of it, and the lengths, by side, at which twins are read.

    Without ``models`` no base model looks at the rows.
    """

    recipe: Recipe
    measures: tuple[str, ...]
    models: bool
    repetition: int
    root_seed: int
    words: Mapping[str, float]
    store: Path


@cache
def task_of_study() -> Task:
    """Return the task, as it is known to the registry."""
    return discover().task(TASK).plugin


def rows_of(recipe: Recipe, root_seed: int, repetition: int) -> tuple[Example, ...]:
    """Return the rows of a recipe in one repetition."""
    return made(task_of_study(), recipe, seed_for(root_seed, "validity", {"repetition": repetition}))


def texts(rows: Sequence[Example]) -> Rows:
    """Return rows of which nothing is known but their texts."""
    return Rows(prompts=tuple(row.prompt for row in rows), completions=tuple(row.completion for row in rows))


def needs_models(lacks: Mapping[str, str]) -> bool:
    """Whether some measure lacks what only a base model can say, by what `lacking` returned."""
    reasons = {WHY_ABSENT[column] for column in ("answer_nll", "blank_nll", "whole_nll", "failed", "gradient")}
    return not reasons.isdisjoint(lacks.values())


def lacking(rows: Sequence[Example], names: Sequence[str]) -> dict[str, str]:
    """Say of every measure what it lacks where there are texts alone; an empty text where these are enough."""
    draws = array_stream(0, "validity texts", {})
    return {m.metric: m.reason for m in measure_rows(texts(rows), n=len(rows), names=names, seed_stream=draws)}


def measured(job: Job) -> list[Measurement]:
    """Return all measurements of one dataset, from the store or taken now."""
    asked = {k: v for k, v in asdict(job).items() if k != "store"}
    key = digest({"job": asked, "code": _code(), "encoders": _encoders(job.measures)})
    store = Store(job.store)
    found = store.find("validity", key)
    if found is None:
        taken = _take(job)
        with store.create("validity", key) as folder:
            write_jsonl(folder / "measurements.jsonl", taken)
        found = store.path("validity", key)
    return [from_json(Measurement, row, str(found)) for row in read_jsonl(found / "measurements.jsonl")]


@cache
def _code() -> str:
    """Digest of every source that can change a value."""
    root = Path(qdcbench.__file__).parent
    task = discover().task(TASK).path.parent
    files = [path for name in ("measures", "scorers", "probes") for path in (root / name).rglob("*")]
    files += [
        *(root / "stages").glob("*.py"),
        *(root / "studies" / name for name in ("dataset.py", "recipes.py")),
        *task.glob("*.py"),
    ]
    total = hashlib.sha256()
    for path in sorted(path for path in files if path.suffix in {".py", ".toml"}):
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _encoders(names: Sequence[str]) -> list[str]:
    """Return what tells the vectors of the measures' encoders from those of another machine."""
    found = {name.partition("[")[2].partition("]")[0] for name in names} - {""}
    return [identity(encoder) for encoder in sorted(found)]


def _take(job: Job) -> list[Measurement]:
    rows = rows_of(job.recipe, job.root_seed, job.repetition)
    seen: Any = SeenThrough(task_of_study())
    axes = {"repetition": job.repetition}
    known = known_of(seen, rows, seed=seed_for(job.root_seed, "validity answers", axes), models=job.models)
    given = Given(seeds=tuple(seen.seed_examples(Random(seed_for(job.root_seed, "validity seeds", axes)))))
    filled = Rows(
        prompts=tuple(row.prompt for row in rows),
        completions=tuple(row.completion for row in rows),
        known=replace(known, gold=gold_column([row.completion for row in rows], right_answers(task_of_study(), rows))),
        around=replace(around_of(seen, given), words=job.words, epiplexity=_learned(job, rows)),
    )
    names = [name for name in job.measures if name != _JUDGED]
    draws = array_stream(job.root_seed, "validity measure", axes)
    judged = _judged(job, rows) if _JUDGED in job.measures else ()
    return [*measure_rows(filled, n=len(rows), names=names, seed_stream=draws), *judged]


def _learned(job: Job, rows: Sequence[Example]) -> float | None:
    """Return the bits that a fresh small model learned from the rows, None where nobody asked."""
    if "epiplexity" not in job.measures:
        return None
    from qdcbench.probes.start import base_of
    from qdcbench.scorers.epiplexity import epiplexity

    tokenizer = base_of(task_of_study()).open()[1]
    return epiplexity([(row.prompt, row.completion) for row in rows], tokenizer=tokenizer).bits


def _judged(job: Job, rows: tuple[Example, ...]) -> Sequence[Measurement]:
    if job.recipe.filler or job.recipe.words:
        return [Measurement(metric=_JUDGED, axis="quality", value=None, n=0, reason=_UNREAD)]
    return stage._judge(_spec(job), _bench(job.store), rows)[0]


def _bench(store: Path) -> Bench:
    entry: Entry[Task] = discover().task(TASK)
    return Bench(registry=Registry(methods={}, tasks={TASK: entry}), store=Store(store), base=Path())


def _spec(job: Job) -> RunSpec:
    """Return what the measure stage is told of a dataset that no method made."""
    return RunSpec(
        arm="validity", method="validity", method_version=1, role="control", params={}, task=TASK,
        task_version=task_of_study().version, teacher=_JUDGE,
        budget=Budget(name="none", examples=job.recipe.n, teacher_tokens=None, teacher_calls=0),
        selection=SelectionSpec(), probe="none", probe_repetitions=0, measure_n=job.recipe.n,
        repetition=job.repetition, root_seed=job.root_seed,
    )  # fmt: skip
