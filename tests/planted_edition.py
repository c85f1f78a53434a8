"""An edition on disk whose scores are linear in its primaries by a planted rule, of any size.

For the tests of what reads editions, and for tests/perf/measure_analysis.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qdcbench.canon import pretty_json
from qdcbench.editions import path_for, write_plan
from qdcbench.measures.table import METRICS
from qdcbench.plan import Plan
from qdcbench.records import (
    Budget,
    DatasetSummary,
    Measurement,
    ProbeRun,
    Provenance,
    RunRecord,
    RunSpec,
    Score,
    SelectionSpec,
    TeacherSpec,
    Usage,
)
from qdcbench.suite import Arm, Suite

PRIMARIES = ("verified_share", "pair_entropy", "mean_depth")
HELD_OUT = {"id": "id", "ood_pairs": "ood", "ood_depth": "ood", "ood_length": "ood", "ood_surface": "ood"}
EFFECTS = {"id": (0.10, 0.0, 0.02), "ood": (0.02, 0.10, 0.02)}
"""What a standard deviation of quality, diversity and complexity adds to exact match."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large: every arm of every method is run with every teacher and rule in every repetition.

    Arms of a method differ in two dials, of five settings and more; ``baseline`` adds the control that all are
    compared with.
    """

    methods: int = 6
    arms: int = 1
    teachers: tuple[str, ...] = ("scripted:strong", "scripted:weak")
    rules: tuple[str, ...] = ("native",)
    repetitions: int = 3
    measures: int = 5
    probes: int = 1
    baseline: bool = False


def measure_names(n: int) -> dict[str, str]:
    """The primaries and other measures of ours, with their axes; beyond those we have, invented names."""
    ours = {name: row.card.axis for name, row in METRICS.items() if row.card.axis != "utility"}
    names = dict.fromkeys([*PRIMARIES, *ours])
    extra = [f"invented_{i}" for i in range(max(0, n - len(names)))]
    return {name: ours.get(name, "diversity") for name in [*names, *extra][:n]}


def spec_of(place: tuple[int, int], teacher: str, rule: str, repetition: int, probes: int = 1) -> RunSpec:
    """The cell of a method and arm, by their numbers; a negative method is the baseline."""
    kind, _, model = teacher.partition(":")
    method, arm = place
    name = f"method_{method:02d}" if method >= 0 else "seeds_only"
    params = {"dial": arm % 5, "other": arm // 5} if method >= 0 else {}
    typed = ",".join(f"{key}={value}" for key, value in params.items())
    return RunSpec(
        arm=name + (f"[{typed}]" if typed else "") + ("" if rule == "native" else f" [{rule}]"), method=name,
        method_version=1, role="method" if method >= 0 else "control", params=params, task="list_edits", task_version=1,
        teacher=TeacherSpec(kind=kind, model=model), selection=SelectionSpec(rule=rule),
        budget=Budget(name="rows-1k", examples=1000, teacher_tokens=10_000_000, teacher_calls=None), probe="embedded",
        probe_repetitions=probes, measure_n=500, repetition=repetition, root_seed=7,
        hashes={"method": name, "task": "t", "probe": "p"},
    )  # fmt: skip


def cells(size: Size) -> Iterator[tuple[tuple[int, int], RunSpec]]:
    """Every cell, with the numbers of its method and arm."""
    places = [(method, arm) for method in range(size.methods) for arm in range(size.arms)]
    for repetition in range(size.repetitions):
        for teacher in size.teachers:
            for rule in size.rules:
                for place in [(-1, 0), *places] if size.baseline else places:
                    yield place, spec_of(place, teacher, rule, repetition, size.probes)


def records(size: Size, seed: int = 0) -> Iterator[RunRecord]:
    """A complete record for every cell."""
    rng = np.random.default_rng(seed)
    names = measure_names(size.measures)
    centres = rng.standard_normal((size.methods, 3))
    tilts = 0.5 * rng.standard_normal((size.methods, size.arms, 3))
    peculiar = 0.02 * rng.standard_normal(size.methods)
    for (method, arm), spec in cells(size):
        at = centres[method] + tilts[method, arm] + 0.2 * rng.standard_normal(3)
        yield _record(spec, names, at, float(peculiar[method]), rng)


def _record(
    spec: RunSpec, names: dict[str, str], at: np.ndarray, peculiar: float, rng: np.random.Generator
) -> RunRecord:
    noise = rng.standard_normal(len(names))
    values = [at[k] if k < 3 else 0.6 * at[k % 3] + noise[k] for k in range(len(names))]
    calls = 1200 + 10 * spec.params.get("dial", 0)
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete",
        dataset=DatasetSummary(
            sha256="a" * 64, training_sha256="b" * 64, attempts=1200, accepted=1000, contaminated=1, selected=900,
            rejected_by={"near copy": 200}, stopped_by="examples", mean_prompt_words=float(12 + rng.standard_normal()),
            mean_completion_words=float(6 + 0.5 * rng.standard_normal()),
            usage=Usage(calls=calls, prompt_tokens=60 * calls, completion_tokens=30 * calls,
                        calls_by_intent={"propose": calls}, tokens_by_intent={"propose": 90 * calls}),
        ),
        measurements=tuple(
            Measurement(metric=name, axis=axis, value=float(value), n=500, low=float(value) - 0.1,
                        high=float(value) + 0.1, length_slope=0.01, at_length=float(value) + 0.01)
            for (name, axis), value in zip(names.items(), values, strict=True)
        ),
        probes=tuple(
            ProbeRun(repetition=k, recipe="embedded", recipe_digest="r", base_sha256="b", steps=600,
                     tokens_seen=1_000_000, final_loss=0.4)
            for k in range(spec.probe_repetitions)
        ),
        scores=tuple(_scores(spec, at, peculiar, rng)),
        provenance=Provenance(commit="0" * 40, dirty=False, packages={"torch": "2"}, python="3.11", platform="linux",
                              started="2026-01-01T00:00:00Z", seconds={"generate": 1.0}),
    )  # fmt: skip


def _scores(spec: RunSpec, at: np.ndarray, peculiar: float, rng: np.random.Generator) -> Iterator[Score]:
    for name, distance in HELD_OUT.items():
        centre = 0.5 + float(at @ np.array(EFFECTS[distance])) + peculiar
        for k in range(spec.probe_repetitions):
            value = float(centre + 0.02 * rng.standard_normal())
            for metric, shown in (("exact_match", value), ("answer_nll", 2 - 2 * value + 0.05 * rng.random())):
                yield Score(
                    probe_repetition=k, eval_task=f"list_edits_{name}", eval_version="1", metric=metric, filter="none",
                    value=float(shown), stderr=0.015, n=1000,
                )  # fmt: skip


def write_edition(folder: Path, found: Iterable[RunRecord]) -> Path:
    """Write records and the promise of exactly them; return the folder."""
    promised = []
    for record in found:
        path = path_for(folder, record.spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pretty_json(record), encoding="utf-8")
        promised.append(record.spec)
    arms = tuple(Arm(method=name) for name in sorted({cell.method for cell in promised}))
    suite = Suite(name=folder.name, arms=arms, root_seed=7)
    write_plan(folder, Plan(suite=suite, held_out=HELD_OUT, cells=tuple(promised)))
    return folder
