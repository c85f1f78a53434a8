"""Self-BLEU and pairwise ROUGE-L against nltk and rouge-score, by hand, and their properties."""

import importlib
import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from qdcbench.measures import Rows, Unmeasurable
from qdcbench.measures.diversity.overlap import rouge_l, self_bleu
from qdcbench.measures.text import split_tokens

texts = st.lists(st.sampled_from(["a", "b", "c", "d", "Dog", "!"]), max_size=9).map(" ".join)
datasets = st.lists(texts, min_size=2, max_size=8).filter(lambda rows: any(map(split_tokens, rows)))


def rows_of(prompts: list[str]) -> Rows:
    return Rows(prompts=tuple(prompts), completions=tuple(prompts[::-1]))


def bleu_by_nltk(prompts: list[str]) -> float:
    tokens = [split_tokens(text) for text in prompts]
    smooth = SmoothingFunction().method1
    scores = [
        sentence_bleu(tokens[:i] + tokens[i + 1 :], row, smoothing_function=smooth) for i, row in enumerate(tokens)
    ]
    return float(np.mean(scores))


def rouge_by_package(prompts: list[str]) -> float:
    scorer_class = importlib.import_module("rouge_score.rouge_scorer").RougeScorer

    class Ours:
        def tokenize(self, text: str) -> list[str]:
            return split_tokens(text)

    scorer = scorer_class(["rougeL"], tokenizer=Ours())
    return float(np.mean([scorer.score(a, b)["rougeL"].fmeasure for a, b in combinations(prompts, 2)]))


@settings(deadline=None, max_examples=150)
@given(datasets)
def test_self_bleu_equals_nltk(prompts: list[str]) -> None:
    assert self_bleu(rows_of(prompts)) == pytest.approx(bleu_by_nltk(prompts), abs=1e-12)


def test_self_bleu_equals_nltk_on_longer_rows() -> None:
    rng = random.Random(2)
    prompts = [
        " ".join(rng.choices("the a cat dog sat ran on mat big red".split(), k=rng.randint(0, 30))) for _ in "x" * 60
    ]
    assert self_bleu(rows_of(prompts)) == pytest.approx(bleu_by_nltk(prompts), abs=1e-12)


def test_self_bleu_by_hand() -> None:
    # Five tokens, four of them (three bigrams, two trigrams, one 4-gram) in the other row, lengths equal.
    value = self_bleu(rows_of(["a b c d e", "a b c d f"]))
    assert value == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert self_bleu(rows_of(["a b c d", "a b c d"])) == pytest.approx(1.0)
    assert self_bleu(rows_of(["a b c d", "e f g h"])) == 0.0


@settings(deadline=None)
@given(datasets)
def test_rouge_l_equals_the_package(prompts: list[str]) -> None:
    assert rouge_l(rows_of(prompts)) == pytest.approx(rouge_by_package(prompts), abs=1e-7)


def test_rouge_l_by_hand() -> None:
    # The longest common subsequences: a c (2), nothing, nothing; lengths 3, 4, 1.
    assert rouge_l(rows_of(["a b c", "a x c y", "z"])) == pytest.approx((2 * 2 / 7) / 3)
    assert rouge_l(rows_of(["Same row !"] * 4)) == pytest.approx(1.0)


@settings(deadline=None, max_examples=50)
@given(datasets, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_copies_raise_self_bleu(prompts: list[str], rng: random.Random) -> None:
    shuffled = rng.sample(prompts, len(prompts))
    for measure in (self_bleu, rouge_l):
        assert measure(rows_of(shuffled)) == pytest.approx(measure(rows_of(prompts)), abs=1e-9)
        assert 0 <= measure(rows_of(prompts)) <= 1 + 1e-9
    assert self_bleu(rows_of(prompts * 2)) >= self_bleu(rows_of(prompts)) - 1e-12


@settings(deadline=None, max_examples=50)
@given(datasets, st.randoms(use_true_random=False))
def test_parts_equal_rows_built_afresh(prompts: list[str], rng: random.Random) -> None:
    rows = rows_of(prompts)
    self_bleu(rows), rouge_l(rows)
    chosen = [i for i, text in enumerate(prompts) if split_tokens(text)] * 2
    rng.shuffle(chosen)
    part, afresh = rows.take(np.asarray(chosen, dtype=np.int64)), rows_of([prompts[i] for i in chosen])
    for measure in (self_bleu, rouge_l):
        assert measure(part) == pytest.approx(measure(afresh), abs=1e-9)


def test_many_different_tokens_and_long_rows() -> None:
    # More tokens than there are characters below the surrogates, and rows beyond what is read.
    prompts = [" ".join(f"w{i}_{k}" for k in range(600)) for i in range(120)] + ["w0_0 w1_511 w1_512 w2_3"]
    # Row 0 shares w0_0, row 1 w1_511 but not w1_512, which it has as its 513th, row 2 w2_3.
    assert rouge_l(rows_of(prompts)) == pytest.approx(3 * (2 / 516) / (121 * 120 / 2), rel=1e-6)


def test_too_few_rows_or_tokens_are_refused() -> None:
    for measure in (self_bleu, rouge_l):
        with pytest.raises(Unmeasurable, match="two rows"):
            measure(rows_of(["a b"]))
        with pytest.raises(Unmeasurable, match="no completion has a token"):
            measure(Rows(prompts=("a", "b"), completions=("", " ")), "completion")
