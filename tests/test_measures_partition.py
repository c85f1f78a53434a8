"""Spread over the reference's groups: entropy by scipy, clusters beside scikit-learn, tails by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.cluster import KMeans
from unit_vectors import Vectors, basis, clump, rows_with, unit

from qdcbench.measures import Rows, Unmeasurable, measure_rows
from qdcbench.measures.diversity import vectors
from qdcbench.measures.diversity.partition import (
    cluster_count,
    fitted,
    partition_coverage,
    partition_entropy,
    partition_tail_mass,
    stratum_tail_mass,
    tail_of,
)
from qdcbench.measures.diversity.vendi import spectrum, vendi_of_spectrum
from qdcbench.measures.known import Around, Known

CLUMPS = (40, 30, 20, 8, 2)
"""Rows of the five far clumps that make up the reference; it gets ten clusters."""

REFERENCE = rows_with(np.concatenate([clump(i, n) for i, n in enumerate(CLUMPS)]))


def beside(found: Vectors) -> Rows:
    return rows_with(found, around=Around(reference=REFERENCE))


def test_clusters_are_as_good_as_those_of_scikit_learn() -> None:
    found = unit(600, 20, 0, lean=0.0)
    ours = fitted(found, 30)
    labels = ours.of(found)
    assert np.array_equal(np.bincount(labels, minlength=30), ours.sizes)
    exact = ((found[:, None].astype(np.float64) - ours.centres[None]) ** 2).sum(axis=2)
    assert np.array_equal(labels, exact.argmin(axis=1))
    inertia = float(exact.min(axis=1).sum())
    theirs = [KMeans(30, n_init=1, random_state=seed).fit(found).inertia_ for seed in range(5)]
    assert inertia < 1.03 * float(np.mean(theirs))
    # The end of Lloyd's rounds: every centre is the mean of its rows.
    for i in range(30):
        assert ours.centres[i] == pytest.approx(found[labels == i].mean(axis=0), abs=1e-5)
    again = fitted(found, 30)
    assert np.array_equal(again.centres, ours.centres)


def test_clusters_by_hand() -> None:
    copies = np.repeat(basis(3, 8), [5, 3, 1], axis=0)
    assert sorted(fitted(copies, 3).sizes.tolist()) == [1, 3, 5]
    assert sorted(fitted(copies, 7).sizes.tolist()) == [1, 3, 5]
    with pytest.raises(Unmeasurable, match="the same vector"):
        fitted(np.repeat(basis(1), 40, axis=0), 4)
    assert [cluster_count(n) for n in (20, 99, 1000, 50_000)] == [2, 9, 100, 100]
    with pytest.raises(Unmeasurable, match="need 20 different texts in the reference and it has 19"):
        cluster_count(19)


def test_the_reference_is_fitted_once_and_by_itself() -> None:
    first, second = beside(clump(0, 30)), beside(clump(7, 30))
    partition_entropy(first, "hashed")
    kept = REFERENCE.shared(("clusters", "hashed", "prompt"), lambda: pytest.fail("not kept"))
    partition_entropy(second, "hashed")
    assert REFERENCE.shared(("clusters", "hashed", "prompt"), lambda: pytest.fail("not kept")) is kept


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(2, 4), st.integers(0, 10_000))
def test_entropy_and_coverage_by_plain_counting_and_copies_change_neither(
    counts: list[int], copies: int, seed: int
) -> None:
    found = np.concatenate([clump(i, n, seed=seed) for i, n in enumerate(counts)])
    rows = beside(found)
    value, covered = partition_entropy(rows, "hashed"), partition_coverage(rows, "hashed")
    clusters = REFERENCE.shared(("clusters", "hashed", "prompt"), lambda: pytest.fail("not kept"))
    labels = [int(((clusters.centres - x) ** 2).sum(axis=1).argmin()) for x in found]
    assert value == pytest.approx(entropy(np.bincount(labels)), abs=1e-9)
    assert covered == len(set(labels)) / len(clusters.sizes)
    assert value <= math.log(len(clusters.sizes)) + 1e-9
    order = np.random.default_rng(seed).permutation(copies * len(found))
    many = beside(np.tile(found, (copies, 1))[order])
    assert partition_entropy(many, "hashed") == pytest.approx(value, abs=1e-9)
    assert partition_coverage(many, "hashed") == covered


def test_copies_of_one_row_are_in_one_cluster() -> None:
    rows = beside(np.repeat(clump(2, 1), 50, axis=0))
    assert partition_entropy(rows, "hashed") == 0.0
    assert partition_coverage(rows, "hashed") == pytest.approx(0.1)


def test_a_far_cluster_of_balanced_size_raises_all_and_a_dominating_one_lowers_vendi() -> None:
    one = clump(0, 100)
    balanced = np.concatenate([clump(0, 50), clump(1, 50, seed=3)])
    assert partition_entropy(beside(balanced), "hashed") > partition_entropy(beside(one), "hashed")
    assert partition_coverage(beside(balanced), "hashed") > partition_coverage(beside(one), "hashed")

    def vendi(found: Vectors, q: float) -> float:
        return vendi_of_spectrum(spectrum(found), q)

    for q in (0.1, 1.0, 2.0, math.inf):
        assert vendi(balanced, q) > vendi(one, q)
    spread = clump(0, 100, spread=0.2)
    dominated = np.concatenate([spread[:15], clump(1, 85, spread=0.001)])
    for q in (1.0, 2.0):
        assert vendi(dominated, q) < vendi(spread, q)
    assert partition_coverage(beside(dominated), "hashed") >= 0.2


def test_tail_by_hand() -> None:
    assert tail_of({"a": 80, "b": 12, "c": 5, "d": 3}) == {"c", "d"}
    assert tail_of({"a": 89, "b": 11}) == set()
    # Equally rare ones go together: three of 4 do not fit into ten.
    assert tail_of({"a": 85, "b": 4, "c": 4, "d": 4, "e": 3}) == {"e"}
    assert tail_of({}) == set()


def test_rows_in_the_rarest_cluster_of_the_reference_are_its_tail() -> None:
    common, rare = beside(clump(0, 30, seed=4)), beside(clump(4, 30, seed=4))
    assert partition_tail_mass(rare, "hashed").tolist() == [1.0] * 30
    assert partition_tail_mass(common, "hashed").mean() < 0.5
    even = Around(reference=rows_with(np.repeat(basis(2, 50), 20, axis=0)))
    with pytest.raises(Unmeasurable, match="no cluster of the reference is rare"):
        partition_tail_mass(rows_with(basis(3, 50), around=even), "hashed")


def test_strata_by_hand() -> None:
    frequent = ("a",) * 80 + ("b",) * 12 + ("c",) * 5 + ("d",) * 3
    reference = rows_with(basis(100, 100), Known(stratum=(*frequent[:-1], None)))
    known = Known(stratum=("a", "c", None, "d", "new"))
    rows = rows_with(basis(5), known, Around(reference=reference))
    assert stratum_tail_mass(rows) == pytest.approx([0.0, 1.0, math.nan, 1.0, 0.0], nan_ok=True)
    table = {row.name: row for row in vectors.measures_of_known()}
    (found,) = measure_rows(rows, n=5, seed_stream=np.random.default_rng(0), names=["stratum_tail_mass"], table=table)
    assert found.value == 0.5
    with pytest.raises(Unmeasurable, match="no field splits"):
        stratum_tail_mass(rows_with(basis(5), None, Around(reference=reference)))
    with pytest.raises(Unmeasurable, match="no reference"):
        stratum_tail_mass(rows_with(basis(5), known))
    with pytest.raises(Unmeasurable, match="no field splits"):
        stratum_tail_mass(rows_with(basis(5), known, Around(reference=REFERENCE)))
    halves = rows_with(basis(2), Known(stratum=("a", "b")))
    with pytest.raises(Unmeasurable, match="is rare"):
        stratum_tail_mass(rows_with(basis(5), known, Around(reference=halves)))


def test_reasons() -> None:
    for measure in (partition_entropy, partition_coverage, partition_tail_mass):
        with pytest.raises(Unmeasurable, match="no reference corpus"):
            measure(rows_with(basis(3)), "hashed")
        with pytest.raises(Unmeasurable, match="no row"):
            measure(beside(basis(0, 50)), "hashed")
        with pytest.raises(Unmeasurable, match="20 different texts"):
            measure(rows_with(basis(3), around=Around(reference=rows_with(basis(19)))), "hashed")
