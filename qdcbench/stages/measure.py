"""Training set to measurements: task, base probe and judge look at the rows, then the instrument measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from qdcbench.api import BudgetExhausted, Example, PluginError, Task, TeacherError
from qdcbench.canon import digest
from qdcbench.measures.encoders import ENCODERS, identity
from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.known import Known
from qdcbench.measures.rows import Rows
from qdcbench.measures.table import METRICS
from qdcbench.records import Attempt, Budget, Call, Measurement, RunSpec, from_json
from qdcbench.scorers.judge import RATING
from qdcbench.scorers.relation import relation
from qdcbench.seeds import array_stream, seed_for, stream
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import CALLS
from qdcbench.stages.known import (
    FAIL_SAMPLES,
    REFERENCE_ROWS,
    REFERENCE_SEED,
    Given,
    around_of,
    generators,
    known_of,
)
from qdcbench.stages.select import TrainingSet
from qdcbench.store import read_jsonl, write_jsonl
from qdcbench.teachers.account import CapReached, NotRecorded
from qdcbench.teachers.build import build_teacher, prices_of
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook

__all__ = ["STAGE_VERSION", "judge_key", "measure", "read_judging"]

STAGE_VERSION = 5
"""Raised when the same rows would give other measurements, those of the judge apart."""

JUDGE_VERSION = 4
"""Raised when the same rows would be judged otherwise: its answers are paid for, so it has a number of its own."""

JUDGED_ROWS = 200
"""Rows shown to the judge: enough for a standard error near .1 on a five-point scale."""

_JUDGING = Budget(
    name="judging", examples=JUDGED_ROWS, teacher_tokens=2_000 * JUDGED_ROWS, teacher_calls=4 * JUDGED_ROWS
)
"""Judging is the benchmark's cost, not the method's, so it has a meter of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """Judged rows, their ratings from 1 to 5, and the calls it took; a reply without a rating leaves its row out."""

    rows: tuple[Example, ...]
    ratings: tuple[float, ...]
    calls: tuple[Call, ...]


def _judged(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> _Judged:
    task = bench.task(spec)
    axes = {"task": spec.task, "repetition": spec.repetition}
    order = sorted(range(len(rows)), key=lambda i: (rows[i].prompt, rows[i].completion))
    draw = array_stream(spec.root_seed, "judge_sample", axes).permutation(len(order))[:JUDGED_ROWS]
    sample = [rows[order[i]] for i in sorted(draw.tolist())]
    book = PromptBook.load(Path(str(resources.files("qdcbench.scorers") / "judge.toml")), "judge")
    teacher = build_teacher(spec.teacher, task, bench.spending.access(spec, "judge"), bench.base)
    desk = Desk(teacher, Meter(_JUDGING, prices=prices_of(spec.teacher)), spec.teacher.name)
    role = MeteredRole(desk, book, seed=seed_for(spec.root_seed, "judge", axes), name="judge")
    materials = [{"question": "rating", "prompt": row.prompt, "completion": row.completion} for row in sample]
    try:
        texts = role.ask_many("judge", materials, temperature=0.0, max_tokens=16)
    except BudgetExhausted as end:
        raise TeacherError(f"{len(sample)} rows are too long to be judged within its {end.limit}") from None
    finally:
        desk.close()
    rated = [
        (row, rating) for row, text in zip(sample, texts, strict=True) if (rating := RATING.read(text)) is not None
    ]
    return _Judged(
        rows=tuple(row for row, _ in rated), ratings=tuple(rating for _, rating in rated), calls=tuple(desk.calls)
    )


def _drawn(spec: RunSpec, rows: tuple[Example, ...]) -> tuple[Example, ...]:
    """The rows that are measured: drawn by task and repetition, whatever order they came in.

    Models look at these alone: a method may have made ten times as many.
    """
    order = sorted(
        range(len(rows)), key=lambda i: (rows[i].prompt, rows[i].completion, sorted(rows[i].lineage.items()))
    )
    draws = array_stream(spec.root_seed, "measure", {"task": spec.task, "repetition": spec.repetition})
    chosen = draws.permutation(len(order))[: spec.measure_n].tolist()
    return tuple(rows[order[i]] for i in sorted(chosen))


_Taken = tuple[tuple[Measurement, ...], tuple[Call, ...]]
"""Measurements and the questions it took."""


def _given(spec: RunSpec, task: Task, attempts: Sequence[Attempt]) -> Given:
    axes = {"task": spec.task, "repetition": spec.repetition}
    return Given(
        seeds=tuple(task.seed_examples(stream(spec.root_seed, "seed_examples", axes))),
        attempted=len(attempts) if attempts else None,
        accepted=sum(attempt.accepted for attempt in attempts) if attempts else None,
    )


def _instrument(spec: RunSpec, bench: Bench, rows: tuple[Example, ...], given: Given) -> _Taken:
    task, axes = bench.task(spec), {"task": spec.task, "repetition": spec.repetition}
    drawn = _drawn(spec, rows)
    columns = Rows(
        prompts=tuple(row.prompt for row in drawn),
        completions=tuple(row.completion for row in drawn),
        known=known_of(task, drawn, seed=seed_for(spec.root_seed, "fail_rate", axes)),
        around=around_of(task, given, sha256=_source(spec)),
    )
    names = [name for name in METRICS if name != "judge_score"]
    draws = array_stream(spec.root_seed, "measure_parts", axes)
    return measure_rows(columns, n=spec.measure_n, names=names, seed_stream=draws), ()


def _judge(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> _Taken:
    judged = _judged(spec, bench, rows)
    texts = Rows(
        prompts=tuple(row.prompt for row in judged.rows),
        completions=tuple(row.completion for row in judged.rows),
        known=Known(judge_score=judged.ratings),
    )
    draws = array_stream(spec.root_seed, "measure_judge", {"task": spec.task, "repetition": spec.repetition})
    return measure_rows(texts, n=JUDGED_ROWS, names=["judge_score"], seed_stream=draws), judged.calls


def _kept(bench: Bench, stage: str, key: str, take: Callable[[], _Taken]) -> tuple[Measurement, ...]:
    """Return measurements from the store, or take and store them; an error stores nothing."""
    found = bench.store.find(stage, key)
    if found is None:
        measurements, calls = take()
        with bench.store.create(stage, key) as folder:
            write_jsonl(folder / "measurements.jsonl", measurements)
            write_jsonl(folder / CALLS, calls)
        found = bench.store.path(stage, key)
    return tuple(from_json(Measurement, row, str(found)) for row in read_jsonl(found / "measurements.jsonl"))


def _common(spec: RunSpec, chosen: TrainingSet, version: int) -> dict[str, Any]:
    return {
        "stage": version,
        "rows": chosen.sha256,
        "task": [spec.task, _source(spec)],
        "repetition": spec.repetition,
        "root_seed": spec.root_seed,
    }


def judge_key(spec: RunSpec, chosen: TrainingSet) -> str:
    """Digest of everything that can change the judge's ratings."""
    return digest(_common(spec, chosen, JUDGE_VERSION) | {"judge": spec.teacher.identity, "n": JUDGED_ROWS})


def read_judging(spec: RunSpec, bench: Bench, chosen: TrainingSet) -> tuple[Call, ...]:
    """Return the ledger of a judging that is in the store; empty when there is none."""
    found = bench.store.find("judge", judge_key(spec, chosen))
    rows = [] if found is None else read_jsonl(found / CALLS)
    return tuple(from_json(Call, row, str(found)) for row in rows)


def _source(spec: RunSpec) -> str:
    return spec.hashes.get("task", "")


def _measure_key(spec: RunSpec, bench: Bench, chosen: TrainingSet, given: Given) -> str:
    """Digest of all that can change a value: rows, who wrote them, base, reference, attempts, encoders, table."""
    from qdcbench.probes.start import base_of

    return digest(
        _common(spec, chosen, STAGE_VERSION)
        | {
            "n": spec.measure_n,
            "metrics": sorted(METRICS),
            "encoders": [identity(encoder) for encoder in sorted(ENCODERS)],
            "base": base_of(bench.task(spec)).sha256,
            "fail_samples": FAIL_SAMPLES,
            "reference": [REFERENCE_ROWS, REFERENCE_SEED],
            "attempts": [given.attempted, given.accepted],
            "writers": digest(generators(chosen.rows)),
        }
    )


def measure(
    spec: RunSpec, bench: Bench, chosen: TrainingSet, attempts: Sequence[Attempt] = ()
) -> tuple[Measurement, ...]:
    """Return all measurements of a training set at ``spec.measure_n`` rows, from the store or taken now.

    ``attempts`` are those of the method, for its yield; without them it has no value.
    """
    if not chosen.rows:
        metrics = [row.metric for row in METRICS.values()]
        return tuple(
            Measurement(metric=m.name, axis=m.axis, value=None, n=0, reason="there are no rows") for m in metrics
        )
    given = _given(spec, bench.task(spec), attempts)
    key = _measure_key(spec, bench, chosen, given)
    found = _kept(bench, "measure", key, lambda: _instrument(spec, bench, chosen.rows, given))
    # The teacher judges its own rows, which stands beside the number.
    related = relation(spec.teacher, spec.teacher).sentence
    try:
        judged = _kept(bench, "judge", judge_key(spec, chosen), lambda: _judge(spec, bench, chosen.rows))
        return found + tuple(m if m.value is None else replace(m, note=related) for m in judged)
    except (CapReached, NotRecorded):
        raise
    except (TeacherError, PluginError) as error:  # no judge is a reason, not the end of the run
        reason = f"there is no judge: {error}"
        return (*found, Measurement(metric="judge_score", axis="quality", value=None, n=0, reason=reason))
