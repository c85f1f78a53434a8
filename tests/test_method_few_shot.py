"""few_shot: the questions it asks, what it drops, and what its dials do on the scripted teacher."""

from collections import Counter
from random import Random

import pytest
from method_bench import TASK, FixedTeacher, context, made, plugin, run

from qdcbench.api import Example, Request

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))


def replying(proposals: list[str], answer: str = "fine") -> FixedTeacher:
    left = iter(proposals)
    return FixedTeacher(lambda request: next(left, "") if request.intent == "propose" else answer)


def test_asks_for_one_other_idea_after_three_demonstrations_and_has_it_answered() -> None:
    teacher = replying(["1. Alpha", "1. Beta", "Gamma"])
    rows = run(context("few_shot", teacher, n=3, seeds=SEEDS))
    assert [row.prompt for row in rows] == ["Alpha", "Beta", "Gamma"]
    assert [(a.role, a.intent) for a in teacher.asked] == [("teacher", "propose"), ("answerer", "answer")] * 3
    shared = Random(1000)  # the bench's shared stream: whoever draws three seed examples of it draws these
    for asked, row in zip(teacher.of("propose"), rows, strict=True):
        shots = shared.sample(SEEDS, 3)
        assert asked.material == {
            "description": TASK.description, "exemplars": [shot.prompt for shot in shots], "count": 1,
        }  # fmt: skip
        assert asked.temperature == 1.0 and "another idea" in asked.text
        assert all(shot.prompt in asked.text for shot in shots) and TASK.description in asked.text
        assert row.parents == tuple(shot.id for shot in shots)
    for asked, row in zip(teacher.of("answer"), rows, strict=True):
        assert asked.material["prompt"] == row.prompt and asked.temperature == 0.0 and row.completion == "fine"


def test_much_harder_is_a_demand_of_the_dial_alone() -> None:
    texts = {}
    for harder in (False, True):
        teacher = replying(["1. Alpha"])
        run(context("few_shot", teacher, n=1, seeds=SEEDS), much_harder=harder)
        (asked,) = teacher.of("propose")
        texts[harder] = asked.text
    assert "much harder" in texts[True] and "much harder" not in texts[False]
    assert "another idea" in texts[True]


def test_drops_copies_and_empty_prompts_before_it_has_them_answered() -> None:
    teacher = replying(["1. Alpha", "1. Seed task 4", "1. Alpha", " ", "1. Beta"])
    ctx = context("few_shot", teacher, n=2, seeds=SEEDS)
    assert [row.prompt for row in run(ctx)] == ["Alpha", "Beta"]
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        ("Seed task 4", "exact duplicate"), ("Alpha", "exact duplicate"), ("", "empty prompt"),
    ]  # fmt: skip
    assert len(teacher.of("answer")) == 2


def test_drops_what_is_no_answer() -> None:
    for answer, reason in (("", "empty answer"), ("Alpha", "answer repeats the prompt")):
        ctx = context("few_shot", replying(["1. Alpha"], answer), n=1, seeds=SEEDS)
        assert run(ctx) == []
        assert ctx.rejected[0][0].prompt == "Alpha" and ctx.rejected[0][1] == reason


def test_ends_by_itself_when_nothing_new_comes() -> None:
    silent = FixedTeacher(lambda request: "")
    assert run(context("few_shot", silent, n=5)) == [] and len(silent.asked) == 250
    numbers = iter(range(10_000))

    def unanswered(request: Request) -> str:
        return f"1. Task {next(numbers)}" if request.intent == "propose" else ""

    lost = FixedTeacher(unanswered)
    assert run(context("few_shot", lost, n=5)) == [] and len(lost.of("answer")) == 250


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made("few_shot", profile, 200)
    again, _ = made("few_shot", profile, 200)
    assert rows == again and len({row.prompt for row in rows}) == len(rows) == 200
    seeds = {seed.id for seed in ctx.seed_examples}
    assert all(set(row.parents) <= seeds and len(row.parents) == 3 for row in rows)
    assert not {row.prompt for row in rows} & {seed.prompt for seed in ctx.seed_examples}
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("few_shot").cost
    assert cost is not None and set(calls) == set(plugin("few_shot").intents) == set(cost.calls)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def test_a_higher_temperature_spreads_the_operations() -> None:
    spread = {}
    for temperature in (0.4, 1.4):
        rows, _ = made("few_shot", "strong", 250, temperature=temperature)
        pairs = Counter(p for row in rows if (found := TASK.structure(row.prompt)) for p in found.pairs)
        spread[temperature] = max(pairs.values()) / pairs.total()
    assert spread[1.4] < spread[0.4]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("few_shot", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
