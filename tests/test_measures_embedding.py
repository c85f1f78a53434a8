"""Embedding measures against the n x n kernel, and the properties that a Vendi score must have."""

import importlib
import math
import random
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.errors import ConfigError
from qdcbench.measures import Rows, Unmeasurable
from qdcbench.measures.diversity.distance import cosine_distance, mean_cosine_distance
from qdcbench.measures.diversity.vendi import spectrum, vendi, vendi_of_spectrum
from qdcbench.measures.encoders import encode
from qdcbench.measures.encoders.hashing import hashed_ngrams

ORDERS = (0.1, 0.5, 1.0, 2.0, 5.0, math.inf)
Vectors = npt.NDArray[np.float32]


def unit(n: int, d: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(n, d)) + 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def vendi_by_kernel(vectors: Vectors, q: float) -> float:
    """Follow the definition: eigenvalues of the n x n kernel over n, by a general solver."""
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    values = np.real(np.linalg.eigvals(exact @ exact.T / len(exact)))
    values = values[values > 1e-11]
    if q == 1:
        return float(np.prod(values**-values))
    if math.isinf(q):
        return float(1 / values.max())
    return float((values**q).sum() ** (1 / (1 - q)))


sizes = st.tuples(st.integers(2, 40), st.integers(1, 40), st.integers(0, 10_000))


@settings(deadline=None, max_examples=60)
@given(sizes, st.sampled_from(ORDERS))
def test_vendi_equals_the_kernel_form(size: tuple[int, int, int], q: float) -> None:
    vectors = unit(*size)
    assert vendi_of_spectrum(spectrum(vectors), q) == pytest.approx(vendi_by_kernel(vectors, q), rel=1e-4)


@pytest.mark.parametrize("q", [0.1, 1.0, 2.0, math.inf])
@pytest.mark.filterwarnings("ignore")
def test_vendi_equals_its_authors_package(q: float) -> None:
    package = importlib.import_module("vendi_score.vendi")
    for n, d in ((30, 10), (10, 30)):
        vectors = unit(n, d, 3)
        # From the kernel: the package's own low-rank path needs q = 1.
        theirs = package.score_K(
            vectors.astype(np.float64) @ vectors.T.astype(np.float64), q="inf" if math.isinf(q) else q
        )
        rank_noise = 0.05 if q == 0.1 else 1e-5
        assert vendi_of_spectrum(spectrum(vectors), q) == pytest.approx(float(theirs), rel=rank_noise)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_mean_cosine_equals_all_pairs(size: tuple[int, int, int]) -> None:
    vectors = unit(*size)
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    pairs = cosines[~np.eye(len(vectors), dtype=bool)]
    assert cosine_distance(vectors) == pytest.approx(1 - pairs.mean(), abs=1e-6)


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("n", [1, 2, 7, 500])
def test_copies_of_one_row_count_as_one(n: int, q: float) -> None:
    vectors = np.repeat(unit(1, 384, 0), n, axis=0)
    assert vendi_of_spectrum(spectrum(vectors), q) == pytest.approx(1.0, abs=1e-5)
    if n > 1:
        assert cosine_distance(vectors) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("q", ORDERS)
def test_orthogonal_rows_count_as_many(q: float) -> None:
    for n in (1, 5, 64):
        vectors = np.eye(64, dtype=np.float32)[:n]
        assert vendi_of_spectrum(spectrum(vectors), q) == pytest.approx(n)
    assert cosine_distance(np.eye(64, dtype=np.float32)) == pytest.approx(1.0)


@settings(deadline=None, max_examples=40)
@given(sizes, st.integers(2, 30))
def test_copying_the_whole_set_changes_no_vendi(size: tuple[int, int, int], copies: int) -> None:
    vectors = unit(*size)
    for q in (0.1, 1.0, 2.0, math.inf):
        many = vendi_of_spectrum(spectrum(np.tile(vectors, (copies, 1))), q)
        assert many == pytest.approx(vendi_of_spectrum(spectrum(vectors), q), rel=1e-4)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_vendi_falls_with_its_order_and_stays_in_range(size: tuple[int, int, int]) -> None:
    values = spectrum(unit(*size))
    scores = [vendi_of_spectrum(values, q) for q in ORDERS]
    assert all(a >= b - 1e-9 for a, b in pairwise(scores))
    assert 1.0 <= scores[-1]
    assert scores[0] <= min(size[0], size[1]) + 1e-9


def test_a_second_clump_raises_diversity() -> None:
    rng = np.random.default_rng(1)

    def clump(centre: int, n: int) -> Vectors:
        vectors = 0.05 * rng.normal(size=(n, 50)) + np.eye(50)[centre]
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    one, two = clump(0, 100), np.concatenate([clump(0, 50), clump(1, 50)])
    for q in ORDERS:
        assert vendi_of_spectrum(spectrum(two), q) > vendi_of_spectrum(spectrum(one), q)
    assert cosine_distance(two) > cosine_distance(one)
    # One tight clump that dominates hides the rest from orders of 1 and more.
    dominated = np.concatenate(
        [np.eye(50, dtype=np.float32)[:20], np.repeat(np.eye(50, dtype=np.float32)[:1], 400, axis=0)]
    )
    assert vendi_of_spectrum(spectrum(dominated), 1.0) < 2 < vendi_of_spectrum(spectrum(dominated), 0.1)


def test_blocks_do_not_show() -> None:
    many = unit(20_000, 16, 2)
    wanted = np.linalg.svd(many.astype(np.float64), compute_uv=False) ** 2
    assert spectrum(many) == pytest.approx(wanted / wanted.sum(), rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 900), st.integers(2, 60), st.floats(-4, 0), st.integers(0, 10_000))
def test_vendi_has_twelve_digits_also_of_narrow_sets(n: int, d: int, narrow: float, seed: int) -> None:
    """From singular values, which see small directions twice as sharply as any Gram matrix."""
    rng = np.random.default_rng(seed)
    scales = np.geomspace(1.0, 10.0**narrow, d)
    vectors = (rng.normal(size=(n, d)) * scales).astype(np.float32)
    wanted = np.linalg.svd(vectors.astype(np.float64), compute_uv=False) ** 2
    wanted /= wanted.sum()
    for q in (1.0, 2.0, math.inf):
        score = vendi_of_spectrum(spectrum(vectors), q)
        assert score == pytest.approx(vendi_of_spectrum(wanted[wanted > 1e-12], q), rel=1e-12)
    rare = vendi_of_spectrum(spectrum(vectors), 0.1)
    assert rare == pytest.approx(vendi_of_spectrum(wanted[wanted > 1e-12], 0.1), rel=1e-6)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(Unmeasurable, match="two rows"):
        cosine_distance(unit(1, 4, 0))
    with pytest.raises(Unmeasurable):
        spectrum(np.zeros((0, 4), dtype=np.float32))


texts = st.lists(st.text(max_size=20), min_size=1, max_size=10)


@settings(deadline=None, max_examples=60)
@given(texts)
def test_hashed_vectors_are_unit_and_know_nothing_of_their_neighbours(given_texts: list[str]) -> None:
    together = hashed_ngrams(given_texts)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-6)
    alone = np.concatenate([hashed_ngrams([text]) for text in given_texts])
    assert np.array_equal(together, alone)


def test_hashed_vectors_are_the_same_everywhere() -> None:
    vector = hashed_ngrams(["Reverse the list: 3 1 4"])[0].astype(np.float64)
    weights = np.sin(np.arange(384))
    # Written down once: a machine or version that gives another number would make records incomparable.
    assert float(vector @ weights) == pytest.approx(1.4944672432815942, abs=1e-6)


def test_hashed_vectors_are_near_where_words_are_shared() -> None:
    a, b, c = hashed_ngrams(["Reverse the list of numbers", "reverse the  LIST of number", "What is love?"])
    assert float(a @ b) > 0.8
    assert abs(float(a @ c)) < 0.3


def test_equal_texts_share_a_vector_and_order_does_not_matter() -> None:
    prompts = [f"word{i % 7} and {i % 3}" for i in range(60)]
    shuffled = random.Random(1).sample(prompts, len(prompts))
    one, other = (Rows(prompts=tuple(p), completions=tuple(p)).canonical() for p in (prompts, shuffled))
    assert mean_cosine_distance(one, "hashed") == mean_cosine_distance(other, "hashed")
    assert vendi(one, "hashed", 1.0) == vendi(other, "hashed", 1.0)
    assert np.array_equal(encode("hashed", ["b", "a", "b"])[[0, 1]], encode("hashed", ["b", "a"]))
    with pytest.raises(ConfigError, match="did you mean 'minilm'"):
        encode("mini-lm", ["a"])
