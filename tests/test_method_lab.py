"""LAB's skill flows as paper and code tell them: what is asked of a leaf, what two judges drop, what a row costs."""

from collections import Counter
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run
from qdcbench.methods._lab_flows import leaves
from qdcbench.methods.lab import IDLE_CALLS

from qdcbench.api import Example


def seeds(n):
    return [Example(prompt=f"shared words and word{chr(97 + i % 26)} {i}", completion=f"result {i}") for i in range(n)]


def listing(items):
    return "\n".join(f"{place}. {item}" for place, item in enumerate(items, 1))


def scripted(questions, task="Yes.", pair="Score: 3", answers="done", contexts="1. a list of birds\n2. a list of fish"):
    """A teacher whose replies are texts, or functions of the request."""
    replies = {"questions": questions, "grounded": questions, "contexts": contexts}

    def reply(request):
        text = request.messages[1][1]
        kind = "contexts" if "pieces of such material" in text else "questions"
        found = {"propose": replies[kind], "classify": task, "judge": pair, "answer": answers}[request.intent]
        return found(request) if callable(found) else found

    return FixedTeacher(reply)


def endless():
    number = count()
    return lambda request: listing(f"Do thing {next(number)}" for _ in range(request.material["count"]))


def made_by(teacher, n=4, given=5, **params):
    ctx = context("lab", teacher, n=n, seeds=seeds(given))
    return run(ctx, **params), ctx


# The calls


def test_the_free_form_flow_asks_in_the_order_of_the_paper_with_the_material_it_describes():
    teacher = scripted("1. Do this\n2. Do that")
    rows, ctx = made_by(teacher, n=2)
    # At so few rows one question of a kind is under way at a time.
    assert [(a.role, a.intent) for a in teacher.asked] == [
        ("teacher", "propose"),
        ("judge", "classify"), ("answerer", "answer"), ("judge", "judge"),
        ("judge", "classify"), ("answerer", "answer"), ("judge", "judge"),
    ]  # fmt: skip
    propose, task, answer, pair = teacher.asked[:4]
    assert propose.material["count"] == 30 and "30 new tasks" in propose.text
    assert Counter(propose.material["exemplars"]) == Counter(seed.prompt for seed in ctx.seed_examples)
    assert all(seed.prompt in propose.text and seed.completion not in propose.text for seed in ctx.seed_examples)
    assert (propose.temperature, propose.max_tokens) == (0.7, 2048)
    assert task.material["question"] == "task" and task.temperature == 0.0 and "Do this" in task.text
    for demand in ("answered in text", "English", "one or two sentences", "harmless", "kind described"):
        assert demand in task.text
    assert answer.material["prompt"] == "Do this" and answer.temperature == 0.0
    assert pair.material["question"] == "pair" and pair.temperature == 0.0
    assert "Task: Do this\nAnswer: done" in pair.text and "1 to 3" in pair.text
    assert [(row.prompt, row.completion) for row in rows] == [("Do this", "done"), ("Do that", "done")]
    assert rows[0].parents == tuple(seed.id for seed in ctx.seed_examples)
    assert all(TASK.description in a.text for a in teacher.asked)


def test_the_grounded_flow_writes_contexts_first_and_three_questions_about_each():
    teacher = scripted(endless(), contexts=listing(f"material {n}" for n in range(14)))
    rows, ctx = made_by(teacher, n=40, flow="grounded")
    contexts, questions = teacher.of("propose")[0], [a for a in teacher.of("propose") if "leaf" in a.material]
    assert (contexts.temperature, contexts.max_tokens, contexts.material["count"]) == (0.7, 2048, 10)
    assert "10 new pieces" in contexts.text and ctx.seed_examples[0].prompt in contexts.text
    # No more than ten contexts of a reply, each asked about once before the next list of contexts.
    assert [a.material["exemplars"] for a in questions[:10]] == [[f"material {n}"] for n in range(10)]
    assert [a.material["exemplars"] for a in questions[10:12]] == [["material 0"], ["material 1"]]
    for asked in questions:
        assert asked.material["count"] == 3 and asked.temperature == 0.7
        assert asked.material["exemplars"][0] in asked.text and ctx.seed_examples[0].prompt in asked.text
    assert [row.lineage["context"] for row in rows[:4]] == ["material 0"] * 3 + ["material 1"]
    # The same filters as the free-form flow has.
    assert {(a.role, a.intent) for a in teacher.asked[-3:]} == {
        ("judge", "classify"), ("answerer", "answer"), ("judge", "judge"),
    }  # fmt: skip


def test_leaf_after_leaf_is_asked_and_each_as_often_as_any_other():
    teacher = scripted(endless())
    _, ctx = made_by(teacher, n=200, given=10, questions=5)
    asked = [frozenset(a.material["exemplars"]) for a in teacher.of("propose")]
    assert len(set(asked)) == 2 and all(one != two for one, two in pairwise(asked))
    assert frozenset.union(*asked) == {seed.prompt for seed in ctx.seed_examples}


# Rejections


def test_every_rejection_has_its_reason_and_the_filters_come_in_the_order_of_the_paper():
    proposals = ["good", "bad task", "good", "wrong", "half", "mute", "vague"]
    teacher = scripted(
        listing(proposals),
        task=lambda request: "No." if "bad" in request.material["prompt"] else "Yes, it is.",
        answers=lambda request: "" if request.material["prompt"] == "mute" else "done",
        pair=lambda request: {"wrong": "Score: 1", "half": "2", "vague": "Well."}.get(
            request.material["prompt"], "Score: 3"
        ),
    )
    rows, ctx = made_by(teacher, n=3, questions=7)
    assert [row.prompt for row in rows] == ["good", "half"]
    first = [(row.prompt, reason) for row, reason in ctx.rejected[:5]]
    assert first == [
        ("bad task", "judge of questions"),
        ("good", "exact duplicate"),
        ("wrong", "low score"),
        ("mute", "empty answer"),
        ("vague", "no score in the reply"),
    ]
    # From then on every call brings what was there already, until the method gives up.
    later = ctx.rejected[5:]
    assert {reason for _, reason in later} == {"exact duplicate"} and len(later) == 7 * IDLE_CALLS
    asked = {intent: Counter(a.material["prompt"] for a in teacher.of(intent)) for intent in ("classify", "answer")}
    # A duplicate is never judged, and what the first judge drops is never answered.
    assert asked["classify"] == Counter(set(proposals)) and asked["answer"] == Counter(set(proposals) - {"bad task"})
    assert all(row.parents == tuple(seed.id for seed in ctx.seed_examples) for row, _ in ctx.rejected)


@pytest.mark.parametrize("flow", ["freeform", "grounded"])
def test_a_teacher_without_lists_is_given_up(flow):
    teacher = scripted("I would rather not.", contexts="Nor would I.")
    rows, ctx = made_by(teacher, flow=flow)
    assert rows == [] and len(ctx.rejected) == IDLE_CALLS
    assert {(row.prompt, reason) for row, reason in ctx.rejected} == {("I would rather not.", "no list in the reply")}
    assert len(teacher.asked) <= 2 * IDLE_CALLS + 1


@pytest.mark.parametrize(("at_least", "kept"), [(1, "123"), (2, "23"), (3, "3")])
def test_an_answer_needs_so_many_points_of_three(at_least, kept):
    teacher = scripted(listing("123"), pair=lambda request: f"Score: {request.material['prompt']}")
    rows, ctx = made_by(teacher, at_least=at_least)
    assert [row.prompt for row in rows] == list(kept)
    low = [row.prompt for row, reason in ctx.rejected if reason == "low score"]
    assert low == [points for points in "123" if points not in kept]


@pytest.mark.parametrize(("flow", "wanted"), [("freeform", 30), ("grounded", 3)])
def test_no_more_questions_of_a_reply_are_taken_than_were_asked_for(flow, wanted):
    teacher = scripted(listing(f"question {n}" for n in range(40)))
    rows, _ = made_by(teacher, n=100, flow=flow)
    assert [row.prompt for row in rows] == [f"question {n}" for n in range(wanted)]


# Leaves


@given(st.lists(st.text("abc ", min_size=1, max_size=8), min_size=3, max_size=40, unique=True))
def test_leaves_hold_every_example_once_and_three_to_five_each(prompts):
    examples = tuple(Example(prompt=prompt, completion="x") for prompt in prompts)
    cut = leaves(examples, 5)
    assert sorted(example.id for leaf in cut for example in leaf) == sorted(example.id for example in examples)
    assert all(3 <= len(leaf) <= 5 for leaf in cut)
    assert max(map(len, cut)) - min(map(len, cut)) <= 1


def test_examples_of_like_words_share_a_leaf():
    birds = [Example(prompt=f"name a bird that flies {n}", completion="x") for n in range(3)]
    sums = [Example(prompt=f"add both numbers together {n}", completion="x") for n in range(3)]
    mixed = tuple(example for pair in zip(birds, sums, strict=True) for example in pair)
    assert leaves(mixed, 3) == [tuple(birds), tuple(sums)]


# Published numbers and dials


def test_a_row_costs_a_thirtieth_a_judge_an_answer_and_a_judge_over_the_acceptance():
    teacher = scripted(
        endless(),
        task=lambda request: "No." if request.material["prompt"].endswith("0") else "Yes.",  # one of ten
        # Two of the nine that are left.
        pair=lambda request: "Score: 1" if request.material["prompt"].endswith(("1", "2")) else "Score: 2",
    )
    rows, _ = made_by(teacher, n=1050, given=20)
    calls = Counter(a.intent for a in teacher.asked)
    acceptance = 0.7
    expected = {"propose": 1 / 30, "classify": 1, "answer": 0.9, "judge": 0.9}
    ahead = {"propose": 1050 // (16 * 30), "classify": 3 * 32, "answer": 2 * 32, "judge": 32}
    for intent, share in expected.items():
        needed = share * len(rows) / acceptance
        assert needed - 30 <= calls[intent] <= needed + ahead[intent] + 2


@pytest.mark.parametrize("flow", ["freeform", "grounded"])
@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly_and_none_is_asked_twice(profile, flow):
    rows, ctx = made("lab", profile, 150, flow=flow)
    again, _ = made("lab", profile, 150, flow=flow)
    assert rows == again and len(rows) == 150 == len({row.prompt for row in rows})
    known = {seed.id for seed in ctx.seed_examples}
    assert all(3 <= len(row.parents) <= 5 and set(row.parents) <= known for row in rows)
    assert set(ctx.meter.usage().calls_by_intent) == set(plugin("lab").intents)
    reasons = {reason for _, reason in ctx.rejected}
    assert {"judge of questions", "low score"} <= reasons <= {
        "judge of questions", "low score", "exact duplicate", "no list in the reply", "empty answer",
    }  # fmt: skip


def test_the_cost_it_states_is_the_cost_it_has():
    rows, ctx = made_once("lab")
    calls = ctx.meter.usage().calls_by_intent
    for intent, stated in plugin("lab").cost.calls.items():
        assert stated / 2 <= calls[intent] / len(rows) <= stated * 2


def test_a_stricter_judge_raises_the_right_share_and_the_cost():
    def right(at_least):
        rows, ctx = made("lab", "strong", 500, at_least=at_least)
        return sum(TASK.verify(row).correct is True for row in rows) / len(rows), ctx.meter.usage().calls / len(rows)

    (lax, cheap), (strict, dear) = right(1), right(3)
    assert lax + 0.02 < strict and cheap < dear


def test_a_small_budget_ends_it_cleanly():
    ctx = context("lab", TASK.scripted_teacher("strong"), 400, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 60_000
