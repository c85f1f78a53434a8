"""Distances to the nearest rows against scikit-learn, by hand, and what copies and clumps must do to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from unit_vectors import Vectors, basis, clump, rows_with, scaled, unit

from qdcbench.measures import Rows, Unmeasurable, measure_rows
from qdcbench.measures.diversity import pairs, vectors
from qdcbench.measures.diversity.distance import cosine_distance
from qdcbench.measures.diversity.neighbours import knn_distance, nearest_distances

TABLE = {row.name: row for row in vectors.measures("hashed")}
sizes = st.tuples(st.integers(11, 60), st.integers(2, 30), st.integers(0, 10_000))


def mean_knn(found: Vectors, k: int) -> float:
    return knn_distance(rows_with(found), "hashed", k)


@settings(deadline=None, max_examples=40)
@given(sizes, st.sampled_from([1, 3, 10]))
def test_nearest_equal_those_of_scikit_learn(size: tuple[int, int, int], k: int) -> None:
    found = unit(*size)
    theirs, _ = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(found).kneighbors()
    assert nearest_distances(found, k) == pytest.approx(theirs, abs=2e-5)
    pool = unit(30, size[1], 1)
    theirs, _ = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(pool).kneighbors(found)
    assert nearest_distances(found, k, pool) == pytest.approx(theirs, abs=2e-5)


def test_means_equal_those_of_scikit_learn_over_several_blocks() -> None:
    found = unit(3000, 24, 5)
    assert len(list(pairs.cosine_blocks(found, found))) > 1
    theirs, _ = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(found).kneighbors()
    assert mean_knn(found, 10) == pytest.approx(theirs.mean(), rel=1e-5)
    assert mean_knn(found, 1) == pytest.approx(theirs[:, 0].mean(), rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_blocks_are_all_cosines(size: tuple[int, int, int]) -> None:
    left, right = unit(*size), unit(7, size[1], 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_BLOCK", 40)
        blocks = [(start, cosines.copy()) for start, cosines in pairs.cosine_blocks(left, right)]
    assert [start for start, _ in blocks] == list(range(0, len(left), 5))
    assert np.concatenate([cosines for _, cosines in blocks]) == pytest.approx(left @ right.T, abs=1e-6)
    assert not list(pairs.cosine_blocks(left[:0], right))


def test_values_by_hand() -> None:
    assert mean_knn(basis(20), 1) == mean_knn(basis(20), 10) == 1.0
    # Cosines .6 and .8 to the third of three rows in a plane, 0 between the first two.
    three = np.asarray([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    assert mean_knn(three, 1) == pytest.approx((0.4 + 0.2 + 0.2) / 3, abs=1e-6)
    opposite = np.asarray([[1, 0], [-1, 0]], dtype=np.float32)
    assert mean_knn(opposite, 1) == 2.0


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 200), st.integers(0, 10_000))
def test_copies_of_one_row_are_at_distance_nothing(n: int, seed: int) -> None:
    found = np.repeat(unit(1, 384, seed), n, axis=0)
    assert mean_knn(found, 1) == 0.0
    if n > 10:
        assert mean_knn(found, 10) == 0.0


@settings(deadline=None, max_examples=30)
@given(sizes)
def test_a_copy_of_each_row_is_its_neighbour_and_order_does_not_matter(size: tuple[int, int, int]) -> None:
    found = unit(*size)
    assert mean_knn(np.concatenate([found, found]), 1) == 0.0
    shuffled = found[np.random.default_rng(size[2]).permutation(len(found))]
    for k in (1, 10):
        assert mean_knn(shuffled, k) == pytest.approx(mean_knn(found, k), abs=1e-6)
        assert mean_knn(np.concatenate([found, found]), k) < mean_knn(found, k)


def test_neighbours_see_clumps_that_the_mean_distance_is_blind_to() -> None:
    clumps = np.concatenate([clump(0, 50), clump(1, 50)])
    ring = np.arange(100) * 2 * np.pi / 100
    spread = scaled(np.stack([np.cos(ring), np.sin(ring), np.ones(100)], axis=1))
    assert abs(cosine_distance(clumps) - cosine_distance(spread)) < 0.15
    wide = unit(100, 50, 0, lean=1.0)
    assert cosine_distance(clumps) == pytest.approx(cosine_distance(wide), abs=0.1)
    assert mean_knn(clumps, 10) < 0.25 * mean_knn(wide, 10)
    # And they are blind to how far the clumps are apart.
    assert mean_knn(np.concatenate([clump(0, 50), clump(0, 50, seed=1)]), 10) == pytest.approx(
        mean_knn(clumps, 10), rel=0.1
    )


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(Unmeasurable, match="needs two rows"):
        mean_knn(basis(1), 1)
    with pytest.raises(Unmeasurable, match="needs two rows"):
        mean_knn(basis(0), 1)
    with pytest.raises(Unmeasurable, match="10 nearest others need 11 rows and there are 10"):
        mean_knn(basis(10), 10)
    assert mean_knn(basis(11), 10) == 1.0


def test_the_instrument_takes_both_sides() -> None:
    prompts = tuple(f"question {i * 7919 % 5051} of {i % 13}" for i in range(300))
    rows = Rows(prompts=prompts, completions=tuple(str(i % 70) for i in range(300)))
    names = ["knn_distance_k1[hashed]", "knn_distance_k1[hashed]:completion", "vendi_q1[hashed]:completion"]
    found = measure_rows(rows, n=300, seed_stream=np.random.default_rng(0), names=names, table=TABLE)
    assert 0 < (found[0].low or 0) < (found[0].value or 0) < (found[0].high or 0) < 1
    assert found[1].value == 0.0
    assert 1 < (found[2].value or 0) < 70.001
    assert TABLE[names[0]].metric.sees_copies
    assert not TABLE[names[1]].metric.sees_copies
    assert TABLE[names[1]].card.side == "completion"
    assert TABLE[names[1]].metric.summary == (
        "Mean cosine distance of a completion to the 1 nearest others, encoder hashed."
    )


def test_what_looks_at_all_pairs_is_capped() -> None:
    for name, row in TABLE.items():
        assert (row.card.at_most == 5000) == ("O(n^2" in row.card.cost or "O(nmd)" in row.card.cost), name


def test_the_table_has_a_name_a_card_and_both_sides_of_the_main_measures() -> None:
    assert all(name == row.name and row.metric.summary.endswith(".") for name, row in TABLE.items())
    assert not [name for name, row in TABLE.items() if "{" in row.metric.summary + row.card.formula + row.card.variant]
    responses = {name for name in TABLE if name.endswith(":completion")}
    assert {name.removesuffix(":completion") for name in responses} <= set(TABLE)
    assert all(row.card.side == ("completion" if name in responses else "prompt") for name, row in TABLE.items())
