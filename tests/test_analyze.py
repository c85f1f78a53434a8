"""Planted effects are found, planted nulls and traps are not, and the same records give the same bytes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from qdcbench.canon import pretty_json
from qdcbench.errors import RecordError
from qdcbench.records import (
    Analysis,
    Budget,
    DatasetSummary,
    Failure,
    Measurement,
    ProbeRun,
    PromisedCell,
    Relation,
    RunRecord,
    RunSpec,
    Score,
    SelectionSpec,
    SuiteFacts,
    TeacherSpec,
    Usage,
    from_json,
    group_of,
)
from qdcbench.stages.analyze import analyze

PRIMARY = {"quality": "verified", "diversity": "vendi", "complexity": "depth", "score": "exact_match"}
AXIS = {"verified": "quality", "vendi": "diversity", "distinct": "diversity", "depth": "complexity"}
SETS = ("id", "ood_pairs", "ood_depth")

Effects = Mapping[str, tuple[float, float, float]]


def record(arm: str, repetition: int, measures: Mapping[str, float | None], scores: Mapping[str, float | None],
           *, role: str = "method", teacher: str = "scripted:strong", task: str = "toy", words: float = 20.0,
           method: str = "") -> RunRecord:  # fmt: skip
    kind, _, model = teacher.partition(":")
    spec = RunSpec(
        arm=arm, method=method or arm, method_version=1, role=role, params={}, task=task, task_version=1,  # type: ignore[arg-type]
        teacher=TeacherSpec(kind=kind, model=model), selection=SelectionSpec(), probe="tiny", probe_repetitions=2,
        budget=Budget(name="rows", examples=100, teacher_tokens=1000, teacher_calls=None), measure_n=50,
        repetition=repetition, root_seed=7, hashes={"code": "c0", "method": arm, "seeds": f"s{repetition}"},
    )  # fmt: skip
    dataset = DatasetSummary(
        sha256="a", training_sha256="b", attempts=120, accepted=100, contaminated=0, selected=100, rejected_by={},
        stopped_by="examples", usage=Usage(calls=10, prompt_tokens=400, completion_tokens=100),
        mean_prompt_words=words / 2, mean_completion_words=words / 2,
    )  # fmt: skip
    probes = tuple(
        ProbeRun(repetition=k, recipe="tiny", recipe_digest="r", base_sha256="b", steps=10, tokens_seen=100, final_loss=1.0)
        for k in (0, 1)
    )  # fmt: skip
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=dataset, probes=probes,
        measurements=tuple(Measurement(metric=m, axis=AXIS[m], value=v, n=50) for m, v in measures.items()),
        scores=tuple(
            Score(probe_repetition=k, eval_task=f"{task}_{name}", eval_version="1", metric="exact_match", filter="none",
                  value=None if v is None else v + (k - 0.5) * 0.02, stderr=0.01, n=100)
            for name, v in scores.items() for k in (0, 1)
        ),
    )  # fmt: skip


def suite_for(records: list[RunRecord], **changes: object) -> SuiteFacts:
    cells: dict[tuple[str, str], PromisedCell] = {}
    for r in records:
        key = (group_of(r.spec), r.spec.arm)
        n = max(r.spec.repetition + 1, cells[key].n if key in cells else 0)
        cells[key] = PromisedCell(group=key[0], arm=r.spec.arm, method=r.spec.method, role=r.spec.role,
                                  simulated=r.spec.teacher.simulated, n=n)  # fmt: skip
    tasks = {r.spec.task for r in records}
    facts = SuiteFacts(
        edition="test", primary=PRIMARY, promised=tuple(cells.values()), root_seed=7, resamples=200,
        id_sets={t: (f"{t}_id",) for t in tasks}, ood_sets={t: (f"{t}_ood_pairs", f"{t}_ood_depth") for t in tasks},
        copy_measures=("vendi", "distinct"), instruction_measures=("vendi", "distinct"),
    )  # fmt: skip
    return replace(facts, **changes)  # type: ignore[arg-type]


def study(rng: np.random.Generator, effects: Effects, *, methods: int = 12, repetitions: int = 3,
          teachers: tuple[str, ...] = ("scripted:strong", "scripted:weak"), noise: float = 0.3,
          shared: float = 0.2) -> list[RunRecord]:  # fmt: skip
    """Datasets whose scores are linear in quality, diversity, complexity; ``effects`` by set."""
    records = []
    for m in range(methods):
        centre, peculiar = rng.standard_normal(3), rng.standard_normal() * shared
        for teacher in teachers:
            tilt = centre + 0.4 * rng.standard_normal(3)
            for r in range(repetitions):
                x = tilt + 0.15 * rng.standard_normal(3)
                scores = {s: float(x @ np.array(effects[s]) + peculiar + noise * rng.standard_normal()) for s in SETS}
                measures = {"verified": x[0], "vendi": x[1], "depth": x[2], "distinct": rng.standard_normal()}
                words = 20 * np.exp(0.1 * rng.standard_normal())
                values = {k: float(v) for k, v in measures.items()}
                records.append(record(f"m{m:02d}", r, values, scores, teacher=teacher, words=words))
    return records


def find(analysis: Analysis, measure: str, score: str, scope: str = "simulated") -> Relation:
    score = f"{score}:exact_match"
    (row,) = [r for r in analysis.relations if (r.scope, r.measure, r.score) == (scope, measure, score)]
    return row


def answers(analysis: Analysis, scope: str = "simulated") -> dict[str, str]:
    return {v.claim: v.answer for v in analysis.verdicts if v.scope == scope}


PLANTED: Effects = {"id": (1.0, 0.0, 0.6), "ood_pairs": (0.0, 1.0, 0.6), "ood_depth": (0.0, 1.0, 0.6)}
NOTHING: Effects = dict.fromkeys(SETS, (0.0, 0.0, 0.0))
