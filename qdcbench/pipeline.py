"""Run one spec through the stages; an error becomes a failed record that keeps what was finished."""

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean

from qdcbench.canon import canonical_json
from qdcbench.errors import ConfigError, PluginError, QdcError
from qdcbench.provenance import now, provenance
from qdcbench.records import DatasetSummary, Failure, Measurement, ProbeRun, RunRecord, RunSpec, Score
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import SyntheticDataset, generate, partial
from qdcbench.stages.measure import measure
from qdcbench.stages.probe import train_and_evaluate
from qdcbench.stages.select import TrainingSet, training_set
from qdcbench.store import Store, write_atomic
from qdcbench.teachers.account import CapReached, NotRecorded

__all__ = ["run_spec"]

SECONDS = "seconds"
"""Folder of a store that says what the stages of each run took when they did their work."""


@dataclass
class _Progress:
    """What is finished of a run, so that a failure in a later stage loses nothing."""

    stage: str = "generate"
    dataset: DatasetSummary | None = None
    measurements: tuple[Measurement, ...] = ()
    probes: list[ProbeRun] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note which stage is running and how long it took."""
        self.stage = stage
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def _mean_words(texts: list[str]) -> float | None:
    return fmean(len(text.split()) for text in texts) if texts else None


def _summary(made: SyntheticDataset, chosen: TrainingSet) -> DatasetSummary:
    rows = chosen.rows
    return DatasetSummary(
        sha256=made.sha256,
        training_sha256=chosen.sha256,
        attempts=len(made.attempts),
        accepted=sum(1 for a in made.attempts if a.accepted),
        contaminated=chosen.contaminated,
        selected=len(rows),
        rejected_by=made.rejected_by,
        stopped_by=made.stopped_by,
        usage=made.usage,
        mean_prompt_words=_mean_words([row.prompt for row in rows]),
        mean_completion_words=_mean_words([row.completion for row in rows]),
    )


def _spent(spec: RunSpec, bench: Bench) -> DatasetSummary | None:
    """What a failed generation made and paid for; none of it is selected."""
    made = partial(spec, bench)
    return None if made is None else _summary(made, TrainingSet(sha256="", rows=(), contaminated=0))


def _require_same_source(spec: RunSpec, bench: Bench) -> None:
    """Refuse to file rows under a run id whose method or task was edited since the plan."""
    now = {"method": bench.registry.method(spec.method).sha256}
    if spec.task_file is None:
        now["task"] = bench.registry.task(spec.task).sha256
    for kind, sha256 in now.items():
        if spec.hashes.get(kind, sha256) != sha256:
            raise PluginError(f"the source of the {kind} changed after the run was planned; start the command again")


def _stages(spec: RunSpec, bench: Bench, done: _Progress, report: Callable[[str], None], *, probes: bool) -> None:
    with done.timed("generate"):
        report("generate")
        _require_same_source(spec, bench)
        made = generate(spec, bench)
    with done.timed("select"):
        chosen = training_set(spec, bench, made)
        done.dataset = _summary(made, chosen)
    with done.timed("measure"):
        report("measure")
        done.measurements = measure(spec, bench, chosen, made.attempts)
    for repetition in range(spec.probe_repetitions if probes else 0):
        with done.timed("probe"):
            report(f"probe {repetition + 1}/{spec.probe_repetitions}")
            probe, scores = train_and_evaluate(spec, bench, chosen, repetition)
        done.probes.append(probe)
        done.scores += scores


def _longest(store: Store, run_id: str, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the most that each stage of a run took in this store: what is there already is found in no time."""
    path = store.root / SECONDS / f"{run_id}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    longest = {stage: max(took, before.get(stage, 0.0)) for stage, took in seconds.items()}
    write_atomic(path, canonical_json({**before, **longest}))
    return longest


def run_spec(
    spec: RunSpec, bench: Bench, report: Callable[[str], None] = lambda stage: None, *, probes: bool = True
) -> RunRecord:
    """Return the record of a run, complete or failed; ``report`` is told each stage as it begins.

    Without ``probes`` it ends with the measurements: nothing is trained.

    KeyboardInterrupt and other signals pass through: an interrupted run has no record and is started again.

    Raises:
        CapReached: the suite's cap on what may be spent is reached; the run has no record either.
        NotRecorded: only recorded answers may be used, and one is missing.
    """
    started = now()
    done = _Progress()
    failure: Failure | None = None
    try:
        _stages(spec, bench, done, report, probes=probes)
    except Exception as error:  # a failed cell is a row, never the end of the suite
        if isinstance(error, NotRecorded) or (isinstance(error, CapReached) and error.scope.startswith("suite:")):
            raise  # no other cell can go on either, and none of them is to blame
        tail = "" if isinstance(error, QdcError) else "".join(traceback.format_tb(error.__traceback__)[-3:])
        if done.stage == "generate" and not isinstance(error, ConfigError):
            done.dataset = _spent(spec, bench)
        message = " ".join(str(error).split()) or "no message"
        failure = Failure(stage=done.stage, kind=type(error).__name__, message=message[:2000], traceback_tail=tail)
    else:
        done.seconds = _longest(bench.store, spec.run_id, done.seconds)
    return RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status="failed" if failure else "complete",
        dataset=done.dataset,
        measurements=done.measurements,
        probes=tuple(done.probes),
        scores=tuple(done.scores),
        failure=failure,
        provenance=provenance(started, done.seconds),
    )
