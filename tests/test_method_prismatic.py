"""prismatic: clusters, where new rows must land, the vote, and what clusters do to the gradients."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from method_bench import TASK, FixedTeacher, context, made, plugin, run
from numpy.typing import NDArray
from qdcbench.methods._clusters import clusters

from qdcbench.api import DataError, Example, Request
from qdcbench.measures.diversity.vendi import spectrum, vendi_of_spectrum

COMMON = tuple(Example(prompt=f"Common {number}", completion="c") for number in range(5))
RARE = Example(prompt="Rare seed", completion="r")


def by_name(rows: Sequence[Example]) -> NDArray[np.float32]:
    """Gradients of crafted rows: those whose prompt says Rare in one direction, all others in another."""
    return np.array([[0, 1] if "Rare" in row.prompt else [1, 0] for row in rows], dtype=np.float32).reshape(-1, 2)


def replying(proposals: Sequence[str], answers: Sequence[str]) -> FixedTeacher:
    left: dict[str, Iterator[str]] = {"propose": iter(proposals), "answer": iter(answers)}
    return FixedTeacher(lambda request: next(left[request.intent], ""))


def test_rows_must_land_in_the_sparse_cluster_and_win_a_vote() -> None:
    proposals = ["1. Common new", "1. Rare one", "1. Rare two", "1. Common 3", "1. Rare three"]
    answers = ["x", *("4 4", "5", "4  4"), *("a", "b", "c"), *("Answer: 1", "2", "2")]
    teacher = replying(proposals, answers)
    ctx = context("prismatic", teacher, n=2, seeds=(*COMMON, RARE))
    ctx.gradients = by_name
    rows = run(ctx, fewest=2)
    assert [(row.prompt, row.completion) for row in rows] == [("Rare one", "4 4"), ("Rare three", "2")]
    assert [(row.prompt, row.completion, reason) for row, reason in ctx.rejected] == [
        ("Common new", "x", "dense cluster"), ("Rare two", "a", "no majority"), ("Common 3", "", "exact duplicate"),
    ]  # fmt: skip
    # One answer places a row, two more make three votes; what landed elsewhere or is known has no vote.
    kinds = "".join({"propose": "P", "answer": "A"}[asked.intent] for asked in teacher.asked)
    assert kinds == "PA" + "PAAA" + "PAAA" + "P" + "PAAA"
    assert {(a.role, a.temperature) for a in teacher.of("propose")} == {("teacher", 1.0)}
    assert {(a.role, a.temperature) for a in teacher.of("answer")} == {("answerer", 0.7)}


def test_shows_rows_of_sparse_clusters_and_its_own_when_they_join_them() -> None:
    teacher = replying(["1. Rare one", "1. Rare two"], ["a"] * 6)
    ctx = context("prismatic", teacher, n=2, seeds=(*COMMON, RARE))
    ctx.gradients = by_name
    one, two = run(ctx, fewest=2)
    first, second = teacher.of("propose")
    assert first.material == {"description": TASK.description, "exemplars": ["Rare seed"], "count": 1}
    assert sorted(second.material["exemplars"]) == ["Rare one", "Rare seed"]
    assert "Rare seed" in first.text and "another idea" in first.text
    assert one.parents == (RARE.id,) and set(two.parents) == {RARE.id, one.id}


def test_clusters_number_one_in_a_hundred_and_half_of_them_are_sparse() -> None:
    # Four places of 200, 100, 60 and 40 rows: k = 4, so new rows may land in the two smallest.
    places = np.repeat(np.arange(4), [200, 100, 60, 40])
    seeds = [Example(prompt=f"Seed {number} of {place}", completion="s") for number, place in enumerate(places)]
    numbers = iter(range(10_000))

    def reply(request: Request) -> str:
        number = next(numbers) if request.intent == "propose" else 0
        return f"1. New {number} of {number % 4}" if request.intent == "propose" else "same"

    teacher = FixedTeacher(reply)
    ctx = context("prismatic", teacher, n=20, seeds=seeds)
    ctx.gradients = lambda rows: np.eye(4, dtype=np.float32)[[int(row.prompt[-1]) for row in rows]]
    rows = run(ctx, fewest=2)
    assert {row.prompt[-1] for row in rows} == {"2", "3"}
    assert {row.prompt[-1] for row, reason in ctx.rejected if reason == "dense cluster"} == {"0", "1"}
    shown = {text[-1] for asked in teacher.of("propose") for text in asked.material["exemplars"]}
    assert shown == {"2", "3"}


@pytest.mark.parametrize(("votes", "agree", "kept"), [(1, 1, "a"), (3, 2, "b"), (3, 3, ""), (5, 3, "b")])
def test_the_vote_counts_as_asked(votes: int, agree: int, kept: str) -> None:
    teacher = replying(["1. Rare one"], ["a", "b", "b", "b", "a"])
    ctx = context("prismatic", teacher, n=1, seeds=(*COMMON, RARE))
    ctx.gradients = by_name
    rows = run(ctx, fewest=2, votes=votes, agree=agree)
    assert [row.completion for row in rows] == ([kept] if kept else [])
    assert len(teacher.of("answer")) == votes
    assert kept or ctx.rejected[0][1] == "no majority"


def test_ends_by_itself_when_nothing_new_comes() -> None:
    silent = FixedTeacher(lambda request: "")
    ctx = context("prismatic", silent, n=5, seeds=(*COMMON, RARE))
    ctx.gradients = by_name
    assert run(ctx) == [] and len(silent.asked) == 50


def test_a_task_without_seed_examples_is_refused() -> None:
    with pytest.raises(DataError, match="seed examples"):
        run(context("prismatic", FixedTeacher(lambda request: ""), n=5, seeds=()))


def test_clusters_find_what_lies_apart() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(5, 20, dtype=np.float32)
    truth = rng.integers(0, 5, 400)
    vectors = centres[truth] + rng.normal(0, 0.05, (400, 20)).astype(np.float32)
    found = clusters(vectors, 5, seed=3)
    assert len({(a, b) for a, b in zip(truth, found.labels, strict=True)}) == 5
    assert np.array_equal(found.nearest(vectors), found.labels)
    assert found.smallest(2) == set(np.argsort(np.bincount(found.labels))[:2].tolist())
    again = clusters(vectors, 5, seed=3)
    assert np.array_equal(again.centres, found.centres) and np.array_equal(again.labels, found.labels)


def test_fewer_places_than_clusters_are_no_trouble() -> None:
    same = np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (7, 1))
    found = clusters(same, 3, seed=0)
    assert np.isfinite(found.centres).all() and set(found.labels.tolist()) == {0}
    assert len(clusters(same[:2], 5, seed=0).centres) == 2


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_on_the_scripted_teacher_repeat_and_cost_what_is_said(profile: str) -> None:
    rows, ctx = made("prismatic", profile, 30)
    again, _ = made("prismatic", profile, 30)
    assert rows == again and len(rows) == 30
    known = {seed.id for seed in ctx.seed_examples}
    for row in rows:
        assert set(row.parents) <= known
        known.add(row.id)
    calls, cost = ctx.meter.usage().calls_by_intent, plugin("prismatic").cost
    assert cost is not None and set(calls) == set(plugin("prismatic").intents) == set(cost.calls)
    assert all(cost.calls[intent] / 2 < calls[intent] / len(rows) < cost.calls[intent] * 2 for intent in calls)


def test_many_clusters_spread_the_gradients_where_two_do_not() -> None:
    spread = {}
    for fewest in (2, 20):
        rows, ctx = made("prismatic", "strong", 100, fewest=fewest)
        spread[fewest] = vendi_of_spectrum(spectrum(ctx.gradients(rows)), 1.0)
    assert spread[2] < spread[20]


def test_a_vote_of_three_raises_the_right_share() -> None:
    right = {}
    for votes, agree in ((1, 1), (3, 3)):
        rows, _ = made("prismatic", "weak", 80, fewest=2, votes=votes, agree=agree)
        right[votes] = sum(TASK.verify(row).correct is True for row in rows) / len(rows)
    assert right[1] < right[3]


def test_a_small_budget_ends_it_cleanly() -> None:
    ctx = context("prismatic", TASK.scripted_teacher("strong"), n=200, tokens=30_000)
    rows = run(ctx)
    assert 0 < len(rows) < 200 and ctx.meter.usage().tokens <= 30_000
