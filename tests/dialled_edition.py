"""Records of a method whose dials were turned, with scores and measures by a planted rule, for tests of studies."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np

from qdcbench.records import (
    Budget,
    DatasetSummary,
    Measurement,
    PromisedCell,
    RunRecord,
    RunSpec,
    Score,
    SelectionSpec,
    Study,
    SuiteFacts,
    TeacherSpec,
    Usage,
    group_of,
)
from qdcbench.stages.analysis.units import Unit, ordered, units

PRIMARY = {"quality": "verified", "diversity": "vendi", "complexity": "depth", "score": "exact_match"}
AXIS = {"verified": "quality", "vendi": "diversity", "depth": "complexity"}
SETS = ("id", "ood_pairs", "ood_depth")
TEACHERS = ("scripted:strong", "scripted:weak")

Rule = Callable[[Mapping[str, float], np.random.Generator], Mapping[str, float | None]]
"""Maps the levels of the dials to the values of sets and measures; what is not named is noise about 0."""


def run(
    params: Mapping[str, object],
    values: Mapping[str, float | None],
    *,
    repetition: int = 0,
    teacher: str = "scripted:strong",
    method: str = "dialled",
    studies: Sequence[Study] = (),
) -> RunRecord:
    """One complete run; ``values`` holds sets and measures by name."""
    from qdcbench.claims import record_key

    kind, _, model = teacher.partition(":")
    spec = RunSpec(
        arm=f"{method}{sorted(params.items())}", method=method, method_version=1, role="control", params=params,
        task="toy", task_version=1, teacher=TeacherSpec(kind=kind, model=model), selection=SelectionSpec(),
        budget=Budget(name="rows", examples=100, teacher_tokens=1000, teacher_calls=None), probe="tiny",
        probe_repetitions=1, measure_n=50, repetition=repetition, root_seed=7,
        studies={record_key(study): study.sha256 for study in studies},
    )  # fmt: skip
    dataset = DatasetSummary(
        sha256="a", training_sha256="b", attempts=100, accepted=100, contaminated=0, selected=100, rejected_by={},
        stopped_by="examples", usage=Usage(calls=10, prompt_tokens=400, completion_tokens=100),
        mean_prompt_words=10.0, mean_completion_words=5.0,
    )  # fmt: skip
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=dataset,
        measurements=tuple(
            Measurement(metric=m, axis=axis, value=values.get(m), n=50, reason="" if m in values else "none")
            for m, axis in AXIS.items()
        ),
        scores=tuple(
            Score(probe_repetition=0, eval_task=f"toy_{name}", eval_version="1", metric="exact_match", filter="none",
                  value=values.get(name), stderr=0.01, n=100)
            for name in SETS
        ),
    )  # fmt: skip


def experiment(
    grid: Mapping[str, Sequence[float]],
    rule: Rule,
    rng: np.random.Generator,
    *,
    repetitions: int = 3,
    teachers: Sequence[str] = TEACHERS,
    method: str = "dialled",
    studies: Sequence[Study] = (),
) -> list[RunRecord]:
    """Every combination of levels, teachers and repetitions; a block's own level is added to all its scores."""
    made = []
    for teacher, repetition in product(teachers, range(repetitions)):
        own = rng.normal(0, 0.3)
        for levels in product(*grid.values()):
            params = dict(zip(grid, levels, strict=True))
            values = {
                name: None if value is None else float(value + (own if name in SETS else 0))
                for name, value in rule(params, rng).items()
            }
            made.append(run(params, values, repetition=repetition, teacher=teacher, method=method, studies=studies))
    return made


def facts_for(records: Sequence[RunRecord], studies: Sequence[Study] = (), **changes: object) -> SuiteFacts:
    """The promise of these records."""
    cells: dict[tuple[str, str], PromisedCell] = {}
    for r in records:
        key = (group_of(r.spec), r.spec.arm)
        n = max(r.spec.repetition + 1, cells[key].n if key in cells else 0)
        cells[key] = PromisedCell(group=key[0], arm=r.spec.arm, method=r.spec.method, role=r.spec.role,
                                  simulated=r.spec.teacher.simulated, n=n)  # fmt: skip
    given: dict[str, object] = {
        "edition": "test", "primary": PRIMARY, "promised": tuple(cells.values()), "root_seed": 7, "resamples": 200,
        "id_sets": {"toy": ("toy_id",)}, "ood_sets": {"toy": ("toy_ood_pairs", "toy_ood_depth")},
        "studies": tuple(studies),
    }  # fmt: skip
    return SuiteFacts(**{**given, **changes})  # type: ignore[arg-type]


def units_of(records: Sequence[RunRecord], suite: SuiteFacts) -> tuple[Unit, ...]:
    """The units of records."""
    return units(ordered(records), suite)
