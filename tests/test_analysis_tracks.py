"""Arms are compared at equal amounts, never beyond what was run, and those that cannot be are named."""

import math

import numpy as np
import pytest
from scipy import stats
from scored_runs import Spent, facts, ranked, run, same_everywhere

from qdcbench.records import BudgetTrack, RunRecord, SelectionSpec
from qdcbench.stages.analysis.tracks import budget_tracks
from qdcbench.stages.analysis.units import ordered, units

ROWS = {"small": 100, "middle": 200, "large": 400}


def tracks(records: list[RunRecord], score: str = "id:exact_match", **changes: object) -> dict[str, BudgetTrack]:
    suite = facts(records, **changes)
    found = [one for one in budget_tracks(units(ordered(records), suite), suite) if one.score == score]
    assert len({one.setting for one in found}) == 1
    return {one.track: one for one in found}


def sweep(arm: str, slope: float, *, tokens_each: int = 5, repetitions: int = 3, at: float = 0.5) -> list[RunRecord]:
    """Scores that are exactly linear in log rows, moved a little by the repetition."""
    return [
        run(arm, r, same_everywhere(at + slope * math.log(rows / 200) + 0.01 * r), budget=budget,
            spent=Spent(rows=rows, tokens=tokens_each * rows))
        for budget, rows in ROWS.items() for r in range(repetitions)
    ]  # fmt: skip


def place(track: BudgetTrack, amount: float) -> dict[str, int]:
    return {point.arm: point.place for point in track.points if point.amount == amount}


def test_ranks_turn_over_the_budget_and_scores_between_are_on_the_line() -> None:
    rows = tracks([*sweep("early", 0.02), *sweep("late", 0.2)])["rows"]
    amounts = sorted({point.amount for point in rows.points})
    assert amounts == [100, 141, 200, 283, 400] and rows.setting == "toy|scripted:strong|native"
    assert place(rows, 100) == {"early": 1, "late": 2} and place(rows, 400) == {"early": 2, "late": 1}
    for point in rows.points:
        slope = {"early": 0.02, "late": 0.2}[point.arm]
        assert point.value.point == pytest.approx(0.51 + slope * math.log(point.amount / 200), abs=2e-3)
        assert point.interpolated == (point.amount not in ROWS.values())
    assert not rows.left_out


def test_intervals_are_students_over_repetitions() -> None:
    rows = tracks([*sweep("one", 0.1), *sweep("two", 0.0)])["rows"]
    (point,) = [p for p in rows.points if (p.arm, p.amount) == ("one", 400)]
    values = 0.5 + 0.1 * math.log(2) + 0.01 * np.arange(3)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (point.value.low, point.value.high, point.value.n) == pytest.approx((expected.low, expected.high, 3))


def test_nothing_is_extrapolated() -> None:
    """Tokens of 500 to 2,000 and of 1,000 to 4,000 share 1,000 to 2,000, whatever the scores are."""
    found = tracks([*sweep("thrifty", 0.1), *sweep("lavish", 0.1, tokens_each=10)])["teacher tokens"]
    amounts = sorted({point.amount for point in found.points})
    assert (amounts[0], amounts[-1]) == (1000, 2000) and len(amounts) > 2
    score = {(p.arm, p.amount): p.value.point for p in found.points}
    assert score["thrifty", 1000] == pytest.approx(0.51) and score["lavish", 1000] < score["thrifty", 1000]


def test_arms_outside_the_shared_range_are_named_and_the_others_ranked() -> None:
    records = [*sweep("a", 0.1), *sweep("b", 0.0), *sweep("c", 0.2, tokens_each=500)]
    found = tracks(records)["teacher tokens"]
    assert {point.arm for point in found.points} == {"a", "b"}
    (sentence,) = found.left_out
    assert sentence == "c: has 50,000 to 200,000 teacher tokens; compared are arms at 500 to 2,000"
    assert {point.arm for point in tracks(records)["rows"].points} == {"a", "b", "c"}


def test_one_budget_is_the_ranking_at_equal_rows_and_little_elsewhere() -> None:
    rng = np.random.default_rng(0)
    records = [
        run(f"m{a}", r, same_everywhere(float(a / 5 + 0.05 * rng.normal())),
            spent=Spent(rows=100 - (a == 2 and r == 1), words=10.0 * 2**a))
        for a in range(4) for r in range(3)
    ]  # fmt: skip
    found = tracks(records)
    (ranking,) = [one for one in ranked(records, facts(records))[0] if one.score == "id:exact_match"]
    shown = [(p.place, p.arm, p.tie_group, p.amount, p.interpolated) for p in found["rows"].points]
    assert shown == [(rank.place, rank.arm, rank.tie_group, 100, False) for rank in ranking.ranks]
    assert not found["training words"].points
    assert len(found["training words"].left_out) == 4
    assert all("no two arms" in sentence for sentence in found["training words"].left_out)


def test_a_few_rows_short_is_the_same_amount_and_many_are_not() -> None:
    def short_of(rows: int) -> list[RunRecord]:
        return [run("short", r, same_everywhere(0.4), spent=Spent(rows=rows if r == 1 else 400)) for r in range(3)]

    others = [run(arm, r, same_everywhere(0.5 + 0.01 * r), spent=Spent(rows=400)) for arm in "ab" for r in range(3)]
    near, far = tracks([*others, *short_of(392)])["rows"], tracks([*others, *short_of(380)])["rows"]
    assert {(point.arm, point.amount) for point in near.points} == {("a", 400), ("b", 400), ("short", 400)}
    assert {point.arm for point in far.points} == {"a", "b"}
    assert far.left_out == ("short: has 380 to 400 rows; compared are arms at 400",)


def test_a_repetition_without_a_score_at_a_budget_is_left_out_and_said() -> None:
    whole, other = sweep("whole", 0.1), sweep("holes", 0.1)
    kept = [one for one in other if (one.spec.repetition, one.spec.budget.name) != (2, "middle")]
    unscored = run("holes", 2, same_everywhere(None), budget="middle", spent=Spent(rows=200, tokens=1000))
    for records in (kept, [*kept, unscored]):
        rows = tracks([*whole, *records])["rows"]
        assert rows.left_out == ("holes, repetition 2: no rows or no score at middle",)
        assert {point.value.n for point in rows.points if point.arm == "holes"} == {2}
        assert {point.value.n for point in rows.points if point.arm == "whole"} == {3}


def test_an_arm_that_spends_nothing_has_no_place_on_that_track() -> None:
    records = [*sweep("a", 0.1), *sweep("b", 0.0), *sweep("free", 0.1, tokens_each=0)]
    found = tracks(records)
    assert {point.arm for point in found["teacher tokens"].points} == {"a", "b"}
    assert sum(sentence.startswith("free, repetition") for sentence in found["teacher tokens"].left_out) == 3
    assert "free" in {point.arm for point in found["rows"].points}


def test_less_is_better_turns_the_places() -> None:
    records = [*sweep("early", 0.02), *sweep("late", 0.2)]
    up, down = tracks(records)["rows"], tracks(records, lower_is_better=("exact_match",))["rows"]
    for amount in (100, 400):
        assert {arm: 3 - p for arm, p in place(up, amount).items()} == place(down, amount)


def test_selection_rules_and_controls_are_not_mixed() -> None:
    records = [*sweep("a", 0.1), *sweep("b", 0.0)]
    control = run("no_training", 0, same_everywhere(0.9), role="control", spent=Spent(rows=100))
    filtered = run("a", 0, same_everywhere(0.9), selection=SelectionSpec(rule="none"), spent=Spent(rows=100))
    suite = facts([*records, control, filtered])
    found = budget_tracks(units(ordered([*records, control, filtered]), suite), suite)
    assert {one.setting for one in found} == {"toy|scripted:strong|native", "toy|scripted:strong|none"}
    native = [one for one in found if one.setting.endswith("native") and one.score.startswith("id")]
    assert {one.track: one for one in native} == tracks(records)


def test_budgets_run_with_different_probes_are_no_track() -> None:
    records = [*sweep("a", 0.1), *sweep("b", 0.0)]
    changed = [
        run(one.spec.arm, one.spec.repetition, same_everywhere(0.5), budget=one.spec.budget.name,
            spent=Spent(rows=one.spec.budget.examples), probe="tiny" if one.spec.budget.name == "small" else "large")
        for one in records
    ]  # fmt: skip
    rows = tracks(changed)["rows"]
    assert not rows.points and "different tasks or probes" in rows.left_out[0]


def test_the_same_tracks_in_any_order_of_records() -> None:
    records = [*sweep("a", 0.1), *sweep("b", 0.0), *sweep("c", 0.2, tokens_each=20)]
    order = np.random.default_rng(1).permutation(len(records))
    assert tracks([records[i] for i in order]) == tracks(records)
