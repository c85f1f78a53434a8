"""Planted effects are found, planted nulls and traps are not, and the same records give the same bytes."""

import json
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
from qdcbench.stages.frame import tidy

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
        ProbeRun(repetition=k, recipe="tiny", recipe_digest="r", base_sha256="b", steps=9, tokens_seen=9, final_loss=1)
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


def test_planted_effects_are_recovered() -> None:
    found: dict[str, list[str]] = {"F1": [], "F2": [], "F3": []}
    errors = []
    for seed in range(8):
        records = study(np.random.default_rng(seed), PLANTED)
        analysis = analyze(records, suite_for(records))
        for claim, answer in answers(analysis).items():
            found[claim].append(answer)
        # One unit of quality moves ID by one unit; in standard deviations that is the ratio of the two spreads.
        frame = tidy(records)
        spread = (frame.groupby("group")[["verified", "id:exact_match"]].transform(lambda v: v - v.mean())).std()
        effect = find(analysis, "verified", "id").effect.point
        errors.append(effect - spread["verified"] / spread["id:exact_match"])  # type: ignore[operator]
        contrast = {c.axis: c for c in analysis.contrasts if c.scope == "simulated"}
        assert contrast["quality"].effect.low > 0 > contrast["diversity"].effect.high  # type: ignore[operator]
    assert all(given.count("supported") >= 6 and "contradicted" not in given for given in found.values()), found
    assert np.mean(errors) == pytest.approx(0.0, abs=0.05) and np.max(np.abs(errors)) < 0.2


def test_planted_harm_is_contradicted() -> None:
    harm: Effects = {"id": (-1.0, 0.0, 0.0), "ood_pairs": (0.0, -1.0, 0.0), "ood_depth": (0.0, -1.0, 0.0)}
    records = study(np.random.default_rng(1), harm)
    assert answers(analyze(records, suite_for(records))) == {
        "F1": "contradicted", "F2": "contradicted", "F3": "undetermined",
    }  # fmt: skip


def test_planted_nulls_keep_the_family_error() -> None:
    wrong, supported = 0, 0
    for seed in range(100):
        records = study(np.random.default_rng(seed), NOTHING, methods=8, shared=0.5, teachers=("scripted:weak",))
        analysis = analyze(records, suite_for(records, resamples=20))
        primary = [r for r in analysis.relations if r.primary and r.scope == "simulated"]
        assert len(primary) == 6
        wrong += any(r.p_adjusted is not None and r.p_adjusted < 0.05 for r in primary)
        supported += "supported" in answers(analysis).values()
    assert wrong / 100 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert supported <= wrong


def test_pooling_over_settings_does_not_turn_the_sign() -> None:
    """Within a teacher more quality helps; the teacher with more quality has the lower scores (Simpson)."""
    rng, records, raw = np.random.default_rng(0), [], []
    for m in range(10):
        centre = rng.standard_normal(3)
        for teacher, lift in (("scripted:strong", 5.0), ("scripted:weak", 0.0)):
            for r in range(3):
                x = centre + 0.3 * rng.standard_normal(3)
                score = float(x[0] - 2.0 * lift + 0.3 * rng.standard_normal())
                raw.append((x[0] + lift, score))
                measures = {"verified": float(x[0] + lift), "vendi": float(x[1]), "depth": float(x[2])}
                records.append(record(f"m{m}", r, measures, dict.fromkeys(SETS, score), teacher=teacher))
    assert stats.pearsonr(*np.array(raw).T).statistic < -0.5
    row = find(analyze(records, suite_for(records)), "verified", "id")
    assert row.effect.point > 0.8 and row.correlation > 0.8 and row.p_adjusted < 0.05  # type: ignore[operator]


def test_length_does_not_pass_for_diversity() -> None:
    """Longer data score better and look more diverse; at a given length diversity does nothing."""
    rng, records = np.random.default_rng(3), []
    for m in range(12):
        length, centre = rng.standard_normal(), rng.standard_normal(2)
        for r in range(4):
            log_words = length + 0.3 * rng.standard_normal()
            measures = {
                "verified": float(centre[0] + 0.2 * rng.standard_normal()),
                "vendi": float(log_words + 0.3 * rng.standard_normal()),
                "depth": float(centre[1] + 0.2 * rng.standard_normal()),
            }
            scores = {name: float(log_words + 0.2 * rng.standard_normal()) for name in SETS}
            records.append(record(f"m{m}", r, measures, scores, words=float(20 * np.exp(0.5 * log_words))))
    analysis = analyze(records, suite_for(records))
    row = find(analysis, "vendi", "ood")
    assert row.correlation > 0.85  # type: ignore[operator]
    assert abs(row.effect.point) < 0.2 and row.p_adjusted > 0.05  # type: ignore[operator, arg-type]
    assert answers(analysis)["F2"] != "supported"


def test_one_odd_method_supports_nothing() -> None:
    for seed in range(15):
        rng, records = np.random.default_rng(seed), []
        for m in range(9):
            centre, lift = rng.standard_normal(3), rng.standard_normal()
            if m == 0:
                centre, lift = centre + np.array([9.0, 9.0, 0.0]), lift + 9.0
            for r in range(3):
                x = centre + 0.2 * rng.standard_normal(3)
                scores = {name: float(lift + 0.2 * rng.standard_normal()) for name in SETS}
                measures = dict(zip(("verified", "vendi", "depth"), map(float, x), strict=True))
                records.append(record(f"m{m}", r, measures, scores))
        found = answers(analyze(records, suite_for(records)))
        assert found["F1"] == found["F2"] == "undetermined"


def test_too_few_methods_or_datasets_are_said_to_be_so() -> None:
    few = study(np.random.default_rng(0), PLANTED, methods=5)
    small = study(np.random.default_rng(0), PLANTED, methods=7, repetitions=1, teachers=("scripted:strong",))
    for records in (few, small):
        verdicts = [v for v in analyze(records, suite_for(records)).verdicts if v.scope == "simulated"]
        assert [v.answer for v in verdicts] == ["undetermined"] * 3
        assert all("too few" in v.evidence for v in verdicts)


def test_simulated_and_real_teachers_are_never_pooled() -> None:
    rng = np.random.default_rng(4)
    flipped: Effects = {name: (-a, -b, -c) for name, (a, b, c) in PLANTED.items()}
    real = study(rng, flipped, teachers=("openai:a", "openai:b"))
    records = study(rng, PLANTED) + real
    analysis = analyze(records, suite_for(records))
    assert {r.scope for r in analysis.relations} == {"simulated", "real", *analysis.groups}
    alone = analyze(real, suite_for(real))
    assert [r for r in analysis.relations if r.scope == "real"] == [r for r in alone.relations if r.scope == "real"]
    assert answers(analysis)["F1"] == "supported" and answers(analysis, "real")["F1"] == "contradicted"


def test_same_bytes_twice_and_in_any_order() -> None:
    records = study(np.random.default_rng(5), PLANTED, methods=7)
    suite = suite_for(records)
    text = pretty_json(analyze(records, suite))
    random.Random(0).shuffle(records)
    assert pretty_json(analyze(records, suite)) == text
    assert pretty_json(from_json(Analysis, json.loads(text), "text")) == text


def test_a_measure_that_falls_with_its_axis_gives_the_same_verdicts() -> None:
    records = study(np.random.default_rng(0), PLANTED)
    turned = [
        replace(r, measurements=tuple(replace(m, value=-m.value) if m.metric == "vendi" else m for m in r.measurements))  # type: ignore[operator]
        for r in records
    ]
    plain, mirrored = (
        analyze(records, suite_for(records)),
        analyze(turned, suite_for(turned, lower_is_better_measures=("vendi",))),
    )
    assert answers(plain) == answers(mirrored) == {"F1": "supported", "F2": "supported", "F3": "supported"}
    assert find(mirrored, "vendi", "ood").effect.point == pytest.approx(-find(plain, "vendi", "ood").effect.point)  # type: ignore[operator]
    as_score = analyze(records, suite_for(records, lower_is_better=("vendi",)))
    assert answers(as_score) == answers(plain), "a score's direction must not turn a measure of that name"
    down = analyze(records, suite_for(records, lower_is_better=("exact_match",)))
    assert answers(down)["F1"] == "contradicted"
    places = [[r.arm for r in a.rankings[0].ranks] for a in (plain, down)]
    assert places[0] == places[1][::-1]


def test_exploratory_measures_take_the_place_of_their_primary() -> None:
    records = study(np.random.default_rng(2), PLANTED)
    analysis = analyze(records, suite_for(records))
    row = find(analysis, "distinct", "ood")
    assert not row.primary and row.axis == "diversity" and row.effect_adjusted is None and row.bootstrap is None
    primary = find(analysis, "vendi", "ood")
    assert primary.primary and primary.bootstrap is not None and primary.leave_one_out is not None
    assert primary.n_clusters <= primary.n_effective <= primary.n_datasets == 72  # type: ignore[operator]
    swapped = analyze(records, suite_for(records, primary=PRIMARY | {"diversity": "distinct"}))
    assert find(swapped, "distinct", "ood").effect == row.effect


def test_two_filters_of_one_metric_are_told_apart() -> None:
    records = study(np.random.default_rng(3), PLANTED, methods=3)
    both = [replace(r, scores=r.scores + tuple(replace(s, filter="strict") for s in r.scores)) for r in records]
    names = analyze(both, suite_for(both)).score_names
    assert "id:exact_match,strict" in names and "id:exact_match,none" in names


def test_a_scope_whose_methods_all_failed_is_undetermined() -> None:
    records = study(np.random.default_rng(4), PLANTED, methods=3)
    failed = [replace(r, status="failed", measurements=(), scores=()) for r in records]
    assert set(answers(analyze(failed, suite_for(failed))).values()) == {"undetermined"}


def test_hand_computed() -> None:
    records = []
    for arm, values in {"seeds_only": (0.2, 0.3, 0.4), "good": (0.5, 0.7, 0.6), "fair": (0.3, 0.3, 0.45)}.items():
        role = "control" if arm == "seeds_only" else "method"
        for r, value in enumerate(values):
            scores = {"id": value, "ood_pairs": value / 2, "ood_depth": 0.1}
            records.append(record(arm, r, {"verified": 1.0}, scores, role=role))
    analysis = analyze(records, suite_for(records))
    arm = {a.arm: a for a in analysis.arms}["good"]
    assert arm.scores["id:exact_match"].point == pytest.approx(0.6)
    assert arm.scores["id:exact_match"].high == pytest.approx(0.6 + 4.302653 * 0.1 / np.sqrt(3), abs=1e-6)
    assert arm.scores["ood:exact_match"].point == pytest.approx((0.3 + 0.1) / 2)
    assert (arm.teacher_tokens.point, arm.selected_rows.point) == (500, 100)
    assert arm.accepted_share.point == pytest.approx(100 / 120)
    pair = next(c for c in analysis.comparisons if (c.arm, c.score) == ("good", "id:exact_match"))
    assert pair.difference.point == pytest.approx(0.3) and pair.n_pairs == 3 and pair.primary
    assert pair.p_value == pytest.approx(stats.ttest_1samp([0.3, 0.4, 0.2], 0).pvalue)
    assert pair.p_adjusted == pytest.approx(4 * pair.p_value)  # type: ignore[operator]
    ranking = next(r for r in analysis.rankings if r.score == "id:exact_match")
    assert [(r.place, r.arm) for r in ranking.ranks] == [(1, "good"), (2, "fair")]
    assert [(r.place, r.arm, r.role) for r in ranking.unranked] == [(0, "seeds_only", "control")]
    assert {r.score for r in analysis.rankings} == {f"{s}:exact_match" for s in ("id", "ood", "ood_pairs", "ood_depth")}
    assert ranking.coverage == 1.0


def test_one_repetition_gives_points_without_bounds() -> None:
    records = study(np.random.default_rng(6), PLANTED, methods=3, repetitions=1)
    analysis = analyze(records, suite_for(records))
    interval = analysis.arms[0].scores["id:exact_match"]
    assert interval.low is None and "one repetition" in interval.reason
    ranks = next(r for r in analysis.rankings if r.score == "id:exact_match").ranks
    assert [r.place for r in ranks] == [1, 2, 3] and {r.tie_group for r in ranks} == {"a"}


def test_constant_columns_are_named_or_held() -> None:
    records = study(np.random.default_rng(7), PLANTED)
    flat = [replace(r, measurements=tuple(replace(m, value=2.0) if m.metric == "depth" else m for m in r.measurements))
            for r in records]  # fmt: skip
    analysis = analyze(flat, suite_for(flat))
    assert "does not vary" in find(analysis, "depth", "id").effect.reason
    assert find(analysis, "verified", "id").effect.point is not None
    assert answers(analysis)["F3"] == "undetermined"
    still = [replace(r, scores=tuple(replace(s, value=0.5) for s in r.scores)) for r in records]
    assert "score does not vary" in find(analyze(still, suite_for(still)), "verified", "id").effect.reason


def test_a_missing_set_is_not_a_mean_over_fewer_sets() -> None:
    records = study(np.random.default_rng(8), PLANTED)
    cut = [replace(r, scores=tuple(s for s in r.scores if s.eval_task != "toy_ood_depth")) if i < 10 else r
           for i, r in enumerate(records)]  # fmt: skip
    analysis = analyze(cut, suite_for(cut))
    assert find(analysis, "vendi", "ood").n_datasets == find(analysis, "vendi", "id").n_datasets - 10
    assert find(analysis, "vendi", "ood_pairs").n_datasets == find(analysis, "vendi", "id").n_datasets
    none = [replace(r, scores=tuple(s for s in r.scores if s.eval_task == "toy_id")) for r in records]
    analysis = analyze(none, suite_for(none))
    assert find(analysis, "vendi", "ood").effect.point is None
    ranking = next(r for r in analysis.rankings if r.score == "ood:exact_match")
    assert ranking.ranks == () and ranking.coverage == 0.0 and len(ranking.missing) == 12


def test_a_probe_without_a_value_leaves_the_dataset_without_one() -> None:
    records = study(np.random.default_rng(9), PLANTED, methods=3)
    scores = (replace(records[0].scores[0], value=None, reason="nothing"), *records[0].scores[1:])
    arm = analyze([replace(records[0], scores=scores), *records[1:]], suite_for(records)).arms[0]
    assert arm.scores["id:exact_match"].n == 2 and "1 of 3" in arm.scores["id:exact_match"].reason


def test_failed_and_absent_cells_are_counted_not_imputed() -> None:
    records = study(np.random.default_rng(10), PLANTED, methods=4, teachers=("scripted:strong",))
    suite = suite_for(records)
    failure = Failure(stage="train", kind="DataError", message="the training set is empty")
    failed = [replace(r, status="failed", failure=failure, scores=(), measurements=()) if r.spec.arm == "m00" else r
              for r in records if (r.spec.arm, r.spec.repetition) != ("m01", 2)]  # fmt: skip
    analysis = analyze(failed, suite)
    assert (analysis.promised, analysis.complete, analysis.failed) == (12, 8, 3)
    arm = analysis.arms[0]
    assert arm.failures[0] == "repetition 0: DataError in train: the training set is empty"
    assert arm.scores["id:exact_match"].point is None
    ranking = analysis.rankings[0]
    assert ranking.coverage == pytest.approx(8 / 12) and ranking.missing == ("m00",)
    assert analysis.rankings[0].ranks != () and analyze([], suite).complete == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: replace(s, hashes={**s.hashes, "code": "c1"}), "'code'"),
        (lambda s: replace(s, hashes={"method": "x"}), "'code'"),
        (lambda s: replace(s, hashes={**s.hashes, "seeds": "other"}), "'seeds'"),
        (lambda s: replace(s, task_version=2), "task version"),
        (lambda s: replace(s, measure_n=51), "rows measured"),
        (lambda s: replace(s, root_seed=8), "root seed"),
        (lambda s: replace(s, budget=replace(s.budget, examples=9)), "budget"),
        (lambda s: replace(s, repetition=9), "repetition 9"),
        (lambda s: replace(s, arm="m0X"), "does not promise"),
    ],
)
def test_mixed_records_are_refused(change: Callable[[RunSpec], RunSpec], named: str) -> None:
    records = study(np.random.default_rng(11), PLANTED, methods=3)
    suite, spec = suite_for(records), change(records[0].spec)
    with pytest.raises(RecordError, match=named):
        analyze([replace(records[0], spec=spec, run_id=spec.run_id), *records[1:]], suite)


def test_other_recipes_evaluations_and_doubles_are_refused() -> None:
    records = study(np.random.default_rng(12), PLANTED, methods=3)
    suite, first = suite_for(records), records[0]
    other = replace(first, probes=(replace(first.probes[0], recipe_digest="q"), first.probes[1]))
    with pytest.raises(RecordError, match="recipe of probe 0"):
        analyze([other, *records[1:]], suite)
    other = replace(first, scores=tuple(replace(s, eval_version="2") for s in first.scores))
    with pytest.raises(RecordError, match="version of 'toy_id'"):
        analyze([other, *records[1:]], suite)
    with pytest.raises(RecordError, match="occurs twice"):
        analyze([*records, first], suite)
    with pytest.raises(RecordError, match="both repetition 0"):
        analyze([*records, replace(first, run_id="0")], suite)
    with pytest.raises(RecordError, match="states measure"):
        analyze([replace(first, measurements=first.measurements * 2), *records[1:]], suite)
    with pytest.raises(RecordError, match="no primary"):
        analyze(records, replace(suite, primary={"quality": "verified"}))


def test_arms_may_differ_in_what_they_are() -> None:
    records = study(np.random.default_rng(12), PLANTED, methods=3)
    spec = replace(records[0].spec, hashes={**records[0].spec.hashes, "data": "d", "prompts": "p", "method": "q"})
    imported = replace(records[1].spec, role="imported", hashes={"data": "e"})
    mixed = [replace(records[0], spec=spec), replace(records[1], spec=imported), *records[2:]]
    assert analyze(mixed, suite_for(mixed)).complete == len(records)


def controls(**ids: float) -> list[RunRecord]:
    levels = {"oracle": 0.9, "corrupted_25": 0.8, "corrupted_75": 0.5, "no_training": 0.1, "duplicated": 0.7,
              "shuffled_answers": 0.2} | ids  # fmt: skip
    found = []
    for arm, value in levels.items():
        for r in range(2):
            spread = 4.0 if arm == "duplicated" else 8.0 + r / 3
            measures = {"vendi": spread, "distinct": spread / 10}
            found.append(record(arm, r, measures, dict.fromkeys(SETS, value), role="control"))
    return found


def test_controls_in_order_make_a_valid_edition() -> None:
    records = controls()
    analysis = analyze(records, suite_for(records))
    assert analysis.valid and len(analysis.controls) == 5
    assert all(c.holds and c.checked for c in analysis.controls)
    assert analysis.relations == () and analysis.verdicts == ()


def test_violated_controls_are_told_with_their_repetition() -> None:
    records = controls(corrupted_25=0.95) + study(np.random.default_rng(0), PLANTED, teachers=("scripted:strong",))
    for i, r in enumerate(records):
        if r.spec.arm == "shuffled_answers" and r.spec.repetition == 1:
            changed = tuple(replace(m, value=m.value + 1e-6) for m in r.measurements)  # type: ignore[operator]
            records[i] = replace(r, measurements=changed)
    analysis = analyze(records, suite_for(records))
    assert not analysis.valid and len(analysis.invalid_because) == 2
    assert "repetition 0: oracle 0.9, corrupted_25 0.95" in analysis.invalid_because[0]
    assert "repetition 1: distinct" in analysis.invalid_because[1]
    assert "repetition 0" not in analysis.invalid_because[1]
    assert all("does not stand" in v.evidence for v in analysis.verdicts)


def test_missing_controls_are_not_passed() -> None:
    records = [r for r in controls() if r.spec.arm not in ("corrupted_25", "duplicated")]
    analysis = analyze(records, suite_for(records))
    unchecked = [c for c in analysis.controls if not c.checked]
    assert analysis.valid and len(unchecked) == 3 and not any(c.holds for c in unchecked)
    assert "no complete run of corrupted_25" in unchecked[0].detail


def test_controls_and_imported_data_stay_out_of_relations() -> None:
    records = study(np.random.default_rng(13), PLANTED)
    odd = [record("oracle", r, {"verified": 90.0, "vendi": -90.0, "depth": 9.0}, dict.fromkeys(SETS, 50.0), role=role)
           for r, role in enumerate(("control", "control"))]  # fmt: skip
    mine = [
        record("mine", 0, {"verified": 90.0, "vendi": 9.0, "depth": 9.0}, dict.fromkeys(SETS, 1.0), role="imported")
    ]
    alone, together = (analyze(r, suite_for(r)) for r in (records, records + odd + mine))
    assert alone.relations == together.relations
    assert {r.role for r in together.rankings[0].ranks} == {"method"}
