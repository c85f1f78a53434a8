"""Self-Instruct as its paper tells it: what is shown, what is dropped and why, what it costs."""

import math
from collections import Counter
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run
from qdcbench.methods._self_instruct_pool import Instance, instances, sifted

from qdcbench.api import Example, NoveltyFilter

HUMAN = [Example(prompt=f"human{i} one{i} two{i} three{i}", completion=f"result{i}") for i in range(20)]
FRESH = ("Tell a stranger the way home", "Sort some cheese by its smell", "Guess who knocks twice at night")


def listing(items):
    return "\n".join(f"{place}. {item}" for place, item in enumerate(items, 9))


def endless(outputs="Input: <none>\nOutput: done"):
    """A teacher who proposes eight instructions a call of which no two share a word, and writes fixed instances."""
    number = count()

    def reply(request):
        if request.intent == "propose":
            fresh = (next(number) for _ in range(request.material["count"]))
            return listing(f"new{n} red{n} green{n} blue{n}" for n in fresh)
        return "No" if request.intent == "classify" else outputs

    return FixedTeacher(reply)


def once(proposals, outputs="Input: <none>\nOutput: done", classification="No"):
    """A teacher who always makes the same proposals."""
    replies = {"propose": listing(proposals), "classify": classification, "answer": outputs}
    return FixedTeacher(lambda request: replies[request.intent])


# The calls


def test_the_calls_come_in_the_order_of_the_paper_with_the_material_it_describes():
    def reply(request):
        if request.intent == "propose":
            return listing(["Is a whale a fish or not", FRESH[0]])
        if request.intent == "classify":
            return "Yes" if "whale" in request.material["prompt"] else "No"
        labelled = "Class label: not\nInput: <none>"
        return labelled if request.material["form"] == "labels" else "Input: a man\nOutput: go left\n"

    ctx = context("self_instruct", FixedTeacher(reply), n=2, seeds=HUMAN)
    rows = run(ctx)
    asked = ctx.teacher._desk.teacher.asked
    assert [(a.role, a.intent) for a in asked] == [
        ("teacher", "propose"),
        ("judge", "classify"), ("answerer", "answer"),
        ("judge", "classify"), ("answerer", "answer"),
    ]  # fmt: skip
    propose, first_check, labels, _, pairs = asked
    assert (propose.temperature, propose.max_tokens) == (0.7, 1024)
    assert len(propose.material["exemplars"]) == 8 and propose.material["count"] == 8
    for place, exemplar in enumerate(propose.material["exemplars"], 1):
        assert f"{place}. {exemplar}\n" in propose.text
    assert TASK.description in propose.text
    # Few-shot yes or no, greedy, three tokens.
    assert (first_check.temperature, first_check.max_tokens) == (0.0, 3)
    assert first_check.material["question"] == "classification"
    assert first_check.text.count("Answer: Yes") >= 2 and first_check.text.count("Answer: No") >= 2
    assert "Task: Is a whale a fish or not\nAnswer:" in first_check.text
    # The label first where there are labels, the input first elsewhere.
    assert labels.text.index("Class label:") < labels.text.index("\nInput:") and "Output:" not in labels.text
    assert pairs.text.index("\nInput:") < pairs.text.index("\nOutput:") and "Class label" not in pairs.text
    assert (labels.temperature, pairs.temperature, pairs.max_tokens) == (0.0, 0.0, 350)
    assert FRESH[0] in pairs.text and HUMAN[0].completion in pairs.text
    assert [(row.prompt, row.completion, row.lineage["form"]) for row in rows] == [
        ("Is a whale a fish or not", "not", "labels"),
        (f"{FRESH[0]}\na man", "go left", "instances"),
    ]
    assert not ctx.rejected


def test_six_human_and_two_made_instructions_are_shown_and_human_ones_fill_a_small_pool():
    ctx = context("self_instruct", endless(), n=40, seeds=HUMAN)
    run(ctx)
    human, made_so_far = {seed.prompt for seed in HUMAN}, [0, 8, 16, 24, 32]
    calls = [a.material["exemplars"] for a in ctx.teacher._desk.teacher.of("propose")]
    for known, shown in zip(made_so_far, calls, strict=True):
        assert len(set(shown)) == 8
        assert len(human & set(shown)) == 8 - min(2, known)
    # Shuffled: made instructions do not always stand at one end.
    places = {place for shown in calls[1:] for place, text in enumerate(shown) if text not in human}
    assert len(places) > 2


def test_one_call_in_eight_rows_proposes_and_each_row_has_a_check_and_an_instance_call():
    ctx = context("self_instruct", endless(), n=48, seeds=HUMAN)
    assert len(run(ctx)) == 48
    assert ctx.meter.usage().calls_by_intent == {"propose": 6, "classify": 48, "answer": 48}


def test_without_the_classification_branch_nobody_is_asked_for_a_class():
    ctx = context("self_instruct", endless(), n=16, seeds=HUMAN)
    assert {row.lineage["form"] for row in run(ctx, label_first=False)} == {"instances"}
    assert "classify" not in ctx.meter.usage().calls_by_intent


# Instructions


def test_instructions_are_dropped_by_the_filters_of_the_paper_in_their_order():
    proposals = [
        "Draw it",  # also a keyword
        "Draw a picture of a red house",  # a keyword alone
        "Write a program that plays a song",
        "Write a program that draws a map of a city",  # a keyword comes before the program
        "- take the list and turn it round",
        "Éplucher une pomme sans se blesser",
        HUMAN[3].prompt,
        FRESH[0],
        FRESH[0] + " quickly",
    ]
    ctx = context("self_instruct", once(proposals), n=1, seeds=HUMAN)
    (row,) = run(ctx, wanted=9)
    assert row.prompt == FRESH[0]
    assert [(old.prompt, reason) for old, reason in ctx.rejected] == list(
        zip(
            proposals[:7],
            ["length", "keyword", "asks for a program", "keyword", "starts with punctuation",
             "starts with a foreign letter", "ROUGE-L"],
            strict=True,
        )
    )  # fmt: skip
    assert all(len(old.parents) == 8 for old, _ in ctx.rejected)


def reason_of(instruction):
    ctx = context("self_instruct", once([instruction]), n=1, seeds=HUMAN)
    return "" if run(ctx) else ctx.rejected[0][1]


@pytest.mark.parametrize("words", [3, 4, 150, 151])
def test_more_than_three_and_at_most_150_words(words):
    assert reason_of(" ".join(f"word{i}" for i in range(words))) == ("" if 3 < words <= 150 else "length")


@pytest.mark.parametrize(
    "keyword", [*"image images graph graphs picture pictures file files map maps draw plot".split(), "go to", "Image"]
)
def test_each_keyword_is_dropped_as_a_whole_word(keyword):
    assert reason_of(f"Now you should {keyword} the thing") == "keyword"
    assert reason_of(f"Now you should un{keyword}ed the thing") == ""


def test_similarity_above_the_threshold_is_old_and_at_the_threshold_is_new():
    # Ten words against ten with seven in common: F1 is exactly .7.
    words = [f"word{i}" for i in range(10)]
    seeds = [Example(prompt=" ".join(words), completion="x")]
    for common, kept in ((7, True), (8, False)):
        text = " ".join(words[:common] + [f"other{i}" for i in range(10 - common)])
        ctx = context("self_instruct", once([text]), n=1, seeds=seeds)
        assert bool(run(ctx)) is kept
        assert kept or ctx.rejected[0][1] == "ROUGE-L"


def test_an_instruction_is_compared_with_those_made_and_with_those_still_under_way():
    ctx = context("self_instruct", once([*FRESH, FRESH[1]]), n=10, seeds=HUMAN)
    rows = run(ctx)
    assert [row.prompt for row in rows] == list(FRESH)
    assert ctx.rejected[0] == (ctx.rejected[0][0], "ROUGE-L") and ctx.rejected[0][0].prompt == FRESH[1]


def test_more_items_than_asked_for_are_left_out_and_a_reply_without_a_list_is_logged():
    ctx = context("self_instruct", once([f"a{n} b{n} c{n} d{n}" for n in range(12)]), n=12, seeds=HUMAN)
    assert len(run(ctx)) == 8
    ctx = context("self_instruct", FixedTeacher(lambda request: "I would\nrather not."), n=5, seeds=HUMAN)
    assert run(ctx) == []
    assert {(row.prompt, reason) for row, reason in ctx.rejected} == {("I would rather not.", "no list in the reply")}


def test_only_instructions_of_which_a_row_was_kept_are_shown():
    teacher = endless()
    spoil = teacher.reply
    teacher.reply = lambda request: (
        "Input: a\nOutput:"
        if request.intent == "answer" and request.material["prompt"][3] in "13579"
        else spoil(request)
    )
    ctx = context("self_instruct", teacher, n=30, seeds=HUMAN)
    rows = run(ctx)
    kept = {row.prompt.split("\n")[0] for row in rows} | {seed.prompt for seed in HUMAN}
    assert {shown for a in teacher.of("propose") for shown in a.material["exemplars"]} <= kept
    ids = {row.id for row in rows} | {seed.id for seed in HUMAN}
    assert all(set(row.parents) <= ids for row in rows)
    assert {reason for _, reason in ctx.rejected} == {"empty output"}


# Instances


@pytest.mark.parametrize(
    ("outputs", "rows", "rejected"),
    [
        ("Input: x\nOutput: x", [], ["input equals output"]),
        ("Input: <none>\nOutput: " + FRESH[0], [], ["input equals output"]),
        ("Input: x\nOutput:", [], ["empty output"]),
        ("Input: x\nOutput: The result is:", [], ["output ends in a colon"]),
        # A call that was cut leaves its last instance without an output.
        ("Input: x\nOutput: y\nInput: z", [("x", "y")], ["empty output"]),
        ("Input: x\nOutput: y\nInput: x\nOutput: y", [("x", "y")], ["duplicate instance"]),
        ("Input: x\nOutput: y\nInput: x\nOutput: z\nInput: u\nOutput: v", [], ["conflicting outputs"] * 3),
        # Only a non-empty input makes a conflict.
        ("Input: <none>\nOutput: y\nInput: <none>\nOutput: z", [("", "y"), ("", "z")], []),
        ("Input: x\nOutput: y\nInput: x\nOutput:", [("x", "y")], ["empty output"]),
        ("A lamp would do.", [], ["no instance in the reply"]),
        ("", [], ["no instance in the reply"]),
    ],
)
def test_instances_are_dropped_for_the_reasons_of_the_paper(outputs, rows, rejected):
    ctx = context("self_instruct", once([FRESH[0]], outputs), n=9, seeds=HUMAN)
    made_rows = run(ctx)
    assert [(row.prompt, row.completion) for row in made_rows] == [
        (f"{FRESH[0]}\n{given}" if given else FRESH[0], output) for given, output in rows
    ]
    assert [reason for _, reason in ctx.rejected if reason != "ROUGE-L"] == rejected


def test_at_most_five_instances_are_kept_at_random():
    outputs = "\n".join(f"Input: in{i}\nOutput: out{i}" for i in range(7))
    drawn = set()
    for seed in range(4):
        ctx = context("self_instruct", once([FRESH[0]], outputs), n=7, seeds=HUMAN, seed=seed)
        rows = run(ctx)
        assert len({row.prompt for row in rows}) == 5
        assert [reason for _, reason in ctx.rejected if reason != "ROUGE-L"] == ["more instances than are kept"] * 2
        drawn.add(tuple(row.completion for row in rows))
    assert len(drawn) > 1


@pytest.mark.parametrize(
    "text",
    [
        "Input: 3 1\nOutput: 1 3\nInput: 5 2\nOutput: 2 5",
        "Class label: 1 3\nInput: 3 1\nClass label: 2 5\nInput: 5 2",
        "Here they are.\n\nExample 1\nInput: 3 1\nOutput: 1 3\n\nExample 2\nInput: 5 2\nOutput: 2 5\n",
        "1. **Input:** 3 1\n   **Output:** 1 3\n2. **Input:** 5 2\n   **Output:** 2 5",
        "input 1: 3 1\noutput 1: 1 3\n\ninput 2: 5 2\noutput 2: 2 5",
    ],
)
def test_instances_are_read_as_chat_models_write_them(text):
    assert instances(text) == [Instance("3 1", "1 3"), Instance("5 2", "2 5")]


@pytest.mark.parametrize("none", ["<none>", "None", "(none)", "<noinput>", "No input", ""])
def test_an_input_that_says_there_is_none_is_empty(none):
    assert instances(f"Input: {none}\nOutput: 4") == [Instance("", "4")]


def test_texts_of_several_lines_stay_whole():
    text = "Input: a = 1\nb = [\n  2]\n\nOutput: one\n\ntwo"
    assert instances(text) == [Instance("a = 1\nb = [\n  2]", "one\n\ntwo")]


WORD = st.text("abc", min_size=1, max_size=2)


@given(st.lists(st.tuples(WORD | st.just(""), WORD | st.just("") | st.just("ab:")), max_size=9), st.integers(0, 6))
def test_every_instance_has_one_verdict_and_those_kept_are_sound_different_and_few(pairs, most):
    text = "\n".join(f"Input: {given}\nOutput: {output}" for given, output in pairs)
    verdicts = list(sifted("instruction", text, most, Random(0)))
    if not pairs:
        assert [reason for _, reason in verdicts] == ["no instance in the reply"]
        return
    assert [tuple(instance) for instance, _ in verdicts] == pairs
    kept = [instance for instance, reason in verdicts if not reason]
    assert len(kept) == len(set(kept)) <= most
    assert all(output and output != given and not output.endswith(":") for given, output in kept)
    named = [given for given, _ in kept if given]
    assert len(named) == len(set(named))


# On the scripted teacher


def entropy(rows):
    counts = Counter(pair for row in rows if (found := TASK.structure(row.prompt)) for pair in found.pairs)
    return -sum(n / counts.total() * math.log2(n / counts.total()) for n in counts.values())


def share_kept(rows, ctx):
    return len(rows) / (len(rows) + len(ctx.rejected))


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly_and_no_two_prompts_are_alike(profile):
    rows, ctx = made_once("self_instruct", profile, 150)
    assert made("self_instruct", profile, 150)[0] == rows and len(rows) == 150
    novelty = NoveltyFilter(0.7)
    for prompt in [seed.prompt for seed in ctx.seed_examples] + [row.prompt for row in rows]:
        assert novelty.similar_to(prompt) <= 0.7 or prompt in {seed.prompt for seed in ctx.seed_examples}
        novelty.add(prompt)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_calls_are_those_the_plugin_states(profile):
    rows, ctx = made_once("self_instruct", profile, 400)
    for intent, stated in plugin("self_instruct").cost.calls.items():
        assert stated / 2 <= ctx.meter.usage().calls_by_intent[intent] / len(rows) <= stated * 2


def test_a_tiny_budget_ends_it_cleanly():
    ctx = context("self_instruct", TASK.scripted_teacher("strong"), n=200, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 60_000


def test_what_its_dials_move():
    base, ctx = made_once("self_instruct", "strong", 300)
    # Novelty: a stricter filter keeps less of what is proposed.
    kept = [share_kept(*made("self_instruct", "strong", 300, threshold=t)) for t in (0.6, 0.9)]
    assert kept[0] < share_kept(base, ctx) < kept[1]
    # Fewer instructions a call need more calls.
    assert made("self_instruct", "strong", 100, wanted=2)[1].meter.usage().calls_by_intent["propose"] > 40
    # Its own instructions instead of human ones draw the pool towards the teacher's taste.
    assert entropy(made("self_instruct", "strong", 600, human=0, made=8)[0]) < entropy(
        made("self_instruct", "strong", 600)[0]
    )
