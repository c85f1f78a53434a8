"""Make every run of a bundle again from its recorded answers, in worker processes, and compare it with its record."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qdcbench.bundles.archive import Opened
from qdcbench.bundles.compare import Difference, compare, difference, label
from qdcbench.bundles.gather import NO_JUDGE
from qdcbench.editions import Edition
from qdcbench.errors import ConfigError, QdcError
from qdcbench.executors.pool import Site, run_cells
from qdcbench.file_task import read_task_file
from qdcbench.records import Failure, RunRecord, RunSpec
from qdcbench.registry import Registry, discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.stages.generate import CALLS, generate, generation_key
from qdcbench.stages.measure import judge_key
from qdcbench.stages.select import TrainingSet
from qdcbench.store import Store, write_jsonl
from qdcbench.teachers.account import NotRecorded

__all__ = ["Options", "Regenerated", "regenerate"]

_REPEATABLE = frozenset({"PluginError", "DataError"})
"""Failures of a method's own doing; what a server, a disk or a clock did to a run does not happen again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a bundle is verified."""

    workers: int
    probes: bool = False
    trust_plugins: bool = False


@dataclass(kw_only=True, slots=True)
class Regenerated:
    """What differs (fields of runs, and sentences on whole runs), what was left out, and counts by kind."""

    differences: list[Difference] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)


def regenerate(opened: Opened, edition: Edition, scratch: Path, options: Options) -> Regenerated:
    """Generate, select and measure every run of an unpacked bundle again, asking nobody.

    Raises:
        ConfigError: the bundle holds code and nobody said that it may run.
        StoreError: the disk refused, or a recorded answer was changed.
    """
    _require_trust(opened, edition, options)
    registry = discover([opened.folder / place for place in opened.manifest.plugins])
    found = Regenerated()
    records = _repeatable(edition.records, found)
    cells = _cells(records, registry, opened, found)
    if opened.answers.is_file() and opened.answers.stat().st_size:
        from qdcbench.teachers.ledger.read import import_answers

        import_answers(scratch / "ledger.sqlite", opened.answers)
    site = Site(
        edition=scratch / "made",
        store=scratch / "store",
        base=opened.folder,
        plugins=registry.folders,
        cell_seconds=edition.plan.suite.cell_seconds,
        workers=options.workers,
        spending=Spending(ledger=scratch / "ledger.sqlite", replay_only=True, suite=opened.manifest.edition),
        probes=options.probes,
    )
    show = _Progress(len(cells))
    bench = site.bench()
    for spec, record, made in _made_again(cells, site, _Unjudged(bench.store, found.notes).stand_in):
        if isinstance(made, RunRecord):
            show.ended(record, _settle(record, made, found, options))
        else:
            show.ended(record, "an answer is missing")
            found.sentences.append(f"{_name(record)} needs an answer that is not in the bundle: {made}")
            found.total["data sets"] += 1
            found.different["data sets"] += 1
            found.differences += _other_rows(spec, record, bench)
    return found


def _require_trust(opened: Opened, edition: Edition, options: Options) -> None:
    programs = any("argv" in record.spec.params for record in edition.records)
    if (opened.manifest.plugins or programs) and not options.trust_plugins:
        held = "private plugins" if opened.manifest.plugins else "commands of foreign programs"
        raise ConfigError(
            f"the bundle of {opened.manifest.edition} holds {held}, and verifying runs them with all your rights; "
            "unpack it and read them, then add --trust-plugins"
        )


def _repeatable(records: Sequence[RunRecord], found: Regenerated) -> list[RunRecord]:
    """Leave out the runs that failed by no doing of their method."""
    kept = []
    for record in records:
        if record.failure is None or record.failure.stage == "probe" or _by_method(record.failure):
            kept.append(record)
        else:
            found.notes.append(
                f"{_name(record)} failed in {record.failure.stage} by no doing of its method "
                f"({record.failure.kind}) and was not made again"
            )
    return kept


def _by_method(failure: Failure) -> bool:
    return failure.kind in _REPEATABLE and "wall clock" not in failure.message


def _name(record: RunRecord) -> str:
    return f"run {record.run_id} ({label(record.spec)})"


_Cell = tuple[RunSpec, RunRecord]
"""A spec whose files lie in the bundle, and the record that was made of it elsewhere."""


def _cells(records: Sequence[RunRecord], registry: Registry, opened: Opened, found: Regenerated) -> list[_Cell]:
    """Return the runs that the methods and tasks here can make again, and say once for each of the others why not."""
    cells: list[_Cell] = []
    others: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        spec, wrong = _placed(record.spec, opened)
        wrong = wrong or _of_another_version(record.spec, spec, registry, opened.folder)
        if wrong:
            others[wrong].append(record)
        else:
            cells.append((spec, record))
    for wrong, left in others.items():
        found.sentences.append(f"{wrong}: {len(left)} runs were not made again, such as {_name(left[0])}")
        found.total["data sets"] += len(left)
        found.different["data sets"] += len(left)
    if others:
        commits = ", ".join(opened.manifest.commits) or "unknown"
        found.notes.append(f"the records were made at commit {commits} with qdcbench {opened.manifest.qdcbench}")
    return cells


def _placed(spec: RunSpec, opened: Opened) -> tuple[RunSpec, str]:
    """Return the spec with its paths in the bundle, and a sentence where one is not there."""
    inputs = opened.manifest.inputs
    params = dict(spec.params)
    for name in ("path", "folder"):
        if params.get(name):
            if params[name] not in inputs:
                return spec, f"the input {params[name]!r} is not in the bundle"
            params[name] = inputs[params[name]]
    if spec.task_file is None:
        return replace(spec, params=params), ""
    if spec.task_file not in inputs:
        return spec, f"the task file {spec.task_file!r} is not in the bundle"
    return replace(spec, params=params, task_file=inputs[spec.task_file]), ""


def _of_another_version(record: RunSpec, spec: RunSpec, registry: Registry, folder: Path) -> str:
    """Say so where the method or task here has another source than the one that made the record."""
    for kind, name in (("method", spec.method), ("task", spec.task)):
        try:
            if kind == "method":
                here = registry.method(name).sha256
            elif spec.task_file is None:
                here = registry.task(name).sha256
            else:
                here = read_task_file(folder / spec.task_file).sha256
        except QdcError as error:
            return f"{kind} {name!r} cannot be used here ({error})"
        there = record.hashes.get(kind, here)
        if there != here:
            return f"made by another version of {kind} {name!r} (source {there[:12]}, here {here[:12]})"
    return ""


@dataclass(frozen=True, slots=True)
class _Unjudged:
    """Runs whose judge could not be asked when they were run, so that no answer of it is recorded."""

    store: Store
    notes: list[str]

    def stand_in(self, spec: RunSpec, record: RunRecord) -> bool:
        """Put what the record says of its judge where the judge's ratings would be; False when that was no obstacle."""
        said = [m for m in record.measurements if m.metric == "judge_score" and m.reason.startswith(NO_JUDGE)]
        if not said or record.dataset is None:
            return False
        rows = TrainingSet(sha256=record.dataset.training_sha256, rows=(), contaminated=0)
        key = judge_key(spec, rows)
        if self.store.find("judge", key) is not None:
            return False
        with self.store.create("judge", key) as folder:
            write_jsonl(folder / "measurements.jsonl", said)
            write_jsonl(folder / CALLS, [])
        self.notes.append(f"{_name(record)} had no judge when it was run, so its judge_score was not made again")
        return True


def _made_again(
    cells: Sequence[_Cell], site: Site, stand_in: Callable[[RunSpec, RunRecord], bool]
) -> Iterator[tuple[RunSpec, RunRecord, RunRecord | NotRecorded]]:
    """Yield each cell with its record made again, or with what it lacks."""
    left = {spec.run_id: (spec, record) for spec, record in cells}
    suspects: list[RunSpec] = []
    while left:
        # One that lacks an answer ends them all without a name, so the ones under way go again one by one.
        batch = suspects or [spec for spec, _ in left.values()]
        running: dict[str, RunSpec] = {}
        try:
            for event in run_cells(batch, replace(site, workers=1 if suspects else site.workers)):
                running[event.spec.run_id] = event.spec
                if event.record is not None:
                    del running[event.spec.run_id]
                    yield *left.pop(event.spec.run_id), event.record
            suspects = []
        except NotRecorded as error:
            suspects = list(running.values())
            if len(suspects) == 1:
                spec, record = left[suspects.pop().run_id]
                if not stand_in(spec, record):
                    yield *left.pop(spec.run_id), error


def _settle(record: RunRecord, made: RunRecord, found: Regenerated, options: Options) -> str:
    """Note what came of a run and return it in a few words."""
    compared = compare(record, made, probes=options.probes)
    if compared.differences and record.dataset is not None and record.dataset.stopped_by == "seconds":
        found.notes.append(
            f"{_name(record)} was ended by its budget's clock, which leaves more time to recorded answers"
        )
    found.differences += compared.differences
    found.total.update(compared.total)
    found.different.update(compared.different)
    return f"{len(compared.differences)} fields differ" if compared.differences else "equal"


def _other_rows(spec: RunSpec, record: RunRecord, bench: Bench) -> Iterator[Difference]:
    """Yield the difference in rows where the answers were enough to generate some: they explain what is missing."""
    if (
        record.dataset is None
        or bench.store.find("generate", generation_key(spec, bench.registry.method(spec.method))) is None
    ):
        return
    sha256 = generate(spec, bench).sha256
    if sha256 != record.dataset.sha256:
        yield difference(record, "dataset.sha256", record.dataset.sha256, sha256)


class _Progress:
    """Lines on stderr, so that what is printed can be read by a program."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        print(f"making {total} runs again from recorded answers", file=sys.stderr, flush=True)

    def ended(self, record: RunRecord, outcome: str) -> None:
        """Print a line."""
        self.done += 1
        left = (time.monotonic() - self.start) / self.done * (self.total - self.done)
        clock = f"{self.done}/{self.total}, about {left:.0f} s left"
        print(f"[{clock}] {label(record.spec)}: {outcome}", file=sys.stderr, flush=True)
