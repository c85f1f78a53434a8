"""quality_only and the pool that all selecting methods share: what is asked, what is kept, and how a budget ends it."""

from collections.abc import Mapping

import pytest
from method_bench import TASK, FixedTeacher, context, made, plugin, run

from qdcbench.api import BudgetExhausted, Example, Request

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))


def rating(replies: Mapping[int, str]) -> FixedTeacher:
    """Proposes Task 1, Task 2 and so on, answers each with its name in capitals, and rates it as written."""
    numbers = iter(range(1, 10_000))

    def reply(request: Request) -> str:
        if request.intent == "propose":
            return f"1. Task {next(numbers)}"
        prompt = str(request.material["prompt"])
        return prompt.upper() if request.intent == "answer" else replies.get(int(prompt.split()[1]), "Rating: 3")

    return FixedTeacher(reply)


def test_keeps_the_best_rated_third_ties_by_order() -> None:
    replies = {1: "Rating: 3", 2: "Rating: 5", 3: "Rating: 1", 4: "5/5", 5: "I cannot say.", 6: "Rating: 4"}
    teacher = rating(replies)
    ctx = context("quality_only", teacher, n=2, seeds=SEEDS)
    assert [row.prompt for row in run(ctx)] == ["Task 2", "Task 4"]
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        ("Task 5", "no score in the reply"), ("Task 1", "others preferred"), ("Task 3", "others preferred"),
        ("Task 6", "others preferred"),
    ]  # fmt: skip
    assert [(a.role, a.intent) for a in teacher.asked] == [
        ("teacher", "propose"), ("answerer", "answer"), ("judge", "judge"),
    ] * 6  # fmt: skip
    for number, asked in enumerate(teacher.of("judge"), 1):
        assert asked.material == {
            "description": TASK.description, "question": "rating", "prompt": f"Task {number}",
            "completion": f"TASK {number}",
        }  # fmt: skip
        assert asked.temperature == 0.0 and f"TASK {number}" in asked.text and "1 to 5" in asked.text


@pytest.mark.parametrize("reply", ["Rating: 0", "Rating: 6", "Rating: 50", "none", ""])
def test_a_rating_off_the_scale_is_none(reply: str) -> None:
    ctx = context("quality_only", rating(dict.fromkeys(range(1, 10_000), reply)), n=2, seeds=SEEDS)
    assert run(ctx) == []
    assert [reason for _, reason in ctx.rejected] == ["no score in the reply"] * 6


def test_the_pool_is_asked_for_as_few_shot_asks() -> None:
    asked = {}
    for name in ("few_shot", "quality_only"):
        teacher = rating({})
        run(context(name, teacher, n=12, seeds=SEEDS), **({"factor": 1} if name == "quality_only" else {}))
        asked[name] = [(a.material, a.text) for a in teacher.asked if a.intent != "judge"]
    assert asked["few_shot"] == asked["quality_only"]


def test_a_budget_that_ends_early_leaves_a_choice_as_strict_and_says_how_it_ended() -> None:
    ctx = context("quality_only", rating({}), n=100, tokens=4_000, seeds=SEEDS)
    found = plugin("quality_only")
    rows = []
    with pytest.raises(BudgetExhausted, match="teacher tokens"):
        for row in found.generate(ctx, found.params()):
            rows.append(row)
    reasons = [reason for _, reason in ctx.rejected]
    assert len(rows) > 3 and set(reasons) == {"others preferred"}
    # One in three of the drawn; a few of them were drawn when no room was left to have them rated.
    judged, answered = len(rows) + len(reasons), ctx.meter.usage().calls_by_intent["answer"]
    assert abs(len(rows) - answered / 3) < 2 and answered - 6 <= judged <= answered
    assert ctx.meter.usage().tokens <= 4_000


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made("quality_only", profile, 120)
    again, _ = made("quality_only", profile, 120)
    assert rows == again and len(rows) == 120
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("quality_only").cost
    assert cost is not None and set(calls) == set(plugin("quality_only").intents) == set(cost.calls)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_a_larger_pool_has_more_right_rows(profile: str) -> None:
    right = {}
    for factor in (1, 4):
        rows, _ = made("quality_only", profile, 250, factor=factor)
        right[factor] = sum(TASK.verify(row).correct is True for row in rows) / len(rows)
    assert right[1] < right[4]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("quality_only", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
