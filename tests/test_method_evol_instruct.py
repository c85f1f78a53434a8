"""Evol-Instruct as its paper tells it, and as its authors' script does it: operators, rounds, eliminations, calls."""

from collections import Counter
from itertools import islice

import pytest
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import Example

IN_DEPTH = {"add_constraint", "deepen", "concretize", "more_steps", "complicate_input"}
SEEDS = [Example(prompt=f"Boil {i} eggs", completion=f"{i} boiled eggs") for i in range(52)]
LONG_SORRY = "sorry " + "word " * 78  # 79 words, one short of what is long enough


def evolving(spoiled=(), **given):
    """A teacher whose rewritings grow by a word; for the rewritings numbered in ``spoiled`` it replies as given."""
    asked = Counter()

    def reply(request):
        at = asked[request.intent]
        asked[request.intent] += 1
        usual = {"classify": "No", "answer": "It is done.", "evolve": f"{request.material['prompt']} more{at}"}
        return (usual | given if at in spoiled else usual)[request.intent]

    return FixedTeacher(reply)


def one_at_a_time(teacher, rows, **params):
    """Rows of a method that has no question under way beyond those whose answers it used."""
    ctx = context("evol_instruct", teacher, n=1, seeds=SEEDS)
    found = plugin("evol_instruct")
    return list(islice(found.generate(ctx, found.params(**params)), rows)), ctx


def reason_of(given, **params):
    """Why the first rewriting is dropped; empty when it is kept."""
    _, ctx = one_at_a_time(evolving({0}, **{"evolve": "Boil one egg in milk", **given}), 1, **params)
    return ctx.rejected[0][1] if ctx.rejected else ""


# The calls


def test_each_rewriting_is_compared_and_answered_in_that_order():
    teacher = evolving()
    rows, ctx = one_at_a_time(teacher, 3)
    assert [(a.role, a.intent) for a in teacher.asked] == [
        ("teacher", "evolve"), ("judge", "classify"), ("answerer", "answer"),
    ] * 3  # fmt: skip
    evolve, equal, answer = teacher.asked[:3]
    assert evolve.material["prompt"] in {seed.prompt for seed in SEEDS}
    assert evolve.material["operator"] == rows[0].lineage["operator"] and evolve.temperature == 1.0
    assert evolve.material["prompt"] in evolve.text and TASK.description in evolve.text
    assert (equal.material["question"], equal.temperature) == ("equal", 0.0)
    assert equal.material["prompt"] == evolve.material["prompt"] and equal.material["other"] == rows[0].prompt
    assert equal.text.index(equal.material["prompt"]) < equal.text.index(rows[0].prompt)
    assert answer.temperature == 0.0 and rows[0].prompt in answer.text
    assert rows[0].completion == "It is done." and not ctx.rejected


def test_624_thousand_calls_for_250_thousand_prompts_with_the_seeds():
    # The paper's numbers divided by a thousand: 52 prompts, four rounds, 5 in 100 rewritings fail.
    teacher = evolving(range(20, 208, 20), evolve="#Rewritten Prompt#: Boil an egg")
    rows, ctx = one_at_a_time(teacher, 198)
    assert len(teacher.asked) == 3 * 208 == 624 and len(ctx.rejected) == 10
    assert len(teacher.asked) / (len(rows) + len(SEEDS)) == pytest.approx(2.5, abs=0.01)
    # Every prompt is where one lineage of four rounds begins.
    first = Counter(a.material["prompt"] for a in teacher.of("evolve") if a.material["prompt"].endswith("eggs"))
    assert set(first) == {seed.prompt for seed in SEEDS} and sum(first.values()) <= 52 + 10


def test_a_lineage_goes_on_from_its_last_prompt_and_a_failed_one_is_rewritten_again():
    # Four lineages side by side; the second rewriting of the third fails, and it is the one before that is tried again.
    teacher = evolving({6}, evolve="Given Prompt: Boil an egg")
    rows, ctx = one_at_a_time(teacher, 15)
    asked = [a.material["prompt"] for a in teacher.of("evolve")]
    lineage = asked[2::4]
    assert lineage[1] == f"{lineage[0]} more2"
    assert lineage[2] == lineage[1]
    assert lineage[3] == f"{lineage[2]} more10"
    assert [row.lineage["round"] for row in rows if row.prompt.startswith(lineage[0])] == ["1", "3", "4"]
    ((failed, reason),) = ctx.rejected
    assert (failed.lineage["round"], reason) == ("2", "shows scaffold words")
    assert failed.parents == (rows[2].id,)
    # After its fourth round a lineage begins anew.
    rows, _ = one_at_a_time(evolving(), 32)
    assert [row.lineage["round"] for row in rows] == [
        str(round) for _ in range(2) for round in range(1, 5) for _ in range(4)
    ]
    assert len({row.parents for row in rows if row.lineage["round"] == "1"}) == 8


def test_many_under_way_do_not_ask_for_a_round_before_the_one_before_it_came_back():
    teacher = evolving()
    ctx = context("evol_instruct", teacher, n=640, seeds=SEEDS)
    rows = run(ctx)
    assert len(rows) == 640
    by_id = {row.id: row for row in [*SEEDS, *rows]}
    for row in rows:
        parent = by_id[row.parents[0]]
        assert int(row.lineage["round"]) == int(parent.lineage.get("round", 0)) + 1
        assert row.prompt.startswith(parent.prompt)


# Operators


def test_the_six_operators_have_equal_chances():
    rows, _ = one_at_a_time(evolving(), 1500)
    counts = Counter(row.lineage["operator"] for row in rows)
    assert set(counts) == {*IN_DEPTH, "breadth"}
    # Four standard deviations of a binomial count with chance 1/6.
    assert all(abs(n - 250) < 4 * (1500 * 5 / 36) ** 0.5 for n in counts.values())


def test_the_released_script_has_one_round_five_operators_and_no_elimination():
    teacher = evolving({3, 4}, evolve="Rewritten Prompt: sorry", answer="Sorry.", classify="Yes")
    rows, ctx = one_at_a_time(teacher, 1500, flavour="released")
    counts = Counter(row.lineage["operator"] for row in rows)
    assert set(counts) == {*IN_DEPTH, "breadth"} - {"complicate_input"}
    assert all(abs(n - 300) < 4 * (1500 * 4 / 25) ** 0.5 for n in counts.values())
    assert {row.lineage["round"] for row in rows} == {"1"} and not ctx.rejected
    assert ctx.meter.usage().calls_by_intent == {"evolve": 1500, "answer": 1500}
    assert {row.parents[0] for row in rows} == {seed.id for seed in SEEDS}


def test_every_operator_has_its_own_prompt_and_only_complicated_inputs_come_with_demonstrations():
    teacher = evolving()
    one_at_a_time(teacher, 200)
    prompts = {a.material["operator"]: a for a in teacher.of("evolve")}
    assert len({a.text.replace(a.material["prompt"], "") for a in prompts.values()}) == 6
    for operator, asked in prompts.items():
        demonstrated = [word in asked.text for word in ("<order>", "CREATE TABLE", '[["Ada", 1990', "for place in")]
        assert demonstrated == [operator == "complicate_input"] * 4
        # All forbid scaffold words; those in depth keep what is there and add ten to twenty words.
        assert "rewritten prompt" in asked.text
        assert ("ten to twenty words" in asked.text) == (operator != "breadth")
        assert ("brand-new" in asked.text) == (operator == "breadth")


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_in_breadth_is_the_dial(share):
    rows, _ = one_at_a_time(evolving(), 600, in_breadth=share)
    breadth = sum(row.lineage["operator"] == "breadth" for row in rows)
    assert abs(breadth - 600 * share) <= 4 * (600 * share * (1 - share)) ** 0.5


def test_no_rounds_make_no_rows():
    assert one_at_a_time(evolving(), 5, rounds=0)[0] == []


# Elimination


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, ""),
        ({"classify": "Yes, only the wording differs."}, "no information gain"),
        ({"answer": "I am sorry, that cannot be done."}, "answer says sorry"),
        ({"answer": "SORRY"}, "answer says sorry"),
        ({"answer": LONG_SORRY}, "answer says sorry"),
        ({"answer": LONG_SORRY + "more"}, ""),
        ({"answer": "?!"}, "answer has no content"),
        ({"answer": "and so that is it."}, "answer has no content"),
        ({"answer": ""}, "answer has no content"),
        ({"answer": "7"}, ""),
        ({"evolve": "Given Prompt: boil an egg"}, "shows scaffold words"),
        ({"evolve": "#Rewritten Prompt#: boil an egg"}, "shows scaffold words"),
        ({"evolve": "The created prompt is to boil an egg"}, "shows scaffold words"),
        ({"evolve": "The new task: boil an egg"}, "shows scaffold words"),
        ({"evolve": "Say in C# # that an egg given promptly boils"}, ""),
        ({"evolve": " "}, "empty prompt"),
        ({"answer": "Boil one egg in milk"}, "answer repeats the prompt"),
        # The first rule that is met is the one that is named.
        ({"classify": "yes", "answer": "Sorry", "evolve": "given prompt"}, "no information gain"),
        ({"answer": "Sorry", "evolve": "given prompt"}, "answer says sorry"),
        ({"answer": "it is", "evolve": "given prompt"}, "answer has no content"),
    ],
)
def test_the_four_rules_of_elimination_in_order(given, reason):
    assert reason_of(given) == reason


def test_without_elimination_only_rows_that_are_none_are_dropped():
    for given in ({"answer": "Sorry"}, {"answer": "it is"}, {"evolve": "given prompt: boil"}, {"classify": "Yes"}):
        assert reason_of(given, eliminate=False) == ""
    assert reason_of({"answer": ""}, eliminate=False) == "empty answer"
    assert reason_of({"evolve": ""}, eliminate=False) == "empty prompt"


def test_a_method_that_makes_no_progress_ends_by_itself():
    rows, ctx = one_at_a_time(evolving(range(10**6), classify="Yes"), 1)
    assert rows == [] and {reason for _, reason in ctx.rejected} == {"no information gain"}


# On the scripted teacher


def depth(rows):
    found = [structure.depth for row in rows if (structure := TASK.structure(row.prompt))]
    return sum(found) / len(found)


def right(rows):
    return sum(TASK.verify(row).correct is True for row in rows) / len(rows)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly_and_mix_all_rounds(profile):
    rows, ctx = made_once("evol_instruct", profile, 150)
    assert made("evol_instruct", profile, 150)[0] == rows and len(rows) == 150
    assert {row.lineage["round"] for row in rows} == {"1", "2", "3", "4"}
    reasons = {reason for _, reason in ctx.rejected}
    assert reasons <= {"no information gain", "answer says sorry", "answer has no content", "shows scaffold words"}
    assert {"no information gain", "answer says sorry"} <= reasons


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_calls_are_those_the_plugin_states(profile):
    rows, ctx = made_once("evol_instruct", profile, 400)
    for intent, stated in plugin("evol_instruct").cost.calls.items():
        assert stated / 2 <= ctx.meter.usage().calls_by_intent[intent] / len(rows) <= stated * 2


def test_a_tiny_budget_ends_it_cleanly():
    ctx = context("evol_instruct", TASK.scripted_teacher("strong"), n=200, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 60_000


def test_what_its_dials_move():
    base = made_once("evol_instruct", "strong", 300)[0]
    assert depth(made("evol_instruct", "strong", 300, rounds=1)[0]) + 0.3 < depth(base)
    broad, deep = (made("evol_instruct", "strong", 300, in_breadth=share)[0] for share in (1.0, 0.0))
    assert depth(broad) + 0.8 < depth(deep)
    assert depth(made("evol_instruct", "strong", 300, flavour="released")[0]) < depth(base)
    kept, all_of_it = (made("evol_instruct", "weak", 300, eliminate=value)[0] for value in (True, False))
    assert right(all_of_it) < right(kept)
