"""Persona Hub as its paper tells it: where people come from, which are the same, how they are asked, what it costs."""

import math
from collections import Counter
from itertools import count
from zlib import crc32

import numpy as np
import pytest
from method_bench import TASK, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import Example

SEEDS = [Example(prompt=f"Count {i} red ducks", completion=f"answer{i}") for i in range(4)]


def described(n):
    """A person who shares no word with another."""
    return f"kind{n} trade{n} place{n} habit{n}"


def populated(people=None, prompts="task"):
    """A teacher who describes a new person at every turn, or goes through ``people``, and writes tasks by number."""
    number, written = count(), count()

    def reply(request):
        if request.intent == "persona":
            described_now = (next(number) for _ in range(request.material["count"]))
            return "\n".join(
                f"{place}. {people[n % len(people)] if people else described(n)}"
                for place, n in enumerate(described_now, 1)
            )
        return f"{prompts}{next(written)}" if request.intent == "propose" else "done"

    return FixedTeacher(reply)


def far_apart(texts):
    """Unit vectors of which no two point the same way, but for equal texts."""
    return unit(np.array([np.random.default_rng(crc32(text.encode())).standard_normal(64) for text in texts]))


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def people_of(teacher, n=12, embed=far_apart, seeds=SEEDS, **params):
    """The different people that rows were asked of."""
    ctx = context("persona", teacher, n=n, seeds=seeds)
    ctx.embed = embed
    return {row.lineage["persona"] for row in run(ctx, **params)}, ctx


# Where people come from


def test_people_come_from_texts_then_from_people_and_each_is_asked_for_one_task():
    teacher = populated()
    ctx = context("persona", teacher, n=6, seeds=SEEDS)
    rows = run(ctx, n_personas=6)
    assert [(a.role, a.intent) for a in teacher.asked] == [
        *[("teacher", "persona")] * 5,
        *[("teacher", "propose"), ("answerer", "answer")] * 6,
    ]
    from_texts, from_person = teacher.asked[:4], teacher.asked[4]
    assert {a.material["text"] for a in from_texts} == {seed.prompt for seed in SEEDS}
    assert all(a.material["count"] == 1 and a.material["text"] in a.text for a in from_texts)
    assert all(word in from_texts[0].text for word in ("read", "write", "like", "dislike"))
    assert from_person.material["persona"] in {described(n) for n in range(4)}
    assert from_person.material["persona"] in from_person.text and "close relation" in from_person.text
    assert {a.temperature for a in teacher.of("persona") + teacher.of("propose")} == {0.7}
    assert {a.temperature for a in teacher.of("answer")} == {0.0}
    # Six people, six rows, one each; a person near another goes back to the same seed example.
    assert {row.lineage["persona"] for row in rows} == {described(n) for n in range(6)}
    source = {described(n): a.material["text"] for n, a in enumerate(from_texts)}
    by_prompt = {seed.prompt: seed.id for seed in SEEDS}
    for row in rows:
        near = row.lineage["persona"] if row.lineage["persona"] in source else from_person.material["persona"]
        assert row.parents == (by_prompt[source[near]],)
    for row, asked in zip(rows, teacher.of("propose"), strict=True):
        assert asked.material["persona"] == row.lineage["persona"] and asked.material["persona"] in asked.text
        assert TASK.description in asked.text
    assert not ctx.rejected


def test_six_rounds_of_relations_and_no_more():
    # Whoever is asked for names the same three people, so that every round is lacking some.
    teacher = populated(people=[described(n) for n in range(3)])
    found, _ = people_of(teacher, n_personas=50)
    assert found == {described(n) for n in range(3)}
    assert len([a for a in teacher.of("persona") if "persona" in a.material]) == 6 * 3
    for rounds in (0, 2):
        teacher = populated(people=[described(n) for n in range(3)])
        people_of(teacher, n_personas=50, expansions=rounds)
        assert len([a for a in teacher.of("persona") if "persona" in a.material]) == rounds * 3


def test_no_more_is_asked_than_is_lacking_and_nobody_beyond_the_number_wanted():
    for wanted, texts, relations in ((3, 3, 0), (4, 4, 0), (5, 4, 1), (12, 4, 3)):
        teacher = populated()
        found, _ = people_of(teacher, n_personas=wanted)
        asked = teacher.of("persona")
        assert len(found) == wanted
        assert Counter("text" in a.material for a in asked) == Counter({True: texts, False: relations})


def test_people_are_asked_again_in_turn_when_there_are_fewer_than_rows():
    teacher = populated()
    ctx = context("persona", teacher, n=9, seeds=SEEDS)
    asked = [row.lineage["persona"] for row in run(ctx, n_personas=3)]
    assert all(len(set(asked[start : start + 3])) == 3 for start in (0, 3, 6)) and len(set(asked)) == 3


# Who is the same


def test_the_same_words_are_the_same_person_by_minhash_of_single_words():
    words = [f"word{i}" for i in range(40)]
    people = [
        " ".join(words),
        " ".join(reversed(words)),  # single words: order does not count
        " ".join(words[:39]),  # Jaccard 39/40
        " ".join(words[:20]),  # Jaccard 1/2
    ]
    found, _ = people_of(populated(people), n_personas=4, expansions=0)
    assert found == {people[0], people[3]}


def test_the_same_meaning_is_the_same_person_by_cosine_above_the_dial():
    people = ["alpha beta gamma", "delta epsilon zeta", "eta theta iota", "kappa lambda mu"]
    angles = dict(zip(people, (1.0, 0.95, 0.7, -1.0), strict=True))

    def embed(texts):
        return unit(np.array([(angles[text], math.sqrt(1 - angles[text] ** 2)) for text in texts]))

    kept = {}
    for cosine in (0.5, 0.9, 0.99):
        found, _ = people_of(populated(people), embed=embed, n_personas=4, expansions=0, cosine=cosine)
        kept[cosine] = found
    # The paper drops above .9 and lowers that to .5 where fewer, more different people are wanted.
    assert kept[0.9] == {people[0], people[2], people[3]}
    assert kept[0.5] == {people[0], people[3]}
    assert kept[0.99] == set(people)


def test_words_are_compared_before_meanings_and_short_descriptions_are_dropped_after_both():
    people = ["one two three four", "four three two one", "A cook", "five six seven eight"]
    seen = []

    def embed(texts):
        seen.append(list(texts))
        return far_apart(texts)

    found, _ = people_of(populated(people), embed=embed, n_personas=4, expansions=0)
    assert seen == [[people[0], people[2], people[3]]]
    assert found == {people[0], people[3]}


# How they are asked


@pytest.mark.parametrize("mode", ["zero_shot", "few_shot", "persona_few_shot"])
def test_the_three_modes_show_nothing_or_seeds_or_seeds_with_the_person_each_suggests(mode):
    teacher = populated()
    people_of(teacher, mode=mode, n_personas=4)
    suggested = {a.material["text"]: described(n) for n, a in enumerate(teacher.of("persona"))}
    for asked in teacher.of("propose"):
        shown = asked.material.get("exemplars", [])
        assert len(set(shown)) == (0 if mode == "zero_shot" else 3)
        assert set(shown) <= set(suggested)
        others = {person for person in suggested.values() if person in asked.text} - {asked.material["persona"]}
        if mode == "persona_few_shot":
            assert others == {suggested[prompt] for prompt in shown} - {asked.material["persona"]}
            assert all(f"{suggested[prompt]}\nTask: {prompt}" in asked.text for prompt in shown)
        else:
            assert not others and all(prompt in asked.text for prompt in shown)
        assert asked.text.endswith(asked.material["persona"])


def test_only_seeds_from_which_a_person_was_inferred_are_shown_with_one():
    teacher = populated()
    people_of(teacher, mode="persona_few_shot", n_personas=2)
    texts = {a.material["text"] for a in teacher.of("persona")}
    assert len(texts) == 2
    assert all(set(a.material["exemplars"]) == texts for a in teacher.of("propose"))


@pytest.mark.parametrize(
    ("intent", "text", "reason"),
    [("propose", "", "empty prompt"), ("answer", "", "empty answer"), ("answer", "task0", "answer repeats the prompt")],
)
def test_only_rows_that_are_none_are_dropped(intent, text, reason):
    teacher = populated()
    usual, spoiled = teacher.reply, [text]
    teacher.reply = lambda request: spoiled.pop() if request.intent == intent and spoiled else usual(request)
    ctx = context("persona", teacher, n=3, seeds=SEEDS)
    assert len(run(ctx, n_personas=3)) == 3
    ((dropped, why),) = ctx.rejected
    assert why == reason and dropped.lineage["persona"] and dropped.parents


def test_nobody_found_means_no_rows():
    ctx = context("persona", FixedTeacher(lambda request: ""), n=5, seeds=SEEDS)
    assert run(ctx) == [] and not ctx.rejected


# On the scripted teacher


def entropy(rows):
    counts = Counter(pair for row in rows if (found := TASK.structure(row.prompt)) for pair in found.pairs)
    return -sum(n / counts.total() * math.log2(n / counts.total()) for n in counts.values())


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_exactly_and_come_from_different_people(profile):
    rows, ctx = made_once("persona", profile, 200)
    assert made("persona", profile, 200)[0] == rows and len(rows) == 200
    assert {row.parents[0] for row in rows} <= {seed.id for seed in ctx.seed_examples}
    assert len({row.lineage["persona"] for row in rows}) > 190


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_calls_are_those_the_plugin_states(profile):
    rows, ctx = made_once("persona", profile, 200)
    calls, stated = ctx.meter.usage().calls_by_intent, plugin("persona").cost
    for intent, each in stated.calls.items():
        assert each / 2 <= calls[intent] / len(rows) <= each * 2
    assert stated.setup_calls / 2 <= calls["persona"] <= stated.setup_calls * 2


def test_a_tiny_budget_ends_it_cleanly():
    for tokens in (2_000, 60_000):
        ctx = context("persona", TASK.scripted_teacher("strong"), n=200, tokens=tokens)
        rows = run(ctx)
        assert len(rows) < 200 and ctx.meter.usage().tokens <= tokens
        assert bool(rows) == (tokens == 60_000)


def test_what_its_dials_move():
    base = made_once("persona", "strong", 200)[0]
    # Seeds shown beside the person widen what is asked for; so does heat.
    assert entropy(made("persona", "strong", 200, mode="few_shot")[0]) > entropy(base) + 0.2
    assert entropy(made("persona", "strong", 200, temperature=1.2)[0]) > entropy(base) + 0.2
    # More people cost more calls before the first row.
    calls = [
        made("persona", "strong", 20, n_personas=n)[1].meter.usage().calls_by_intent["persona"] for n in (20, 120, 300)
    ]
    assert calls[0] < calls[1] < calls[2]
