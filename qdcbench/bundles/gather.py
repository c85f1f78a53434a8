"""What goes into the bundle of an edition, and what is missing for it."""

import os
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qdcbench import __version__
from qdcbench.bundles.archive import LARGEST, Manifest, write_bundle
from qdcbench.bundles.compare import label
from qdcbench.editions import Edition, path_for
from qdcbench.errors import QdcError, RecordError
from qdcbench.file_task import read_task_file
from qdcbench.foreign import SECRET_NAME, belongs
from qdcbench.records import Call, RunRecord, RunSpec, from_json
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import CALLS, PARTIAL, generation_key
from qdcbench.stages.measure import read_judging
from qdcbench.stages.select import TrainingSet
from qdcbench.store import read_jsonl

__all__ = ["NO_JUDGE", "bundle"]

NO_JUDGE = "there is no judge"
"""How the reason of a measurement begins whose judge could not be asked."""

SHORTEST_SECRET = 8
"""Characters; what local servers take for a key (such as EMPTY) is none, and stands in many a text."""

_DERIVED = {"analysis.json": "analyze", "tables": "figures", "figures": "figures", "page": "leaderboard"}
"""What an edition holds beside its records, and the command that makes it."""


@dataclass(kw_only=True, slots=True)
class _Parcel:
    """What was found and what was not."""

    files: dict[str, Path] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    plugins: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


def bundle(edition: Edition, bench: Bench, target: Path) -> Manifest:
    """Pack an edition with the recorded answers, inputs and private plugins that it takes to make it again.

    ``bench`` is where it was run: its store, its ledger, its private plugins, the folder of the suite's paths.

    Raises:
        RecordError: something that is needed is not there any more, or a file holds a key.
        StoreError: the disk refused.
    """
    parcel = _Parcel()
    _add_edition(parcel, edition)
    _add_inputs(parcel, edition.records, bench.base)
    _add_plugins(parcel, edition.records, bench)
    _find_answers(parcel, edition.records, bench)
    with tempfile.TemporaryDirectory() as scratch:
        answers = Path(scratch) / "answers.jsonl"
        _export(parcel, bench.spending.ledger, answers)
        if parcel.missing:
            raise RecordError(
                f"{edition.folder} cannot be bundled, it lacks {'; '.join(parcel.missing)}; name the folder of cached "
                "artefacts with --work and that of the suite with --base, or run the suite again"
            )
        parcel.files[answers.name] = answers
        size = sum(path.stat().st_size for path in parcel.files.values())
        if size > LARGEST:
            raise RecordError(f"{edition.folder} and its inputs are {size:,} bytes; a bundle holds at most {LARGEST:,}")
        return write_bundle(target, _manifest(edition, parcel), parcel.files, _secrets(edition.records))


def _manifest(edition: Edition, parcel: _Parcel) -> Manifest:
    provenances = [record.provenance for record in edition.records if record.provenance is not None]
    packages: dict[str, set[str]] = {}
    for found in provenances:
        for name, version in {**found.packages, "python": found.python}.items():
            packages.setdefault(name, set()).add(version)
    status = Counter(record.status for record in edition.records)
    return Manifest(
        edition=edition.folder.resolve().name,
        qdcbench=__version__,
        commits=tuple(sorted({f"{p.commit}{'-dirty' if p.dirty else ''}" for p in provenances})),
        packages={name: tuple(sorted(versions)) for name, versions in sorted(packages.items())},
        counts={"promised": len(edition.plan.cells), **{name: status[name] for name in ("complete", "failed")},
                "answers": len(parcel.keys)},
        inputs=parcel.inputs,
        plugins=tuple(parcel.plugins),
    )  # fmt: skip


def _add_edition(parcel: _Parcel, edition: Edition) -> None:
    name = edition.folder.resolve().name
    found = [edition.folder / "suite.json", *(path_for(edition.folder, record.spec) for record in edition.records)]
    for part, verb in _DERIVED.items():
        path = edition.folder / part
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path] * path.is_file()
        if not inside:
            parcel.missing.append(f"{part} (qdcbench {verb} {edition.folder} makes it)")
        found += inside
    for path in found:
        if path.is_file():
            parcel.files[f"results/{name}/{path.relative_to(edition.folder).as_posix()}"] = path
        else:
            parcel.missing.append(f"{path} (a record that lies elsewhere)")


def _add_inputs(parcel: _Parcel, records: Sequence[RunRecord], base: Path) -> None:
    """Add the files and folders that arms and task read, each under a number of its own."""
    tasks = {record.spec.task_file for record in records} - {None}
    data = {
        str(record.spec.params[name])
        for record in records
        for name in ("path", "folder")
        if record.spec.params.get(name)
    }
    for number, given in enumerate(sorted(data | {str(name) for name in tasks})):
        path = base / given
        place = f"inputs/{number}"
        if given in tasks:
            parcel.inputs[given] = _add_task(parcel, path, place)
        elif path.is_dir():
            _add_folder(parcel, path, place)
            parcel.inputs[given] = place
        elif path.is_file():
            parcel.files[f"{place}/{path.name}"] = path
            parcel.inputs[given] = f"{place}/{path.name}"
        else:
            parcel.missing.append(f"the input {given} (looked for in {base})")


def _add_task(parcel: _Parcel, path: Path, place: str) -> str:
    """Add a task file and all it names, as they lie to each other; return the task file's name in the bundle."""
    try:
        read_task_file(path)
    except QdcError as error:
        parcel.missing.append(f"a task that can be read ({error})")
        return ""
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    named = [str(name) for name in (table["seed"], *table["id"].values(), *table.get("ood", {}).values())]
    absolute = [name for name in named if Path(name).is_absolute()]
    if absolute:
        parcel.missing.append(f"a path from the task file's folder in {path} instead of {absolute[0]}")
        return ""
    # Lexically, not by resolving links: the names in the file must lead to the same places in the bundle. A name may
    # climb higher than its file lies and come down again, so every folder on its way counts.
    start = Path(os.path.normpath(path.absolute()))
    files = [start, *(Path(os.path.normpath(start.parent / name)) for name in named)]
    climbed = [start.parents[min(name.split("/").count(".."), len(start.parents) - 1)] for name in named]
    root = Path(os.path.commonpath([*climbed, *(file.parent for file in files)]))
    for file in files:
        parcel.files[f"{place}/{file.relative_to(root).as_posix()}"] = file
    return f"{place}/{files[0].relative_to(root).as_posix()}"


def _add_folder(parcel: _Parcel, folder: Path, place: str) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not belongs(name):
            continue
        if path.is_symlink():
            parcel.missing.append(f"a plain file in place of the link {path}")
        elif path.is_file():
            parcel.files[f"{place}/{name.as_posix()}"] = path


def _add_plugins(parcel: _Parcel, records: Sequence[RunRecord], bench: Bench) -> None:
    """Add the source of private plugins, of those folders alone that hold a method or task of a record."""
    methods, tasks = bench.registry.methods, bench.registry.tasks
    used = {methods[r.spec.method].path.resolve() for r in records if r.spec.method in methods}
    used |= {tasks[r.spec.task].path.resolve() for r in records if r.spec.task_file is None and r.spec.task in tasks}
    unknown = {f"method {r.spec.method!r}" for r in records if r.spec.method not in methods}
    unknown |= {f"task {r.spec.task!r}" for r in records if r.spec.task_file is None and r.spec.task not in tasks}
    parcel.missing += [f"the {name} (name its folder with --plugins)" for name in sorted(unknown)]
    for folder in bench.registry.folders:
        if not any(path.is_relative_to(folder) for path in used):
            continue
        place = f"plugins/{len(parcel.plugins)}"
        parcel.plugins.append(place)
        for path in _sources(folder, used):
            parcel.files[f"{place}/{path.relative_to(folder).as_posix()}"] = path


def _sources(folder: Path, used: set[Path]) -> Iterator[Path]:
    """Yield the files of a plugin folder that discovery reads, and what lies beside a used plugin for it to read."""
    for inside in (folder, folder / "methods", folder / "tasks"):
        patterns = ["*.py", "prompts/*.toml"]
        if any(path.parent == inside for path in used):
            patterns += ["data/**/*", "lm_eval/**/*"]
        for pattern in patterns:
            yield from (path for path in inside.glob(pattern) if path.is_file() and belongs(path.relative_to(folder)))


def _find_answers(parcel: _Parcel, records: Sequence[RunRecord], bench: Bench) -> None:
    """Collect the keys of all answers that records were made of."""
    gone: dict[str, list[RunSpec]] = {"generation": [], "judging": []}
    for record in records:
        spec = record.spec
        if spec.teacher.simulated or record.dataset is None or spec.method not in bench.registry.methods:
            continue
        if bench.registry.method(spec.method).plugin.intents:
            failed = record.failure is not None and record.failure.stage == "generate"
            made = _calls(spec, bench, PARTIAL if failed else "generate")
            if made is None and not failed:
                gone["generation"].append(spec)
            parcel.keys |= {call.key for call in made or () if call.key}
        if record.dataset.selected and _was_judged(record):
            rows = TrainingSet(sha256=record.dataset.training_sha256, rows=(), contaminated=0)
            judged = read_judging(spec, bench, rows)
            if not judged:
                gone["judging"].append(spec)
            parcel.keys |= {call.key for call in judged if call.key}
    for what, specs in gone.items():
        if specs:
            parcel.missing.append(f"the {what} of {len(specs)} runs, such as {label(specs[0])}, in {bench.store.root}")


def _was_judged(record: RunRecord) -> bool:
    return any(m.metric == "judge_score" and not m.reason.startswith(NO_JUDGE) for m in record.measurements)


def _calls(spec: RunSpec, bench: Bench, stage: str) -> tuple[Call, ...] | None:
    """Return the calls of a generation, also of one that an older source of the method made; None when it is gone."""
    entry = bench.registry.method(spec.method)
    entry = replace(entry, sha256=spec.hashes.get("method", entry.sha256))
    found = bench.store.find(stage, generation_key(spec, entry))
    if found is None or not (found / CALLS).is_file():
        return None
    return tuple(from_json(Call, row, str(found)) for row in read_jsonl(found / CALLS))


def _export(parcel: _Parcel, ledger: Path | None, target: Path) -> None:
    if not parcel.keys:
        target.touch()
        return
    from qdcbench.teachers.ledger.read import export_answers

    assert ledger is not None
    try:
        export_answers(ledger, sorted(parcel.keys), target)
    except QdcError as error:
        parcel.missing.append(f"recorded answers: {error}")


def _secrets(records: Sequence[RunRecord]) -> dict[str, str]:
    """Map each variable that is set, long enough, and named by a teacher or named like a secret, to its value."""
    named = {"OPENAI_API_KEY"} | {name for record in records for name in _key_variables(record.spec.teacher.options)}
    return {
        name: value.strip()
        for name, value in sorted(os.environ.items())
        if (name in named or SECRET_NAME.search(name)) and len(value.strip()) >= SHORTEST_SECRET
    }


def _key_variables(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if name == "api_key_env":
            yield str(value)
        elif isinstance(value, Mapping):
            yield from _key_variables(value)
