"""NoveltyFilter against the rouge-score package and a plain LCS."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.errors import ConfigError
from qdcbench.novelty import NoveltyFilter

WORDS = st.lists(st.sampled_from(["sort", "the", "list", "and", "double", "3", "1"]), min_size=1, max_size=12)


def lcs_f1(one: list[str], two: list[str]) -> float:
    row = [0] * (len(two) + 1)
    for a in one:
        new = [0]
        for j, b in enumerate(two, 1):
            new.append(row[j - 1] + 1 if a == b else max(row[j], new[-1]))
        row = new
    return 2 * row[-1] / (len(one) + len(two))


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_it_is_the_highest_f1_of_a_plain_lcs(pool, text):
    novelty = NoveltyFilter(0.7)
    for words in pool:
        novelty.add(" ".join(words))
    expected = max(lcs_f1(words, text) for words in pool)
    assert novelty.similar_to(" ".join(text)) == pytest.approx(expected, abs=1e-12)


def test_it_agrees_with_the_rouge_package():
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    rng = random.Random(3)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    words = "Sort, the LIST! from high to low; double-check é 3 1 4".split()
    for _ in range(100):
        one, two = (" ".join(rng.choices(words, k=rng.randint(2, 15))) for _ in "ab")
        novelty = NoveltyFilter(0.7)
        novelty.add(one)
        assert novelty.similar_to(two) == pytest.approx(scorer.score(one, two)["rougeL"].fmeasure)


@given(st.lists(WORDS, max_size=5), st.lists(WORDS, min_size=1, max_size=5))
def test_expecting_texts_changes_no_value(pool, texts):
    plain, fast = NoveltyFilter(0.7), NoveltyFilter(0.7)
    for words in pool:
        plain.add(" ".join(words))
        fast.add(" ".join(words))
    fast.expect(" ".join(words) for words in texts)
    for words in texts:
        text = " ".join(words)
        assert plain.similar_to(text) == fast.similar_to(text)
        assert plain.is_new(text) == fast.is_new(text)
        plain.add(text)
        fast.add(text)


def test_more_words_than_the_plane_below_the_surrogates_stay_apart():
    novelty = NoveltyFilter(0.5)
    novelty.add(" ".join(f"w{i}" for i in range(60_000)))
    assert novelty.similar_to("w59999") > 0
    assert novelty.similar_to("other") == 0


def test_nothing_is_like_an_empty_pool_or_an_empty_text():
    novelty = NoveltyFilter(0.7)
    assert novelty.similar_to("a b") == 0
    novelty.add("...")
    novelty.add("a b")
    assert len(novelty) == 1
    assert novelty.similar_to("...") == 0


def test_a_threshold_outside_zero_to_one_is_refused():
    with pytest.raises(ConfigError, match="0 to 1"):
        NoveltyFilter(70)
