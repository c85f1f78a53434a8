"""rest_em: how it samples, what each iteration trains on and from where, and the counts of the paper."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from method_bench import TASK, Context, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import Example, Request

SEEDS = tuple(TASK.seed_examples(Random(0)))[:3]
TASKS = tuple(TASK.reference_rows(Random(9), 60))  # prompts that the verifier can check, and their right answers
GOLD = {row.prompt: row.completion for row in (*SEEDS, *TASKS)}


def replying(proposals: Sequence[Example], right: int = 1000) -> FixedTeacher:
    """Propose the prompts of these in turn; of the samples of a prompt the first ``right`` are right."""
    left = iter(proposals)

    def reply(request: Request) -> str:
        if request.intent == "propose":
            row = next(left, None)
            return f"1. {row.prompt}" if row else ""
        return GOLD[request.material["prompt"]] if request.sample < right else "wrong"

    return FixedTeacher(reply)


class Learners:
    """Stands for the harness's training: remembers what it was asked to train on, and answers rightly."""

    def __init__(self, ctx: Context) -> None:
        self.trained: list[tuple[list[Example], Any]] = []
        self.made: list[Any] = []
        self.teachers: list[FixedTeacher] = []
        ctx.proxy = self.train

    def train(self, rows: Sequence[Example], *, after: Any = None) -> Any:
        self.trained.append((list(rows), after))
        self.teachers.append(replying([]))
        self.made.append(context("rest_em", self.teachers[-1], seeds=SEEDS).answerer)
        return self.made[-1]


def test_the_counts_of_the_paper() -> None:
    # 32 samples a problem and at most 10 of them kept: 3.2 calls a row where all are right.
    teacher = replying(TASKS)
    ctx = context("rest_em", teacher, n=30, seeds=SEEDS)
    rows = run(ctx, samples=32, iterations=1, distinct=False, seed_problems=False)
    assert Counter(row.prompt for row in rows) == dict.fromkeys([row.prompt for row in TASKS[:3]], 10)
    # The last row is the tenth of its problem: nothing was asked after it but what was under way.
    assert 2 * 32 + 10 <= len(teacher.of("answer")) <= 2 * 32 + 10 + 3
    assert [reason for _, reason in ctx.rejected] == ["over the cap of its problem"] * 22 * 2
    assert {(a.temperature, a.role) for a in teacher.of("answer")} == {(0.7, "answerer")}


def test_three_iterations_train_on_what_each_kept_from_the_base() -> None:
    teacher = replying(TASKS, right=2)
    ctx = context("rest_em", teacher, n=5, seeds=SEEDS)
    learners = Learners(ctx)
    rows = run(ctx, samples=4, iterations=3)
    problems = [*(seed.prompt for seed in SEEDS), TASKS[0].prompt, TASKS[1].prompt]
    # As many problems as rows are wanted, each sampled four times by the answerer ...
    assert [a.material["prompt"] for a in teacher.of("answer")] == [p for p in problems for _ in range(4)]
    assert [after for _, after in learners.trained] == [None, None]
    for iteration, (kept, _) in enumerate(learners.trained, 1):
        assert [row.prompt for row in kept] == problems
        assert {row.lineage["iteration"] for row in kept} == {str(iteration)}
    # ... then by what was trained on the iteration before, and the last goes on with new problems.
    assert [a.material["prompt"] for a in learners.teachers[0].asked] == [p for p in problems for _ in range(4)]
    assert {a.temperature for learner in learners.teachers for a in learner.asked} == {0.7}
    assert [row.prompt for row in rows] == [row.prompt for row in TASKS[:5]]
    assert {row.lineage["iteration"] for row in rows} == {"3"}
    reasons = Counter((row.lineage["iteration"], reason) for row, reason in ctx.rejected if row.completion)
    assert reasons["1", "only trains the next round"] == reasons["2", "only trains the next round"] == 5
    assert reasons["1", "wrong answer"] == 10 and reasons["1", "same answer again"] == 5
    assert reasons["3", "is a seed example"] == 3


def test_continuing_trains_from_the_learner_before() -> None:
    ctx = context("rest_em", replying(TASKS), n=4, seeds=SEEDS)
    learners = Learners(ctx)
    run(ctx, iterations=4, restart=False)
    assert [after for _, after in learners.trained] == [None, *learners.made[:2]]


def test_from_the_base_no_teacher_answers() -> None:
    teacher = replying(TASKS)
    ctx = context("rest_em", teacher, n=4, seeds=SEEDS)
    learners = Learners(ctx)
    rows = run(ctx, first="base", iterations=2, restart=False)
    assert len(rows) == 4 and not teacher.of("answer")
    assert [len(kept) for kept, _ in learners.trained] == [0, 4]
    assert learners.trained[1][1] is learners.made[0]


def test_copies_of_an_answer_are_kept_only_if_wanted() -> None:
    for distinct, each in ((True, 1), (False, 4)):
        ctx = context("rest_em", replying(TASKS), n=8, seeds=SEEDS)
        rows = run(ctx, iterations=1, distinct=distinct, seed_problems=False)
        assert set(Counter(row.prompt for row in rows).values()) == {each}


def test_ends_by_itself_when_nothing_is_right() -> None:
    ctx = context("rest_em", replying(TASKS, right=0), n=3, seeds=SEEDS)
    assert run(ctx, iterations=1) == []
    assert "wrong answer" in {reason for _, reason in ctx.rejected}


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_are_right_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made_once("rest_em", profile, 150)
    again, _ = made("rest_em", profile, 150)
    assert rows == again and len(rows) == 150 and all(TASK.verify(row).correct for row in rows)
    seeds = {seed.id for seed in ctx.seed_examples}
    assert not {row.id for row in rows} & seeds and all(set(row.parents) <= seeds for row in rows)
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("rest_em").cost
    assert cost is not None and set(calls) == set(plugin("rest_em").intents)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def depth(rows: Sequence[Example]) -> float:
    return sum(found.depth for row in rows if (found := TASK.structure(row.prompt))) / len(rows)


def test_a_small_learner_keeps_easier_rows_than_the_answerer() -> None:
    taught, _ = made_once("rest_em", "strong", 150)
    answered, _ = made("rest_em", "strong", 150, iterations=1)
    assert depth(taught) + 0.2 < depth(answered)


def test_a_budget_that_ends_in_the_first_iteration_still_gives_the_learners_rows() -> None:
    ctx = context("rest_em", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx, seed_problems=False)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
    assert {row.lineage["iteration"] for row in rows} == {"2"}
