"""rejection_sampling: what it samples of which problem, what it keeps of that, and what it costs."""

from collections import Counter
from random import Random

import pytest
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import Check, Example, Request

SEEDS = tuple(TASK.seed_examples(Random(0)))[:3]
TASKS = tuple(TASK.reference_rows(Random(9), 300))  # prompts that the verifier can check, and their right answers
GOLD = {row.prompt: row.completion for row in (*SEEDS, *TASKS)}


def replying(proposals: list[str], answers: dict[str, list[str]]) -> FixedTeacher:
    """Propose these in turn; answer the sample number n of a prompt with the n-th of its texts, else rightly."""
    left = iter(proposals)

    def reply(request: Request) -> str:
        if request.intent == "propose":
            return next(left, "")
        prompt = request.material["prompt"]
        return answers[prompt][request.sample] if prompt in answers else GOLD[prompt]

    return FixedTeacher(reply)


def test_samples_each_problem_and_keeps_what_is_right_and_new() -> None:
    first, second = TASKS[0], TASKS[1]
    texts = {
        SEEDS[0].prompt: ["wrong", SEEDS[0].completion, "wrong"],
        first.prompt: [f"Answer: {first.completion}", "0 0 0 0 0 0 0 0 0", first.completion],
        second.prompt: ["", second.prompt, second.completion],
    }
    proposals = [f"1. {first.prompt}", f"1. {SEEDS[1].prompt}", "1. Sing a song.", second.prompt]
    teacher = replying(proposals, texts)
    ctx = context("rejection_sampling", teacher, n=2, seeds=SEEDS)
    rows = run(ctx, samples=3, seed_problems=True)
    assert [(row.prompt, row.completion) for row in rows] == [
        (first.prompt, first.completion), (second.prompt, second.completion),
    ]  # fmt: skip
    propose, answers = [("teacher", "propose", 1.0)], [("answerer", "answer", 0.7)] * 3
    assert [(a.role, a.intent, a.temperature) for a in teacher.asked] == (
        answers * 3 + propose + answers + propose * 3 + answers
    )
    shared = Random(1000)  # the bench's shared stream: the same questions as few_shot's
    for asked in teacher.of("propose"):
        shots = [shot.prompt for shot in shared.sample(SEEDS, 3)]
        assert asked.material == {"description": TASK.description, "exemplars": shots, "count": 1}
        assert all(shot in asked.text for shot in shots) and "another idea" in asked.text
    problems = [*(seed.prompt for seed in SEEDS), first.prompt, second.prompt]
    assert [a.material["prompt"] for a in teacher.of("answer")] == [p for p in problems for _ in range(3)]
    assert all(a.material["prompt"] in a.text and SEEDS[2].completion in a.text for a in teacher.of("answer"))
    again, wrong = "same answer again", "wrong answer"
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        (SEEDS[0].prompt, wrong), (SEEDS[0].prompt, "is a seed example"), (SEEDS[0].prompt, wrong),
        *((seed.prompt, reason) for seed in SEEDS[1:] for reason in ("is a seed example", again, again)),
        (first.prompt, wrong), (first.prompt, again),
        (SEEDS[1].prompt, "exact duplicate"), ("Sing a song.", "no verdict"),
        (second.prompt, "empty answer"), (second.prompt, "answer repeats the prompt"),
    ]  # fmt: skip
    assert set(rows[0].parents) == {seed.id for seed in SEEDS}


def test_keeps_different_right_answers_up_to_the_cap() -> None:
    texts = {row.prompt: ["one", "one  ", "two", "three", "four"] for row in TASKS[:2]}
    ctx = context("rejection_sampling", replying([row.prompt for row in TASKS[:2]], texts), n=6, seeds=SEEDS)
    ctx.verify = lambda example: Check(correct=True)
    rows = run(ctx, samples=5, cap=3)
    assert [row.completion for row in rows] == ["one", "two", "three"] * 2
    reasons = [reason for row, reason in ctx.rejected if row.prompt == TASKS[0].prompt]
    assert reasons == ["same answer again", "over the cap of its problem"]


def test_by_default_only_proposals_are_answered() -> None:
    teacher = replying([row.prompt for row in TASKS[:4]], {})
    rows = run(context("rejection_sampling", teacher, n=4, seeds=SEEDS), samples=2)
    assert [row.prompt for row in rows] == [row.prompt for row in TASKS[:4]]
    assert not {a.material["prompt"] for a in teacher.of("answer")} & {seed.prompt for seed in SEEDS}


def test_ends_by_itself_where_the_verifier_has_no_verdict_or_nothing_is_right() -> None:
    numbers = iter(range(10_000))
    blind = FixedTeacher(lambda request: f"1. Task {next(numbers)}" if request.intent == "propose" else "fine")
    ctx = context("rejection_sampling", blind, n=5, seeds=SEEDS)
    ctx.verify = lambda example: Check(correct=None)
    assert run(ctx, seed_problems=True) == [] and not blind.of("answer") and len(blind.asked) <= 250
    assert {reason for _, reason in ctx.rejected} == {"no verdict"}
    prompts = iter([row.prompt for row in TASKS])
    never = FixedTeacher(lambda request: next(prompts, "") if request.intent == "propose" else "wrong")
    assert run(context("rejection_sampling", never, n=5, seeds=SEEDS), samples=1, seed_problems=True) == []
    assert len(never.of("answer")) <= 260
    mute = FixedTeacher(lambda request: "")
    assert run(context("rejection_sampling", mute, n=5, seeds=SEEDS), seed_problems=True) == []


def test_a_noisy_verifier_lets_wrong_answers_pass_and_right_ones_not() -> None:
    texts = {TASKS[0].prompt: ["wrong", TASKS[0].completion]}
    ctx = context("rejection_sampling", replying([TASKS[0].prompt], texts), n=1, seeds=SEEDS)
    (row,) = run(ctx, samples=2, verifier_noise=1.0)
    assert row.completion == "wrong"
    shares = {}
    for noise in (0.0, 0.2):
        rows, _ = made("rejection_sampling", "strong", 150, verifier_noise=noise)
        shares[noise] = sum(TASK.verify(row).correct is True for row in rows) / len(rows)
    assert shares[0.0] == 1.0 and shares[0.2] < 0.9


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_are_right_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made_once("rejection_sampling", profile, 400)
    again, _ = made("rejection_sampling", profile, 400)
    assert rows == again and len(rows) == 400 and all(TASK.verify(row).correct for row in rows)
    seeds = {seed.id for seed in ctx.seed_examples}
    assert not {row.id for row in rows} & seeds and all(set(row.parents) <= seeds for row in rows)
    # list_edits has one right answer a prompt: whatever the cap, a problem gives one row.
    assert max(Counter(row.prompt for row in rows).values()) == 1
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("rejection_sampling").cost
    assert cost is not None and set(calls) == set(plugin("rejection_sampling").intents)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def test_every_sample_is_paid_for() -> None:
    rows, ctx = made_once("rejection_sampling", "strong", 400)
    usage = ctx.meter.usage().calls_by_intent
    problems = len({row.prompt for row in rows} | {row.prompt for row, reason in ctx.rejected if row.completion})
    assert 4 * problems - 50 <= usage["answer"] <= 4 * problems + 50  # what was under way when the last row came


def test_more_samples_solve_more_problems() -> None:
    kept = {}
    for count in (1, 6):
        rows, ctx = made("rejection_sampling", "weak", 150, samples=count)
        tried = {row.prompt for row in rows} | {row.prompt for row, _ in ctx.rejected if row.completion}
        kept[count] = len(rows) / len(tried)
    assert kept[1] + 0.1 < kept[6]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("rejection_sampling", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000


def test_parents_of_a_seed_problem_are_that_seed_example() -> None:
    seed = Example(prompt=TASKS[5].prompt, completion="the list: " + TASKS[5].completion)
    ctx = context("rejection_sampling", replying([], {}), n=1, seeds=[seed])
    (row,) = run(ctx, samples=1, seed_problems=True)
    assert row.completion == TASKS[5].completion and row.parents == (seed.id,)
