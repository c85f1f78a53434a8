"""qdc_balanced: the bar, the equal shares of complexity, the cover; and each switched off."""

from collections import Counter
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, plugin, run
from qdcbench.methods.qdc_balanced import _bins, _shares

from qdcbench.api import Example, Request

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))
VERDICTS = {  # of each task: called right, called wrong, complexity
    1: ("Yes.", "No.", 1), 2: ("No.", "No.", 1), 3: ("Yes.", "Yes.", 6), 4: ("yes", "no", 1),
    5: ("Hmm", "No.", 3), 6: ("Yes", "No", 6), 7: ("Yes.", "No.", 1), 8: ("Yes.", "No.", 3),
}  # fmt: skip


def judging(verdicts: Mapping[int, tuple[str, str, int]]) -> FixedTeacher:
    numbers = iter(range(1, 10_000))

    def reply(request: Request) -> str:
        if request.intent == "propose":
            return f"1. Task {next(numbers)}"
        prompt = str(request.material["prompt"])
        if request.intent == "answer":
            return prompt.upper()
        right, wrong, complexity = verdicts[int(prompt.split()[1])]
        return {"correct": right, "incorrect": wrong, "complexity": f"Score: {complexity}"}[
            str(request.material["question"])
        ]

    return FixedTeacher(reply)


def test_the_bar_comes_first_and_what_it_drops_is_asked_no_more() -> None:
    teacher = judging(VERDICTS)
    ctx = context("qdc_balanced", teacher, n=3, seeds=SEEDS)
    ctx.embed = lambda texts: np.eye(8, dtype=np.float32)[[int(text.split()[1]) - 1 for text in texts]]
    rows = run(ctx, factor=8 / 3)
    asked = [(a.material["question"], int(a.material["prompt"].split()[1])) for a in teacher.of("judge", "judge")]
    assert {a.temperature for a in teacher.of("judge")} == {0.0}
    assert [n for question, n in asked if question == "correct"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [n for question, n in asked if question == "incorrect"] == [1, 3, 4, 6, 7, 8]
    assert [n for question, n in asked if question == "complexity"] == [1, 4, 6, 7, 8]
    assert all(a.material["prompt"] in a.text for a in teacher.of("judge"))
    # One row of each third of the complexity; the first of equals where all cover the same.
    assert [row.prompt for row in rows] == ["Task 1", "Task 6", "Task 8"]
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        ("Task 2", "not called right"), ("Task 3", "called wrong"), ("Task 5", "not called right"),
        ("Task 4", "others preferred"), ("Task 7", "others preferred"),
    ]  # fmt: skip


def test_within_a_stratum_what_covers_most_is_chosen() -> None:
    verdicts = dict.fromkeys(range(1, 7), ("Yes", "No", 2))
    ctx = context("qdc_balanced", judging(verdicts), n=2, seeds=SEEDS)
    places = {1: 0, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2}  # three tasks in one place, two in another, one by itself
    ctx.embed = lambda texts: np.eye(3, dtype=np.float32)[[places[int(text.split()[1])] for text in texts]]
    assert [row.prompt for row in run(ctx)] == ["Task 2", "Task 5"]


def test_each_axis_can_be_switched_off() -> None:
    for bar, strata, cover in product((False, True), (1, 3), (False, True)):
        teacher = judging(VERDICTS)
        ctx = context("qdc_balanced", teacher, n=2, seeds=SEEDS)
        rows = run(ctx, factor=4, bar=bar, strata=strata, cover=cover)
        questions = {"correct", "incorrect"} if bar else set()
        questions |= {"complexity"} if strata > 1 else set()
        assert {a.material["question"] for a in teacher.of("judge")} == questions
        if not (bar or strata > 1 or cover):
            assert [row.prompt for row in rows] == ["Task 1", "Task 2"]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 120))
def test_shares_are_as_equal_as_the_strata_allow(sizes: list[int], count: int) -> None:
    shares = _shares(sizes, count)
    assert sum(shares) == min(count, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    # Whoever could take more has as much as any other, but for one that cannot be split.
    short = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert not short or max(shares) <= min(short) + 1


@given(st.lists(st.integers(1, 6), max_size=30), st.integers(1, 6))
def test_bins_follow_the_scores(scores: list[int], strata: int) -> None:
    bins = _bins(scores, strata)
    assert all(0 <= place < strata for place in bins)
    for (a, x), (b, y) in product(zip(scores, bins, strict=True), repeat=2):
        assert x <= y if a <= b else x >= y
    if scores and min(scores) < max(scores):
        assert bins[scores.index(min(scores))] == 0 and bins[scores.index(max(scores))] == strata - 1


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made("qdc_balanced", profile, 80)
    again, _ = made("qdc_balanced", profile, 80)
    assert rows == again and len(rows) == 80
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("qdc_balanced").cost
    assert cost is not None and set(calls) == set(plugin("qdc_balanced").intents) == set(cost.calls)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_the_bar_raises_the_right_share_and_strata_the_deep_one(profile: str) -> None:
    def view(**params: object) -> tuple[float, float]:
        rows, _ = made("qdc_balanced", profile, 150, **params)
        depths = Counter(found.depth for row in rows if (found := TASK.structure(row.prompt)))
        right = sum(TASK.verify(row).correct is True for row in rows) / len(rows)
        return right, sum(count for depth, count in depths.items() if depth > 2) / depths.total()

    balanced = view()
    assert view(bar=False)[0] < balanced[0]
    assert view(strata=1)[1] < balanced[1]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("qdc_balanced", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
