"""qdit: the greedy choice against a plain one, its two ends, and what alpha does."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from method_bench import TASK, FixedTeacher, context, made, plugin, run
from numpy.typing import NDArray
from qdcbench.methods._greedy import Goal, choose

from qdcbench.api import Example, Request

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))


def unit(rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    vectors = np.asarray(rows, dtype=np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plain(vectors: NDArray[np.float32], count: int, goal: Goal) -> list[int]:
    """The definition: every candidate's gain anew at every step, the first of the best."""
    table, covered = vectors @ vectors.T, np.zeros(len(vectors), dtype=np.float32)
    groups, room = goal.groups or [0] * len(vectors), list(goal.room) or [len(vectors)]
    chosen: list[int] = []
    for _ in range(count):
        free = [i for i in range(len(vectors)) if i not in chosen and room[groups[i]] > 0]
        if not free:
            break
        gains = [goal.worth[i] + goal.cover * np.maximum(table[i] - covered, 0).sum(dtype=np.float64) for i in free]
        chosen.append(free[int(np.argmax(gains))])
        room[groups[chosen[-1]]] -= 1
        covered = np.maximum(covered, table[chosen[-1]])
    return chosen


@given(
    arrays(np.int8, st.tuples(st.integers(1, 30), st.just(3)), elements=st.integers(-2, 2)),
    st.integers(0, 12), st.floats(0, 1), st.booleans(), st.integers(0, 2**32),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_the_lazy_choice_is_the_plain_greedy_one(
    raw: NDArray[np.int8], count: int, cover: float, grouped: bool, seed: int
) -> None:
    # Few directions, so that many rows are equal and ties abound.
    vectors = unit(raw + np.array([0, 0, 3]))
    rng = np.random.default_rng(seed)
    worth = [float(value) for value in rng.integers(0, 3, len(vectors)) / 2]
    groups = [int(group) for group in rng.integers(0, 3, len(vectors))] if grouped else None
    goal = Goal(worth=worth, cover=cover, groups=groups, room=[2, 0, 4] if grouped else ())
    assert choose(vectors, count, goal) == plain(vectors, count, goal)


def test_a_pool_too_large_to_hold_gives_the_same_choice() -> None:
    rng = np.random.default_rng(3)
    vectors = unit(rng.standard_normal((300, 12)))
    goal = Goal(worth=[float(value) for value in rng.random(300)], cover=0.6)
    assert choose(vectors, 60, goal, held=10) == choose(vectors, 60, goal, held=300) == plain(vectors, 60, goal)


def test_an_empty_pool_gives_no_choice() -> None:
    assert choose(np.zeros((0, 4), dtype=np.float32), 5, Goal(worth=[], cover=1.0)) == []


VECTORS = dict.fromkeys(("Task 1", "Task 2", "Task 3"), (1, 0, 0)) | {"Task 4": (0, 1, 0), "Task 5": (0, 0, 1)}
RATINGS = {"Task 1": 5, "Task 2": 4, "Task 3": 5, "Task 4": 3, "Task 5": 1}


def five(**params: float) -> tuple[list[str], FixedTeacher, list[tuple[str, str]]]:
    """What qdit keeps of the five tasks, three of them in one place and rated best."""
    numbers = iter(range(1, 100))

    def reply(request: Request) -> str:
        if request.intent == "propose":
            return f"1. Task {next(numbers)}"
        return "done" if request.intent == "answer" else f"Rating: {RATINGS[str(request.material['prompt'])]}"

    teacher = FixedTeacher(reply)
    ctx = context("qdit", teacher, n=3, seeds=SEEDS)
    ctx.embed = lambda texts: unit([VECTORS[text] for text in texts])
    kept = [row.prompt for row in run(ctx, factor=5 / 3, **params)]
    return kept, teacher, [(row.prompt, reason) for row, reason in ctx.rejected]


def test_asks_for_one_rating_a_row_and_rejects_what_it_does_not_choose() -> None:
    kept, teacher, rejected = five(alpha=0.5)
    assert [(a.role, a.intent) for a in teacher.asked] == [
        ("teacher", "propose"), ("answerer", "answer"), ("judge", "judge"),
    ] * 5  # fmt: skip
    assert {(a.material["question"], a.temperature) for a in teacher.of("judge")} == {("rating", 0.0)}
    assert rejected == [(f"Task {n}", "others preferred") for n in range(1, 6) if f"Task {n}" not in kept]


def test_alpha_goes_from_the_best_rated_to_the_best_cover() -> None:
    assert five(alpha=0.0)[0] == ["Task 1", "Task 3", "Task 2"]
    # Half of worth 1, .75, 1, .5, 0 and of rows covered: first 2, then .75 of Task 4 before .5 of Task 3 and Task 5.
    assert five(alpha=0.5)[0] == ["Task 1", "Task 4", "Task 3"]
    assert five(alpha=1.0)[0] == ["Task 1", "Task 4", "Task 5"]


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made("qdit", profile, 100)
    again, _ = made("qdit", profile, 100)
    assert rows == again and len(rows) == 100
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("qdit").cost
    assert cost is not None and set(calls) == set(plugin("qdit").intents) == set(cost.calls)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_alpha_trades_right_answers_for_cover(profile: str) -> None:
    right, cover = {}, {}
    for alpha in (0.0, 1.0):
        rows, ctx = made("qdit", profile, 150, alpha=alpha)
        right[alpha] = sum(TASK.verify(row).correct is True for row in rows) / len(rows)
        pool = ctx.embed([row.prompt for row in rows] + [row.prompt for row, _ in ctx.rejected])
        cover[alpha] = float((pool @ pool[: len(rows)].T).max(axis=1).mean())
    assert right[1.0] < right[0.0] and cover[0.0] < cover[1.0]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("qdit", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
