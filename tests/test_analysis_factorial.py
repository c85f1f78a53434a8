"""Factorial effects from records: planted effects and interactions, only where dials are crossed."""

import numpy as np
import pytest
import statsmodels.api as sm
from dialled_edition import experiment, facts_for, run, units_of
from statsmodels.stats.multitest import multipletests

from qdcbench.stages.analysis.factorial import factor_effects

GRID = {"clusters": (0.2, 0.5, 1.0), "depth": (-1.0, 0.0, 1.0), "right": (0.2, 0.6, 1.0)}


def codes(params):
    return {name: (params[name] - levels[0]) / (levels[-1] - levels[0]) - 0.5 for name, levels in GRID.items()}


def rule(noise):
    def planted(params, rng):
        c = codes(params)
        return {
            "id": 0.6 * c["right"] + 0.3 * c["right"] * c["clusters"] + noise * rng.normal(),
            "ood_pairs": 0.4 * c["clusters"] - 0.8 * c["clusters"] * c["depth"] * c["right"] + noise * rng.normal(),
            "ood_depth": 0.2 * c["depth"] + noise * rng.normal(),
            "verified": 0.5 + 0.4 * c["right"], "vendi": 5 + 3 * c["clusters"], "depth": 3 + 2 * c["depth"],
        }  # fmt: skip

    return planted


def effects(records):
    suite = facts_for(records)
    return {(e.outcome, e.factors): e for e in factor_effects(units_of(records, suite), suite)}


def test_planted_effects_are_exact_without_noise_and_nothing_else_moves():
    found = effects(experiment(GRID, rule(0.0), np.random.default_rng(0)))
    expected = {
        ("id:exact_match", ("right",)): 0.6,
        ("id:exact_match", ("clusters", "right")): 0.3,
        ("ood_pairs:exact_match", ("clusters",)): 0.4,
        ("ood_pairs:exact_match", ("clusters", "depth", "right")): -0.8,
        ("ood_depth:exact_match", ("depth",)): 0.2,
        ("ood:exact_match", ("clusters",)): 0.2,
        ("ood:exact_match", ("depth",)): 0.1,
        ("ood:exact_match", ("clusters", "depth", "right")): -0.4,
        ("id:exact_match - ood:exact_match", ("right",)): 0.6,
        ("id:exact_match - ood:exact_match", ("clusters",)): -0.2,
        ("id:exact_match - ood:exact_match", ("depth",)): -0.1,
        ("id:exact_match - ood:exact_match", ("clusters", "right")): 0.3,
        ("id:exact_match - ood:exact_match", ("clusters", "depth", "right")): 0.4,
        ("verified", ("right",)): 0.4,
        ("vendi", ("clusters",)): 3.0,
        ("depth", ("depth",)): 2.0,
    }
    assert len(found) == 8 * 7
    for key, effect in found.items():
        assert effect.interval.point == pytest.approx(expected.get(key, 0.0), abs=1e-9), key
        assert (effect.n_units, effect.n_repetitions, effect.method, effect.scope) == (162, 3, "dialled", "simulated")


def test_with_noise_intervals_cover_and_statsmodels_gives_the_same_points():
    records = experiment(GRID, rule(0.1), np.random.default_rng(1))
    found = effects(records)
    blocks = sorted({(r.spec.teacher.name, r.spec.repetition) for r in records})
    points = []
    for block in blocks:
        mine = [r for r in records if (r.spec.teacher.name, r.spec.repetition) == block]
        c = [codes(r.spec.params) for r in mine]
        x = [[v["clusters"], v["depth"], v["right"], v["clusters"] * v["depth"], v["clusters"] * v["right"],
              v["depth"] * v["right"], v["clusters"] * v["depth"] * v["right"]] for v in c]  # fmt: skip
        y = [next(s.value for s in r.scores if s.eval_task == "toy_id") for r in mine]
        points.append(sm.OLS(y, sm.add_constant(np.array(x))).fit().params[1:])
    mean = np.mean(points, axis=0)
    assert found["id:exact_match", ("right",)].interval.point == pytest.approx(mean[2])
    assert found["id:exact_match", ("clusters", "right")].interval.point == pytest.approx(mean[4])
    assert found["id:exact_match", ("clusters", "depth", "right")].interval.point == pytest.approx(mean[6])
    effect = found["id:exact_match", ("right",)]
    assert effect.interval.low < 0.6 < effect.interval.high and effect.p_value <= effect.p_adjusted < 0.01


def test_benjamini_and_hochberg_over_one_method():
    found = list(effects(experiment(GRID, rule(0.1), np.random.default_rng(2))).values())
    p = [e.p_value for e in found if e.p_value is not None]
    expected = list(multipletests(p, method="fdr_bh")[1])
    assert [e.p_adjusted for e in found if e.p_value is not None] == pytest.approx(expected)


def test_dials_that_are_not_crossed_have_no_effects():
    rng = np.random.default_rng(3)
    assert effects(experiment({"right": (0.0, 0.5, 1.0)}, rule_of_one, rng)) == {}
    star = [
        run(dict(zip(("a", "b"), point, strict=True)), {"id": rng.normal()}, repetition=r)
        for r in range(3)
        for point in ((0, 0), (1, 0), (0, 1))
    ]
    assert effects(star) == {}
    assert len(effects([*star, *(run({"a": 1, "b": 1}, {"id": rng.normal()}, repetition=r) for r in range(3))])) == 3


def rule_of_one(params, rng):
    return {"id": params["right"] + rng.normal()}


def test_a_group_that_is_not_crossed_is_left_out_of_a_method_that_is():
    rng = np.random.default_rng(4)
    records = experiment(GRID, rule(0.1), rng)
    corner = {"depth": 1.0, "right": 1.0}
    found = effects(
        [r for r in records if r.spec.teacher.model == "strong" or not corner.items() <= r.spec.params.items()]
    )
    assert {e.n_repetitions for e in found.values()} == {3}


def test_one_repetition_has_points_and_no_bounds():
    found = effects(experiment(GRID, rule(0.1), np.random.default_rng(5), repetitions=1))
    effect = found["id:exact_match", ("right",)]
    assert effect.interval.point is not None and effect.interval.low is None and effect.p_adjusted is None
    assert "one repetition a task" in effect.interval.reason


def test_a_missing_cell_of_one_repetition_leaves_its_block_fitted():
    records = experiment(GRID, rule(0.0), np.random.default_rng(6))
    found = effects(records[1:])
    effect = found["id:exact_match", ("clusters", "right")]
    assert effect.n_units == 161 and effect.n_repetitions == 3 and effect.interval.point == pytest.approx(0.3)


def test_outcomes_without_a_value_are_left_out():
    records = experiment({"a": (0.0, 1.0), "b": (0.0, 1.0)}, lambda p, r: {"id": r.normal()}, np.random.default_rng(7))
    assert {outcome for outcome, _ in effects(records)} == {"id:exact_match"}
