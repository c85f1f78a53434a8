"""random_share: a share by lot, the smaller ones part of the larger, whatever the rows are worth."""

from itertools import pairwise

from method_bench import TASK, context, run

from qdcbench.api import Example


def share(strictness: float, profile: str = "weak", seed: int = 0) -> list[Example]:
    return run(context("random_share", TASK.scripted_teacher(profile), 400, seed=seed), strictness=strictness)


def right(rows: list[Example]) -> float:
    return sum(TASK.verify(row).correct is True for row in rows) / len(rows)


def test_smaller_shares_are_part_of_larger_ones_and_keep_the_order() -> None:
    arms = [share(strictness) for strictness in (0.0, 1.0, 2.0, 3.0)]
    assert [len(rows) for rows in arms] == [400, 200, 100, 50]
    for larger, smaller in pairwise(arms):
        assert [row for row in larger if row in smaller] == smaller


def test_a_share_by_lot_is_as_right_as_the_pool() -> None:
    gaps = [right(share(1.0, seed=seed)) - right(share(0.0, seed=seed)) for seed in range(4)]
    # The standard error of a half's share is 0.025, of the mean over four 0.012.
    assert abs(sum(gaps) / 4) < 0.04 and max(gaps) > 0 > min(gaps) - 0.01


def test_another_repetition_draws_another_share() -> None:
    one, other = ({row.id for row in share(2.0, seed=seed)} for seed in (0, 1))
    assert len(one & other) < 10


def test_no_judge_is_asked() -> None:
    ctx = context("random_share", TASK.scripted_teacher("strong"), 40)
    assert len(run(ctx, strictness=0.5)) == 28
    assert set(ctx.meter.usage().calls_by_intent) == {"propose", "answer"}
    assert {reason for _, reason in ctx.rejected} >= {"others preferred"}
