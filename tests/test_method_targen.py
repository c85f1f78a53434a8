"""TarGEN as its paper tells it: domains, instance seeds, labelled tasks, a second look; not its code's hazards."""

from collections import Counter
from itertools import count

import pytest
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run
from qdcbench.methods.targen import IDLE_INSTANCES

TREE = {(): "1. place\n2. mood", ("place",): "1. sea\n2. wood", ("mood",): "1. glad\n2. sad"}
DOMAINS = {"sea", "wood", "glad", "sad"}


def section(request):
    text = request.messages[1][1]
    return "seeds" if "short texts" in text else "labelled" if "right answer must be" in text else "kind"


def scripted(task=None, draft="first", second=None, tree=TREE):
    """A teacher of four domains, whose tasks are numbered and whose second look changes nothing if not told to."""
    number = count(1)

    def reply(request):
        material = request.material
        if request.intent == "expand":
            return tree.get(tuple(material["path"]), "I know none.")
        if request.intent == "answer":
            return draft if "draft" not in material else material["draft"] if second is None else second
        if section(request) == "seeds":
            return "\n".join(f"{n}. text {n} of {material['topics'][0]}" for n in range(1, material["count"] + 1))
        return f"1. Task {next(number)}" if task is None else task

    return FixedTeacher(reply)


def made_by(teacher, n=4, **params):
    ctx = context("targen", teacher, n=n)
    return run(ctx, **params), ctx


# The calls


def test_the_calls_come_in_the_order_of_the_paper_with_the_material_it_describes():
    teacher = scripted()
    rows, ctx = made_by(teacher, n=2, seeds=2)
    assert [(a.role, a.intent) for a in teacher.asked] == [
        *[("teacher", "expand")] * 5,  # the ways in which tasks differ, lists joined, and the domains of each
        ("teacher", "propose"),  # instance seeds of one domain
        ("teacher", "propose"), ("answerer", "answer"), ("answerer", "answer"),
        ("teacher", "propose"), ("answerer", "answer"), ("answerer", "answer"),
    ]  # fmt: skip
    assert [a.material["path"] for a in teacher.of("expand")] == [[], [], [], ["place"], ["mood"]]
    seeds, task, answer, again = teacher.asked[5:9]
    (domain,) = seeds.material["topics"]
    assert domain in DOMAINS and domain in seeds.text and "2 short texts" in seeds.text
    assert task.material["exemplars"] == [f"text 1 of {domain}"]
    assert task.material["topics"] == [domain, task.material["label"]]
    assert f"text 1 of {domain}" in task.text and f"of this kind: {task.material['label']}" in task.text
    demos = [seed.prompt for seed in ctx.seed_examples[:3]]
    assert task.material["demos"] == demos and all(demo in task.text for demo in demos)
    assert "draft" not in answer.material and answer.material["prompt"] == again.material["prompt"] == "Task 1"
    assert again.material["draft"] == "first" and "The answer given is:\nfirst" in again.text
    assert all(a.temperature == (1.0 if a.role == "teacher" else 0.0) for a in teacher.asked)
    assert all(TASK.description in a.text for a in teacher.asked)
    assert [(row.prompt, row.completion) for row in rows] == [("Task 1", "first"), ("Task 2", "first")]
    assert rows[0].lineage["instance_seed"] == f"text 1 of {domain}" and rows[0].lineage["relabelled"] == "no"


def test_a_kind_is_never_a_value_of_the_way_its_domain_is_of():
    rows, _ = made_by(scripted(), n=200)
    for row in rows:
        way, _ = row.lineage["domain"].split(" > ")
        assert row.lineage["label"] in {"place": {"glad", "sad"}, "mood": {"sea", "wood"}}[way]
    assert {row.lineage["domain"].split(" > ")[1] for row in rows} == DOMAINS


# Labels


def test_labels_are_drawn_uniformly_and_each_task_keeps_the_label_it_was_written_for():
    labels = ("first choice", "second choice", "third choice")
    teacher = scripted()
    rows, _ = made_by(teacher, n=900, labels=labels)
    drawn = Counter(row.completion for row in rows)
    assert set(drawn) == set(labels) and all(abs(times - 300) < 5 * (900 * 2 / 9) ** 0.5 for times in drawn.values())
    tasks = [a for a in teacher.of("propose") if "label" in a.material]
    looks = teacher.of("answer")
    # A second choice must not turn into the first one between the prompt and the label.
    for row, task, look in zip(rows, tasks, looks, strict=False):
        assert task.material["label"] == look.material["draft"] == row.completion == row.lineage["label"]
        assert f"right answer must be: {row.completion}" in task.text
    # The label is the answer, so none is asked for; the answerer only has its second look.
    assert all("draft" in look.material for look in looks)


@pytest.mark.parametrize("labels", [(), ("one", "two")])
def test_a_second_look_relabels(labels):
    rows, _ = made_by(scripted(second=" three "), n=8, labels=labels)
    assert [(row.completion, row.lineage["relabelled"]) for row in rows] == [("three", "yes")] * 8


def test_without_self_correction_the_first_label_stays():
    teacher = scripted(second="three")
    rows, _ = made_by(teacher, n=8, correct=False)
    assert {row.completion for row in rows} == {"first"} and all("draft" not in a.material for a in teacher.asked)
    labelled = scripted(second="three")
    rows, _ = made_by(labelled, n=8, correct=False, labels=("one", "two"))
    assert {row.completion for row in rows} == {"one", "two"} and labelled.of("answer") == []


# Rejections, and the hazards of the released code


@pytest.mark.parametrize(
    ("task", "second", "reason"),
    [
        ("", "first", "no task in the reply"),
        ("1. Name a bird", "", "empty answer"),
        ("1. Name a bird", "Name a bird", "answer repeats the prompt"),
    ],
)
def test_what_fails_is_dropped_with_its_reason_and_never_retried_for_ever(task, second, reason):
    teacher = scripted(task=task, second=second)
    rows, ctx = made_by(teacher)
    assert rows == [] and [why for _, why in ctx.rejected] == [reason] * IDLE_INSTANCES
    texts = [(row.lineage["domain"], row.lineage["instance_seed"]) for row, _ in ctx.rejected]
    # Each text is tried once in a pass; 8 of them come with one call.
    assert len(set(texts[:32])) == 32
    assert len(teacher.asked) <= 5 + IDLE_INSTANCES * (1 / 8 + 3) + 4


def test_a_failure_now_and_then_does_not_end_it():
    number = count()
    teacher = scripted()
    inner = teacher.reply

    def reply(request):
        failed = request.intent == "propose" and section(request) == "kind" and next(number) % 3
        return "" if failed else inner(request)

    teacher.reply = reply
    rows, ctx = made_by(teacher, n=300)
    assert len(rows) == 300 and len(ctx.rejected) >= 598


def test_domains_are_listed_once_however_many_rows_are_wanted():
    few, many = scripted(), scripted()
    made_by(few, n=5)
    made_by(many, n=500)
    assert len(few.of("expand")) == len(many.of("expand")) == 5
    # And all of them are visited before any is visited again.
    visited = [a.material["topics"][0] for a in many.of("propose") if "label" not in a.material]
    for start in range(0, len(visited) - 3, 4):
        assert set(visited[start : start + 4]) == DOMAINS


@pytest.mark.parametrize("tree", [{}, {(): "1. place"}])
def test_without_a_domain_it_ends_at_once(tree):
    teacher = scripted(tree=tree)
    assert made_by(teacher)[0] == [] and {a.intent for a in teacher.asked} == {"expand"}


def test_one_way_to_differ_is_enough():
    rows, _ = made_by(scripted(tree={(): "1. place", ("place",): "1. sea"}), n=3)
    assert [(row.lineage["domain"], row.lineage["label"]) for row in rows] == [("place > sea", "sea")] * 3


# Costs and dials


def test_a_row_costs_three_calls_and_its_share_of_a_list_of_seeds():
    for seeds in (1, 8):
        teacher = scripted()
        rows, _ = made_by(teacher, n=400, seeds=seeds)
        # Three to four calls a row; what was under way when the last row was made comes on top.
        needed = 5 + 400 * (3 + 1 / seeds)
        assert len(rows) == 400 and needed <= len(teacher.asked) <= 1.1 * needed
        calls = Counter(section(a) for a in teacher.of("propose"))
        assert abs(calls["seeds"] - calls["kind"] / seeds) <= 400 // (16 * seeds) + 1


def test_dials_bound_what_is_drawn_from_and_shown():
    teacher = scripted()
    _, ctx = made_by(teacher, n=60, domains=2, seeds=3, demos=1)
    asked = [a for a in teacher.of("propose") if "label" not in a.material]
    assert len({a.material["topics"][0] for a in asked}) == 2 and {a.material["count"] for a in asked} == {3}
    (demo,) = {tuple(a.material["demos"]) for a in teacher.of("propose") if "label" in a.material}
    assert demo == (ctx.seed_examples[0].prompt,)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly(profile):
    rows, ctx = made("targen", profile, 150)
    again, _ = made("targen", profile, 150)
    assert rows == again and len(rows) == 150 and all(row.prompt and row.completion for row in rows)
    assert set(ctx.meter.usage().calls_by_intent) == set(plugin("targen").intents)


def test_the_cost_it_states_is_the_cost_it_has():
    rows, ctx = made_once("targen")
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("targen").cost
    for intent, stated in cost.calls.items():
        assert stated / 2 <= calls[intent] / len(rows) <= stated * 2
    assert cost.setup_calls / 2 <= calls["expand"] <= cost.setup_calls * 2


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_a_second_look_raises_the_right_share(profile):
    def right(correct):
        rows, _ = made("targen", profile, 600, correct=correct)
        return sum(TASK.verify(row).correct is True for row in rows) / len(rows)

    assert right(False) + 0.01 < right(True)


def test_a_small_budget_ends_it_cleanly():
    ctx = context("targen", TASK.scripted_teacher("strong"), 400, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 60_000
