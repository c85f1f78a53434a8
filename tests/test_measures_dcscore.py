"""DCScore against a plain loop, by hand, and its ceiling."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from unit_vectors import basis, clump, rows_with, unit

from qdcbench.measures import Unmeasurable
from qdcbench.measures.diversity import pairs, vectors
from qdcbench.measures.diversity.dcscore import dcscore, dcscore_of

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10_000))
taus = st.sampled_from([1.0, 0.1, 0.02])


@settings(deadline=None, max_examples=60)
@given(sizes, taus)
def test_score_equals_a_plain_softmax(size: tuple[int, int, int], tau: float) -> None:
    found = unit(*size)
    exact = found.astype(np.float64)
    plain = sum(softmax([float(a @ b) / tau for b in exact])[i] for i, a in enumerate(exact))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_BLOCK", 100)
        assert dcscore_of(found, tau) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("n", [1, 2, 10, 64])
def test_orthogonal_rows_by_hand(n: int) -> None:
    assert dcscore_of(basis(n), 1.0) == pytest.approx(n * math.e / (math.e + n - 1))
    assert dcscore_of(basis(n), 0.02) == pytest.approx(n)
    assert dcscore_of(np.repeat(basis(1), n, axis=0), 1.0) == pytest.approx(1.0)
    assert dcscore_of(np.repeat(basis(1), n, axis=0), 0.1) == pytest.approx(1.0)


def test_at_temperature_one_no_number_of_rows_passes_e() -> None:
    values = [dcscore_of(basis(n, n), 1.0) for n in (10, 100, 1000)]
    assert values == sorted(values)
    assert 2.71 < values[-1] < math.e
    assert dcscore_of(basis(1000, 1000), 0.1) > 900


@settings(deadline=None, max_examples=40)
@given(sizes, taus, st.integers(2, 5))
def test_copies_of_all_and_order_change_nothing_and_the_range_holds(
    size: tuple[int, int, int], tau: float, copies: int
) -> None:
    found = unit(*size)
    value = dcscore_of(found, tau)
    many = np.tile(found, (copies, 1))[np.random.default_rng(size[2]).permutation(copies * len(found))]
    assert dcscore_of(many, tau) == pytest.approx(value, rel=1e-4)
    assert 1.0 <= value <= len(found)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_a_smaller_temperature_tells_more_rows_apart(size: tuple[int, int, int]) -> None:
    found = unit(*size)
    assert dcscore_of(found, 0.05) >= dcscore_of(found, 0.2) - 1e-4 >= dcscore_of(found, 1.0) - 2e-4


def test_a_second_clump_raises_it() -> None:
    two = np.concatenate([clump(0, 50), clump(1, 50)])
    for tau in (1.0, 0.1):
        assert dcscore_of(two, tau) > dcscore_of(clump(0, 100), tau)


def test_names_and_reasons() -> None:
    table = {row.name: row for row in vectors.measures("hashed")}
    rows = rows_with(basis(30))
    values = {}
    for name in ("dcscore[hashed]", "dcscore_tau0.1[hashed]"):
        whole = table[name].whole
        assert whole is not None
        values[name] = whole(rows)
    assert values["dcscore[hashed]"] == pytest.approx(30 * math.e / (math.e + 29))
    assert values["dcscore_tau0.1[hashed]"] == pytest.approx(30 / (1 + 29 * math.exp(-10)))
    assert "tau = 0.1" in table["dcscore_tau0.1[hashed]"].card.formula
    with pytest.raises(Unmeasurable, match="no row"):
        dcscore(rows_with(basis(0)), "hashed", 1.0)
