"""ensemble: who is asked what, that shares are equal, and that rows say who is behind them."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest
from method_bench import TASK, Context, FixedTeacher, context, made, made_once, plugin, run

from qdcbench.api import Example
from qdcbench.measures.encoders.hashing import hashed_ngrams
from qdcbench.teachers.ensemble import Member, ensemble_of

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))


def speaking(voice: str, texts: Callable[[int], str]) -> FixedTeacher:
    """One member: its n-th proposal is the n-th text, and it answers in its own voice."""
    numbers = iter(range(100_000))
    return FixedTeacher(lambda request: texts(next(numbers)) if request.intent == "propose" else f"{voice} says so")


def together(members: dict[str, FixedTeacher], n: int, seeds: Sequence[Example] = SEEDS) -> Context:
    teacher = ensemble_of([Member(name=name, share=1, teacher=member) for name, member in members.items()])
    ctx = context("ensemble", teacher, n=n, seeds=seeds)
    ctx.members = tuple(members)
    return ctx


def test_asks_every_member_the_same_questions_and_takes_equal_shares() -> None:
    first = speaking("first", lambda number: f"1. Alpha {number}")
    # The second repeats itself and once says nothing, so it needs more calls for its share.
    second = speaking(
        "second", lambda number: ["1. Beta 0", "1. Beta 0", ""][number] if number < 3 else f"Beta {number}"
    )
    ctx = together({"first": first, "second": second}, n=6)
    rows = run(ctx)
    assert [row.prompt for row in rows] == ["Alpha 0", "Beta 0", "Alpha 1", "Beta 3", "Alpha 2", "Beta 4"]
    assert [row.lineage for row in rows] == [{"member": "first"}, {"member": "second"}] * 3
    shared = Random(1000)  # the bench's shared stream: the same questions as few_shot's
    for one, two in zip(first.of("propose"), second.of("propose"), strict=True):
        shots = [shot.prompt for shot in shared.sample(SEEDS, 3)]
        asked = {"description": TASK.description, "exemplars": shots, "count": 1}
        assert one.material == asked | {"member": "first"} and two.material == asked | {"member": "second"}
        assert one.messages == two.messages and one.temperature == 1.0
        assert all(shot in one.text for shot in shots) and "another idea" in one.text
    # The answerer is shared: no member is named, and each prompt is answered once.
    answers = first.of("answer") + second.of("answer")
    assert all("member" not in a.material and a.temperature == 0.0 for a in answers)
    assert {a.material["prompt"] for a in answers} >= {row.prompt for row in rows}
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        ("Beta 0", "exact duplicate"), ("", "empty prompt"),
        ("Alpha 3", "beyond its member's share"), ("Alpha 4", "beyond its member's share"),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [2, 3])
def test_shares_are_equal_however_often_a_member_fails(count: int) -> None:
    members = {}
    for place in range(count):
        members[f"m{place}"] = speaking(
            "x", lambda number, p=place: "" if number % (p + 1) else f"Task {p} of {number}"
        )
    rows = run(together(members, n=60))
    assert Counter(row.lineage["member"] for row in rows) == dict.fromkeys(members, 60 // count)


def test_similarity_between_and_within_members_can_be_read_from_lineage() -> None:
    fruit = speaking("x", lambda number: f"apple pear plum cherry {number}")
    metal = speaking("x", lambda number: f"iron copper silver gold {number}")
    rows = run(together({"fruit": fruit, "metal": metal}, n=40))
    vectors = {
        name: hashed_ngrams([row.prompt for row in rows if row.lineage["member"] == name])
        for name in ("fruit", "metal")
    }
    within = np.mean([np.mean(found @ found.T) for found in vectors.values()])
    assert np.mean(vectors["fruit"] @ vectors["metal"].T) + 0.3 < within


def test_near_duplicates_are_dropped_whoever_wrote_them() -> None:
    vectors = {"a": (1.0, 0.0), "nearly a": (0.99, 0.14107), "b": (0.0, 1.0), "c": (-1.0, 0.0)}
    for near, wanted in ((1.0, ["a", "nearly a"]), (0.95, ["a", "b"])):
        first = speaking("x", lambda number: ["a", "c"][number] if number < 2 else "")
        second = speaking("x", lambda number: ["nearly a", "b"][number] if number < 2 else "")
        ctx = together({"first": first, "second": second}, n=2)
        ctx.embed = lambda texts: np.array([vectors[text] for text in texts], dtype=np.float32)
        assert [row.prompt for row in run(ctx, near=near)] == wanted
        assert ("nearly a", "near duplicate") in [(row.prompt, r) for row, r in ctx.rejected] or near == 1.0


def test_a_lone_teacher_gives_the_rows_of_few_shot() -> None:
    rows, _ = made("ensemble", "strong", 120)
    plain, _ = made("few_shot", "strong", 120)
    assert rows == plain


def test_ends_by_itself_when_a_member_or_all_are_silent() -> None:
    silent = together({"a": speaking("x", lambda number: ""), "b": speaking("x", lambda number: "")}, n=5)
    assert run(silent) == []
    half = {"a": speaking("x", lambda number: f"Task {number}"), "b": speaking("x", lambda number: "")}
    ctx = together(half, n=5)
    assert run(ctx) == [] and len(half["a"].of("propose")) < 300
    assert Counter(reason for _, reason in ctx.rejected)["beyond its member's share"] == 250


def pair(n: int, tokens: int = 10**8) -> Context:
    profiles = ("strong", "weak")
    members = [Member(name=name, share=1, teacher=TASK.scripted_teacher(name)) for name in profiles]
    ctx = context("ensemble", ensemble_of(members), n=n, tokens=tokens)
    ctx.members = profiles
    return ctx


def test_two_scripted_teachers_make_equal_shares_that_repeat_at_the_cost_that_is_said() -> None:
    ctx = pair(200)
    rows = run(ctx)
    assert rows == run(pair(200)) and Counter(row.lineage["member"] for row in rows) == {"strong": 100, "weak": 100}
    assert len({row.prompt for row in rows}) == 200
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("ensemble").cost
    assert cost is not None and set(calls) == set(plugin("ensemble").intents)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_one_scripted_teacher_repeat(profile: str) -> None:
    rows, ctx = made_once("ensemble", profile, 100)
    again, _ = made("ensemble", profile, 100)
    assert rows == again and len(rows) == 100
    assert all(set(row.parents) <= {seed.id for seed in ctx.seed_examples} for row in rows)


def test_a_lower_cosine_keeps_less_and_spreads_prompts() -> None:
    # How alike the prompts are is read from their words, the measure that the filter had too.
    likeness = {}
    for near in (1.0, 0.6):
        rows, _ = made("ensemble", "strong", 100, near=near)
        found = hashed_ngrams([row.prompt for row in rows])
        likeness[near] = float((found @ found.T).mean())
    assert likeness[0.6] < likeness[1.0]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = pair(10_000, tokens=120_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 120_000
    assert len(set(Counter(row.lineage["member"] for row in rows).values())) == 1
