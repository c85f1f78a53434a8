"""An invented edition for the tests of reports: the numbers come from formulas below and mean nothing.

Loaded by runpy from the test files, as tests are no package.
"""

import math
import random
from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean, stdev

from qdcbench.records import (
    Analysis,
    ArmSummary,
    Budget,
    Comparison,
    ControlCheck,
    DatasetSummary,
    Failure,
    Interval,
    Measurement,
    ProbeRun,
    Provenance,
    Rank,
    Ranking,
    Relation,
    RunRecord,
    RunSpec,
    Score,
    SelectionSpec,
    TeacherSpec,
    Usage,
    Verdict,
    group_of,
)
from qdcbench.stages.analysis.cost import row_cost

SETS = ("id", "ood_pairs", "ood_depth", "ood_surface", "ood_length")
PRIMARY = {"quality": "verified_share", "diversity": "pair_entropy", "complexity": "depth", "score": "exact_match"}
MEASURES = {
    "verified_share": "quality", "judge_mean": "quality", "pair_entropy": "diversity", "vendi": "diversity",
    "depth": "complexity", "length": "complexity",
}  # fmt: skip
# name: role, quality, diversity, complexity, teacher tokens
ARMS = {
    "self_instruct": ("method", 0.82, 0.45, 1.7, 240_000),
    "evol_instruct": ("method", 0.70, 0.52, 2.9, 510_000),
    "persona": ("method", 0.80, 0.50, 1.8, 260_000),
    "taxonomy_tree": ("method", 0.78, 0.81, 2.0, 330_000),
    "rejection_sampling": ("method", 0.97, 0.40, 1.6, 620_000),
    "self_improvement[rounds=3]": ("method", 0.93, 0.33, 1.5, 700_000),
    "balanced_improvement": ("method", 0.90, 0.62, 2.1, 690_000),
    "backtranslation": ("method", 0.84, 0.47, 1.9, 250_000),
    "few_shot": ("method", 0.81, 0.44, 1.7, 180_000),
    "seeds_only": ("control", 1.0, 0.28, 1.8, 0),
    "reference": ("control", 1.0, 0.95, 2.5, 0),
    "half_wrong": ("control", 0.5, 0.95, 2.5, 0),
    "copies": ("control", 1.0, 0.20, 1.8, 0),
}  # fmt: skip


def interval(values: Iterable[float]) -> Interval:
    known = list(values)
    if not known:
        return Interval(point=None, low=None, high=None, reason="no complete run")
    half = 2 * stdev(known) / math.sqrt(len(known)) if len(known) > 1 else None
    point = fmean(known)
    if half is None:
        return Interval(point=point, low=None, high=None, n=1, reason="one repetition")
    return Interval(point=point, low=point - half, high=point + half, kind="t", n=len(known))


def usage_of(arm: str, teacher: str, tokens: int) -> Usage:
    """A third of what a persona method uses is its set-up; only a language model has a price."""
    calls = tokens // 200
    setup = calls // 3 if arm == "persona" else 0
    by_intent = {"propose": calls - setup} | ({"persona": setup} if setup else {})
    return Usage(
        calls=calls, prompt_tokens=tokens // 2, completion_tokens=tokens // 2, calls_by_intent=by_intent,
        tokens_by_intent={name: n * 200 for name, n in by_intent.items()},
        money=None if teacher.startswith("scripted:") else tokens * 1e-6,
    )  # fmt: skip


def invented_run(arm: str, teacher: str, repetition: int, arms: dict = ARMS) -> RunRecord:
    role, quality, diversity, complexity, tokens = arms[arm]
    kind, _, model = teacher.partition(":")
    rng = random.Random(f"{arm} {teacher} {repetition}")
    spec = RunSpec(
        arm=arm, method=arm.partition("[")[0], method_version=1, role=role, params={"shots": 4}, task="list_edits",
        task_version=1, teacher=TeacherSpec(kind=kind, model=model),
        budget=Budget(name="rows-1k", examples=1000, teacher_tokens=2_000_000, teacher_calls=None),
        selection=SelectionSpec(), probe="embedded", probe_repetitions=2, measure_n=500, repetition=repetition,
        root_seed=7, hashes={"method": "ab" * 32},
    )  # fmt: skip
    base = {"verified_share": quality, "judge_mean": 0.4 + quality / 2, "pair_entropy": diversity,
            "vendi": 20 * diversity, "depth": complexity, "length": 8 * complexity}  # fmt: skip
    measurements = tuple(
        Measurement(
            metric=m,
            axis=MEASURES[m],
            value=min(v * (1 + 0.02 * rng.gauss(0, 1)), 1.0 if m == "verified_share" else 1e9),
            n=500,
            low=v * 0.97,
            high=v * 1.03,
        )
        for m, v in base.items()
    )
    at = {"id": 0.25 + 0.5 * quality, "ood_pairs": 0.1 + 0.6 * diversity, "ood_depth": 0.05 + 0.15 * complexity,
          "ood_surface": 0.2 + 0.3 * diversity, "ood_length": 0.15 + 0.1 * quality}  # fmt: skip
    scores = tuple(
        Score(probe_repetition=p, eval_task=f"list_edits_{s}", eval_version="1", metric="exact_match", filter="none",
              value=min(1.0, max(0.0, at[s] + 0.015 * rng.gauss(0, 1))), stderr=0.015, n=1000)
        for p in range(2) for s in SETS
    )  # fmt: skip
    scores += tuple(
        Score(probe_repetition=p, eval_task=f"list_edits_{s}", eval_version="1", metric="answer_nll", filter="none",
              value=2.5 - 2 * at[s] + 0.1 * rng.random(), stderr=0.02, n=1000)
        for p in range(2) for s in SETS
    )  # fmt: skip
    probes = tuple(
        ProbeRun(repetition=p, recipe="embedded", recipe_digest="cd" * 32, base_sha256="ef" * 32, steps=600,
                 tokens_seen=1_000_000, final_loss=0.4)
        for p in range(2)
    )  # fmt: skip
    dataset = DatasetSummary(
        sha256="12" * 32, training_sha256="34" * 32, attempts=1400, accepted=1000, contaminated=3, selected=1000,
        rejected_by={"near copy": 260, "wrong": 140}, stopped_by="examples",
        usage=usage_of(arm, teacher, tokens),
        mean_prompt_words=14.0, mean_completion_words=4.0,
    )  # fmt: skip
    provenance = Provenance(commit="0" * 40, dirty=False, packages={"torch": "2.13"}, python="3.11", platform="linux",
                            started="2026-01-01T00:00:00Z", seconds={"generate": 3.0, "train": 17.0})  # fmt: skip
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=dataset, measurements=measurements, probes=probes,
        scores=scores, provenance=provenance,
    )  # fmt: skip


def failed(
    record: RunRecord, message: str = "the endpoint answered 500 four times; check the server and run again"
) -> RunRecord:
    failure = Failure(stage="generate", kind="TeacherError", message=message)
    return replace(record, status="failed", measurements=(), probes=(), scores=(), failure=failure)


def group_name(record: RunRecord) -> str:
    return group_of(record.spec)


def set_means(record: RunRecord) -> dict[str, float]:
    by_set: dict[str, list[float]] = {}
    for score in record.scores:
        by_set.setdefault(f"{score.eval_task.removeprefix('list_edits_')}:{score.metric}", []).append(score.value)
    means = {name: fmean(values) for name, values in by_set.items()}
    if means:
        means["ood:exact_match"] = fmean(
            v for n, v in means.items() if n.startswith("ood_") and n.endswith("exact_match")
        )
    return means


def costs(done: list[RunRecord]) -> dict[str, Interval]:
    sets = [r.dataset for r in done]
    rows = [row_cost(d) for d in sets]
    values = {
        "setup_tokens": [row.setup_tokens for row in rows],
        "row_tokens": [row.tokens for row in rows],
        "row_tokens_amortised": [row.tokens_amortised for row in rows],
        "money": [d.usage.money for d in sets],
        "row_money": [row.money for row in rows],
        "row_money_amortised": [row.money_amortised for row in rows],
    }
    return {name: interval(v for v in found if v is not None) for name, found in values.items()}


def summary(records: list[RunRecord]) -> ArmSummary:
    spec = records[0].spec
    done = [r for r in records if r.status == "complete"]
    means = [set_means(r) for r in done]
    return ArmSummary(
        group=group_name(records[0]), arm=spec.arm, method=spec.method, role=spec.role,
        simulated=spec.teacher.simulated, promised=len(records), complete=len(done),
        failures=tuple(r.failure.message for r in records if r.failure), run_ids=tuple(r.run_id for r in records),
        measures={m: interval(x.value for r in done for x in r.measurements if x.metric == m) for m in MEASURES},
        scores={n: interval(m[n] for m in means) for n in (means[0] if means else ())},
        teacher_tokens=interval(float(r.dataset.usage.tokens) for r in done),
        teacher_calls=interval(float(r.dataset.usage.calls) for r in done),
        accepted_share=interval(r.dataset.accepted / r.dataset.attempts for r in done),
        selected_rows=interval(float(r.dataset.selected) for r in done),
        **costs(done),
    )  # fmt: skip


def ranking(group: str, arms: list[ArmSummary], score: str) -> Ranking:
    missing = Interval(point=None, low=None, high=None)
    value = {a.arm: a.scores.get(score, missing) for a in arms}
    methods = sorted((a for a in arms if a.role == "method" and value[a.arm].point is not None),
                     key=lambda a: -value[a.arm].point)  # fmt: skip
    ranks = tuple(
        Rank(place=i + 1, arm=a.arm, value=value[a.arm], tie_group="aabbbcdde"[i % 9]) for i, a in enumerate(methods)
    )
    rest = tuple(
        Rank(place=0, arm=a.arm, value=value[a.arm], tie_group="", role=a.role) for a in arms if a.role != "method"
    )
    return Ranking(group=group, score=score, coverage=0.96, ranks=ranks, unranked=rest)


def relation(scope: str, measure: str, score: str, i: int) -> Relation:
    axis = MEASURES[measure]
    effect = {"quality": 0.5, "diversity": 0.3, "complexity": 0.1}[axis] * (
        1 if score.startswith("id") else 0.8
    ) - 0.05 * i
    return Relation(
        scope=scope, axis=axis, measure=measure, score=score, primary=measure in PRIMARY.values(),
        effect=Interval(point=effect, low=effect - 0.2, high=effect + 0.22, n=36), p_value=0.03, p_adjusted=0.09,
        detectable=0.27, n_datasets=36, n_clusters=9, correlation=0.4,
    )  # fmt: skip


def build_edition(
    teachers: Iterable[str] = ("scripted:strong", "openai:little-1b"),
    repetitions: int = 4,
    arms: dict = ARMS,
    **changes,
) -> tuple[Analysis, list[RunRecord]]:
    """Return an analysis and its records; ``changes`` replace fields of the analysis."""
    records = [invented_run(a, t, r, arms) for t in teachers for a in arms for r in range(repetitions)]
    if repetitions > 1:
        records[repetitions - 1] = failed(records[repetitions - 1])
    groups = tuple(dict.fromkeys(group_name(r) for r in records))
    summaries = [summary([r for r in records if group_name(r) == g and r.spec.arm == a]) for g in groups for a in arms]
    heads = ("id:exact_match", "ood:exact_match")
    names = (*heads, *(f"{s}:exact_match" for s in SETS[1:]), *(f"{s}:answer_nll" for s in SETS))
    baseline = next((a for a in arms if a == "seeds_only"), next(iter(arms)))
    gap = Interval(point=0.08, low=0.05, high=0.11, n=repetitions)
    fields = {
        "schema_version": 1, "edition": "invented", "inputs_sha256": "56" * 32, "primary": PRIMARY, "valid": True,
        "invalid_because": (), "promised": len(records), "complete": sum(r.status == "complete" for r in records),
        "failed": sum(r.status == "failed" for r in records), "groups": groups, "score_names": names,
        "measure_names": tuple(MEASURES), "arms": tuple(summaries),
        "rankings": tuple(ranking(g, [s for s in summaries if s.group == g], n) for g in groups for n in names),
        "comparisons": tuple(
            Comparison(group=g, arm=a, baseline=baseline, score=n, difference=gap, p_value=0.001, p_adjusted=0.01,
                       n_pairs=repetitions, primary=True)
            for g in groups for a in arms for n in heads
        ),
        "relations": tuple(relation(g, m, n, i) for g in groups for i, m in enumerate(MEASURES) for n in heads),
        "verdicts": tuple(
            Verdict(claim=c, statement=s, answer=a, scope=groups[0], rule="supported when the adjusted interval of the "
                    "effect lies above 0.1, contradicted when below, else undetermined", evidence=e)
            for c, s, a, e in (
                ("F1", "Quality drives the score in distribution.", "supported", "effect +0.52 [0.31, 0.74], n = 36"),
                ("F2", "Diversity drives the score out of distribution.", "undetermined", "effect +0.19 [-0.02, 0.41]; "
                 "smallest detectable 0.27, n = 36"),
                ("F3", "Complexity helps both.", "contradicted", "effect on ID -0.21 [-0.33, -0.12], n = 36"),
                ("T", "At a fixed attempt budget quality and diversity trade off.", "supported", "slope -0.61"),
            )
        ),
        "controls": tuple(
            ControlCheck(name=n, group=g, holds=True, detail=d)
            for g in groups
            for n, d in (("wrong answers lower ID", "4 of 4 repetitions"), ("copies lower diversity", "4 of 4"))
        ),
        "labels": {"pair_entropy": "entropy of ordered pairs", "depth": "mean depth"},
    }  # fmt: skip
    return Analysis(**{**fields, **changes}), records
