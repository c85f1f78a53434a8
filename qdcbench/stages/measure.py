"""Training set to measurements: verifier, judge and base probe look at the rows, then the instrument measures."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from qdcbench.api import BudgetExhausted, Example, PluginError, TeacherError
from qdcbench.canon import digest
from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.known import Around, Known
from qdcbench.measures.rows import Rows
from qdcbench.measures.table import METRICS
from qdcbench.records import Budget, Call, Measurement, RunSpec, from_json
from qdcbench.seeds import array_stream, seed_for
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import CALLS
from qdcbench.stages.select import TrainingSet
from qdcbench.store import read_jsonl, write_jsonl
from qdcbench.teachers.account import CapReached, NotRecorded
from qdcbench.teachers.build import build_teacher, prices_of
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook

__all__ = ["STAGE_VERSION", "judge_key", "measure", "read_judging"]

STAGE_VERSION = 3
"""Raised when the same rows would give other measurements."""

JUDGED_ROWS = 200
"""Rows shown to the judge: enough for a standard error near .1 on a five-point scale."""

_JUDGING = Budget(
    name="judging", examples=JUDGED_ROWS, teacher_tokens=2_000 * JUDGED_ROWS, teacher_calls=4 * JUDGED_ROWS
)
"""Judging is the benchmark's cost, not the method's, so it has a meter of its own."""


def _rating(text: str) -> float | None:
    found = re.search(r"\b([1-5])\b", text)
    return float(found.group(1)) if found else None


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
    book = PromptBook.load(Path(str(resources.files("qdcbench.measures") / "judge.toml")), "judge")
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
    rated = [(row, rating) for row, text in zip(sample, texts, strict=True) if (rating := _rating(text)) is not None]
    return _Judged(
        rows=tuple(row for row, _ in rated), ratings=tuple(rating for _, rating in rated), calls=tuple(desk.calls)
    )


def _columns(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> Rows:
    from qdcbench.probes.start import answer_losses

    task = bench.task(spec)
    structures = tuple(task.structure(row.prompt) for row in rows)
    losses = answer_losses(task, [(row.prompt, row.completion) for row in rows])
    return Rows(
        prompts=tuple(row.prompt for row in rows),
        completions=tuple(row.completion for row in rows),
        known=Known(
            structure=structures if any(structures) else None,
            correct=tuple(task.verify(row).correct for row in rows),
            answer_nll=losses,
        ),
        around=Around(pair_universe=task.pair_universe()),
    )


_Taken = tuple[tuple[Measurement, ...], tuple[Call, ...]]
"""Measurements and the questions it took."""


def _instrument(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> _Taken:
    axes = {"task": spec.task, "repetition": spec.repetition}
    names = [name for name in METRICS if name != "judge_score"]
    draws = array_stream(spec.root_seed, "measure", axes)
    return measure_rows(_columns(spec, bench, rows), n=spec.measure_n, names=names, seed_stream=draws), ()


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


def _common(spec: RunSpec, chosen: TrainingSet) -> dict[str, Any]:
    return {
        "stage": STAGE_VERSION,
        "rows": chosen.sha256,
        "task": [spec.task, spec.hashes.get("task", "")],
        "repetition": spec.repetition,
        "root_seed": spec.root_seed,
    }


def judge_key(spec: RunSpec, chosen: TrainingSet) -> str:
    """Digest of everything that can change the judge's ratings."""
    return digest(_common(spec, chosen) | {"judge": spec.teacher.identity, "n": JUDGED_ROWS})


def read_judging(spec: RunSpec, bench: Bench, chosen: TrainingSet) -> tuple[Call, ...]:
    """Return the ledger of a judging that is in the store; empty when there is none."""
    found = bench.store.find("judge", judge_key(spec, chosen))
    rows = [] if found is None else read_jsonl(found / CALLS)
    return tuple(from_json(Call, row, str(found)) for row in rows)


def measure(spec: RunSpec, bench: Bench, chosen: TrainingSet) -> tuple[Measurement, ...]:
    """Return all measurements of a training set at ``spec.measure_n`` rows, from the store or taken now."""
    rows = chosen.rows
    if not rows:
        metrics = [row.metric for row in METRICS.values()]
        return tuple(
            Measurement(metric=m.name, axis=m.axis, value=None, n=0, reason="there are no rows") for m in metrics
        )
    from qdcbench.probes.start import base_of

    base = base_of(bench.task(spec)).sha256
    key = digest(_common(spec, chosen) | {"n": spec.measure_n, "metrics": sorted(METRICS), "base": base})
    found = _kept(bench, "measure", key, lambda: _instrument(spec, bench, rows))
    try:
        return found + _kept(bench, "judge", judge_key(spec, chosen), lambda: _judge(spec, bench, rows))
    except (CapReached, NotRecorded):
        raise
    except (TeacherError, PluginError) as error:  # no judge is a reason, not the end of the run
        reason = f"there is no judge: {error}"
        return (*found, Measurement(metric="judge_score", axis="quality", value=None, n=0, reason=reason))
