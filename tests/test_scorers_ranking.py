"""Rankings of batches become strengths: equal to an independent fit, free of order, comparable through anchors."""

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_bench import chat_judge, scripted_judge
from method_bench import TASK
from scipy.optimize import minimize
from scipy.stats import spearmanr

from qdcbench.api import Example, PluginError
from qdcbench.errors import ConfigError
from qdcbench.scorers.batch_scores import apart, together
from qdcbench.scorers.ranking import Design, Outcomes, batches_of, bradley_terry, elo, outcomes, rank


def drawn_pairs(players: int, count: int, seed: int) -> Outcomes:
    rng = np.random.default_rng(seed)
    first = rng.integers(players, size=count)
    second = (first + rng.integers(1, players, size=count)) % players
    return Outcomes(first=first, second=second, won=rng.choice([0.0, 0.5, 1.0], size=count, p=[0.4, 0.2, 0.4]))


def slow_cost(strengths, pairs: Outcomes, deviation: float) -> float:
    total = 0.0
    for i, j, won in zip(pairs.first, pairs.second, pairs.won, strict=True):
        chance = 1 / (1 + math.exp(strengths[j] - strengths[i]))
        total -= won * math.log(chance) + (1 - won) * math.log(1 - chance)
    return total + sum(s * s for s in strengths) / (2 * deviation**2)


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_a_general_optimiser(seed: int) -> None:
    pairs = drawn_pairs(8, 40, seed)
    other = minimize(
        slow_cost, np.zeros(8), args=(pairs, 1.5), method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}
    )
    assert bradley_terry(8, pairs, 1.5) == pytest.approx(other.x, abs=1e-4)


def test_without_a_prior_strengths_are_those_of_a_logistic_regression() -> None:
    players, pairs = 6, drawn_pairs(6, 150, 7)
    design = np.zeros((len(pairs.won), players))
    design[np.arange(len(pairs.won)), pairs.first] = 1
    design[np.arange(len(pairs.won)), pairs.second] = -1
    model = sm.GLM(pairs.won, design[:, 1:], family=sm.families.Binomial()).fit(tol=1e-12)
    ours = bradley_terry(players, pairs, prior_deviation=1e6)
    assert ours[1:] - ours[0] == pytest.approx(model.params, abs=1e-6)


@given(st.integers(0, 10**6), st.integers(2, 12))
@settings(deadline=None)
def test_strengths_do_not_depend_on_order_or_side_and_a_better_record_is_stronger(seed: int, players: int) -> None:
    pairs = drawn_pairs(players, 4 * players, seed)
    order = np.random.default_rng(seed + 1).permutation(len(pairs.won))
    turned = Outcomes(first=pairs.second[order], second=pairs.first[order], won=1 - pairs.won[order])
    found = bradley_terry(players, pairs)
    assert bradley_terry(players, turned) == pytest.approx(found, abs=1e-7)
    assert found.sum() == pytest.approx(0, abs=1e-6)
    winner = Outcomes(first=np.append(pairs.first, 0), second=np.append(pairs.second, 1), won=np.append(pairs.won, 1.0))
    assert bradley_terry(players, winner)[0] > found[0]
    assert bradley_terry(players, winner)[1] < found[1]


def test_rows_that_win_everything_have_finite_strengths() -> None:
    pairs = Outcomes(first=np.array([0, 0]), second=np.array([1, 2]), won=np.array([1.0, 1.0]))
    found = bradley_terry(3, pairs)
    assert np.isfinite(found).all()
    assert found[0] > found[1] == pytest.approx(found[2])
    assert bradley_terry(2, outcomes([], [])).tolist() == [0.0, 0.0]


def test_elo_by_hand_and_that_its_order_matters() -> None:
    pairs = Outcomes(first=np.array([0, 1]), second=np.array([1, 2]), won=np.array([1.0, 0.5]))
    # 1000 each: 0 wins 8 points of 1; then 1 (992) ties with 2 (1000), which was expected to win a little more.
    moved = 16 * (0.5 - 1 / (1 + 10 ** (8 / 400)))
    assert elo(3, pairs) == pytest.approx([1008, 992 + moved, 1000 - moved])
    back = Outcomes(first=pairs.first[::-1], second=pairs.second[::-1], won=pairs.won[::-1])
    assert abs(elo(3, back) - elo(3, pairs)).max() > 0.1
    assert elo(3, pairs).sum() == pytest.approx(3000)


def test_pairs_of_a_batch_and_batches_without_scores() -> None:
    found = outcomes([(3, 5, 4), (1, 2)], [[2.0, 1.0, 2.0], None])
    assert list(zip(found.first, found.second, found.won, strict=True)) == [(3, 5, 1.0), (3, 4, 0.5), (5, 4, 0.0)]


@given(st.integers(1, 60), st.integers(0, 6), st.integers(2, 7), st.integers(0, 3), st.integers(1, 4))
@settings(deadline=None)
def test_batches_have_every_row_as_often_as_said_and_their_anchors(
    rows: int, anchors: int, size: int, wanted: int, times: int
) -> None:
    if wanted > size - 1:
        with pytest.raises(ConfigError, match="rank nothing"):
            Design(size=size, anchors=wanted, times=times)
        return
    design = Design(size=size, anchors=wanted, times=times)
    found = batches_of(rows, anchors, design, np.random.default_rng(rows))
    seen = Counter(place for batch in found for place in batch)
    assert all(seen[row] >= times for row in range(rows))
    assert sum(seen[row] - times for row in range(rows)) < times * size
    for batch in found:
        assert len(set(batch)) == len(batch) <= size
        assert sum(place >= rows for place in batch) == min(wanted, anchors)
    turns = [seen[rows + place] for place in range(anchors)]
    assert max(turns, default=0) - min(turns, default=0) <= 1


def by_length(material):
    sizes = [len(prompt.split()) for prompt in material["prompts"]]
    return "\n".join(f"{place}: {size}" for place, size in enumerate(sizes, 1))


def words(low: int, high: int, count: int, seed: int) -> list[Example]:
    rng = Random(seed)
    return [Example(prompt=f"{i} " * rng.randint(low, high), completion="") for i in range(count)]


ANCHORS = words(5, 15, 8, 0)


def test_anchors_make_strengths_of_two_datasets_comparable() -> None:
    stream = np.random.default_rng(1)
    easy, hard = (
        rank(chat_judge(by_length)[0], words(low, high, 60, 2), ANCHORS, stream, design=Design(times=4))
        for low, high in ((1, 6), (14, 20))
    )
    assert np.mean(easy.column) < -0.5
    assert np.mean(hard.column) > 0.5
    for found in (easy, hard):
        assert np.mean(found.anchors) == pytest.approx(0, abs=1e-9)
        assert found.unread == 0
    # Without anchors each dataset is its own zero.
    alone = rank(chat_judge(by_length)[0], words(14, 20, 60, 2), [], stream)
    assert np.mean(alone.column) == pytest.approx(0, abs=1e-9)


def test_strengths_and_elo_follow_what_the_judge_ranks_by() -> None:
    rows = words(1, 30, 100, 3)
    found = rank(chat_judge(by_length)[0], rows, ANCHORS, np.random.default_rng(2), design=Design(times=6))
    lengths = [len(row.prompt.split()) for row in rows]
    assert spearmanr(found.column, lengths).statistic > 0.95
    assert spearmanr(found.elo, lengths).statistic > 0.9


def test_replies_that_do_not_score_each_prompt_once_are_dropped_and_counted() -> None:
    replies = iter(["1: 2\n2: 3", "1: 2\n1: 3", "1: 2", "1: 2\n2: 3\n3: 4", "**Task 1:** 2\n(2) - 3.5", "no"])
    pair = (Example(prompt="p", completion=""), Example(prompt="q", completion=""))
    judge, teacher = chat_judge(lambda _: next(replies))
    assert together(judge, [pair] * 6) == [[2.0, 3.0], None, None, None, [2.0, 3.5], None]
    assert "1. p\n2. q" in teacher.asked[0].text
    silent = rank(chat_judge(lambda _: "no")[0], words(1, 9, 10, 1), ANCHORS, np.random.default_rng(0))
    assert silent.column == silent.elo == (None,) * 10
    assert silent.unread == silent.batches > 0


def test_the_scripted_judge_ranks_by_ratings_apart_and_finds_the_depth() -> None:
    rows = list(TASK.reference_rows(Random(3), 120))
    anchors = list(TASK.seed_examples(Random(0)))[:10]
    found = rank(scripted_judge(), rows, anchors, np.random.default_rng(5), design=Design(times=4), scored=apart)
    depths = [structure.depth for row in rows if (structure := TASK.structure(row.prompt))]
    assert spearmanr(found.column, depths).statistic > 0.6
    again = rank(scripted_judge(), rows, anchors, np.random.default_rng(5), design=Design(times=4), scored=apart)
    assert again == found
    with pytest.raises(PluginError):
        rank(scripted_judge(), rows, anchors, np.random.default_rng(5))


def test_ratings_apart_leave_out_a_batch_with_an_unread_reply() -> None:
    batch = tuple(Example(prompt=prompt, completion="") for prompt in ("p", "q"))
    judge, _ = chat_judge(lambda material: "3" if material["prompt"] == "p" else "?")
    assert apart(judge, [batch, batch[:1]]) == [None, [3.0]]
    with pytest.raises(ConfigError, match="batches of 1 with 1 anchors"):
        Design(size=1)
