"""Self-repetition against plain counting, a value by hand, and what copies and order do."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures import Rows, Unmeasurable
from qdcbench.measures.diversity.repetition import self_repetition
from qdcbench.measures.text import split_tokens

texts = st.lists(st.sampled_from(["a", "b", "c", "Dog", "!"]), max_size=12).map(" ".join)
datasets = st.lists(texts, min_size=1, max_size=10).filter(lambda rows: any(len(split_tokens(t)) > 3 for t in rows))


def rows_of(prompts: list[str]) -> Rows:
    return Rows(prompts=tuple(prompts), completions=tuple(prompts[::-1]))


def plainly(prompts: list[str]) -> float:
    """Follow the formula with sets of strings."""
    held = []
    for text in prompts:
        tokens = split_tokens(text)
        held.append({" ".join(tokens[i : i + 4]) for i in range(len(tokens) - 3)})
    holders = Counter(gram for grams in held for gram in grams)
    return sum(math.log(1 + sum(holders[gram] - 1 for gram in grams)) for grams in held) / len(held)


@settings(deadline=None)
@given(datasets)
def test_equals_plain_counting(prompts: list[str]) -> None:
    assert self_repetition(rows_of(prompts)) == pytest.approx(plainly(prompts), abs=1e-12)


def test_by_hand() -> None:
    prompts = ["a b c d e", "x b c d e", "a b c d a b c d", "short"]
    # The 4-grams: a b c d in rows 1 and 3, b c d e in rows 1 and 2; row 3 repeats its own, which counts once.
    wanted = (math.log(1 + 2) + math.log(1 + 1) + math.log(1 + 1) + math.log(1)) / 4
    assert self_repetition(rows_of(prompts)) == pytest.approx(wanted)


@settings(deadline=None)
@given(datasets, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_copies_raise_it(prompts: list[str], rng: random.Random) -> None:
    value = self_repetition(rows_of(prompts))
    assert self_repetition(rows_of(rng.sample(prompts, len(prompts)))) == pytest.approx(value, abs=1e-12)
    assert self_repetition(rows_of(prompts * 2)) > value


@settings(deadline=None)
@given(datasets, st.randoms(use_true_random=False))
def test_parts_equal_rows_built_afresh(prompts: list[str], rng: random.Random) -> None:
    rows = rows_of(prompts)
    self_repetition(rows)
    chosen = [i for i, text in enumerate(prompts) if len(split_tokens(text)) > 3 or rng.random() < 0.5]
    part = rows.take(np.asarray(chosen, dtype=np.int64))
    assert self_repetition(part) == pytest.approx(plainly([prompts[i] for i in chosen]), abs=1e-12)


def test_rows_without_four_tokens_are_refused() -> None:
    with pytest.raises(Unmeasurable, match="no completion has 4 tokens"):
        self_repetition(Rows(prompts=("a b c d", "x"), completions=("one two", "")), "completion")
