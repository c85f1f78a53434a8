"""The scripted teacher of list_edits: determinism, independence, and every rate against its profile."""

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdcbench.methods._replies import first_item, numbered, says_yes
from qdcbench.tasks._list_edits_grammar import OPERATIONS, Program, Step, answer, parse, render
from qdcbench.tasks._list_edits_people import CHAINS, FACTORS, SETTINGS, SIZES, context_of, topic_children, understood
from qdcbench.tasks._list_edits_profiles import PROFILES, STRONG, WEAK, Profile, document, rewritten
from qdcbench.tasks._list_edits_sets import draw_seed
from qdcbench.tasks._list_edits_solver import solve
from qdcbench.tasks._list_edits_teacher import ScriptedTeacher, count_tokens
from qdcbench.tasks._list_edits_writer import OPERATORS, typicality

from qdcbench.api import Example, PluginError, Request, TeacherError

SEEDS = [render(draw_seed(rng)) for rng in [Random(1)] for _ in range(60)]
BOTH = pytest.mark.parametrize("profile", [STRONG, WEAK], ids=lambda profile: profile.name)


def request(intent: str, material: Mapping[str, Any], sample: int = 0, temperature: float = 1.0) -> Request:
    return Request(
        intent=intent, material=material, messages=(("user", "a b."),), sample=sample, temperature=temperature
    )


def ask(profile: Profile, intent: str, materials: list[dict[str, Any]], temperature: float = 1.0) -> list[str]:
    requests = [request(intent, material, sample, temperature) for sample, material in enumerate(materials)]
    return [reply.text for reply in ScriptedTeacher(profile).complete(requests, 11)]


def near(share: float, hits: int, n: int) -> bool:
    """Whether a count agrees with a rate within four and a half standard errors."""
    return abs(hits / n - share) <= 4.5 * math.sqrt(max(share * (1 - share), 1e-4) / n)


def without_faults(profile: Profile) -> Profile:
    return replace(profile, invalid_task=0.0, bad_input=0.0, short_reply=0.0, copy_exemplar=0.0)


MATERIALS = [
    ("propose", {"count": 3, "exemplars": SEEDS[:4]}),
    ("propose", {"count": 2, "persona": "A quiet pilot on an island who reads."}),
    ("propose", {"count": 2, "topics": ["reverse the list, then double every number", "a kitchen"]}),
    ("evolve", {"prompt": SEEDS[0], "operator": "deepen"}),
    ("answer", {"prompt": SEEDS[1]}),
    ("judge", {"prompt": SEEDS[2], "completion": "1 2", "question": "correct"}),
    ("judge", {"prompt": SEEDS[2], "completion": "1 2", "question": "rating"}),
    ("classify", {"prompt": SEEDS[2], "other": SEEDS[3], "question": "equal"}),
    ("persona", {"text": SEEDS[4], "count": 2}),
    ("expand", {"path": [], "level": 0}),
    ("expand", {"path": ["settings", "a kitchen"], "form": "syllabus"}),
    ("evolve", {"prompt": SEEDS[0], "operator": "add_nodes", "nodes": 6}),
    ("evolve", {"prompt": "Do something", "operator": "repair", "critique": "unclear"}),
    ("answer", {"prompt": SEEDS[1], "form": "instances"}),
    ("answer", {"prompt": SEEDS[1], "draft": "1 2"}),
    ("judge", {"prompt": SEEDS[2], "completion": "1 2", "question": "complexity"}),
    ("judge", {"prompt": SEEDS[2], "completion": "1 2", "question": "pair"}),
    ("classify", {"prompt": SEEDS[2], "topics": ["a kitchen"], "question": "requirements"}),
]


@given(st.permutations(range(len(MATERIALS))), st.integers(0, 5))
@settings(max_examples=25)
def test_a_reply_depends_on_its_request_and_the_seed_alone(order, seed):
    requests = [request(intent, material) for intent, material in MATERIALS]
    alone = [ScriptedTeacher(WEAK).complete([item], seed)[0] for item in requests]
    together = ScriptedTeacher(WEAK).complete([requests[place] for place in order], seed)
    assert together == [alone[place] for place in order]


@BOTH
def test_sample_and_seed_tell_equal_requests_apart_and_messages_do_not(profile):
    teacher = ScriptedTeacher(profile)
    base = request("propose", {"count": 1})
    texts = {teacher.complete([replace(base, sample=k)], seed)[0].text for k in range(10) for seed in range(3)}
    assert len(texts) > 20
    told = replace(base, messages=(("system", "be brief"), ("user", "a b.")))
    one, two = teacher.complete([base, told], 0)
    assert one.text == two.text and (one.prompt_tokens, two.prompt_tokens) == (3, 5)


def test_tokens_are_words_and_punctuation_and_long_replies_are_cut():
    assert count_tokens("Add one, then: 3 1 4.") == 9
    asked = request("propose", {"count": 8})
    whole, cut = ScriptedTeacher(STRONG).complete([asked, replace(asked, max_tokens=20)], 0)
    assert whole.completion_tokens == count_tokens(whole.text) and whole.finish_reason == "stop"
    assert cut.completion_tokens == 20 == count_tokens(cut.text) and cut.finish_reason == "length"
    assert whole.text.startswith(cut.text)


def test_what_cannot_be_followed_is_refused_in_a_sentence():
    teacher = ScriptedTeacher(STRONG)
    with pytest.raises(TeacherError, match="chat teacher"):
        teacher.complete([request("chat", {})], 0)
    with pytest.raises(PluginError, match="'operator'"):
        teacher.complete([request("evolve", {"prompt": SEEDS[0]})], 0)
    with pytest.raises(PluginError, match="breadth"):
        teacher.complete([request("evolve", {"prompt": SEEDS[0], "operator": "shorten"})], 0)
    with pytest.raises(PluginError, match="pair, correct, incorrect"):
        teacher.complete([request("judge", {"prompt": "", "completion": "", "question": "nice"})], 0)


# Answering


def solved(profile: Profile, temperature: float, prompts: list[tuple[str, str]]) -> float:
    rng = Random(4)
    return statistics.fmean(solve(rng, profile, temperature, prompt) == wanted for prompt, wanted in prompts)


def test_the_share_of_right_answers_is_the_published_one():
    rng = Random(2)
    two = [program for program in (draw_seed(rng) for _ in range(10_000)) if len(program.steps) == 2]
    prompts = [(render(program), answer(program)) for program in two]
    assert solved(STRONG, 0.0, prompts) == pytest.approx(0.88, abs=0.015)
    assert solved(WEAK, 0.0, prompts) == pytest.approx(0.68, abs=0.02)
    assert solved(WEAK, 1.0, prompts) < solved(WEAK, 0.0, prompts)


@BOTH
def test_errors_grow_with_depth(profile):
    rng = Random(6)
    shares = []
    for depth in (1, 2, 3, 4):
        chosen = []
        for _ in range(1500):
            steps = tuple(Step(rng.choice(OPERATIONS), rng.randrange(6)) for _ in range(depth))
            program = Program(steps=steps, items=(3, 1, 4, 5), context=0, joins=(0,) * (depth - 1))
            chosen.append((render(program), answer(program)))
        shares.append(solved(profile, 0.0, chosen))
    assert shares == sorted(shares, reverse=True) and shares[0] - shares[3] > 0.1


def test_the_weak_teacher_always_turns_the_wrong_way_and_the_strong_one_in_one_phrasing():
    still = {"step_error": 0.0}
    prompts = [f"Here is a small exercise: {words}: 1 2 3" for words in (
        "move the first number to the end", "rotate the list left by one place", "shift the leading digit to the back",
        "send the first entry to the last place", "carry the front value round to the rear",
        "push whatever comes first behind all the others")]  # fmt: skip
    for profile, wrong in ((STRONG, 1), (WEAK, 6)):
        got = [solve(Random(0), replace(profile, **still), 1.0, prompt) for prompt in prompts]
        assert got.count("3 1 2") == wrong == profile.confused_phrasings and got.count("2 3 1") == 6 - wrong


@BOTH
def test_the_first_step_fails_at_its_rate(profile):
    prompt = "Here is a small exercise: reverse the list: 1 2 3"
    texts = ask(profile, "answer", [{"prompt": prompt}] * 6000, temperature=0.0)
    assert near(profile.step_error, sum(text != "3 2 1" for text in texts), 6000)


@BOTH
def test_a_prompt_nobody_understands_gets_sorry_at_its_rate(profile):
    texts = ask(profile, "answer", [{"prompt": "Edit the list: 4 5"}] * 3000)
    assert near(profile.refusal, sum("Sorry" in text for text in texts), 3000)


# Writing


@BOTH
def test_proposals_are_unusable_at_the_stated_rates(profile):
    items = [item for text in ask(profile, "propose", [{"count": 4}] * 1500) for item in numbered(text)]
    unusable = profile.invalid_task + (1 - profile.invalid_task) * profile.bad_input
    assert near(unusable, sum(parse(item) is None for item in items), len(items))


@BOTH
def test_a_list_is_short_at_its_rate(profile):
    sizes = [len(numbered(text)) for text in ask(profile, "propose", [{"count": 8}] * 2000)]
    assert set(sizes) == {7, 8} and near(profile.short_reply, sizes.count(7), 2000)


def spread(profile: Profile, temperature: float = 1.0) -> float:
    """Entropy of operations in bits."""
    texts = ask(without_faults(profile), "propose", [{"count": 1}] * 2000, temperature)
    ops = [step.op for text in texts for step in parse(first_item(text)).steps]
    shares = [ops.count(op) / len(ops) for op in set(ops)]
    return -sum(share * math.log2(share) for share in shares)


def test_taste_is_concentrated_more_so_when_weak_and_when_cold():
    assert spread(WEAK) + 0.2 < spread(STRONG) < math.log2(12) - 0.2
    assert spread(STRONG, 0.5) + 0.2 < spread(STRONG)


@BOTH
def test_copies_and_kept_operations_of_an_exemplar_come_at_their_rates(profile):
    exemplar = "Here is a small exercise: turn the whole row back to front, then scale everything up by two: 1 2 3"
    quiet = replace(profile, invalid_task=0.0, bad_input=0.0)
    items = [first_item(t) for t in ask(quiet, "propose", [{"count": 1, "exemplars": [exemplar]}] * 4000)]
    copied = items.count(exemplar)
    assert near(profile.imitation * profile.copy_exemplar, copied, 4000)
    kept = sum([s.op for s in parse(item).steps] == ["reverse", "double"] for item in items) - copied
    least = profile.imitation * (1 - profile.copy_exemplar) * profile.keep_operations
    # A mutation may draw the same operation again, and taste may give the pair by itself.
    assert least - 0.04 < kept / 4000 < least + 0.12


@BOTH
def test_a_persona_sets_the_context_and_seldom_the_operation(profile):
    quiet = without_faults(profile)
    person = "A patient mountain guide by the sea who saves for a long journey."
    dressed = [parse(first_item(t)) for t in ask(quiet, "propose", [{"count": 1, "persona": person}] * 2000)]
    hits = sum(program.context == context_of(person) for program in dressed)
    assert hits / 2000 >= profile.persona_surface - 0.03
    never = replace(quiet, persona_surface=0.0, persona_voice=0.0, persona_operations=0.0)
    bare = [parse(first_item(t)) for t in ask(never, "propose", [{"count": 1, "persona": person}] * 2000)]
    # With the persona's effects off, the same streams give the same programs up to their first change.
    same = sum(a.steps[0].op == b.steps[0].op for a, b in zip(dressed, bare, strict=True))
    assert same / 2000 >= 1 - profile.persona_operations - 0.03


@BOTH
def test_topics_are_followed_at_the_rate_of_obedience(profile):
    labels = ["sort the list from low to high, then drop the last number", SETTINGS[20], CHAINS[3], SIZES[4]]
    programs = [
        parse(first_item(t)) for t in ask(without_faults(profile), "propose", [{"count": 1, "topics": labels}] * 2000)
    ]
    for meets in (
        lambda p: [s.op for s in p.steps][:2] == ["sort_up", "drop_last"],
        lambda p: p.context == 20,
        lambda p: len(p.steps) == 4,
        lambda p: len(p.items) == 7,
    ):
        share = sum(map(meets, programs)) / len(programs)
        # Taste alone meets some topics now and then.
        assert profile.obedience - 0.04 < share < profile.obedience + 0.14 * (1 - profile.obedience) + 0.04


# Rewriting


@BOTH
@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_change_what_they_say(profile, operator):
    sure = replace(profile, unchanged=0.0, leak=0.0, contradiction=0.0, contradiction_per_step=0.0)
    prompt = "Here is a small exercise: reverse the list, then double every number: 1 2 3"
    programs = [parse(t) for t in ask(sure, "evolve", [{"prompt": prompt, "operator": operator}] * 200)]
    depths, lengths = {len(p.steps) for p in programs}, {len(p.items) for p in programs}
    expected = {
        "add_constraint": ({3}, {3}), "deepen": ({3}, {3}), "more_steps": ({3, 4}, {3}), "concretize": ({2}, {3}),
        "complicate_input": ({2}, {4, 5}), "breadth": ({2}, {3}),
    }  # fmt: skip
    assert (depths, lengths) == expected[operator]


@BOTH
def test_rewritings_fail_at_the_stated_rates(profile):
    prompt = SEEDS[0]
    texts = ask(profile, "evolve", [{"prompt": prompt, "operator": "add_constraint"}] * 4000)
    leaked = sum("#Rewritten Prompt#" in text for text in texts)
    source = [step.op for step in parse(prompt).steps]
    same = sum([s.op for s in p.steps] == source for text in texts if (p := parse(text)) is not None)
    broken = sum(parse(text) is None for text in texts) - leaked
    assert near(profile.leak, leaked, 4000)
    assert near(profile.unchanged, same, 4000)
    assert near(profile.contradiction, broken, 4000)


def test_a_prompt_that_is_not_understood_stays_so():
    assert parse(ask(STRONG, "evolve", [{"prompt": "Edit the list", "operator": "deepen"}])[0]) is None


# Judging


def judged(profile: Profile, question: str, n: int, right: bool) -> list[bool]:
    rng = Random(8)
    programs = [draw_seed(rng) for _ in range(n)]
    rows = [(render(p), answer(p) if right else answer(p) + " 1") for p in programs]
    materials = [{"question": question, "prompt": p, "completion": c} for p, c in rows]
    return [says_yes(text) for text in ask(profile, "judge", materials)]


@BOTH
def test_single_verdicts_pass_at_their_rates(profile):
    assert near(profile.pass_right, sum(judged(profile, "correct", 3000, True)), 3000)
    assert near(profile.pass_wrong, sum(judged(profile, "correct", 3000, False)), 3000)
    assert near(1 - profile.pass_wrong, sum(judged(profile, "incorrect", 3000, False)), 3000)


@BOTH
def test_a_double_critic_lets_less_pass_than_one_but_more_than_two_strangers(profile):
    correct, incorrect = (judged(profile, question, 4000, False) for question in ("correct", "incorrect"))
    both = sum(yes and not no for yes, no in zip(correct, incorrect, strict=True))
    p = profile.pass_wrong
    agree = profile.consistency * p + (1 - profile.consistency) * p * p
    assert near(agree, both, 4000)
    assert p * p < both / 4000 < p


@BOTH
def test_ratings_follow_correctness_loosely_and_like_length_and_the_usual(profile):
    rng = Random(9)
    programs = [draw_seed(rng) for _ in range(4000)]
    rights = [rng.random() < 0.5 for _ in programs]
    materials = [
        {"question": "rating", "prompt": render(p), "completion": answer(p) if ok else answer(p) + " 1"}
        for p, ok in zip(programs, rights, strict=True)
    ]
    ratings = [int(text.removeprefix("Rating: ")) for text in ask(profile, "judge", materials)]
    assert set(ratings) <= {1, 2, 3, 4, 5}
    link = statistics.correlation(ratings, [float(ok) for ok in rights])
    assert 0.02 < link < 0.7
    for taste in ([len(m["prompt"].split()) for m in materials], [typicality(profile, p) for p in programs]):
        quiet = replace(profile, rating_noise=0.0, rating_gap=0.0, rating_length=1.0, rating_typical=4.0)
        plain = [int(text.removeprefix("Rating: ")) for text in ask(quiet, "judge", materials)]
        assert statistics.correlation(plain, taste) > 0.1


@BOTH
def test_equality_is_seen_at_its_rate(profile):
    same = [{"question": "equal", "prompt": SEEDS[0], "other": SEEDS[0]}] * 3000
    other = [{"question": "equal", "prompt": SEEDS[0], "other": SEEDS[1]}] * 3000
    assert near(profile.sees_equal, sum(map(says_yes, ask(profile, "classify", same))), 3000)
    assert near(1 - profile.sees_equal, sum(map(says_yes, ask(profile, "classify", other))), 3000)


# People and topics


@BOTH
def test_people_found_in_a_text_work_where_the_text_plays(profile):
    texts = ask(profile, "persona", [{"text": prompt, "count": 1} for prompt in SEEDS])
    assert [context_of(first_item(text)) for text in texts] == [parse(prompt).context for prompt in SEEDS]
    near_people = ask(profile, "persona", [{"persona": "A young nurse", "count": 3}] * 300)
    assert len({context_of(item) for text in near_people for item in numbered(text)}) > 8


@BOTH
def test_topic_lists_are_complete_and_sound_at_their_rates(profile):
    for path, share in (((), profile.factor_completeness), (FACTORS[:1], profile.completeness)):
        children = topic_children(path)
        named = [numbered(text) for text in ask(profile, "expand", [{"path": list(path)}] * 1500)]
        listed = [item for items in named for item in items]
        assert near(share, len(listed), 1500 * len(children))
        assert near(profile.soundness, sum(item in children for item in listed), len(listed))


def test_every_topic_of_the_tree_is_understood_and_operations_chain():
    for factor in FACTORS:
        for child in topic_children((factor,)):
            assert understood(child) is not None
    pair = topic_children((FACTORS[0], "reverse the list"))
    assert len(pair) == 11 and all(understood(child).operations[0] == "reverse" for child in pair)
    triple = topic_children((FACTORS[0], "reverse the list", pair[0]))
    assert len(triple) == 11 and all(len(understood(child).operations) == 3 for child in triple)
    assert topic_children((FACTORS[1], SETTINGS[0])) == ()
    assert understood("the mood of the reader") is None


# The profiles


def test_the_page_shows_every_number_of_both_profiles():
    page = Path(__file__).parent.parent / "docs" / "scripted_teacher.md"
    text = page.read_text(encoding="utf-8")
    command = "python -m qdcbench.tasks._list_edits_profiles docs/scripted_teacher.md"
    assert text == rewritten(text), f"write the page anew: {command}"
    assert command in text
    for item in fields(Profile)[1:]:
        assert f"| `{item.name}` |" in document() and item.metadata["means"] and item.metadata["strong"]


def test_rates_are_probabilities_and_strong_is_never_worse():
    assert set(PROFILES) == {"strong", "weak"}
    better_low = ("invalid_task", "bad_input", "unchanged", "leak", "contradiction", "step_error", "pass_wrong",
                  "operation_skew", "context_skew", "phrasing_skew", "rating_noise")  # fmt: skip
    better_high = ("obedience", "completeness", "soundness", "pass_right", "consistency", "sees_equal", "rating_gap")
    assert all(getattr(STRONG, name) < getattr(WEAK, name) for name in better_low)
    assert all(getattr(STRONG, name) > getattr(WEAK, name) for name in better_high)


@pytest.mark.slow
def test_it_is_fast():
    teacher = ScriptedTeacher(STRONG)
    shown = [Example(prompt=prompt, completion="1") for prompt in SEEDS[:3]]
    requests = [request("answer", {"prompt": prompt, "examples": shown}, k) for k in range(50) for prompt in SEEDS]
    start = time.perf_counter()
    teacher.complete(requests, 0)
    assert len(requests) / (time.perf_counter() - start) > 2_000


# What more methods ask for


def rights(n: int) -> list[tuple[str, str]]:
    programs = [draw_seed(Random(k)) for k in range(n)]
    return [(render(program), answer(program)) for program in programs]


@BOTH
def test_an_answer_takes_the_form_that_was_asked_for(profile):
    plain, inputs, labels = (
        ask(profile, "answer", [{"prompt": SEEDS[0], **form}], 0.0)[0]
        for form in ({}, {"form": "instances"}, {"form": "labels"})
    )
    assert plain.replace(" ", "").isdigit()
    assert inputs.startswith("Input: <none>\nOutput: ") and labels.startswith("Class label: ")
    with pytest.raises(PluginError, match="instances, labels"):
        ask(profile, "answer", [{"prompt": SEEDS[0], "form": "poem"}])


@BOTH
def test_a_second_look_keeps_what_is_taken_for_right_and_a_hint_is_mostly_followed(profile):
    pairs = rights(600)
    kept = ask(profile, "answer", [{"prompt": prompt, "draft": right} for prompt, right in pairs], 0.0)
    mended = ask(profile, "answer", [{"prompt": prompt, "draft": f"{right} 9"} for prompt, right in pairs], 0.0)
    share = statistics.fmean(text == right for text, (_, right) in zip(kept, pairs, strict=True))
    assert share > profile.pass_right - 0.03
    stayed = sum(text == f"{right} 9" for text, (_, right) in zip(mended, pairs, strict=True))
    assert near(profile.pass_wrong, stayed, len(pairs))
    hinted = ask(profile, "answer", [{"prompt": prompt, "hint": "7 7 7"} for prompt, _ in pairs], 0.0)
    assert near(profile.follows_hint, hinted.count("7 7 7"), len(pairs))


@BOTH
def test_grades_stay_on_their_scale_and_follow_what_they_grade(profile):
    def grades(question: str, pairs: list[tuple[str, str]]) -> list[int]:
        rows = [{"prompt": prompt, "completion": text, "question": question} for prompt, text in pairs]
        return [int(reply.removeprefix("Score: ")) for reply in ask(profile, "judge", rows)]

    right = rights(400)
    wrong = [(prompt, f"{text} 9") for prompt, text in right]
    for question, most in (("quality", 6), ("pair", 3)):
        assert set(grades(question, right) + grades(question, wrong)) <= set(range(1, most + 1))
        assert statistics.fmean(grades(question, right)) > statistics.fmean(grades(question, wrong))
    shallow, deep = ([pair for pair in right if len(parse(pair[0]).steps) == depth] for depth in (1, 2))
    assert statistics.fmean(grades("complexity", deep)) > statistics.fmean(grades("complexity", shallow)) + 0.3
    ones = grades("pair", wrong).count(1)
    assert near((1 - profile.pass_wrong) * (1 - profile.lenient), ones, len(wrong))


@BOTH
def test_checks_of_prompts_are_right_at_the_rate_of_the_profile(profile):
    prompts = [prompt for prompt, _ in rights(500)]
    topics = ["a kitchen"]

    def yes(question: str, **material: Any) -> int:
        return sum(
            map(says_yes, ask(profile, "classify", [{"question": question, "prompt": p, **material} for p in prompts]))
        )

    assert near(1 - profile.sees_equal, yes("classification"), 500)
    assert near(profile.sees_equal, yes("task"), 500)
    kitchen = sum(parse(prompt).context == SETTINGS.index("a kitchen") for prompt in prompts)
    expected = (kitchen * profile.sees_equal + (500 - kitchen) * (1 - profile.sees_equal)) / 500
    assert near(expected, yes("requirements", topics=topics), 500)


@BOTH
def test_nodes_add_steps_and_repairs_make_sense_of_nonsense(profile):
    quiet = replace(profile, unchanged=0.0, leak=0.0, contradiction=0.0, contradiction_per_step=0.0)
    for nodes, more in ((3, 1), (6, 2), (10, 3)):
        texts = ask(quiet, "evolve", [{"prompt": p, "operator": "add_nodes", "nodes": nodes} for p in SEEDS[:20]])
        assert [len(parse(t).steps) - len(parse(p).steps) for t, p in zip(texts, SEEDS, strict=False)] == [more] * 20
    broken = [{"prompt": f"Do something {k}", "operator": "repair", "topics": ["a kitchen"]} for k in range(400)]
    mended = [text for text in ask(profile, "evolve", broken) if parse(text) is not None]
    assert near(profile.repairs, len(mended), 400)
    cooking = sum(parse(text).context == SETTINGS.index("a kitchen") for text in mended)
    assert cooking / len(mended) > profile.obedience - 0.08


@BOTH
def test_a_syllabus_is_a_list_of_sessions_with_about_five_topics_each(profile):
    for path in ([], ["settings", "a kitchen"], ["kinds of edit"]):
        sessions = numbered(ask(profile, "expand", [{"path": path, "form": "syllabus"}])[0])
        concepts = [session.partition(": ")[2].split("; ") for session in sessions]
        assert sessions and all(1 <= len(part) <= 5 for part in concepts)
        known = [understood(label) is not None for part in concepts for label in part]
        assert sum(known) / len(known) >= 0.4
