"""judged_share: which share of the pool stays, who decides, and what it is compared with."""

from collections import Counter

import pytest
from method_bench import TASK, FixedTeacher, context, run

from qdcbench.api import Example, PluginError, Request

SEEDS = tuple(Example(prompt=f"Seed task {number}", completion=str(number)) for number in range(6))
RATINGS = {1: 3, 2: 5, 3: 1, 4: 5, 5: 2, 6: 4, 7: 1, 8: 1}


def teacher() -> FixedTeacher:
    """Proposes Task 1 to Task 8, answers each with its name in capitals, and rates it as written."""
    numbers = iter(range(1, 10_000))

    def reply(request: Request) -> str:
        if request.intent == "propose":
            return f"1. Task {next(numbers)}"
        prompt = str(request.material["prompt"])
        return prompt.upper() if request.intent == "answer" else f"Rating: {RATINGS[int(prompt.split()[1])]}"

    return FixedTeacher(reply)


def prompts(strictness: float, name: str = "judged_share", seed: int = 0) -> list[str]:
    return [row.prompt for row in run(context(name, teacher(), 8, seed=seed, seeds=SEEDS), strictness=strictness)]


def test_halves_the_pool_by_rating_in_the_order_of_the_pool() -> None:
    assert prompts(0.0) == [f"Task {number}" for number in range(1, 9)]
    assert prompts(1.0) == ["Task 1", "Task 2", "Task 4", "Task 6"]
    assert prompts(2.0) == ["Task 2", "Task 4"]
    assert len(prompts(0.415)) == 6 and {f"Task {number}" for number in (1, 2, 4, 5, 6)} < set(prompts(0.415))


def test_ties_are_broken_by_lot_the_same_for_every_strictness() -> None:
    winners = {prompts(3.0, seed=seed)[0] for seed in range(12)}
    assert winners == {"Task 2", "Task 4"}
    for seed in range(12):
        assert set(prompts(3.0, seed=seed)) < set(prompts(2.0, seed=seed))


def test_what_does_not_stay_is_rejected_and_every_row_is_rated_once() -> None:
    asked = teacher()
    ctx = context("judged_share", asked, 8, seeds=SEEDS)
    rows = run(ctx, strictness=1.0)
    assert Counter(reason for _, reason in ctx.rejected) == {"others preferred": 4}
    assert len(rows) == 4 and len(asked.of("judge", "judge")) == 8


def test_the_verifier_prefers_right_rows_and_asks_no_judge() -> None:
    ctx = context("judged_share", TASK.scripted_teacher("weak"), 120)
    rows = run(ctx, strictness=2.0, by="verifier")
    assert len(rows) == 30 and all(TASK.verify(row).correct for row in rows)
    assert "judge" not in ctx.meter.usage().calls_by_intent


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_the_half_that_a_judge_prefers_has_more_right_rows(profile: str) -> None:
    arms = [run(context("judged_share", TASK.scripted_teacher(profile), 400), strictness=s) for s in (0.0, 1.0)]
    shares = [sum(TASK.verify(row).correct is True for row in rows) / len(rows) for rows in arms]
    assert [len(rows) for rows in arms] == [400, 200] and shares[1] > shares[0] + 0.03


def test_the_pool_is_that_of_random_share() -> None:
    asked = {name: teacher() for name in ("judged_share", "random_share")}
    for name, one in asked.items():
        run(context(name, one, 8, seeds=SEEDS))
    questions = {name: [(a.material, a.text) for a in one.asked if a.intent != "judge"] for name, one in asked.items()}
    assert questions["judged_share"] == questions["random_share"]
    assert prompts(0.0) == prompts(0.0, "random_share")


def test_a_judge_that_nobody_knows_and_a_strictness_out_of_range_are_refused() -> None:
    with pytest.raises(PluginError, match="known: judge, verifier"):
        run(context("judged_share", teacher(), 8, seeds=SEEDS), by="me")
    for strictness in (-1.0, 21.0):
        with pytest.raises(PluginError, match="strictness is"):
            run(context("judged_share", teacher(), 8, seeds=SEEDS), strictness=strictness)
