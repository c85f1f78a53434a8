"""The near-duplicate filters against plain definitions, comparing every pair."""

import hashlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qdcbench import duplicates as module
from qdcbench.duplicates import CosineFilter, MinHashFilter
from qdcbench.errors import ConfigError, DataError

TEXTS = st.lists(st.lists(st.sampled_from("ab abc b c d e f g h".split()), max_size=9).map(" ".join), max_size=12)


def personas(n: int, seed: int = 0) -> list[str]:
    """Texts of 10 to 30 words, half of them another one with a word or two changed."""
    rng, texts = random.Random(seed), []
    for _ in range(n):
        text = [f"w{rng.randrange(500)}" for _ in range(rng.randint(10, 30))]
        if texts and rng.random() < 0.5:
            text = list(rng.choice(texts))
            for _ in range(rng.randint(0, 2)):
                text[rng.randrange(len(text))] = f"w{rng.randrange(500)}"
        texts.append(text)
    return [" ".join(text) for text in texts]


def jaccard(one: str, two: str) -> float:
    a, b = set(one.split()), set(two.split())
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("permutations", [1, 7, 128])
def test_the_index_decides_as_all_signatures_do(threshold, permutations):
    texts = personas(200)
    kept, expected = [], []
    for text in texts:
        found = MinHash(num_perm=permutations, seed=1, scheme="affine32")
        found.update_batch([word.encode() for word in text.split()])
        expected.append(all(found.jaccard(other) <= threshold for other in kept))
        if expected[-1]:
            kept.append(found)
    near = MinHashFilter(threshold, permutations)
    assert near.admit(texts) == expected
    assert len(near) == sum(expected)


def test_the_decisions_follow_the_true_jaccard_similarity_away_from_the_threshold():
    texts = personas(300, seed=2)
    wrong = far = 0
    for one, two in zip(texts, texts[1:] + texts[:1], strict=True):
        for other in (two, " ".join(one.split()[:-1]), " ".join(one.split()[::-1]), " ".join(one.split()[::2])):
            true = jaccard(one, other)
            # Four standard errors of an estimate from 256 functions.
            if abs(true - 0.7) > 4 * (0.7 * 0.3 / 256) ** 0.5:
                far += 1
                near = MinHashFilter(0.7, 256)
                wrong += near.admit([one, other])[1] != (true <= 0.7)
    assert far > 500
    assert wrong <= 2


@given(TEXTS, st.integers(1, 3))
def test_an_exact_copy_is_never_let_in_twice(texts, ngram):
    near = MinHashFilter(0.9, 16, ngram)
    near.admit(texts)
    before = len(near)
    assert near.admit(texts) == [not text for text in texts]
    assert len(near) == before


@given(TEXTS, st.integers(0, 12))
def test_admitting_in_two_parts_is_admitting_at_once(texts, cut):
    whole, parts = MinHashFilter(0.6, 16), MinHashFilter(0.6, 16)
    assert whole.admit(texts) == parts.admit(texts[:cut]) + parts.admit(texts[cut:])


@given(TEXTS, TEXTS)
def test_matches_says_what_admit_would_refuse_and_keeps_nothing(pool, texts):
    near = MinHashFilter(0.6, 16)
    near.admit(pool)
    before = len(near)
    found = near.matches(texts)
    assert len(near) == before
    for text, match in zip(texts, found, strict=True):
        fresh = MinHashFilter(0.6, 16)
        fresh.admit(pool)
        assert fresh.admit([text]) == [not match]


@given(TEXTS)
def test_order_case_and_repeated_words_do_not_count_for_single_words(texts):
    other = [" ".join(reversed((text + " " + text).upper().split())) for text in texts]
    assert MinHashFilter(0.6, 16).admit(texts) == MinHashFilter(0.6, 16).admit(other)


def test_order_counts_for_longer_n_grams():
    one, two = "a b c d e f g h", "h g f e d c b a"
    assert MinHashFilter(0.5, ngram=1).admit([one, two]) == [True, False]
    assert MinHashFilter(0.5, ngram=2).admit([one, two]) == [True, True]


def test_texts_shorter_than_the_n_gram_are_compared_as_a_whole():
    near = MinHashFilter(0.8, ngram=13)
    long = " ".join(f"w{i}" for i in range(30))
    assert near.admit(["a b c", "a b d", "A, b c!", long, long + " x"]) == [True, True, False, True, False]
    assert near.matches(["a b", long]) == [False, True]


def test_texts_without_words_are_let_in_and_not_kept():
    near = MinHashFilter(0.0)
    assert near.admit(["", "...", "", "?!"]) == [True] * 4
    assert len(near) == 0
    assert near.matches([""]) == [False]


def test_words_of_other_scripts_count():
    assert MinHashFilter(0.5).admit(["приве́т мир", "привет Мир", "привет мир", "你好 世界"]) == [
        True,
        True,
        False,
        True,
    ]


def test_the_decisions_are_the_same_in_every_process():
    code = (
        "import sys, hashlib; sys.path.insert(0, '.'); from test_duplicates import personas; "
        "from qdcbench.duplicates import MinHashFilter; near = MinHashFilter(0.8); near.admit(personas(200)); "
        "print(hashlib.sha256(near._signatures.rows.tobytes()).hexdigest())"
    )
    near = MinHashFilter(0.8)
    near.admit(personas(200))
    here = hashlib.sha256(near._signatures.rows.tobytes()).hexdigest()
    for seed in ("0", "7"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert found.stdout.strip() == here


@pytest.mark.parametrize("wrong", [{"threshold": 90}, {"threshold": float("nan")}, {"permutations": 0}, {"ngram": 0}])
def test_a_minhash_filter_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError, match="change"):
        MinHashFilter(**wrong)


def units(n: int, width: int = 24, seed: int = 0) -> np.ndarray:
    """Return n unit vectors, half of them close to another."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, width))
    for i in range(1, n):
        if rng.random() < 0.5:
            vectors[i] = vectors[rng.integers(i)] + rng.normal(size=width) * rng.choice([0.01, 0.3, 0.6])
    return unit(vectors)


def unit(vectors) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def exact(one, two) -> float:
    return float(sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(one, two, strict=True)), Fraction(0)))


def greedy(vectors, threshold: float) -> list[bool]:
    """The definition, pair after pair, in fractions."""
    kept, outcome = [], []
    for vector in vectors:
        outcome.append(all(exact(vector, other) <= threshold for other in kept))
        if outcome[-1]:
            kept.append(vector)
    return outcome


@pytest.mark.parametrize("threshold", [-0.2, 0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("block", [1, 16, 2048])
def test_the_decisions_are_those_of_comparing_exactly_pair_by_pair(threshold, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    vectors = units(60)
    near = CosineFilter(threshold)
    expected = greedy(vectors, threshold)
    assert near.admit(vectors) == expected
    assert len(near) == sum(expected)


def test_a_cosine_equal_to_the_threshold_is_let_in_and_the_next_double_above_is_not():
    rounded = 0
    for seed in range(100):
        one, two = units(2, width=40, seed=seed)
        cosine = exact(one, two)
        rounded += float(one @ two) > cosine
        for threshold, fits in ((cosine, True), (np.nextafter(cosine, -1), False)):
            assert CosineFilter(threshold).admit(np.array([one, two])) == [True, fits]
            near = CosineFilter(threshold)
            assert near.admit(one[None]) + near.admit(two[None]) == [True, fits]
    assert rounded > 10, "a product in float32 would have decided all of these right"


@given(arrays.arrays(np.int8, st.tuples(st.integers(1, 25), st.just(4)), elements=st.sampled_from([-1, 0, 1])))
def test_many_cosines_at_the_threshold_are_decided_exactly(found):
    # Of such vectors many pairs have a cosine of 1/2, or in float32 nearly so.
    vectors = unit(found[np.abs(found).sum(axis=1) > 0].astype(float).reshape(-1, 4))
    for threshold in (0.0, 0.5, 1.0):
        assert CosineFilter(threshold).admit(vectors) == greedy(vectors, threshold)


@given(st.integers(0, 80), st.integers(1, 30), st.sampled_from([0.2, 0.8, 0.95]))
def test_vectors_in_two_parts_are_vectors_at_once(cut, block, threshold):
    vectors = units(80, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        whole = CosineFilter(threshold).admit(vectors)
        patch.setattr(module, "_BLOCK", block)
        parts = CosineFilter(threshold)
        assert parts.admit(vectors[:cut]) + parts.admit(vectors[cut:]) == whole


def test_signs_and_the_order_of_the_columns_change_nothing():
    vectors = units(200, seed=6)
    signs = np.where(np.arange(vectors.shape[1]) % 3 == 0, -1, 1).astype(np.float32)
    expected = CosineFilter(0.9).admit(vectors)
    assert CosineFilter(0.9).admit(vectors[:, ::-1] * signs) == expected
    assert 0 < sum(expected) < 200


def test_what_was_let_in_is_let_in_again_by_a_fresh_filter():
    vectors = units(300, seed=8)
    kept = vectors[CosineFilter(0.85).admit(vectors)]
    assert all(CosineFilter(0.85).admit(kept))


def test_no_vectors_are_no_decisions():
    near = CosineFilter(0.9)
    assert near.admit(np.empty((0, 8), np.float32)) == []
    assert near.admit(units(3, 8)) == greedy(units(3, 8), 0.9)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.ones(3, np.float32), "matrix"),
        (np.zeros((2, 24), np.float32), "row 0"),
        (np.full((1, 24), np.nan, np.float32), "row 0"),
        (np.concatenate([units(1), 2 * units(1)]), "row 1"),
        (units(1, width=8), "width 24"),
    ],
)
def test_what_are_no_unit_vectors_of_one_width_is_refused(vectors, said):
    near = CosineFilter(0.9)
    near.admit(units(2))
    before = len(near)
    with pytest.raises(DataError, match=said):
        near.admit(vectors)
    assert len(near) == before


@pytest.mark.parametrize("threshold", [90, -2, float("nan")])
def test_a_cosine_threshold_outside_minus_one_to_one_is_refused(threshold):
    with pytest.raises(ConfigError, match="-1 to 1"):
        CosineFilter(threshold)
