"""Neighbours and the best are compared with the error of the tie groups; what cannot be said has a reason."""

import numpy as np
import pytest
from scipy import stats
from scored_runs import facts, ranked, run, same_everywhere

from qdcbench.records import RunRecord, Separation, SuiteFacts
from qdcbench.stages.analysis.separations import separations


def edition(table: np.ndarray) -> list[RunRecord]:
    return [
        run(f"m{arm}", repetition, same_everywhere(None if np.isnan(value) else float(value)))
        for (arm, repetition), value in np.ndenumerate(table)
    ]


def found(records: list[RunRecord], **changes: object) -> list[Separation]:
    suite: SuiteFacts = facts(records, **changes)
    rankings, units = ranked(records, suite)
    return [one for one in separations(rankings, units, suite) if one.score.startswith("id:")]


def test_each_arm_meets_its_neighbour_and_the_best_once() -> None:
    table = np.array([[0.1], [0.9], [0.5], [0.3]]) + 0.01 * np.random.default_rng(0).normal(size=(4, 3))
    pairs = [(one.better, one.worse) for one in found(edition(table))]
    assert pairs == [("m1", "m2"), ("m2", "m3"), ("m3", "m0"), ("m1", "m3"), ("m1", "m0")]


def test_two_arms_are_a_paired_t_test_with_its_power() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(2, 5)) + np.array([[1.0], [0.0]]) + 3 * rng.normal(size=5)
    (one,) = found(edition(table))
    left, right = table if one.better == "m0" else table[::-1]
    test = stats.ttest_rel(left, right)
    assert one.p_adjusted == pytest.approx(test.pvalue)
    interval = test.confidence_interval()
    assert (one.difference.low, one.difference.high) == pytest.approx((interval.low, interval.high))
    assert one.difference.point == pytest.approx(np.mean(left - right))
    assert one.improvement.point == np.mean(left > right) and one.repetitions == 5


def test_adjusted_p_values_are_those_of_the_tie_groups() -> None:
    records = edition(np.random.default_rng(2).normal(size=(6, 4)) + np.arange(6)[:, None])
    rankings, _ = ranked(records, facts(records))
    marks = {rank.arm: set(rank.tie_group) for rank in rankings[0].ranks}
    rows = found(records)
    for one in rows:
        assert one.p_adjusted is not None
        assert bool(marks[one.better] & marks[one.worse]) == (one.p_adjusted >= 0.05)
    assert {one.p_adjusted < 0.05 for one in rows} == {True, False}


def test_where_less_is_better_the_order_turns_and_wins_with_it() -> None:
    table = np.random.default_rng(3).normal(size=(2, 4)) + np.array([[2.0], [0.0]])
    (up,), (down,) = found(edition(table)), found(edition(table), lower_is_better=("exact_match",))
    assert (up.better, up.worse) == (down.worse, down.better)
    assert down.difference.point == pytest.approx(-up.difference.point)
    assert down.improvement == up.improvement and down.repetitions_needed == up.repetitions_needed


def test_one_repetition_gives_a_difference_without_bounds() -> None:
    (one,) = found(edition(np.array([[0.4], [0.3]])))
    assert one.difference.point == pytest.approx(0.1) and one.difference.low is None
    assert one.p_adjusted is None and one.repetitions_needed is None and "no spread" in one.reason


def test_arms_without_a_common_repetition_are_said_to_be_so() -> None:
    hole = np.nan
    rows = found(edition(np.array([[5.0, 5.1, hole, hole], [hole, hole, 4.0, 4.3], [1.0, 1.2, 1.1, 1.0]])))
    apart = rows[0]
    assert (apart.better, apart.worse) == ("m0", "m1")
    assert apart.difference.point is None and apart.improvement.point is None and apart.p_adjusted is None
    assert apart.repetitions == 0 and "both sides" in apart.reason


def test_equal_arms_and_near_ones_get_no_number_of_repetitions() -> None:
    noise = np.random.default_rng(4).normal(size=(1, 3))
    (equal,) = [one for one in found(edition(np.vstack([noise, noise, noise + 9]))) if one.better != "m2"]
    assert equal.repetitions_needed is None and "equal" in equal.reason
    assert equal.p_adjusted == 1.0 and equal.improvement.point == 0.5
    near = found(edition(np.random.default_rng(5).normal(size=(2, 3)) * [[1], [1]] + [[1e-3], [0]]))[0]
    more = found(edition(np.array([[1.0, 2.0, 3.0], [0.9999, 2.1, 2.9]])))[0]
    assert near.repetitions_needed is None or near.repetitions_needed > 2
    assert more.repetitions_needed is None and "1,000" in more.reason


def test_an_arm_ahead_on_its_own_repetitions_alone_is_noted() -> None:
    table = np.array([[0.1, 0.2, 0.9, 0.95], [0.3, 0.45, np.nan, np.nan]])
    (one,) = found(edition(table))
    assert one.better == "m0" and one.difference.point is not None and one.difference.point < 0
    assert "behind over the repetitions that both have" in one.reason


def test_controls_are_not_separated() -> None:
    records = edition(np.array([[0.1, 0.2], [0.3, 0.5]])) + [
        run("control", r, same_everywhere(0.9), role="control") for r in (0, 1)
    ]
    assert {one.better for one in found(records)} | {one.worse for one in found(records)} == {"m0", "m1"}
