"""star: which problems it tries, who is given a hint, what each loop trains on, and which rows come out."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from method_bench import TASK, Context, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import Example, Request

SEEDS = tuple(TASK.seed_examples(Random(0)))[:3]
TASKS = tuple(TASK.reference_rows(Random(9), 60))  # prompts that the verifier can check, and their right answers
GOLD = {row.prompt: row.completion for row in (*SEEDS, *TASKS)}


def replying(proposals: Sequence[Example], wrong: set[str], *, hints_help: bool = True) -> FixedTeacher:
    """Propose the prompts of these in turn; answer rightly but for some prompts, and these after a hint or never."""
    left = iter(proposals)

    def reply(request: Request) -> str:
        if request.intent == "propose":
            row = next(left, None)
            return f"1. {row.prompt}" if row else ""
        if request.material["prompt"] not in wrong:
            return GOLD[request.material["prompt"]]
        return str(request.material["hint"]) if "hint" in request.material and hints_help else "wrong"

    return FixedTeacher(reply)


class Learners:
    """Stands for the harness's training: remembers what it was asked to train on, and answers as written."""

    def __init__(self, ctx: Context, wrong: set[str]) -> None:
        self.teacher = replying([], wrong)
        self.trained: list[tuple[list[Example], Any]] = []
        self.made: list[Any] = []
        ctx.proxy = self.train

    def train(self, rows: Sequence[Example], *, after: Any = None) -> Any:
        self.trained.append((list(rows), after))
        self.made.append(context("star", self.teacher, seeds=SEEDS).answerer)
        return self.made[-1]


def test_keeps_right_answers_hints_failures_trains_the_base_and_begins_again() -> None:
    teacher = replying(TASKS, {SEEDS[1].prompt, TASKS[0].prompt})
    ctx = context("star", teacher, n=4, seeds=SEEDS)
    learners = Learners(ctx, {SEEDS[0].prompt, TASKS[1].prompt})
    rows = run(ctx)
    asked = [(a.intent, a.material.get("prompt", ""), "hint" in a.material, a.temperature) for a in teacher.asked]
    proposed = ("propose", "", False, 1.0)
    assert asked == [
        # The first loop goes over as many problems as rows are wanted, seed examples first.
        ("answer", SEEDS[0].prompt, False, 0.0), ("answer", SEEDS[1].prompt, False, 0.0),
        ("answer", SEEDS[1].prompt, True, 0.0), ("answer", SEEDS[2].prompt, False, 0.0),
        proposed, ("answer", TASKS[0].prompt, False, 0.0),
        # The second begins again with all of them; the learner answers, only a hint goes to the answerer.
        ("answer", SEEDS[0].prompt, True, 0.0), *[proposed] * 4,
    ]  # fmt: skip
    hinted = [a for a in teacher.of("answer") if "hint" in a.material]
    assert [a.material["hint"] for a in hinted] == [SEEDS[1].completion, SEEDS[0].completion]
    assert all(f"known to be: {a.material['hint']}" in a.text and a.material["prompt"] in a.text for a in hinted)
    assert [a.material["prompt"] for a in learners.teacher.asked] == [
        *(seed.prompt for seed in SEEDS), *(row.prompt for row in TASKS[:5])
    ]  # fmt: skip
    ((kept, after),) = learners.trained
    assert after is None and [(row.prompt, row.completion) for row in kept] == [
        (seed.prompt, seed.completion) for seed in SEEDS
    ]
    assert [row.lineage["operator"] for row in kept] == ["answer", "rationalize", "answer"]
    assert [row.prompt for row in rows] == [TASKS[number].prompt for number in (0, 2, 3, 4)]
    assert all(row.lineage == {"operator": "answer", "loop": "2"} for row in rows)
    early, last = "only trains the next round", "is a seed example"
    assert [(row.prompt, reason, row.lineage["loop"]) for row, reason in ctx.rejected] == [
        (SEEDS[0].prompt, early, "1"), (SEEDS[1].prompt, "wrong answer", "1"), (SEEDS[1].prompt, early, "1"),
        (SEEDS[2].prompt, early, "1"), (TASKS[0].prompt, "wrong answer", "1"),
        (SEEDS[0].prompt, "wrong answer", "2"), (SEEDS[0].prompt, last, "2"), (SEEDS[1].prompt, last, "2"),
        (SEEDS[2].prompt, last, "2"), (TASKS[1].prompt, "wrong answer", "2"),
    ]  # fmt: skip


def test_a_hint_that_does_not_help_is_no_row() -> None:
    ctx = context("star", replying(TASKS, {SEEDS[0].prompt}, hints_help=False), n=2, seeds=SEEDS)
    run(ctx, learner="answerer")
    assert [reason for row, reason in ctx.rejected if row.prompt == SEEDS[0].prompt] == [
        "wrong answer", "wrong answer after the hint",
    ]  # fmt: skip


def test_each_loop_trains_the_original_base_on_that_loops_rows() -> None:
    ctx = context("star", replying(TASKS, set()), n=5, seeds=SEEDS)
    learners = Learners(ctx, set())
    rows = run(ctx, loops=3, rationalize=False)
    assert [after for _, after in learners.trained] == [None, None]
    for loop, (kept, _) in enumerate(learners.trained, 1):
        assert len(kept) == 5 and {row.lineage["loop"] for row in kept} == {str(loop)}
    assert {row.lineage["loop"] for row in rows} == {"3"}


def test_the_answerer_alone_is_not_trained() -> None:
    teacher = replying(TASKS, set())
    ctx = context("star", teacher, n=3, seeds=SEEDS)
    learners = Learners(ctx, set())
    rows = run(ctx, learner="answerer", loops=5)
    assert not learners.trained and [row.prompt for row in rows] == [row.prompt for row in TASKS[:3]]
    assert len(teacher.of("answer")) == 6


def test_without_rationalizing_and_without_seed_problems_there_is_no_hint() -> None:
    for params in ({"rationalize": False}, {"seed_problems": False}):
        teacher = replying(TASKS, {SEEDS[0].prompt, TASKS[0].prompt})
        ctx = context("star", teacher, n=3, seeds=SEEDS)
        Learners(ctx, set())
        assert len(run(ctx, **params)) == 3
        assert not [a for a in teacher.of("answer") if "hint" in a.material]


def test_ends_by_itself_when_nothing_is_right() -> None:
    prompts = {row.prompt for row in (*SEEDS, *TASKS)}
    teacher = replying(TASKS, prompts, hints_help=False)
    ctx = context("star", teacher, n=3, seeds=SEEDS)
    learners = Learners(ctx, prompts)
    assert run(ctx) == [] and learners.trained == [([], None)]
    assert len(teacher.of("propose")) < 400


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_are_right_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made_once("star", profile, 150)
    again, _ = made("star", profile, 150)
    assert rows == again and len(rows) == 150 and all(TASK.verify(row).correct for row in rows)
    seeds = {seed.id for seed in ctx.seed_examples}
    assert not {row.id for row in rows} & seeds and all(set(row.parents) <= seeds for row in rows)
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("star").cost
    assert cost is not None and set(calls) == set(plugin("star").intents)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def depth(rows: Sequence[Example]) -> float:
    return sum(found.depth for row in rows if (found := TASK.structure(row.prompt))) / len(rows)


def test_a_small_learner_keeps_easier_rows_than_the_answerer() -> None:
    taught, _ = made_once("star", "strong", 150)
    answered, _ = made("star", "strong", 150, learner="answerer")
    assert depth(taught) + 0.2 < depth(answered)


def test_a_budget_that_ends_in_the_first_loop_still_gives_the_learners_rows() -> None:
    ctx = context("star", TASK.scripted_teacher("strong"), n=10_000, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 60_000
    assert {row.lineage["loop"] for row in rows} == {"2"}
