"""human_mix: an exact share of real rows at a fixed size, the rest from the few-shot baseline."""

from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import DataError, Example, PluginError

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))
REAL = list(TASK.reference_rows(Random(5), 400))  # what the bench's reference_rows gives


def proposing() -> FixedTeacher:
    numbers = iter(range(100_000))
    return FixedTeacher(lambda request: f"1. Task {next(numbers)}" if request.intent == "propose" else "fine")


def test_asks_for_what_is_not_real_and_mixes_both_in_random_order() -> None:
    teacher = proposing()
    rows = run(context("human_mix", teacher, n=10, seeds=SEEDS), share=0.3)
    real = [row for row in rows if row.lineage["source"] == "real"]
    made_up = [row for row in rows if row.lineage["source"] == "few_shot"]
    assert [(row.prompt, row.completion) for row in real] == [(row.prompt, row.completion) for row in REAL[:3]]
    assert [(row.prompt, row.completion) for row in made_up] == [(f"Task {number}", "fine") for number in range(7)]
    assert sorted(rows, key=lambda row: row.lineage["source"]) != rows and rows[:3] != real
    assert [(a.role, a.intent) for a in teacher.asked] == [("teacher", "propose"), ("answerer", "answer")] * 7
    shared = Random(1000)  # the bench's shared stream: the same questions as few_shot's
    for asked in teacher.of("propose"):
        shots = [shot.prompt for shot in shared.sample(SEEDS, 3)]
        assert asked.material == {"description": TASK.description, "exemplars": shots, "count": 1}
        assert asked.temperature == 1.0 and all(shot in asked.text for shot in shots)
    assert all(a.temperature == 0.0 and a.material["prompt"] in a.text for a in teacher.of("answer"))


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 60), share=st.floats(0, 1))
def test_the_share_is_exact_at_any_size(n: int, share: float) -> None:
    teacher = proposing()
    rows = run(context("human_mix", teacher, n=n, seeds=SEEDS), share=share)
    assert len(rows) == n
    assert sum(row.lineage["source"] == "real" for row in rows) == round(share * n)
    assert len(teacher.of("answer")) <= n + 4


def test_a_budget_with_room_for_more_than_was_aimed_for_gets_more_at_the_same_share() -> None:
    ctx = context("human_mix", proposing(), n=20, seeds=SEEDS)
    rows = list(islice(plugin("human_mix").generate(ctx, plugin("human_mix").params(share=0.25)), 60))
    real = [row for row in rows if row.lineage["source"] == "real"]
    assert [row.id for row in real] == [row.id for row in REAL[:15]]


def test_all_real_asks_nobody_and_none_real_is_few_shot() -> None:
    teacher = proposing()
    rows = run(context("human_mix", teacher, n=50, seeds=SEEDS), share=1.0)
    assert not teacher.asked and [row.prompt for row in rows] == [row.prompt for row in REAL[:50]]
    rows, _ = made("human_mix", "strong", 100, share=0.0)
    plain, _ = made("few_shot", "strong", 100)
    assert [row.id for row in rows] == [row.id for row in plain]


def test_a_larger_share_holds_the_smaller_ones_rows() -> None:
    few, _ = made("human_mix", "strong", 100, share=0.1)
    many, _ = made("human_mix", "strong", 100, share=0.6)
    for source, smaller, larger in (("real", few, many), ("few_shot", many, few)):
        ids = [[row.id for row in rows if row.lineage["source"] == source] for rows in (smaller, larger)]
        assert ids[1][: len(ids[0])] == ids[0]


def test_without_reference_rows_the_seed_examples_are_the_real_ones_until_they_are_used_up() -> None:
    def none(n: int) -> list[Example]:
        raise DataError("this task has no reference rows")

    ctx = context("human_mix", proposing(), n=20, seeds=SEEDS)
    ctx.reference_rows = none
    rows = run(ctx, share=0.5)
    assert [row.id for row in rows if row.lineage["source"] == "real"] == [seed.id for seed in SEEDS]
    assert len(rows) == 20


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(PluginError, match="human_mix: share"):
        run(context("human_mix", proposing(), n=5, seeds=SEEDS), share=share)


def test_ends_when_nothing_new_comes() -> None:
    silent = FixedTeacher(lambda request: "")
    rows = run(context("human_mix", silent, n=40, seeds=SEEDS), share=0.1)
    assert all(row.lineage["source"] == "real" for row in rows) and len(rows) <= 4


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made_once("human_mix", profile, 200)
    again, _ = made("human_mix", profile, 200)
    assert rows == again and len(rows) == 200 and plugin("human_mix").role == "control"
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("human_mix").cost
    assert cost is not None and set(calls) == set(plugin("human_mix").intents)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def test_a_larger_share_is_righter_and_cheaper() -> None:
    right, calls = [], []
    for share in (0.1, 0.5, 0.9):
        rows, ctx = made("human_mix", "weak", 200, share=share)
        right.append(sum(TASK.verify(row).correct is True for row in rows))
        calls.append(ctx.meter.usage().calls)
    assert right == sorted(right) and calls == sorted(calls, reverse=True)


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("human_mix", TASK.scripted_teacher("strong"), n=1000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
