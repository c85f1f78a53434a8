"""deita: two scores a row, the walk from the best, and the cosine at which a row is skipped."""

import numpy as np
import pytest
from method_bench import TASK, FixedTeacher, context, made, plugin, run
from numpy.typing import NDArray

from qdcbench.api import Example, Request

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))
SCORES = {1: (2, 6), 2: (6, 5), 3: (5, 5), 4: (4, 4), 5: (3, 4), 6: (1, 1)}
"""Complexity and quality of each task: products 12, 30, 25, 16, 12, 1."""


def teacher_of(scores: dict[int, tuple[int, int]]) -> FixedTeacher:
    numbers = iter(range(1, 10_000))

    def reply(request: Request) -> str:
        if request.intent == "propose":
            return f"1. Task {next(numbers)}"
        if request.intent == "answer":
            return "done"
        complexity, quality = scores[int(str(request.material["prompt"]).split()[1])]
        return f"Score: {complexity if request.material['question'] == 'complexity' else quality}"

    return FixedTeacher(reply)


def angles(*degrees: float) -> NDArray[np.float32]:
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def walked(degrees: dict[int, float], n: int = 3, **params: float) -> tuple[list[str], dict[str, str], FixedTeacher]:
    """What is kept of the six tasks, in order, and why the others were not, when they lie at these angles."""
    teacher = teacher_of(SCORES)
    ctx = context("deita", teacher, n=n, seeds=SEEDS)
    ctx.embed = lambda texts: angles(*(degrees[int(text.split()[1])] for text in texts))
    kept = [row.prompt for row in run(ctx, factor=6 / n, **params)]
    return kept, {row.prompt: reason for row, reason in ctx.rejected}, teacher


def test_asks_for_complexity_and_quality_of_every_row() -> None:
    _, _, teacher = walked({n: 60.0 * n for n in range(1, 7)})
    judged = teacher.of("judge")
    assert [a.role for a in judged] == ["judge"] * 12 and {a.temperature for a in judged} == {0.0}
    assert [(a.material["question"], a.material["prompt"]) for a in judged] == [
        (question, f"Task {n}") for n in range(1, 7) for question in ("complexity", "quality")
    ]
    assert all("1 to 6" in a.text and a.material["prompt"] in a.text for a in judged)
    assert all(("done" in a.text) == (a.material["question"] == "quality") for a in judged)
    assert len(teacher.of("propose")) == len(teacher.of("answer")) == 6


def test_walks_from_the_best_product_until_it_has_enough() -> None:
    kept, why, _ = walked({n: 60.0 * n for n in range(1, 7)})
    assert kept == ["Task 2", "Task 3", "Task 4"]
    assert why == dict.fromkeys(["Task 1", "Task 5", "Task 6"], "others preferred")


def test_skips_a_row_whose_cosine_to_a_kept_one_is_above_nine_tenths() -> None:
    # cos 20° = .94 and cos 30° = .87: Task 3 is near Task 2, Task 4 is not. Task 5 is near the skipped Task 3 alone.
    degrees = {2: 0.0, 3: 20.0, 4: -30.0, 5: 40.0, 1: 120.0, 6: 200.0}
    kept, why, _ = walked(degrees)
    assert kept == ["Task 2", "Task 4", "Task 1"]
    assert why == {"Task 3": "near a better row", "Task 5": "others preferred", "Task 6": "others preferred"}
    assert walked(degrees, threshold=0.95)[0] == ["Task 2", "Task 3", "Task 4"]
    assert walked(degrees, threshold=0.8)[0] == ["Task 2", "Task 1", "Task 5"]


def test_a_pool_of_one_kind_leaves_fewer_rows_than_wanted() -> None:
    kept, why, _ = walked(dict.fromkeys(range(1, 7), 45.0))
    assert kept == ["Task 2"] and set(why.values()) == {"near a better row"}


def test_prompt_and_answer_are_compared_together() -> None:
    seen: list[str] = []
    ctx = context("deita", teacher_of(SCORES), n=3, seeds=SEEDS)
    ctx.embed = lambda texts: (seen.extend(texts), angles(*(60.0 * k for k in range(len(texts)))))[1]
    run(ctx, factor=2)
    assert seen[:3] == ["Task 2\ndone", "Task 3\ndone", "Task 4\ndone"]


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made("deita", profile, 100)
    again, _ = made("deita", profile, 100)
    assert rows == again and 0 < len(rows) <= 100
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("deita").cost
    assert cost is not None and set(calls) == set(plugin("deita").intents) == set(cost.calls)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def test_rows_are_deeper_than_the_pool_and_apart_from_one_another() -> None:
    rows, ctx = made("deita", "strong", 120, threshold=0.8)
    vectors = ctx.embed([f"{row.prompt}\n{row.completion}" for row in rows])
    assert (np.triu(vectors @ vectors.T, 1) <= 0.8 + 1e-6).all()
    depths = {
        kept: np.mean([found.depth for row in group if (found := TASK.structure(row.prompt))])
        for kept, group in ((True, rows), (False, [row for row, _ in ctx.rejected]))
    }
    assert depths[True] > depths[False]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("deita", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
