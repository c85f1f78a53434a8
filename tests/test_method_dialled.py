"""dialled: what each dial moves, what stays, and what is refused."""

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from method_bench import TASK, Context, FixedTeacher, context, run
from qdcbench.methods._dials import Setting, chosen, copied, exchanged
from qdcbench.methods._dials_pool import DialPool, dial_pool

from qdcbench.api import BudgetExhausted, Check, DataError, Example, PluginError, Request

N = 150
PROFILES = ("strong", "weak")
STILL = Setting(clusters=1.0, depth=0.0, hold=1.0)


def bench(profile: str = "strong", n: int = N, **options: Any) -> Context:
    return context("dialled", TASK.scripted_teacher(profile), n, **options)


@cache
def pool(profile: str) -> DialPool:
    return dial_pool(bench(profile), "pool", 12.0)


def taken(profile: str, **turned: float) -> list[Example]:
    return [pool(profile).rows[place] for place in chosen(pool(profile), replace(STILL, **turned), N)]


def depth(rows: list[Example]) -> float:
    return float(np.mean([TASK.structure(row.prompt).depth for row in rows]))  # type: ignore[union-attr]


def leading(rows: list[Example]) -> Counter[str]:
    return Counter(TASK.structure(row.prompt).parts[0] for row in rows)  # type: ignore[union-attr]


def words(rows: list[Example]) -> tuple[float, float]:
    prompts, answers = ([len(text.split()) for text in side] for side in zip(*[(r.prompt, r.completion) for r in rows],
                                                                             strict=True))  # fmt: skip
    return float(np.mean(prompts)), float(np.mean(answers))


def right_share(rows: list[Example]) -> float:
    return sum(TASK.verify(row).correct is True for row in rows) / len(rows)


def pair_entropy(rows: list[Example]) -> float:
    found = Counter(pair for row in rows for pair in TASK.structure(row.prompt).pairs)  # type: ignore[union-attr]
    shares = np.array(list(found.values())) / sum(found.values())
    return float(-(shares * np.log(shares)).sum())


# The pool


def test_a_pool_holds_right_rows_once_and_is_the_same_for_every_arm() -> None:
    found = pool("strong")
    assert len(found.rows) == 12 * N == len({row.prompt for row in found.rows}) and right_share(list(found.rows)) == 1
    again = dial_pool(bench(), "pool", 12.0)
    assert again.rows == found.rows and (again.luck == found.luck).all() and (again.kinds == found.kinds).all()


def test_rare_depths_are_joined_with_the_next_shallower() -> None:
    for profile in PROFILES:
        depths = np.array([TASK.structure(row.prompt).depth for row in pool(profile).rows])  # type: ignore[union-attr]
        strata = pool(profile).stratum
        assert (np.diff(strata[np.argsort(depths, kind="stable")]) >= 0).all() and strata.min() == 0
        assert np.bincount(strata).min() >= 0.05 * len(strata) and len(set(strata)) < len(set(depths))


# One dial at a time


@pytest.mark.parametrize("profile", PROFILES)
def test_thinned_clusters_leave_depth_and_words_as_they_are(profile: str) -> None:
    whole = list(pool(profile).rows)
    arms = {share: taken(profile, clusters=share) for share in (0.25, 0.5, 1.0)}
    for share, rows in arms.items():
        assert len({row.id for row in rows}) == N
        kept = pool(profile).kinds[: round(share * len(pool(profile).kinds))]
        assert {int(pool(profile).kind[pool(profile).rows.index(row)]) for row in rows} <= set(kept.tolist())
        assert depth(rows) == pytest.approx(depth(whole), abs=0.05)
        assert words(rows) == pytest.approx(words(whole), rel=0.02)
    assert set(leading(arms[0.25])) < set(leading(arms[0.5])) < set(leading(arms[1.0]))
    assert pair_entropy(arms[0.25]) + 0.2 < pair_entropy(arms[0.5]) + 0.1 < pair_entropy(arms[1.0])


@pytest.mark.parametrize("profile", PROFILES)
def test_depth_leaves_the_mix_of_clusters_and_the_words_of_answers(profile: str) -> None:
    arms = {turn: taken(profile, depth=turn) for turn in (-1.0, -0.5, 0.0, 0.5, 1.0)}
    means = [depth(rows) for rows in arms.values()]
    assert all(low + 0.15 < high for low, high in pairwise(means))
    for turn, rows in arms.items():
        moved = (leading(rows) - leading(arms[0.0])).total()
        assert moved <= (0.05 if abs(turn) < 1 else 0.12) * N
        assert words(rows)[1] == pytest.approx(words(list(pool(profile).rows))[1], rel=0.02)


def test_the_ends_of_the_depth_dial_are_thirds_of_the_pool() -> None:
    rows = list(pool("strong").rows)
    depths = sorted(min(TASK.structure(row.prompt).depth, 3) for row in rows)  # type: ignore[union-attr]
    third = len(depths) // 3
    for turn, end in ((-1.0, depths[:third]), (1.0, depths[-third:])):
        got = [min(TASK.structure(row.prompt).depth, 3) for row in taken("strong", depth=turn)]  # type: ignore[union-attr]
        assert np.mean(got) == pytest.approx(np.mean(end), abs=1 / N)


def test_the_harder_words_are_held_the_less_they_move_and_depth_stays() -> None:
    for turn in (-0.5, 0.5):
        arms = [taken("strong", depth=turn, hold=hold) for hold in (0.0, 1.0, 6.0)]
        gaps = [abs(words(rows)[0] - words(list(pool("strong").rows))[0]) for rows in arms]
        assert gaps[0] > gaps[1] + 0.5 > gaps[2] + 1.0
        assert np.ptp([depth(rows) for rows in arms]) < 0.1


@pytest.mark.parametrize("right", [0.0, 0.5, 0.9, 1.0])
def test_wrong_answers_are_exchanged_so_that_nothing_else_changes(right: float) -> None:
    rows, still = run(bench(n=40), factor=2.0, right=right), run(bench(n=40), factor=2.0)
    assert [row.prompt for row in rows] == [row.prompt for row in still]
    assert Counter(row.completion for row in rows) == Counter(row.completion for row in still)
    assert right_share(rows) == right
    assert all((row.lineage.get("operator") == "corrupt") == (not TASK.verify(row).correct) for row in rows)
    if right:
        worse = run(bench(n=40), factor=2.0, right=right - 0.1)
        wrong = {row.prompt for row in rows if not TASK.verify(row).correct}
        assert wrong < {row.prompt for row in worse if not TASK.verify(row).correct}


@pytest.mark.parametrize(("fresh", "right"), [(0.25, 1.0), (0.5, 0.5), (0.8, 0.75)])
def test_copies_are_spread_evenly_and_keep_the_share_of_wrong_rows(fresh: float, right: float) -> None:
    rows = run(bench(n=80), factor=3.0, fresh=fresh, right=right)
    times = Counter(row.id for row in rows)
    assert len(rows) == 80 and len(times) == round(fresh * 80) and np.ptp(list(times.values())) <= 1
    assert right_share(rows) == pytest.approx(right, abs=1 / 80)
    assert sum(row.lineage.get("operator") == "copy" for row in rows) == 80 - len(times)


# Dials together


@pytest.mark.parametrize("profile", PROFILES)
def test_every_corner_has_all_its_rows_and_each_dial_moves_its_own_axis_most(profile: str) -> None:
    found = {}
    for share, turn in product((0.25, 1.0), (-0.5, 0.5)):
        rows = taken(profile, clusters=share, depth=turn)
        assert len({row.id for row in rows}) == N
        found[share, turn] = (depth(rows), pair_entropy(rows))
    for share in (0.25, 1.0):
        assert found[share, 0.5][0] > found[share, -0.5][0] + 0.5
    for turn in (-0.5, 0.5):
        assert found[1.0, turn][1] > found[0.25, turn][1] + 0.3
        assert found[1.0, turn][0] == pytest.approx(found[0.25, turn][0], abs=0.12)


def test_arms_of_a_repetition_share_rows_and_questions_and_log_no_unchosen_row() -> None:
    one, other = bench(n=60), bench(n=60)
    rows, turned = run(one, factor=4.0), run(other, factor=4.0, clusters=0.75, right=0.5)
    assert one.meter.usage() == other.meter.usage()
    assert len({row.prompt for row in rows} & {row.prompt for row in turned}) > 20
    assert {reason for _, reason in one.rejected} <= {"exact duplicate", "empty answer", "empty prompt"}


def test_a_budget_that_ends_early_gives_fewer_rows_by_the_same_choice() -> None:
    ctx = bench(n=100, tokens=300_000)
    rows = run(ctx, factor=8.0, clusters=0.5)
    assert 20 < len(rows) < 60 and len(leading(rows)) == 6
    generous = dial_pool(bench(n=100, tokens=300_000), "pool", 8.0)
    assert isinstance(generous.ended, BudgetExhausted) and len(rows) == len(generous.rows) // 8


# Other tasks


def test_a_task_without_structure_has_clusters_of_vectors_and_depth_by_words() -> None:
    ctx = bench(n=60)
    ctx.structure = lambda prompt: None  # type: ignore[method-assign]
    found = dial_pool(ctx, "pool", 8.0)
    assert 12 < len(found.kinds) <= 24
    thin = chosen(found, replace(STILL, clusters=0.3), 60)
    assert len(set(found.kind[thin])) <= round(0.3 * len(found.kinds))
    means = [found.words[chosen(found, replace(STILL, depth=turn), 60), 0].mean() for turn in (-0.8, 0.0, 0.8)]
    assert means[0] + 2 < means[1] < means[2] - 2


def test_the_reference_rows_ask_nobody() -> None:
    def silent(request: Request) -> str:
        raise AssertionError("nobody is to be asked")

    rows = run(context("dialled", FixedTeacher(silent), 50), source="reference", factor=6.0, clusters=0.5, right=0.5)
    assert len(rows) == 50 and right_share(rows) == 0.5 and len(leading(rows)) == 6


def test_a_verifier_that_cannot_tell_is_said_before_the_budget_is_spent() -> None:
    numbers = iter(range(10**6))
    ctx = context("dialled", FixedTeacher(lambda request: f"1. Task {next(numbers)}"), 20)
    ctx.verify = lambda row: Check(correct=None)  # type: ignore[method-assign]
    with pytest.raises(DataError, match="calls no row of the pool right"):
        run(ctx)
    assert next(numbers) < 700


# Refusals


def test_a_pool_too_small_for_a_setting_is_refused_with_the_setting() -> None:
    with pytest.raises(DataError, match=r"clusters = 0.25 and depth = 1, \d+ of 60 rows .* raise factor"):
        run(bench(n=60), factor=1.5, clusters=0.25, depth=1.0)


@pytest.mark.parametrize(
    "params",
    [
        {"right": 1.1}, {"clusters": 0.0}, {"fresh": -0.1}, {"depth": 1.5}, {"hold": -1.0}, {"factor": 0.5},
        {"source": "web"},
    ],
)  # fmt: skip
def test_a_dial_out_of_range_is_refused_by_name(params: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(params))):
        run(bench(n=5), **params)


def test_answers_that_are_all_alike_cannot_be_exchanged() -> None:
    rows = [Example(prompt=f"Task {number}", completion="7") for number in range(4)]
    with pytest.raises(DataError, match="4 rows cannot all have a wrong answer"):
        exchanged(rows, range(4), lambda row: False)
    with pytest.raises(DataError, match="1 rows"):
        exchanged(rows, [2], lambda row: row.completion != "7")


def test_exchanged_answers_are_wrong_even_where_most_are_alike() -> None:
    answers = "aaabbbc"
    rows = [Example(prompt=f"{place} {answer}", completion=answer) for place, answer in enumerate(answers)]
    found = exchanged(rows, range(7), lambda row: row.prompt.split()[1] != row.completion)
    assert all(row.prompt.split()[1] != row.completion for row in found)
    assert sorted(row.completion for row in found) == sorted(answers)


def test_copies_of_rows_none_of_which_is_wrong() -> None:
    rows = [Example(prompt=str(number), completion="x") for number in range(3)]
    assert [row.prompt for row in copied(rows, [], 7)] == ["0", "1", "2", "0", "1", "2", "0"]
    assert copied(rows, [], 3) == rows
