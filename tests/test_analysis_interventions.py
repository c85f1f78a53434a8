"""Interventional studies: planted slopes are found and planted nulls are not, and what cannot be said is said so."""

from dataclasses import replace

import numpy as np
import pytest
from dialled_edition import experiment, facts_for, run, units_of

from qdcbench.canon import pretty_json
from qdcbench.records import Study, StudyTest
from qdcbench.stages.analysis.studies import study_results

GRID = {"right": (0.2, 0.6, 1.0), "clusters": (0.1, 0.5, 1.0), "depth": (-1.0, 0.0, 1.0)}


def study(*tests, **changes):
    made = Study(
        name="F1", claim="Quality drives ID.", design="interventional", factor="right", method="dialled", tests=tests
    )
    return replace(made, **changes)


def asks(outcome, expect="rises", smallest=0.05):
    return StudyTest(outcome=outcome, expect=expect, smallest_effect=smallest)


def answer(records, asked, **changes):
    """The result of the one interventional study of the simulated scope."""
    suite = facts_for(records, [asked], **changes)
    (found,) = [r for r in study_results(units_of(records, suite), suite) if r.design == "interventional"]
    return found


def planted(params, rng):
    right, clusters = params["right"], params["clusters"]
    return {
        "id": 0.5 * right + 0.05 * rng.normal(),
        "ood_pairs": 0.1 * right + 0.4 * clusters + 0.05 * rng.normal(),
        "ood_depth": 0.1 * right + 0.4 * clusters + 0.05 * rng.normal(),
        "verified": right, "vendi": 10 * clusters, "depth": 3 + params["depth"],
    }  # fmt: skip


def test_planted_slopes_are_found_over_the_range_of_the_dial():
    records = experiment(GRID, planted, np.random.default_rng(0), repetitions=6)
    found = answer(records, study(asks("id"), asks("id - ood"), asks("ood_pairs - ood_depth", "stays")))
    assert found.answer == "supported" and found.scope == "simulated"
    truth = (0.8 * 0.5, 0.8 * 0.4, 0.0)
    for test, slope in zip(found.tests, truth, strict=True):
        assert test.effect.low < slope < test.effect.high and test.answer == "supported"
        assert (test.n_units, test.n_clusters) == (324, 6)
    assert found.tests[0].p_adjusted < 0.001 and found.tests[0].p_permutation == pytest.approx(2 / 2**6)
    assert found.tests[2].p_equivalence < 0.05 < found.tests[2].p_value
    assert "supported by turning right of dialled with simulated teachers" in found.sentence
    assert "324 datasets of 6 repetitions" in found.sentence and "right = 0.2 to 1" in found.sentence


def test_the_curve_shows_the_mean_at_every_level():
    records = experiment(GRID, planted, np.random.default_rng(1))
    (test,) = answer(records, study(asks("vendi", smallest=1.0), factor="clusters")).tests
    assert [point.level for point in test.curve] == [0.1, 0.5, 1.0]
    assert [point.mean.point for point in test.curve] == pytest.approx([1.0, 5.0, 10.0])
    (noisy,) = answer(records, study(asks("id"))).tests
    values = {level: [] for level in GRID["right"]}
    for unit in units_of(records, facts_for(records)):
        values[unit.record.spec.params["right"]].append(unit.scores["id:exact_match"])
    assert [p.mean.point for p in noisy.curve] == pytest.approx([np.mean(v) for v in values.values()])
    assert all(p.mean.low < p.mean.point < p.mean.high for p in noisy.curve)


def test_a_number_that_never_differs_between_repetitions_has_no_error_and_no_answer():
    records = experiment(GRID, planted, np.random.default_rng(1))
    found = answer(records, study(asks("quality")))
    assert found.answer == "undetermined" and "all repetitions give the same number" in found.tests[0].reason
    assert found.tests[0].effect.point == pytest.approx(0.8) and "+0.8 without an interval" in found.sentence


def test_a_slope_the_other_way_contradicts_and_so_does_one_too_small_to_matter():
    records = experiment(GRID, planted, np.random.default_rng(102))
    assert answer(records, study(asks("id", "falls"))).answer == "contradicted"
    null = answer(records, study(asks("id", smallest=0.3), factor="depth"))
    assert null.answer == "contradicted" and null.tests[0].p_equivalence < 0.05
    assert answer(records, study(asks("id", smallest=1e-4), factor="depth")).answer == "undetermined"
    assert answer(records, study(asks("id", "stays", 0.1))).answer == "contradicted"
    assert answer(records, study(asks("id"), asks("id - ood", "falls"))).answer == "contradicted"


def test_null_dials_are_supported_or_harmful_no_more_often_than_promised():
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        records = experiment({"right": (0.0, 1.0)}, lambda _, r: {"id": r.normal()}, rng, repetitions=4)
        found = answer(records, study(asks("id", smallest=1e-3)))
        wrong += found.tests[0].p_value < 0.05
        assert (found.answer != "undetermined") == (found.tests[0].p_value < 0.05)
    assert wrong <= 8


def test_dials_that_move_together_are_told_apart_where_the_design_lets_them():
    """One arm is missing in every block, so means by level are confounded and the slope of the regression is not."""
    records = experiment(GRID, planted, np.random.default_rng(3))
    lost = [r for r in records if not (r.spec.params["right"] == 1.0 and r.spec.params["clusters"] == 1.0)]
    (test,) = answer(lost, study(asks("ood_pairs"))).tests
    low, high = test.curve[0].mean.point, test.curve[-1].mean.point
    assert test.effect.low < 0.08 < test.effect.high and high - low < 0
    collinear = [
        r for r in records if r.spec.params["right"] - 0.2 == pytest.approx(0.4 * (r.spec.params["depth"] + 1))
    ]
    (none,) = answer(collinear, study(asks("id"))).tests
    assert none.answer == "undetermined" and none.effect.point is None and "no block" in none.reason


def test_groups_that_go_opposite_ways_beyond_error_are_no_answer():
    rng = np.random.default_rng(4)

    def way(sign):
        return lambda p, r: {"id": sign * p["right"] + 0.02 * r.normal()}

    records = experiment({"right": (0.0, 1.0)}, way(2.0), rng, teachers=["scripted:strong"])
    records += experiment({"right": (0.0, 1.0)}, way(-1.0), rng, teachers=["scripted:weak"])
    found = answer(records, study(asks("id")))
    assert found.answer == "undetermined" and "rises in toy|scripted:strong" in found.tests[0].reason
    points = [interval.point for _, interval in found.tests[0].by_group]
    assert points == pytest.approx([2.0, -1.0], abs=0.05)


def sweep(slope, null_slope, rng, **options):
    grid = {"strictness": (0.0, 1.0, 2.0, 3.0)}

    def falling(by):
        return lambda p, r: {"vendi": 10 - by * p["strictness"] + 0.1 * r.normal()}

    own = experiment(grid, falling(slope), rng, method="judged", **options)
    return own + experiment(grid, falling(null_slope), rng, method="thinned", **options)


def test_against_a_null_only_what_is_beyond_it_counts():
    asked = study(asks("diversity", "falls", 0.3), name="T", factor="strictness", method="judged")
    records = sweep(0.5, 0.5, np.random.default_rng(105))
    assert answer(records, asked).answer == "supported"
    beside = answer(records, replace(asked, against="thinned"))
    assert beside.answer == "contradicted" and beside.tests[0].effect.low < 0 < beside.tests[0].effect.high
    steeper = answer(sweep(1.0, 0.5, np.random.default_rng(6)), replace(asked, against="thinned"))
    assert steeper.answer == "supported" and steeper.tests[0].effect.point == pytest.approx(-1.5, abs=0.2)
    assert "less that of thinned" in steeper.rule


def test_without_its_null_a_dataset_is_left_out_and_that_is_said():
    asked = study(asks("diversity", "falls", 0.3), name="T", factor="strictness", method="judged", against="thinned")
    whole = sweep(1.0, 0.5, np.random.default_rng(7))
    gone = [r for r in whole if (r.spec.method, r.spec.repetition, r.spec.params["strictness"]) != ("thinned", 0, 3.0)]
    suite = facts_for(whole, [asked])
    (found,) = [r for r in study_results(units_of(gone, suite), suite) if r.design == "interventional"]
    assert found.tests[0].n_units == 22 and found.tests[0].n_clusters == 3
    assert "2 of 24 promised datasets are missing" in found.sentence


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"repetitions": 1}, "1 repetition is too few"),
        ({"repetitions": 1, "teachers": ["scripted:a", "scripted:b", "scripted:c"]}, "1 repetition is too few"),
    ],
)
def test_single_seeds_answer_nothing(options, why):
    records = experiment({"right": (0.0, 1.0)}, planted_id, np.random.default_rng(8), **options)
    found = answer(records, study(asks("id")))
    assert found.answer == "undetermined" and why in found.tests[0].reason and why in found.sentence


def planted_id(params, rng):
    return {"id": params["right"] + 0.1 * rng.normal()}


def test_missing_sets_and_levels_are_said():
    records = experiment({"right": (0.0, 1.0)}, planted_id, np.random.default_rng(9))
    found = answer(records, study(asks("id - ood")))
    assert found.answer == "undetermined" and "no block has id:exact_match - ood:exact_match" in found.tests[0].reason
    one = [r for r in records if r.spec.params["right"] == 1.0]
    assert "fewer than two levels among the 6 complete" in answer(one, study(asks("id"))).tests[0].reason
    failed = [replace(r, status="failed") for r in records]
    assert "the 0 complete" in answer(failed, study(asks("id"))).tests[0].reason


def test_a_failed_cell_leaves_its_block_in_and_is_said():
    records = experiment(GRID, planted, np.random.default_rng(10))
    broken = [replace(records[0], status="failed"), *records[1:]]
    found = answer(broken, study(asks("id")))
    assert found.answer == "supported" and found.tests[0].n_units == 161 and found.tests[0].n_clusters == 3
    assert "1 of 162 promised datasets are missing" in found.sentence


def test_other_parameters_get_an_intercept_of_their_own():
    rng = np.random.default_rng(11)
    records = []
    for repetition in range(4):
        for source, right, lift in (("pool", 0.0, 0), ("pool", 0.5, 0), ("gold", 0.5, 9), ("gold", 1.0, 9)):
            value = {"id": right + lift + 0.01 * rng.normal()}
            records.append(run({"right": right, "source": source, "copy": True}, value, repetition=repetition))
    (test,) = answer(records, study(asks("id"))).tests
    assert test.effect.point == pytest.approx(1.0, abs=0.05)


def test_a_rule_is_before_the_runs_only_where_every_record_has_its_digest():
    first = study(asks("id:exact_match"))
    records = experiment(GRID, planted, np.random.default_rng(12), studies=[first])
    assert answer(records, first).declared == "before"
    assert "rule fixed before the runs" in answer(records, first).sentence
    assert answer(records, replace(first, alpha=0.1)).declared == "after"
    older = replace(records[0], spec=replace(records[0].spec, studies={}))
    assert answer([older, *records[1:]], first).declared == "after"
    other = run({"x": 1}, {}, method="not_looked_at")
    assert answer([other, *records], first).declared == "before"


def test_simulated_and_real_teachers_answer_apart():
    rng = np.random.default_rng(13)
    records = experiment({"right": (0.0, 1.0)}, planted_id, rng)
    records += experiment({"right": (0.0, 1.0)}, lambda p, r: {"id": -p["right"] + 0.1 * r.normal()}, rng,
                          teachers=["openai:m"])  # fmt: skip
    asked = study(asks("id"))
    suite = facts_for(records, [asked])
    found = {r.scope: r.answer for r in study_results(units_of(records, suite), suite) if r.name == "F1"}
    assert found == {"simulated": "supported", "real": "contradicted"}


def test_holm_counts_all_tests_of_the_design():
    records = experiment(GRID, planted, np.random.default_rng(14))
    alone = answer(records, study(asks("id"))).tests[0]
    suite = facts_for(
        records, [study(asks("id")), *(study(asks("id"), name=f"X{i}", factor="depth") for i in range(9))]
    )
    found = {r.name: r for r in study_results(units_of(records, suite), suite) if r.design == "interventional"}
    test = found["F1"].tests[0]
    assert test.p_adjusted == pytest.approx(10 * alone.p_value) and test.adjusted.level == pytest.approx(1 - 0.05 / 10)
    assert test.adjusted.low < alone.adjusted.low and alone.adjusted.level == pytest.approx(0.95)


def test_same_bytes_in_any_order():
    records = experiment(GRID, planted, np.random.default_rng(15))
    suite = facts_for(records, [study(asks("id"), asks("id - ood"))])
    texts = {pretty_json(study_results(units_of(r, suite), suite)) for r in (records, records[::-1], records)}
    assert len(texts) == 1
