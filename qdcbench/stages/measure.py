"""Training set to measurements: verifier, judge and base probe look at the rows, then the instrument measures."""

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from qdcbench.api import Example, PluginError, TeacherError
from qdcbench.canon import digest
from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.rows import Rows
from qdcbench.measures.table import METRICS
from qdcbench.records import Budget, Measurement, RunSpec, from_json
from qdcbench.seeds import array_stream, seed_for
from qdcbench.stages.bench import Bench
from qdcbench.stages.select import TrainingSet
from qdcbench.store import read_jsonl, write_jsonl
from qdcbench.teachers.build import build_teacher
from qdcbench.teachers.metered import Meter, MeteredRole
from qdcbench.teachers.prompts import PromptBook

__all__ = ["STAGE_VERSION", "measure"]

STAGE_VERSION = 1
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


def _judged(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> tuple[tuple[Example, ...], tuple[float, ...]]:
    """Return the judged rows and their ratings, 1 to 5; a reply without a rating leaves its row out."""
    task = bench.task(spec)
    axes = {"task": spec.task, "repetition": spec.repetition}
    order = sorted(range(len(rows)), key=lambda i: (rows[i].prompt, rows[i].completion))
    draw = array_stream(spec.root_seed, "judge_sample", axes).permutation(len(order))[:JUDGED_ROWS]
    sample = [rows[order[i]] for i in sorted(draw.tolist())]
    book = PromptBook.load(Path(str(resources.files("qdcbench.measures") / "judge.toml")), "judge")
    role = MeteredRole(
        build_teacher(spec.teacher, task), Meter(_JUDGING), book, seed=seed_for(spec.root_seed, "judge", axes)
    )
    texts = role.ask_many(
        "judge",
        [{"question": "rating", "prompt": row.prompt, "completion": row.completion} for row in sample],
        temperature=0.0,
        max_tokens=16,
    )
    rated = [(row, rating) for row, text in zip(sample, texts, strict=True) if (rating := _rating(text)) is not None]
    return tuple(row for row, _ in rated), tuple(rating for _, rating in rated)


def _columns(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> Rows:
    from qdcbench.probes.start import answer_losses

    task = bench.task(spec)
    structures = tuple(task.structure(row.prompt) for row in rows)
    losses = answer_losses(task, [(row.prompt, row.completion) for row in rows])
    return Rows(
        prompts=tuple(row.prompt for row in rows),
        completions=tuple(row.completion for row in rows),
        structures=structures if any(structures) else None,
        correct=tuple(task.verify(row).correct for row in rows),
        answer_nll=losses,
        pair_universe=task.pair_universe(),
    )


def _instrument(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> tuple[Measurement, ...]:
    axes = {"task": spec.task, "repetition": spec.repetition}
    names = [name for name in METRICS if name != "judge_score"]
    draws = array_stream(spec.root_seed, "measure", axes)
    return measure_rows(_columns(spec, bench, rows), n=spec.measure_n, names=names, seed_stream=draws)


def _judge(spec: RunSpec, bench: Bench, rows: tuple[Example, ...]) -> tuple[Measurement, ...]:
    judged, ratings = _judged(spec, bench, rows)
    texts = Rows(
        prompts=tuple(row.prompt for row in judged),
        completions=tuple(row.completion for row in judged),
        judge_scores=ratings,
    )
    draws = array_stream(spec.root_seed, "measure_judge", {"task": spec.task, "repetition": spec.repetition})
    return measure_rows(texts, n=JUDGED_ROWS, names=["judge_score"], seed_stream=draws)


def _kept(bench: Bench, stage: str, key: str, take: Callable[[], tuple[Measurement, ...]]) -> tuple[Measurement, ...]:
    """Return measurements from the store, or take and store them; an error stores nothing."""
    found = bench.store.find(stage, key)
    if found is None:
        measurements = take()
        with bench.store.create(stage, key) as folder:
            write_jsonl(folder / "measurements.jsonl", measurements)
        found = bench.store.path(stage, key)
    return tuple(from_json(Measurement, row, str(found)) for row in read_jsonl(found / "measurements.jsonl"))


def measure(spec: RunSpec, bench: Bench, chosen: TrainingSet) -> tuple[Measurement, ...]:
    """Return all measurements of a training set at ``spec.measure_n`` rows, from the store or taken now."""
    rows = chosen.rows
    if not rows:
        metrics = [row.metric for row in METRICS.values()]
        return tuple(
            Measurement(metric=m.name, axis=m.axis, value=None, n=0, reason="there are no rows") for m in metrics
        )
    from qdcbench.probes.start import base_of

    common = {
        "stage": STAGE_VERSION,
        "rows": chosen.sha256,
        "task": [spec.task, spec.hashes.get("task", "")],
        "repetition": spec.repetition,
        "root_seed": spec.root_seed,
    }
    base = base_of(bench.task(spec)).sha256
    key = digest(common | {"n": spec.measure_n, "metrics": sorted(METRICS), "base": base})
    found = _kept(bench, "measure", key, lambda: _instrument(spec, bench, rows))
    key = digest(common | {"judge": spec.teacher.identity, "n": JUDGED_ROWS})
    try:
        return found + _kept(bench, "judge", key, lambda: _judge(spec, bench, rows))
    except (TeacherError, PluginError) as error:  # no judge is a reason, not the end of the run
        reason = f"there is no judge: {error}"
        return (*found, Measurement(metric="judge_score", axis="quality", value=None, n=0, reason=reason))
