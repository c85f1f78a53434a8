"""NoveltyFilter against a plain LCS in fractions, against a plain scan, and against the rouge-score package."""

import random
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench import novelty as module
from qdcbench.errors import ConfigError, DataError
from qdcbench.novelty import GrowingRows, NoveltyFilter

WORDS = st.lists(st.sampled_from(["sort", "the", "list", "and", "double", "3", "1"]), min_size=1, max_size=12)
SHARES = st.integers(0, 40).map(lambda k: k / 40) | st.sampled_from([1 / 3, 2 / 3, 0.7])


def lcs(one: list[str], two: list[str]) -> int:
    row = [0] * (len(two) + 1)
    for a in one:
        new = [0]
        for j, b in enumerate(two, 1):
            new.append(row[j - 1] + 1 if a == b else max(row[j], new[-1]))
        row = new
    return row[-1]


def f1(one: list[str], two: list[str]) -> Fraction:
    return Fraction(2 * lcs(one, two), len(one) + len(two)) if one and two else Fraction(0)


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def pool_of(texts, threshold: float = 0.7) -> NoveltyFilter:
    novelty = NoveltyFilter(threshold)
    for text in texts:
        novelty.add(" ".join(text))
    return novelty


def instructions(n: int, longest: int, seed: int = 0) -> list[str]:
    """Texts with common and rare words, half of them another one with a few words changed."""
    rng = random.Random(seed)
    weights = [1 / rank for rank in range(1, 401)]
    texts: list[list[str]] = []
    for _ in range(n):
        if texts and rng.random() < 0.5:
            text = list(rng.choice(texts))
            for _ in range(rng.randint(0, len(text) // 2)):
                text[rng.randrange(len(text))] = f"w{rng.randrange(400)}"
        else:
            text = [f"w{k}" for k in rng.choices(range(400), weights, k=rng.randint(1, longest))]
        texts.append(text)
    return [" ".join(text) for text in texts]


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_similar_to_is_the_highest_f1_of_a_plain_lcs(pool, text):
    assert pool_of(pool).similar_to(" ".join(text)) == float(max(f1(words, text) for words in pool))


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS, SHARES)
def test_a_text_is_new_when_no_f1_in_fractions_is_above_the_threshold(pool, text, share):
    # The nearest fraction: 2/3 as a float is a little below the fraction 2/3 that it is meant for.
    threshold = Fraction(share).limit_denominator(40)
    expected = max(f1(words, text) for words in pool) <= threshold
    assert pool_of(pool, share).is_new(" ".join(text)) == expected


def test_an_f1_equal_to_the_threshold_is_new_and_the_next_above_is_not():
    novelty = pool_of([[f"w{i}" for i in range(10)]])
    assert novelty.is_new(" ".join([f"w{i}" for i in range(7)] + ["x", "y", "z"]))
    assert not novelty.is_new(" ".join([f"w{i}" for i in range(8)] + ["x", "y"]))


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("longest", [12, 60, 400])
def test_a_stream_is_decided_as_by_a_plain_scan(threshold, longest, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 50)
    novelty, outcomes = NoveltyFilter(threshold), []
    for text in instructions(400 if longest < 400 else 120, longest):
        expected = novelty.similar_to(text) <= threshold
        assert novelty.is_new(text) == expected
        outcomes.append(expected)
        novelty.add(text)
    assert len(set(outcomes)) == 2 or threshold in {0.0, 0.1, 1.0}


def test_the_size_of_a_block_changes_no_decision(monkeypatch):
    def decisions(block: int) -> list[bool]:
        monkeypatch.setattr(module, "_BLOCK", block)
        novelty, new = NoveltyFilter(0.6), []
        for text in instructions(300, 15, seed=4):
            new.append(novelty.is_new(text))
            novelty.add(text)
        return new

    assert decisions(1) == decisions(7) == decisions(100_000)


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS, SHARES, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_the_pool_matters(pool, text, share, rng):
    other = [*pool, *pool]
    rng.shuffle(other)
    assert pool_of(pool, share).is_new(" ".join(text)) == pool_of(other, share).is_new(" ".join(text))


@given(st.lists(WORDS, max_size=5), WORDS, WORDS, SHARES, SHARES)
def test_a_larger_pool_or_a_lower_threshold_never_makes_a_text_new(pool, more, text, one, two):
    low, high = sorted((one, two))
    joined = " ".join(text)
    assert pool_of(pool, high).is_new(joined) or not pool_of(pool, low).is_new(joined)
    assert pool_of(pool, low).is_new(joined) or not pool_of([*pool, more], low).is_new(joined)


@given(st.lists(WORDS, min_size=1, max_size=4), WORDS, SHARES)
def test_renaming_the_words_changes_nothing(pool, text, share):
    def renamed(words):
        return [f"{word}x{len(word)}" for word in words]

    before, after = pool_of(pool, share), pool_of([renamed(words) for words in pool], share)
    assert before.is_new(" ".join(text)) == after.is_new(" ".join(renamed(text)))


@given(st.lists(WORDS, max_size=4), WORDS, WORDS)
def test_asking_changes_nothing(pool, asked, text):
    quiet, busy = pool_of(pool), pool_of(pool)
    busy.is_new(" ".join(asked))
    busy.similar_to(" ".join(asked))
    assert len(quiet) == len(busy)
    assert quiet.similar_to(" ".join(text)) == busy.similar_to(" ".join(text))


def test_the_rouge_package_decides_the_same_but_where_it_rounds_a_tie_up():
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    rng = random.Random(3)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    words = "Sort, the LIST! from high to low; double-check é 3 1 4".split()
    apart = 0
    for _ in range(500):
        one, two = (" ".join(rng.choices(words, k=rng.randint(2, 15))) for _ in "ab")
        novelty = pool_of([one.split()], 0.5)
        theirs = scorer.score(one, two)["rougeL"].fmeasure
        assert novelty.similar_to(two) == pytest.approx(theirs, abs=1e-15, rel=1e-15)
        if novelty.is_new(two) != (theirs <= 0.5):
            apart += 1
            assert f1(words_of(one), words_of(two)) == Fraction(1, 2)
    assert apart < 25


def test_more_words_than_the_plane_below_the_surrogates_stay_apart():
    novelty = pool_of([[f"w{i}" for i in range(60_000)]], 0.0)
    assert novelty.similar_to("w59999") > 0
    assert not novelty.is_new("w59999")
    assert novelty.similar_to("other") == 0
    assert novelty.is_new("other")


def test_more_different_words_than_there_are_codes_are_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CODES", 4)
    novelty = pool_of([["a", "b"], ["b", "c"]])
    with pytest.raises(DataError, match="3 words apart"):
        novelty.add("a d")
    assert novelty.is_new("d")


def test_nothing_is_like_an_empty_pool_or_an_empty_text():
    novelty = NoveltyFilter(0.0)
    assert novelty.similar_to("a b") == 0
    assert novelty.is_new("a b")
    novelty.add("...")
    novelty.add("a b")
    assert len(novelty) == 1
    assert novelty.similar_to("...") == 0
    assert novelty.is_new("...")


@pytest.mark.parametrize("threshold", [70, -0.1, float("nan")])
def test_a_threshold_outside_zero_to_one_is_refused(threshold):
    with pytest.raises(ConfigError, match="0 to 1"):
        NoveltyFilter(threshold)


@given(st.lists(st.integers(0, 150), max_size=8))
def test_growing_rows_are_the_rows_that_were_put_in(sizes):
    parts = [np.arange(2 * size).reshape(size, 2) + size for size in sizes]
    growing = GrowingRows((2,), np.int64)
    for part in parts:
        growing.extend(part)
    assert len(growing) == sum(sizes)
    assert growing.rows.tolist() == [row for part in parts for row in part.tolist()]
