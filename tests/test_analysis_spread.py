"""Variance shares recover what was planted through records, and say what they cannot tell."""

import numpy as np
import pytest
from scored_runs import facts, run

from qdcbench.records import RunRecord, VarianceShare
from qdcbench.stages.analysis.spread import variance_shares
from qdcbench.stages.analysis.units import ordered, units

SETS = ("id", "pairs", "depth")


def shares(records: list[RunRecord], score: str = "id:exact_match") -> dict[str, VarianceShare]:
    suite = facts(records)
    rows = [row for row in variance_shares(units(ordered(records), suite), suite) if row.score == score]
    assert len({row.group for row in rows}) == 1
    return {row.source: row for row in rows}


def planted(rng: np.random.Generator, arms: int = 12, repetitions: int = 6, probes: int = 3) -> list[RunRecord]:
    """Scores with standard deviations 0.3 (arm), 0.1 (repetition), 0.2 (dataset), 0.15 (probe)."""
    of_arm, of_repetition = 0.3 * rng.normal(size=arms), 0.1 * rng.normal(size=repetitions)
    records = []
    for a in range(arms):
        for r in range(repetitions):
            values = of_arm[a] + of_repetition[r] + 0.2 * rng.normal() + 0.15 * rng.normal(size=(3, probes))
            scores = {name: list(map(float, row)) for name, row in zip(SETS, values, strict=True)}
            records.append(run(f"m{a}", r, scores))
    return records


def test_planted_variances_come_back_on_average_and_shares_add_to_one() -> None:
    rng = np.random.default_rng(0)
    found = [shares(planted(rng)) for _ in range(12)]
    truth = {"arm": 0.09, "repetition": 0.01, "generation seed": 0.04, "probe seed": 0.0225}
    for source, variance in truth.items():
        estimates = [one[source].variance for one in found]
        assert abs(np.mean(estimates) - variance) < 4 * np.std(estimates) / np.sqrt(12) + 0.002, source
    for one in found:
        assert sum(one[source].share for source in truth) == pytest.approx(1.0)


def test_a_mean_over_sets_has_less_probe_variance_than_a_set() -> None:
    records = planted(np.random.default_rng(1))
    one, mean = shares(records, "pairs:exact_match"), shares(records, "ood:exact_match")
    assert mean["probe seed"].variance == pytest.approx(one["probe seed"].variance / 2, rel=0.4)


def test_items_are_the_squared_standard_error_of_each_set_and_have_no_share() -> None:
    records = planted(np.random.default_rng(2))
    assert shares(records)["items"].variance == pytest.approx(0.01**2)
    assert shares(records, "ood:exact_match")["items"].variance == pytest.approx(0.01**2 / 2)
    row = shares(records)["items"]
    assert row.share is None and "same items" in row.reason


def test_the_bounds_of_the_items_share_hold_over_draws_of_items() -> None:
    """Answers with a part by item and a part by item and arm: what items add to a new measurement is within bounds."""
    rng = np.random.default_rng(3)
    arms, repetitions, items = 20, 2, 12
    bounds = []
    for _ in range(40):
        answers = (
            0.2 * rng.normal(size=(arms, 1, 1))
            + 0.1 * rng.normal(size=(arms, repetitions, 1))
            + 0.4 * rng.normal(size=items)
            + 0.4 * rng.normal(size=(arms, 1, items))
        )
        errors = answers.std(axis=2, ddof=1) / np.sqrt(items)
        records = [
            run(f"m{a}", r, {n: [float(answers[a, r].mean())] for n in SETS}, stderr=float(errors[a, r]))
            for a, r in np.ndindex(arms, repetitions)
        ]
        found = shares(records)
        own = found["items"].variance
        others = sum(found[source].variance for source in ("arm", "repetition", "generation seed"))
        bounds.append((own / (others + own), own / others))
    truth = (0.32 / items) / (0.04 + 0.01 + 0.32 / items)
    low, high = np.mean(bounds, axis=0)
    assert low <= truth <= high and high - low < 0.4


def test_one_probe_and_no_standard_errors_are_said() -> None:
    rng = np.random.default_rng(4)
    scores = [{name: [float(rng.normal())] for name in SETS} for _ in range(6)]
    found = shares([run(f"m{i // 3}", i % 3, one, stderr=None) for i, one in enumerate(scores)])
    assert found["probe seed"].variance is None and "one probe" in found["probe seed"].reason
    assert found["items"].variance is None and found["items"].reason
    assert found["arm"].variance is not None


def test_a_negative_estimate_is_zero_with_a_reason() -> None:
    low, high = [0.0, 1.0], [1.0, 0.0]
    records = [run(f"m{a}", r, {n: [v[r]] for n in SETS}) for a, v in enumerate((low, high))
               for r in (0, 1)]  # fmt: skip
    arm = shares(records)["arm"]
    assert arm.variance == 0.0 and arm.share == 0.0 and "estimated as -" in arm.reason


def test_no_spread_has_no_shares() -> None:
    records = [run(f"m{a}", r, {n: [0.5] for n in SETS}) for a in (0, 1) for r in (0, 1)]
    found = shares(records)
    assert found["arm"].variance == 0.0 and found["arm"].share is None
    assert found["items"].variance == pytest.approx(1e-4)


def test_too_few_arms_and_missing_scores_leave_nothing_to_say() -> None:
    rng = np.random.default_rng(5)
    records = planted(rng, arms=1)
    assert all(shares(records)[source].variance is None for source in ("arm", "repetition", "generation seed"))
    whole = planted(rng, arms=4, repetitions=3)
    broken = run("m0", 0, {"id": [None] * 3, "pairs": [0.1] * 3, "depth": [0.2] * 3})
    without = [one for one in whole if (one.spec.arm, one.spec.repetition) != ("m0", 0)]
    assert shares([broken, *without]) == shares(without)


def test_controls_do_not_count() -> None:
    records = planted(np.random.default_rng(6), arms=3)
    control = run("no_training", 0, {n: [9.0] * 3 for n in SETS}, role="control")
    assert shares([*records, control]) == shares(records)
