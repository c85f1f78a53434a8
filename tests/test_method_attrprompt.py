"""AttrPrompt: attributes and values listed and checked, one value of each in every prompt, and plain prompts beside."""

import math
from collections import Counter
from itertools import count

import pytest
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run
from qdcbench.methods.attrprompt import IDLE_PROMPTS

TREE = {
    (): "1. size\n2. colour\n3. smell",
    ("size",): "1. small\n2. large\n3. infinite",
    ("colour",): "1. red\n2. blue\n3. green",
    ("smell",): "1. sound of it",
}
UNSOUND = {"infinite", "sound of it"}


def scripted(task=None, answer="done", tree=TREE):
    """A teacher of three attributes, one of which has no sound value."""
    number = count(1)

    def reply(request):
        if request.intent == "expand":
            return tree.get(tuple(request.material["path"]), "I know none.")
        if request.intent == "classify":
            return "No." if request.material["topic"] in UNSOUND else "Yes."
        if request.intent == "answer":
            return answer
        return f"1. Task {next(number)}" if task is None else task

    return FixedTeacher(reply)


def made_by(teacher, n=4, **params):
    ctx = context("attrprompt", teacher, n=n)
    return run(ctx, **params), ctx


# The calls


def test_the_calls_come_in_order_with_one_value_of_each_attribute():
    teacher = scripted()
    rows, _ = made_by(teacher, n=2)
    assert [(a.role, a.intent, a.material.get("path", a.material.get("topic"))) for a in teacher.asked[:13]] == [
        ("teacher", "expand", []), ("teacher", "expand", []), ("teacher", "expand", []),  # lists are joined
        ("teacher", "expand", ["size"]), ("teacher", "expand", ["colour"]), ("teacher", "expand", ["smell"]),
        *[("judge", "classify", value) for value in ("small", "large", "infinite", "red", "blue", "green")],
        ("judge", "classify", "sound of it"),
    ]  # fmt: skip
    assert [(a.role, a.intent) for a in teacher.asked[13:]] == [("teacher", "propose"), ("answerer", "answer")] * 2
    propose = teacher.asked[13]
    size, colour = propose.material["topics"]
    assert size in {"small", "large"} and colour in {"red", "blue", "green"}
    assert f"1. size: {size}\n2. colour: {colour}" in propose.text and "smell" not in propose.text
    assert "attribute in which such tasks differ is this:\n1. size" in teacher.asked[3].text
    assert {a.temperature for a in teacher.asked if a.role == "teacher"} == {1.0}
    assert {a.temperature for a in teacher.asked if a.role != "teacher"} == {0.0}
    assert all(TASK.description in a.text for a in teacher.asked)
    assert [(row.prompt, row.completion) for row in rows] == [("Task 1", "done"), ("Task 2", "done")]
    assert rows[0].lineage == {"size": size, "colour": colour}


def test_values_are_drawn_uniformly_and_attributes_apart_from_one_another():
    rows, _ = made_by(scripted(), n=900)
    seen = Counter((row.lineage["size"], row.lineage["colour"]) for row in rows)
    assert len(seen) == 6 and all(abs(times - 150) < 5 * 150**0.5 for times in seen.values())


# Rejections


@pytest.mark.parametrize(
    ("task", "answer", "reason"),
    [
        ("", "done", "no task in the reply"),
        ("1. Paint it", "", "empty answer"),
        ("1. Paint it", "Paint it", "answer repeats the prompt"),
    ],
)
def test_what_is_no_row_is_rejected_with_its_reason_until_nothing_comes_any_more(task, answer, reason):
    rows, ctx = made_by(scripted(task, answer))
    assert rows == [] and [why for _, why in ctx.rejected] == [reason] * IDLE_PROMPTS
    row, _ = ctx.rejected[0]
    assert (
        row.prompt == task.removeprefix("1. ") and row.completion == answer and set(row.lineage) == {"size", "colour"}
    )


@pytest.mark.parametrize("tree", [{}, {(): "1. smell", ("smell",): "1. sound of it"}])
def test_without_a_sound_value_it_ends_and_writes_no_plain_prompts_instead(tree):
    teacher = scripted(tree=tree)
    assert made_by(teacher)[0] == [] and teacher.of("propose") == []


# Dials and costs


def test_plain_prompts_have_no_attributes_and_no_set_up():
    teacher = scripted()
    rows, _ = made_by(teacher, n=3, attributes=0)
    assert len(rows) == 3 and all(row.lineage == {} for row in rows)
    assert {a.intent for a in teacher.asked} == {"propose", "answer"}
    assert all("attribute" not in a.text for a in teacher.of("propose"))


def test_dials_bound_attributes_and_values():
    rows, _ = made_by(scripted(), n=100, attributes=1)
    assert len({tuple(row.lineage) for row in rows}) == 1 and all(len(row.lineage) == 1 for row in rows)
    teacher = scripted()
    rows, _ = made_by(teacher, n=100, values=1)
    # At most one value of each of the three attributes is checked, and what fails the check is not replaced.
    assert len(teacher.of("classify")) == 3
    assert all(len({row.lineage.get(name) for row in rows}) == 1 for name in ("size", "colour"))


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly_and_cost_one_prompt_and_one_answer(profile):
    rows, ctx = made("attrprompt", profile, 150)
    again, _ = made("attrprompt", profile, 150)
    assert rows == again and len(rows) == 150 and all(row.prompt and row.completion and row.lineage for row in rows)
    calls = ctx.meter.usage().calls_by_intent
    assert set(calls) == set(plugin("attrprompt").intents)
    assert calls["answer"] == len(rows) + len(ctx.rejected) and calls["propose"] <= calls["answer"] + 150 // 16


def test_the_cost_it_states_is_the_cost_it_has():
    rows, ctx = made_once("attrprompt")
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("attrprompt").cost
    for intent, stated in cost.calls.items():
        assert stated / 2 <= calls[intent] / len(rows) <= stated * 2
    assert cost.setup_calls / 2 <= calls["expand"] + calls["classify"] <= cost.setup_calls * 2


def test_more_values_spread_the_operations_more_evenly():
    def entropy(values):
        total = 0.0
        for seed in range(6):
            rows = run(context("attrprompt", TASK.scripted_teacher("strong"), 150, seed=seed), values=values)
            parts = Counter(part for row in rows if (found := TASK.structure(row.prompt)) for part in found.parts)
            total -= sum(n / parts.total() * math.log2(n / parts.total()) for n in parts.values())
        return total / 6

    assert entropy(2) + 0.1 < entropy(12)


def test_a_small_budget_ends_it_cleanly():
    ctx = context("attrprompt", TASK.scripted_teacher("strong"), 400, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 60_000
