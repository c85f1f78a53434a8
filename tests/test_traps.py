"""Data on which a naive correlation is significant and wrong, and what the engine says of them.

Each trap has a twin in which quality or diversity does what the trap only makes it seem to do: the engine must find
it there, so that silence in the trap is no lack of power.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from qdcbench.records import (
    Analysis,
    Budget,
    DatasetSummary,
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
    group_of,
)
from qdcbench.stages.analyze import analyze

MEASURES = {"quality": "verified", "diversity": "pairs", "complexity": "depth"}
SETS = ("id", "far")
CLAIMED = {"F1": "id", "F2": "far"}
"""The set that a claim is about; the scores of the other set have nothing to do with the measures."""
SEEDS = range(12)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset: its place in the design, its three measures, rows, words in a row, and its scores.

    ``score`` is on the set that the claim is about, ``other`` on the other set.
    """

    method: str
    repetition: int
    measures: tuple[float, float, float]
    score: float
    other: float
    claim: str
    teacher: str = "strong"
    rows: int = 1000
    words: float = 40.0


def record(dataset: Dataset) -> RunRecord:
    spec = RunSpec(
        arm=dataset.method, method=dataset.method, method_version=1, role="method", params={}, task="toy",
        task_version=1, teacher=TeacherSpec(kind="scripted", model=dataset.teacher), selection=SelectionSpec(),
        budget=Budget(name="rows", examples=4000, teacher_tokens=10**6, teacher_calls=None), probe="tiny",
        probe_repetitions=1, measure_n=100, repetition=dataset.repetition, root_seed=3,
    )  # fmt: skip
    summary = DatasetSummary(
        sha256="a", training_sha256="b", attempts=dataset.rows, accepted=dataset.rows, contaminated=0,
        selected=dataset.rows, rejected_by={}, stopped_by="examples", mean_prompt_words=0.8 * dataset.words,
        usage=Usage(calls=9, prompt_tokens=9, completion_tokens=9), mean_completion_words=0.2 * dataset.words,
    )  # fmt: skip
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=summary,
        measurements=tuple(
            Measurement(metric=name, axis=axis, value=value, n=100)
            for (axis, name), value in zip(MEASURES.items(), dataset.measures, strict=True)
        ),
        probes=(ProbeRun(repetition=0, recipe="tiny", recipe_digest="r", base_sha256="b", steps=9, tokens_seen=9,
                         final_loss=1.0),),
        scores=tuple(
            Score(probe_repetition=0, eval_task=f"toy_{name}", eval_version="1", metric="exact_match", filter="none",
                  value=dataset.score if name == CLAIMED[dataset.claim] else dataset.other, stderr=0.01, n=100)
            for name in SETS
        ),
    )  # fmt: skip


def analysed(datasets: Sequence[Dataset]) -> Analysis:
    records = [record(dataset) for dataset in datasets]
    cells = sorted({(group_of(r.spec), r.spec.arm) for r in records})
    repetitions = 1 + max(dataset.repetition for dataset in datasets)
    suite = SuiteFacts(
        edition="traps", primary={**MEASURES, "score": "exact_match"}, root_seed=3, resamples=200,
        promised=tuple(
            PromisedCell(group=group, arm=arm, method=arm, role="method", simulated=True, n=repetitions)
            for group, arm in cells
        ),
        id_sets={"toy": ("toy_id",)}, ood_sets={"toy": ("toy_far",)},
    )  # fmt: skip
    return analyze(records, suite)


def naive(datasets: Sequence[Dataset], axis: int) -> tuple[float, float]:
    """Correlation over all datasets, and its p-value as if they were independent."""
    found = stats.pearsonr([d.measures[axis] for d in datasets], [d.score for d in datasets])
    return float(found.statistic), float(found.pvalue)


def relation(analysis: Analysis, axis: str, score: str) -> Relation:
    wanted = ("simulated", MEASURES[axis], f"{score}:exact_match")
    (found,) = [r for r in analysis.relations if (r.scope, r.measure, r.score) == wanted]
    return found


def answer(analysis: Analysis, claim: str) -> str:
    (found,) = {
        v.answer for v in analysis.verdicts if (v.claim, v.scope, v.design) == (claim, "simulated", "observational")
    }
    return found


def adjusted_p(found: Relation) -> float:
    assert found.p_adjusted is not None
    return found.p_adjusted


def simpson(rng: np.random.Generator, slope: float) -> list[Dataset]:
    """The better teacher has more quality and higher scores; within a teacher quality does ``slope``."""
    datasets = []
    for m in range(12):
        centre, own = rng.standard_normal(3), 0.2 * rng.standard_normal()
        for teacher, lift in (("strong", 4.0), ("weak", 0.0)):
            for r in range(3):
                x = centre + 0.4 * rng.standard_normal(3)
                score = slope * x[0] + 2.0 * lift + own + 0.3 * rng.standard_normal()
                measures = (float(x[0] + lift), float(x[1]), float(x[2]))
                words = float(40 * np.exp(0.1 * rng.standard_normal()))
                datasets.append(Dataset(
                    method=f"m{m:02d}", repetition=r, measures=measures, score=float(score),
                    other=float(rng.standard_normal()), claim="F1", teacher=teacher, words=words,
                ))  # fmt: skip
    return datasets


def length(rng: np.random.Generator, effect: float, *, equal_words: bool) -> list[Dataset]:
    """Longer rows score higher and look more diverse; at a given length diversity does ``effect``.

    With equal words the longer rows are fewer, so that the number of training words explains nothing.
    """
    datasets = []
    for m in range(14):
        typical, centre = rng.standard_normal(), rng.standard_normal(3)
        for r in range(4):
            long = typical + 0.4 * rng.standard_normal()
            diversity = 0.8 * long + 0.45 * (centre[1] + 0.3 * rng.standard_normal())
            words = float(40 * np.exp(0.4 * long))
            score = long + effect * diversity + 0.2 * rng.standard_normal()
            x = centre + 0.3 * rng.standard_normal(3)
            datasets.append(Dataset(
                method=f"m{m:02d}", repetition=r, measures=(float(x[0]), float(diversity), float(x[2])),
                score=float(score), other=float(rng.standard_normal()), claim="F2", words=words,
                rows=round(40_000 / words) if equal_words else 1000,
            ))  # fmt: skip
    return datasets


def cost(rng: np.random.Generator, effect: float) -> list[Dataset]:
    """Methods that write better also write more rows; scores follow the words trained on, and quality ``effect``."""
    datasets = []
    for m in range(14):
        typical, centre = rng.standard_normal(), rng.standard_normal(3)
        for r in range(4):
            much = typical + 0.4 * rng.standard_normal()
            quality = 0.8 * much + 0.45 * (centre[0] + 0.3 * rng.standard_normal())
            score = much + effect * quality + 0.2 * rng.standard_normal()
            x = centre + 0.3 * rng.standard_normal(3)
            words = float(40 * np.exp(0.1 * rng.standard_normal()))
            datasets.append(Dataset(
                method=f"m{m:02d}", repetition=r, measures=(float(quality), float(x[1]), float(x[2])),
                score=float(score), other=float(rng.standard_normal()), claim="F1", words=words,
                rows=round(1000 * np.exp(0.4 * much)),
            ))  # fmt: skip
    return datasets


def odd_method(rng: np.random.Generator, effect: float) -> list[Dataset]:
    """One method of ten lies far out in quality and in score; among the others quality does ``effect``."""
    datasets = []
    for m in range(10):
        centre, own = rng.standard_normal(3), rng.standard_normal()
        far = 8.0 if m == 0 else 0.0
        for r in range(4):
            x = centre + 0.3 * rng.standard_normal(3)
            score = effect * x[0] + own + far + 0.2 * rng.standard_normal()
            words = float(40 * np.exp(0.1 * rng.standard_normal()))
            datasets.append(Dataset(
                method=f"m{m:02d}", repetition=r, measures=(float(x[0] + far), float(x[1]), float(x[2])),
                score=float(score), other=float(rng.standard_normal()), claim="F1", words=words,
            ))  # fmt: skip
    return datasets


def trapped(make: Callable[[np.random.Generator], list[Dataset]], axis: str, score: str, claim: str) -> None:
    """On every seed the naive correlation is positive and significant; the engine is wrong as often as it may be."""
    rejected = supported = 0
    for seed in SEEDS:
        datasets = make(np.random.default_rng(seed))
        r, p = naive(datasets, list(MEASURES).index(axis))
        assert r > 0.5 and p < 0.001
        analysis = analysed(datasets)
        supported += answer(analysis, claim) == "supported"
        rejected += adjusted_p(relation(analysis, axis, score)) < 0.05
    # At 5 % two or more of twelve would come up by chance in one run of nine.
    assert supported <= 1 and rejected <= 2


def test_simpson_trap_with_no_effect_within_settings() -> None:
    trapped(lambda rng: simpson(rng, 0.0), "quality", "id", "F1")


def test_simpson_trap_with_the_opposite_effect_within_settings() -> None:
    contradicted = 0
    for seed in SEEDS:
        datasets = simpson(np.random.default_rng(seed), -1.0)
        r, p = naive(datasets, 0)
        assert r > 0.5 and p < 0.001
        analysis = analysed(datasets)
        found = relation(analysis, "quality", "id")
        assert found.effect.point is not None and found.effect.point < -0.7
        assert found.correlation is not None and found.correlation < -0.5
        assert answer(analysis, "F1") != "supported"
        contradicted += answer(analysis, "F1") == "contradicted"
    assert contradicted >= 10


@pytest.mark.parametrize("equal_words", [False, True], ids=["equal rows", "equal training words"])
def test_length_trap(equal_words: bool) -> None:
    trapped(lambda rng: length(rng, 0.0, equal_words=equal_words), "diversity", "ood", "F2")


def test_cost_trap() -> None:
    trapped(lambda rng: cost(rng, 0.0), "quality", "id", "F1")


def test_one_odd_method_trap() -> None:
    trapped(lambda rng: odd_method(rng, 0.0), "quality", "id", "F1")


@pytest.mark.parametrize(
    ("make", "axis", "score"),
    [
        (lambda rng: simpson(rng, 1.0), "quality", "id"),
        (lambda rng: length(rng, 1.0, equal_words=False), "diversity", "ood"),
        (lambda rng: length(rng, 1.0, equal_words=True), "diversity", "ood"),
        (lambda rng: cost(rng, 1.0), "quality", "id"),
    ],
    ids=["simpson", "length at equal rows", "length at equal words", "cost"],
)
def test_a_true_effect_in_the_same_place_is_found(
    make: Callable[[np.random.Generator], list[Dataset]], axis: str, score: str
) -> None:
    found = [relation(analysed(make(np.random.default_rng(seed))), axis, score) for seed in SEEDS]
    assert sum(adjusted_p(one) < 0.05 and (one.effect.point or 0.0) > 0 for one in found) >= 10


def test_the_odd_method_is_seen_when_it_is_left_out() -> None:
    """The reason is given: without the odd method little of the effect is left."""
    hanging = 0
    for seed in SEEDS:
        found = relation(analysed(odd_method(np.random.default_rng(seed), 0.0)), "quality", "id")
        assert found.effect.point is not None and found.leave_one_out is not None
        hanging += found.leave_one_out[0] < found.effect.point / 2
    assert hanging >= 10
