"""GLAN as its paper tells it: how the curriculum grows, how key concepts are combined, and that nothing is verified."""

from collections import Counter
from itertools import chain, combinations, count
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run
from qdcbench.methods import glan

TREE = {
    (): "1. Science\n2. Arts",
    ("Science",): "1. Physics\n2. Magic",
    ("Arts",): "There are none.",
}
SUBJECTS = {("Science", "Physics"): ("1. Optics", "1. Optics\n2. Waves")}
SYLLABI = {
    "Optics": "1. Light: rays; shadows\n2. Lenses: focus; image; blur",
    "Waves": "A course on waves:\n1. Sound: pitch",
    "Arts": "1. A session without any concept\n2. Another:",
}
SILENT = {"propose": ""}


def curriculum(questions=SILENT, answers="done"):
    """A teacher of the tiny curriculum above; Magic is voted out, and the second list of subjects adds one."""
    lists = Counter()
    number = count(1)

    def reply(request):
        material = request.material
        if request.intent == "classify":
            return "No." if material["topic"] == "Magic" else "Yes."
        if request.intent == "answer":
            return answers
        if request.intent == "propose":
            return f"1. Question {next(number)}" if questions is SILENT else questions
        path = tuple(material["path"])
        if material.get("form") == "syllabus":
            return SYLLABI[path[-1]]
        if "Here is a discipline" not in request.messages[1][1]:
            return TREE[path]
        lists[path] += 1
        return SUBJECTS[path][lists[path] - 1] if path in SUBJECTS else "No subjects below this."

    return FixedTeacher(reply)


def made_by(teacher, n=4, **params):
    ctx = context("glan", teacher, n=n)
    return run(ctx, **params), ctx


# The calls


def test_the_calls_come_in_the_order_of_the_paper_with_the_material_it_describes():
    nucleus = []
    teacher = curriculum()
    inner = teacher.reply
    teacher.reply = lambda request: nucleus.append(request.top_p) or inner(request)
    rows, _ = made_by(teacher, n=2, queries=2)
    assert [(a.role, a.intent, a.material.get("path", a.material.get("topic"))) for a in teacher.asked[:-4]] == [
        ("teacher", "expand", []), ("teacher", "expand", []), ("teacher", "expand", []),  # fields, lists joined
        ("judge", "classify", "Science"), ("judge", "classify", "Arts"),  # the vote
        ("teacher", "expand", ["Science"]), ("teacher", "expand", ["Arts"]),  # what is below them
        ("judge", "classify", "Physics"), ("judge", "classify", "Magic"),
        # Two lists of subjects a discipline; Arts has nothing below it and was voted in before.
        ("teacher", "expand", ["Arts"]), ("teacher", "expand", ["Arts"]),
        ("teacher", "expand", ["Science", "Physics"]), ("teacher", "expand", ["Science", "Physics"]),
        # One syllabus a subject.
        ("teacher", "expand", ["Arts"]), ("teacher", "expand", ["Science", "Physics", "Optics"]),
        ("teacher", "expand", ["Science", "Physics", "Waves"]),
    ]  # fmt: skip
    assert [(a.role, a.intent) for a in teacher.asked[-4:]] == [("teacher", "propose"), ("answerer", "answer")] * 2
    for asked, top_p in zip(teacher.asked, nucleus, strict=True):
        written = asked.role == "teacher"
        assert (asked.temperature, top_p) == ((1.0, 0.95) if written else (0.0, 1.0))
        assert TASK.description in asked.text
    syllabi = teacher.asked[13:16]
    assert all(a.material["form"] == "syllabus" and a.material["count"] == 10 for a in syllabi)
    assert "1. Science\n2. Physics\n3. Optics" in syllabi[1].text and "10 class sessions" in syllabi[1].text
    assert "Magic" in teacher.asked[8].text
    assert [row.prompt for row in rows] == ["Question 1", "Question 2"] and rows[0].completion == "done"


def test_a_question_sees_its_subject_its_whole_syllabus_and_its_key_concepts():
    teacher = curriculum()
    rows, _ = made_by(teacher, n=600)
    proposals = teacher.of("propose")
    seen = set()
    for row, asked in zip(rows, proposals[: len(rows)], strict=True):  # beyond them some were still under way
        subject, topics = asked.material["subject"], asked.material["topics"]
        assert f"subject {subject}" in asked.text
        assert all(f". {line}" in asked.text for line in asked.material["syllabus"])
        assert all(topic in asked.text for topic in topics)
        assert row.lineage == {"path": f"Science > Physics > {subject}", "concepts": " | ".join(topics)}
        assert row.parents == ()
        seen.add((subject, *topics))
    # Every combination within one of the sessions of Optics comes up; Waves has one concept in all.
    inside = {("Optics", *t) for s in (("rays", "shadows"), ("focus", "image", "blur")) for t in subsets(s, 5)}
    assert inside <= seen and ("Waves", "pitch") in seen
    # A subject whose syllabus names no key concept is asked no question.
    assert {subject for subject, *_ in seen} == {"Optics", "Waves"}


def subsets(items, most):
    return list(chain.from_iterable(combinations(items, size) for size in range(1, most + 1)))


# Rejections


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("", "done", "no question in the reply"),
        ("1. Name a wave", "", "empty answer"),
        ("1. Name a wave", "Name a wave", "answer repeats the prompt"),
    ],
)
def test_what_is_no_row_is_rejected_with_its_reason_until_nothing_comes_any_more(question, answer, reason):
    rows, ctx = made_by(curriculum(question, answer))
    assert rows == [] and {why for _, why in ctx.rejected} == {reason}
    assert len(ctx.rejected) == glan.IDLE_QUESTIONS
    row, _ = ctx.rejected[0]
    assert row.prompt == question.removeprefix("1. ") and row.completion == answer and row.lineage["path"]


def test_no_answer_is_verified_and_no_question_judged():
    teacher = curriculum()
    rows, ctx = made_by(teacher, n=20)
    assert len(rows) == 20 and ctx.rejected == [] and teacher.of("judge") == []
    assert {a.material["question"] for a in teacher.of("classify")} == {"sound"}
    assert len(teacher.of("classify")) == 4


def test_a_teacher_without_a_curriculum_is_left_in_peace():
    teacher = FixedTeacher(lambda request: "I cannot think of any.")
    assert made_by(teacher)[0] == [] and len(teacher.asked) == 3
    voted_out = FixedTeacher(lambda request: "1. Ghosts" if request.intent == "expand" else "No.")
    assert made_by(voted_out)[0] == [] and [a.intent for a in voted_out.asked] == ["expand"] * 3 + ["classify"]


# Published numbers


def test_five_concepts_a_session_make_31_and_575_combinations():
    assert sum(glan.combinations([5], 5).values()) == 31
    assert sum(glan.combinations([5, 5], 5).values()) == 575


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6))
def test_combinations_are_counted_as_the_paper_counts_them(one, two, most):
    assert sum(glan.combinations([one], most).values()) == sum(comb(one, i) for i in range(1, most + 1))
    both = sum(comb(one + two, i) - comb(one, i) - comb(two, i) for i in range(2, most + 1))
    assert sum(glan.combinations([one, two], most).values()) == both


@given(st.lists(st.integers(1, 4), min_size=1, max_size=2), st.integers(2, 5), st.integers(0, 2**32))
def test_a_choice_takes_something_of_every_session_and_no_more_than_allowed(sizes, most, seed):
    sessions = [[f"{place}.{number}" for number in range(size)] for place, size in enumerate(sizes)]
    chosen = glan.choose(Random(seed), sessions, most)
    assert len(chosen) == len(set(chosen)) <= most
    assert {concept[0] for concept in chosen} == {str(place) for place in range(len(sizes))}
    assert chosen == [concept for session in sessions for concept in session if concept in chosen]


@pytest.mark.parametrize("sizes", [[4], [2, 3]])
def test_every_combination_is_equally_likely(sizes):
    sessions = [[f"{place}.{number}" for number in range(size)] for place, size in enumerate(sizes)]
    rng, draws = Random(3), 20_000
    seen = Counter(tuple(glan.choose(rng, sessions, 3)) for _ in range(draws))
    possible = [s for s in subsets(list(chain(*sessions)), 3) if len({c[0] for c in s}) == len(sizes)]
    assert set(seen) == set(possible) and len(possible) == sum(glan.combinations(sizes, 3).values())
    mean = draws / len(possible)
    assert all(abs(times - mean) < 5 * mean**0.5 for times in seen.values())


def test_half_of_the_questions_are_on_two_sessions():
    teacher = curriculum()
    rows, _ = made_by(teacher, n=600)
    optics = [set(row.lineage["concepts"].split(" | ")) for row in rows if row.lineage["path"].endswith("Optics")]
    both = sum(bool(found & {"rays", "shadows"} and found & {"focus", "image", "blur"}) for found in optics)
    assert abs(both / len(optics) - 0.5) < 0.12


# Dials


def test_dials_bound_the_curriculum():
    def reply(request):
        if request.intent == "expand" and request.material.get("form") != "syllabus":
            return "\n".join(f"{n}. topic {len(request.material['path'])}{n}" for n in range(1, 8))
        return {"expand": "1. All: one; two; three", "classify": "Yes", "answer": "done"}.get(
            request.intent, "1. Do it"
        )

    def calls(**params):
        teacher = FixedTeacher(reply)
        rows, _ = made_by(teacher, n=30, **params)
        kinds = Counter(
            "syllabus" if a.material.get("form") else "subjects" if "Here is a discipline" in a.text else "topics"
            for a in teacher.of("expand")
        )
        most = max(len(row.lineage["concepts"].split(" | ")) for row in rows)
        deepest = {len(row.lineage["path"].split(" > ")) for row in rows}
        return kinds["topics"], len(teacher.of("classify")), kinds["subjects"], kinds["syllabus"], most, deepest

    assert calls(depth=1, disciplines=3, queries=10, subjects=5) == (3, 3, 30, 5, 3, {2})
    assert calls(depth=3, disciplines=4, queries=1, subjects=9, concepts=1) == (3 + 4 + 4, 12, 4, 9, 1, {4})
    # All that is listed where the bounds are out of reach: 7 fields, 49 disciplines, 343 subjects.
    assert calls(depth=2, disciplines=500, queries=1, subjects=500) == (3 + 7, 7 + 49, 49, 343, 3, {3})


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly_and_cost_one_question_and_one_answer(profile):
    rows, ctx = made("glan", profile, 150)
    again, _ = made("glan", profile, 150)
    assert rows == again and len(rows) == 150
    assert all(row.prompt and row.completion and row.lineage["concepts"] for row in rows)
    calls = ctx.meter.usage().calls_by_intent
    assert set(calls) == set(plugin("glan").intents)
    assert calls["answer"] == len(rows) + len(ctx.rejected)
    # A question may be under way beyond the last answer, no more than one for every 16 rows.
    assert 0 <= calls["propose"] - calls["answer"] <= 150 // 16


def test_the_cost_it_states_is_the_cost_it_has():
    rows, ctx = made_once("glan")
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("glan").cost
    for intent, stated in cost.calls.items():
        assert stated / 2 <= calls[intent] / len(rows) <= stated * 2
    assert cost.setup_calls / 2 <= calls["expand"] + calls["classify"] <= cost.setup_calls * 2


def test_more_subjects_spread_the_rows_wider():
    def spread(subjects):
        rows, _ = made("glan", "strong", 300, subjects=subjects)
        return len({pair for row in rows if (found := TASK.structure(row.prompt)) for pair in found.pairs})

    assert spread(2) < spread(40)


def test_a_small_budget_ends_it_cleanly():
    ctx = context("glan", TASK.scripted_teacher("strong"), 400, tokens=60_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 60_000
