"""Simula: factors, taxonomies under a critic, node sets, scenarios, a harder share, two kinds of critique."""

import math
from collections import Counter
from functools import cache
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_bench import TASK, FixedTeacher, context, made, plugin, run
from qdcbench.methods._taxonomies import Growth, grown
from qdcbench.tasks._list_edits_people import FACTORS, UNSOUND, topic_children

ARMS = ("baseline", "local", "global", "local_global", "full")
PROFILES = ("strong", "weak")


def listed(*items):
    return "\n".join(f"{place}. {item}" for place, item in enumerate(items, 1))


class Script:
    """A teacher's replies: a small tree, unsound topics, and what each later step says; a test changes what it needs.

    A proposal is a sentence of a few words with a number of its own, so that no two are alike.
    """

    def __init__(self, **changed):
        self.lists = {
            (): [listed("settings", "mood"), listed("Settings.", "sizes")],
            ("settings",): [listed("bakery"), listed("bakery", "bus")],
            ("sizes",): [listed("three"), "There is nothing below that."],
        }
        self.added = {("settings",): listed("train", "BUS")}
        self.unsound = {"mood", "bus"}
        self.scenarios = (f"Scenario number {place}" for place in count())
        self.meets = lambda prompt: "Yes."
        self.answer = lambda prompt: "1 2"
        self.verdicts = lambda prompt: ("Yes.", "No.")
        self.expanded = Counter()
        vars(self).update(changed)

    def __call__(self, request):
        return getattr(self, f"_{request.intent}")(request.material)

    def _expand(self, material):
        path = tuple(material["path"])
        if "proposed" in material:
            return self.added.get(path, "Nothing is missing.")
        self.expanded[path] += 1
        lists = self.lists.get(path, [])
        return lists[self.expanded[path] - 1] if self.expanded[path] <= len(lists) else "That cannot be divided."

    def _classify(self, material):
        if material["question"] == "sound":
            return "No." if material["topic"] in self.unsound else "Yes, it can."
        return self.meets(material["prompt"])

    def _propose(self, material):
        return listed(*(next(self.scenarios) for _ in range(material["count"])))

    def _evolve(self, material):
        return f"{material['prompt']} {'mended' if material['operator'] == 'repair' else 'made harder'}"

    def _answer(self, material):
        return self.answer(material["prompt"])

    def _judge(self, material):
        return self.verdicts(material["prompt"])[material["question"] == "incorrect"]


def fixed(n, **changed):
    teacher = FixedTeacher(Script(**changed))
    return context("simula", teacher, n), teacher


# What is asked, and in which order


def test_taxonomies_grow_level_by_level_under_a_critic():
    ctx, teacher = fixed(1)
    run(ctx, depth=1)
    setup = [asked for asked in teacher.asked if asked.intent == "expand" or asked.material.get("question") == "sound"]
    asked = [
        (asked.role, asked.intent, asked.material.get("topic") or tuple(asked.material["path"]),
         tuple(asked.material.get("proposed", ())))
        for asked in setup
    ]  # fmt: skip
    teacher_says, judge_says = ("teacher", "expand"), ("judge", "classify")
    assert asked == [
        # Factors: two lists joined, equal labels merged, each accepted or rejected.
        (*teacher_says, (), ()), (*teacher_says, (), ()),
        (*judge_says, "settings", ()), (*judge_says, "mood", ()), (*judge_says, "sizes", ()),
        # The next level: two lists for each, a critic who sees both lists and adds, and a verdict on all of it.
        (*teacher_says, ("settings",), ()), (*teacher_says, ("settings",), ()),
        (*teacher_says, ("sizes",), ()), (*teacher_says, ("sizes",), ()),
        (*teacher_says, ("settings",), ("bakery", "bus")), (*teacher_says, ("sizes",), ("three",)),
        (*judge_says, "bakery", ()), (*judge_says, "bus", ()), (*judge_says, "three", ()), (*judge_says, "train", ()),
    ]  # fmt: skip
    assert teacher.asked[: len(setup)] == setup
    for one in setup:
        assert TASK.description in one.text and one.temperature == (1.0 if one.role == "teacher" else 0.0)
    critic = setup[9]
    assert "settings" in critic.text and "1. bakery\n2. bus" in critic.text


def test_a_row_is_drawn_written_checked_made_harder_answered_and_judged_twice():
    ctx, teacher = fixed(1)
    (row,) = run(ctx, depth=1, complexify=1.0)
    steps = teacher.asked[next(k for k, asked in enumerate(teacher.asked) if asked.intent == "propose") :]
    topics = steps[0].material["topics"]
    assert topics[0] in {"bakery", "train"} and topics[1:] == ["three"]
    scenario = steps[1].material["prompt"]
    assert scenario in {f"Scenario number {place}" for place in range(3)}
    assert [(asked.role, asked.intent, asked.temperature) for asked in steps] == [
        ("teacher", "propose", 1.0),
        ("judge", "classify", 0.0),
        ("teacher", "evolve", 1.0),
        ("answerer", "answer", 0.0),
        ("judge", "judge", 0.0),
        ("judge", "judge", 0.0),
    ]
    propose, check, evolve, answer, correct, incorrect = steps
    assert propose.material["count"] == 3 and "Write 3 " in propose.text
    assert check.material["question"] == "requirements" and check.material["topics"] == topics
    assert (evolve.material["operator"], evolve.material["prompt"]) == ("deepen", scenario)
    assert answer.material["prompt"] == f"{scenario} made harder" == row.prompt
    assert [asked.material["question"] for asked in (correct, incorrect)] == ["correct", "incorrect"]
    for asked in (propose, check, evolve):
        assert all(topic in asked.text for topic in topics)
    for asked in (correct, incorrect):
        assert row.prompt in asked.text and row.completion in asked.text
    assert "Is this answer correct?" in correct.text and "Is this answer incorrect?" in incorrect.text
    assert all(TASK.description in asked.text and "{" not in asked.text for asked in steps)
    assert row.parents == () and row.lineage == {"topic": " | ".join(topics), "operator": "propose+complexify"}


def test_the_critic_of_topics_adds_and_removes():
    def drawn(**params):
        ctx, _ = fixed(40)
        return {row.lineage["topic"].partition(" | ")[0] for row in run(ctx, depth=1, **params)}

    assert drawn() == {"bakery", "train"}
    assert drawn(critic_of_topics=False) == {"bakery", "bus"}
    assert drawn(critic_of_topics=False, proposals=1) == {"bakery"}


def test_a_topic_that_cannot_be_divided_stays_a_leaf():
    ctx, _ = fixed(40)
    assert {row.lineage["topic"] for row in run(ctx, depth=3)} == {"bakery | three", "train | three"}
    ctx, teacher = fixed(40)
    assert {row.lineage["topic"] for row in run(ctx, depth=0)} == {""}
    assert not teacher.of("expand") and not teacher.of("classify")


def test_rows_may_draw_from_some_of_the_taxonomies_each_combination_equally_often():
    ctx, _ = fixed(300)
    sets = Counter(row.lineage["topic"] for row in run(ctx, depth=1, combined=1))
    assert set(sets) == {"bakery", "train", "three"}
    assert 120 < sets["three"] < 180


# What is dropped, and why


def test_every_rejection_has_its_reason_and_no_call_is_made_after_it():
    scenarios = [
        "off the topic",
        "has no answer",
        "is wrong",
        "takes both sides",
        "takes no side",
        "mumbles",
        "passes",
    ]
    verdicts = {
        "is wrong": ("No.", "Yes."),
        "takes both sides": ("Yes.", "Yes."),
        "takes no side": ("No.", "No."),
        "mumbles": ("Perhaps.", "Perhaps."),
    }
    ctx, teacher = fixed(
        1,
        scenarios=iter(scenarios),
        meets=lambda prompt: "No, it does not." if prompt == "off the topic" else "Yes.",
        answer=lambda prompt: "" if prompt == "has no answer" else "1 2",
        verdicts=lambda prompt: verdicts.get(prompt, ("Yes.", "No, it is right.")),
    )
    (row,) = run(ctx, depth=1, scenarios=1, complexify=0.0)
    assert row.prompt == "passes"
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        ("off the topic", "requirements"),
        ("has no answer", "empty answer"),
        *((prompt, "double critic") for prompt in scenarios[2:6]),
    ]
    assert all(row.lineage["topic"] and row.lineage["operator"] == "propose" for row, _ in ctx.rejected)
    assert [asked.material["prompt"] for asked in teacher.of("answer")] == scenarios[1:]
    assert [asked.material["prompt"] for asked in teacher.of("judge")] == [p for p in scenarios[2:] for _ in "12"]


def test_near_copies_by_their_runs_of_thirteen_words_are_dropped_before_they_are_answered():
    words = [f"w{place}" for place in range(120)]
    long, near, far = " ".join(words), " ".join([*words[:-2], "end"]), " ".join([*words[:60], *reversed(words[60:])])
    short = "Reverse 1 2 3"
    ctx, teacher = fixed(4, scenarios=iter([long, near, far, short, short, "Reverse 1 2 4"]))
    rows = run(ctx, depth=1, scenarios=1, complexify=0.0)
    # Rows of fewer than thirteen words have no such run: there, equal ones alone are copies.
    assert [row.prompt for row in rows] == [long, far, short, "Reverse 1 2 4"]
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [(near, "near-copy"), (short, "near-copy")]
    assert [asked.material["prompt"] for asked in teacher.of("answer")] == [row.prompt for row in rows]


def test_a_repair_sees_the_critique_and_is_checked_once_more():
    meets = {"astray": "No.", "astray mended": "Yes.", "lost": "No.", "lost mended": "No."}
    verdicts = {"doubted": ("No.", "Yes."), "doubted mended": ("Yes.", "No.")}
    ctx, teacher = fixed(
        4,
        scenarios=iter(["astray", "lost", "doubted", "fine", "fine too", "good", "as good"]),
        meets=lambda prompt: meets.get(prompt, "Yes."),
        verdicts=lambda prompt: verdicts.get(prompt, ("Yes.", "No.")),
    )
    rows = run(ctx, depth=1, scenarios=1, complexify=0.0, repair=True)
    assert {row.prompt: row.lineage["operator"] for row in rows} == {
        "astray mended": "repair", "doubted mended": "repair", "fine": "propose", "fine too": "propose",
    }  # fmt: skip
    assert sorted((row.prompt, reason) for row, reason in ctx.rejected) == [
        ("astray", "requirements"), ("doubted", "double critic"),
        ("lost", "requirements"), ("lost mended", "requirements"),
    ]  # fmt: skip
    repairs = teacher.of("evolve", "teacher")
    assert [asked.material["prompt"] for asked in repairs] == ["astray", "lost", "doubted"]
    assert all(asked.material["operator"] == "repair" and asked.material["critique"] in asked.text for asked in repairs)
    assert repairs[0].material["critique"] != repairs[2].material["critique"]


def test_without_repair_a_rejected_draft_does_not_come_back():
    ctx, teacher = fixed(3, meets=lambda prompt: "No." if prompt.endswith("0") else "Yes.")
    run(ctx, depth=1, scenarios=1, complexify=0.0)
    assert not teacher.of("evolve") and len(ctx.rejected) == 1


def test_it_ends_by_itself_where_nothing_passes():
    ctx, _ = fixed(5, meets=lambda prompt: "No.")
    assert run(ctx, depth=1) == [] and 500 < len(ctx.rejected) < 1500
    ctx = context("simula", FixedTeacher(lambda request: ""), 5)
    assert run(ctx) == [] and {reason for _, reason in ctx.rejected} == {"empty answer"}


# Published numbers


@pytest.mark.parametrize(
    ("prior", "right_passes", "wrong_passes", "purity", "accepted"),
    [(0.9, 0.95, 0.30, 0.97, 0.885), (0.57, 0.90, 0.40, 0.75, 0.685)],
)
def test_the_double_critic_purifies_as_the_formula_says(prior, right_passes, wrong_passes, purity, accepted):
    """Purity is p·a / (p·a + (1 − p)·b) for a prior p of right answers, passed at rate a if right, b if wrong."""

    def answer(prompt):
        return "right" if Random(f"answer {prompt}").random() < prior else "wrong"

    def verdicts(prompt):
        luck = Random(f"verdict {prompt}")
        if luck.random() < (right_passes if answer(prompt) == "right" else wrong_passes):
            return "Yes.", "No."
        return luck.choice([("Yes.", "Yes."), ("No.", "No."), ("No.", "Yes.")])

    ctx, _ = fixed(1200, answer=answer, verdicts=verdicts)
    rows = run(ctx, depth=0, scenarios=1, complexify=0.0)
    found = sum(row.completion == "right" for row in rows) / len(rows)
    share = len(rows) / (len(rows) + len(ctx.rejected))
    formula = prior * right_passes / (prior * right_passes + (1 - prior) * wrong_passes)
    assert abs(formula - purity) < 0.005
    # Three standard errors of shares of that many rows.
    assert abs(found - formula) < 3 * math.sqrt(formula * (1 - formula) / len(rows))
    assert abs(share - accepted) < 3 * math.sqrt(accepted * (1 - accepted) / 1200)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_complexified_share_is_what_the_dial_says_whatever_the_arm(share):
    for arm in ("baseline", "full"):
        rows = run(fixed(150)[0], arm=arm, depth=1, complexify=share)
        found = sum("complexify" in row.lineage["operator"] for row in rows) / len(rows)
        assert abs(found - share) <= 3 * math.sqrt(share * (1 - share) / 150)


@cache
def spent(profile, arm):
    """Rows, attempts, and calls less those for the taxonomies."""
    rows, ctx = made("simula", profile, 120, arm=arm)
    asked = dict(ctx.meter.usage().calls_by_intent)
    checks = sum(reason == "requirements" for _, reason in ctx.rejected) + asked["answer"] if arm == "full" else 0
    return len(rows), len(rows) + len(ctx.rejected), sum(asked.values()) - asked["expand"] - asked["classify"] + checks


@pytest.mark.parametrize("profile", PROFILES)
def test_an_attempt_costs_three_to_six_calls_and_up_to_five_times_those_of_the_baseline(profile):
    (_, attempts, calls), (_, base_attempts, base_calls) = spent(profile, "full"), spent(profile, "baseline")
    assert 3 <= calls / attempts <= 6 and 1.2 < calls / attempts / (base_calls / base_attempts) <= 5


def test_with_a_strong_teacher_so_does_an_accepted_row():
    (rows, _, calls), (base_rows, _, base_calls) = spent("strong", "full"), spent("strong", "baseline")
    assert 2 < calls / rows / (base_calls / base_rows) <= 5


def calls_of_arm(arm):
    ctx, teacher = fixed(30)
    run(ctx, arm=arm, depth=2)
    return teacher


def test_arms_take_parts_away():
    teachers = {arm: calls_of_arm(arm) for arm in ARMS}
    deepest = {arm: max(len(asked.material["path"]) for asked in found.of("expand")) for arm, found in teachers.items()}
    assert deepest == {"baseline": 1, "local": 1, "global": 2, "local_global": 2, "full": 2}
    asked_for = {arm: {asked.material["count"] for asked in found.of("propose")} for arm, found in teachers.items()}
    assert asked_for == {"baseline": {1}, "local": {3}, "global": {1}, "local_global": {3}, "full": {3}}
    for arm, found in teachers.items():
        questions = {asked.material["question"] for asked in found.of("classify") + found.of("judge")}
        assert questions == {"sound"} | ({"requirements", "correct", "incorrect"} if arm == "full" else set())


@cache
def completeness(profile, proposals, critic):
    """Share of what there is below the factors that is found, and share of the found that is sound, over ten seeds."""
    there = {label for factor in FACTORS for label in topic_children((factor,))}
    found, total, unsound = 0, 0, 0
    for seed in range(10):
        ctx = context("simula", TASK.scripted_teacher(profile), 1, seed=seed)
        leaves = [label for group in grown(ctx, Growth(1, proposals, critic, 1.0)) for label in group]
        below = {label for label in leaves if label not in FACTORS}
        found += len(below & there)
        unsound += len(below & set(UNSOUND))
        total += len(there)
    return found / total, 1 - unsound / (found + unsound)


def test_best_of_several_and_a_critic_make_taxonomies_more_complete():
    once, several, criticised = (completeness("strong", *how)[0] for how in ((1, False), (2, False), (2, True)))
    assert once + 0.1 < several < criticised - 0.03


def test_the_critic_makes_a_weak_teachers_taxonomies_sounder():
    assert completeness("weak", 2, True)[1] > completeness("weak", 2, False)[1] + 0.1


# On the scripted teacher


@settings(max_examples=4, deadline=None)
@given(n=st.integers(1, 80), profile=st.sampled_from(PROFILES), repair=st.booleans())
def test_rows_repeat_exactly_and_have_no_parents(n, profile, repair):
    rows, ctx = made("simula", profile, n, repair=repair)
    again, other = made("simula", profile, n, repair=repair)
    assert rows == again and ctx.rejected == other.rejected and len(rows) == n
    assert all(row.prompt and row.completion and not row.parents and row.lineage["topic"] for row in rows)
    assert {reason for _, reason in ctx.rejected} <= {"requirements", "double critic", "near-copy"}


@cache
def seen(profile, **params):
    """Right share, entropy of pairs in bits, depth, distinct pairs."""
    rows, _ = made("simula", profile, 160, **params)
    found = [structure for row in rows if (structure := TASK.structure(row.prompt))]
    pairs = Counter(pair for structure in found for pair in structure.pairs)
    shares = [times / pairs.total() for times in pairs.values()]
    right = sum(TASK.verify(row).correct is True for row in rows) / len(rows)
    return right, -sum(p * math.log2(p) for p in shares), sum(s.depth for s in found) / len(found), len(pairs)


@pytest.mark.parametrize("profile", PROFILES)
def test_critics_raise_quality_and_leave_diversity_as_it_is(profile):
    full, bare = seen(profile), seen(profile, arm="local_global")
    assert full[0] > bare[0] + 0.05 and abs(full[1] - bare[1]) < 0.4


def test_deeper_taxonomies_raise_diversity():
    assert seen("strong", arm="global")[1] > seen("strong", arm="baseline")[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_complexified_share_raises_depth(profile):
    assert seen(profile, complexify=0.0)[2] + 0.2 < seen(profile)[2] < seen(profile, complexify=1.0)[2] - 0.2


def test_calls_by_intent_are_about_what_the_plugin_declares():
    rows, ctx = made("simula", "strong", 250)
    spent, cost = dict(ctx.meter.usage().calls_by_intent), plugin("simula").cost
    assert set(spent) == set(plugin("simula").intents)
    checks = len(rows) + sum(reason in {"requirements", "double critic"} for _, reason in ctx.rejected)
    setup = spent.pop("expand") + spent["classify"] - checks
    spent["classify"] = checks
    assert 0.5 < setup / cost.setup_calls < 2
    assert all(0.5 < spent[intent] / len(rows) / cost.calls[intent] < 2 for intent in cost.calls)


def test_a_spent_budget_ends_it_cleanly():
    ctx = context("simula", TASK.scripted_teacher("weak"), 300, tokens=120_000)
    assert 0 < len(run(ctx)) < 100 and ctx.meter.usage().tokens <= 120_000
    ctx = context("simula", TASK.scripted_teacher("weak"), 300, tokens=8_000)
    assert run(ctx) == [] and ctx.meter.usage().tokens <= 8_000
