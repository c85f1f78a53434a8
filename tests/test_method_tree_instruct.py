"""Tree-Instruct: seed prompts in turn, a set number of nodes added, everything that changed answered and kept."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, plugin, run

from qdcbench.api import Example

SEEDS = tuple(Example(prompt=f"Reverse the list: {digit} 1 2", completion=f"2 1 {digit}") for digit in range(3))


def grow(request):
    if request.intent == "answer":
        return "Answer: 9 9"
    return f"1. {request.material['prompt']} and then some"


def test_seeds_in_turn_are_rewritten_and_answered():
    teacher = FixedTeacher(grow)
    ctx = context("tree_instruct", teacher, 4, seeds=SEEDS)
    rows = run(ctx, nodes=6)
    wanted = [SEEDS[place % 3] for place in range(4)]
    assert [row.parents for row in rows] == [(seed.id,) for seed in wanted]
    assert [row.prompt for row in rows] == [f"{seed.prompt} and then some" for seed in wanted]
    assert {row.completion for row in rows} == {"9 9"} and not ctx.rejected
    assert all(row.lineage == {"operator": "add_nodes", "nodes": "6"} for row in rows)
    assert [asked.intent for asked in teacher.asked] == ["evolve", "answer"] * 4
    for asked, seed in zip(teacher.of("evolve", "teacher"), wanted, strict=True):
        assert (asked.material["operator"], asked.material["nodes"], asked.material["prompt"]) == (
            "add_nodes", 6, seed.prompt,
        )  # fmt: skip
        assert asked.temperature == 1.0
        assert seed.prompt in asked.text and "add 6 new nodes" in asked.text and TASK.description in asked.text
    for asked, row in zip(teacher.of("answer", "answerer"), rows, strict=True):
        assert asked.material["prompt"] == row.prompt and row.prompt in asked.text and asked.temperature == 0.0


@pytest.mark.parametrize("nodes", [3, 6, 10])
def test_the_published_numbers_of_nodes_are_asked_for(nodes):
    teacher = FixedTeacher(grow)
    run(context("tree_instruct", teacher, 2, seeds=SEEDS), nodes=nodes)
    assert {asked.material["nodes"] for asked in teacher.of("evolve")} == {nodes}
    assert all(f"add {nodes} new nodes" in asked.text for asked in teacher.of("evolve"))


def test_what_did_not_change_or_has_no_answer_is_dropped_and_nothing_else():
    replies = {SEEDS[0].prompt: SEEDS[0].prompt, SEEDS[1].prompt: "Sort: 1", SEEDS[2].prompt: "Double it: 1"}
    answers = {SEEDS[0].prompt: "1", "Sort: 1": "", "Double it: 1": "Sorry, no."}

    def reply(request):
        return (answers if request.intent == "answer" else replies)[request.material["prompt"]]

    ctx = context("tree_instruct", FixedTeacher(reply), 1, seeds=SEEDS)
    (row,) = run(ctx)
    # There is no elimination in this paper: an apology is an answer.
    assert row.completion == "Sorry, no."
    assert [(dropped.prompt, reason) for dropped, reason in ctx.rejected] == [
        (SEEDS[0].prompt, "unchanged"), ("Sort: 1", "empty answer"),
    ]  # fmt: skip
    assert [dropped.parents for dropped, _ in ctx.rejected] == [(SEEDS[0].id,), (SEEDS[1].id,)]


def test_it_ends_by_itself_where_nothing_ever_changes():
    ctx = context("tree_instruct", FixedTeacher(lambda request: request.material["prompt"]), 5, seeds=SEEDS)
    assert run(ctx) == [] and len(ctx.rejected) > 500


@settings(max_examples=8, deadline=None)
@given(n=st.integers(1, 150), profile=st.sampled_from(["strong", "weak"]))
def test_rows_repeat_and_more_rows_begin_with_their_parents_in_the_same_turn(n, profile):
    rows, ctx = made("tree_instruct", profile, n)
    assert rows == made("tree_instruct", profile, n)[0] and len(rows) == n
    places = {seed.id: place for place, seed in enumerate(ctx.seed_examples)}
    taken = sorted((*rows, *(row for row, _ in ctx.rejected)), key=lambda row: places[row.parents[0]])
    assert {row.parents[0] for row in taken} == {seed.id for seed in ctx.seed_examples[: len(taken)]}


def depth(profile: str, nodes: int) -> float:
    rows, _ = made("tree_instruct", profile, 300, nodes=nodes)
    found = [structure.depth for row in rows if (structure := TASK.structure(row.prompt))]
    return sum(found) / len(found)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_more_nodes_make_prompts_more_complex_and_answers_worse(profile):
    depths = [depth(profile, nodes) for nodes in (3, 6, 10)]
    assert all(low + 0.3 < high for low, high in pairwise(depths))
    right = [
        sum(TASK.verify(row).correct is True for row in made("tree_instruct", profile, 300, nodes=nodes)[0])
        for nodes in (3, 10)
    ]
    assert right[1] < right[0]


def test_a_row_costs_two_calls():
    rows, ctx = made("tree_instruct", "strong", 400)
    spent = ctx.meter.usage().calls_by_intent
    cost = plugin("tree_instruct").cost.calls
    assert sum(cost.values()) == 2.0
    assert all(0.9 < spent[intent] / len(rows) / cost[intent] < 1.2 for intent in cost) and set(spent) == set(cost)


def test_a_spent_budget_ends_it_cleanly():
    ctx = context("tree_instruct", TASK.scripted_teacher("weak"), 200, tokens=30_000)
    rows = run(ctx)
    assert 0 < len(rows) < 100 and ctx.meter.usage().tokens <= 30_000
