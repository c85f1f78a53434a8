"""Rows beside a reference or a base set: plain loops, hand values, and what must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit_vectors import Vectors, basis, rows_with, scaled, unit

from qdcbench.measures import Rows, Unmeasurable, measure_rows
from qdcbench.measures.diversity import reference, vectors
from qdcbench.measures.diversity.base import facility_location, gain
from qdcbench.measures.diversity.reference import reference_pool
from qdcbench.measures.known import Around

TABLE = {row.name: row for row in vectors.measures("hashed")}
sizes = st.tuples(st.integers(1, 40), st.integers(2, 20), st.integers(0, 10_000))


def located(pool: Vectors, found: Vectors) -> float:
    return facility_location(rows_with(found, around=Around(reference=rows_with(pool))), "hashed")


def gained(base: Vectors, found: Vectors) -> list[float]:
    return gain(rows_with(found, around=Around(base=rows_with(base))), "hashed").tolist()


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_both_equal_plain_loops(size: tuple[int, int, int]) -> None:
    found, other = unit(*size), unit(17, size[1], 3)
    best = [max(float(np.dot(v, a)) for a in found.astype(float)) for v in other.astype(float)]
    assert located(other, found) == pytest.approx(sum(best) / len(best), abs=1e-6)
    nearest = [min(float(np.sum((x - b) ** 2)) for b in other.astype(float)) for x in found.astype(float)]
    assert gained(other, found) == pytest.approx(nearest, abs=2e-5)


def test_values_by_hand() -> None:
    assert located(basis(4), basis(4)) == 1.0
    assert located(basis(4), basis(1)) == 0.25
    assert gained(basis(2), basis(3)) == [0.0, 0.0, 2.0]
    assert gained(basis(1), -basis(1)) == [4.0]
    assert gained(basis(1, 2), scaled(np.asarray([[0.6, 0.8]]))) == pytest.approx([0.8])


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_more_rows_come_nearer_and_copies_and_order_change_nothing(size: tuple[int, int, int]) -> None:
    found, pool = unit(*size), unit(25, size[1], 9)
    fewer = found[: max(1, len(found) // 2)]
    assert located(pool, found) >= located(pool, fewer)
    again = np.concatenate([found, found])[np.random.default_rng(size[2]).permutation(2 * len(found))]
    assert located(pool, again) == pytest.approx(located(pool, found), abs=1e-6)
    assert np.mean(gained(pool, again)) == pytest.approx(np.mean(gained(pool, found)), abs=1e-5)
    assert located(pool, pool) == pytest.approx(1.0, abs=1e-6)
    assert gained(pool, pool) == [0.0] * len(pool)


def test_what_is_far_from_the_base_gains_more() -> None:
    base = unit(30, 20, 0, lean=2.0)
    near, far = unit(30, 20, 1, lean=2.0), -unit(30, 20, 1, lean=2.0)
    assert np.mean(gained(base, far)) > 3 * np.mean(gained(base, near))


def test_a_large_reference_is_drawn_from_the_same_whatever_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "POOL", 20)
    texts = [f"text {i}" for i in range(100)]
    one, other = (Rows(prompts=tuple(t), completions=tuple(t)) for t in (texts, texts[::-1]))
    rows = [Rows(prompts=("a",), completions=("b",), around=Around(reference=r)) for r in (one, other)]
    pools = [reference_pool(r) for r in rows]
    assert len(pools[0]) == 20
    assert pools[0].prompts == pools[1].prompts
    assert reference_pool(rows[0]) is pools[0]
    assert pools[0].prompts != tuple(sorted(texts)[:20])


def test_nothing_to_compare_with_is_a_reason() -> None:
    alone = rows_with(basis(3))
    empty = Rows(prompts=(), completions=())
    for rows in (alone, rows_with(basis(3), around=Around(base=empty, reference=empty))):
        with pytest.raises(Unmeasurable, match="no reference corpus"):
            facility_location(rows, "hashed")
        with pytest.raises(Unmeasurable, match="no base set"):
            gain(rows, "hashed")
    with pytest.raises(Unmeasurable, match="no row"):
        located(basis(3), basis(0))


def test_the_instrument_takes_them_with_intervals() -> None:
    prompts = tuple(f"write {i % 9} lines about river {i}" for i in range(200))
    base = Rows(prompts=prompts[:20], completions=prompts[:20])
    rows = Rows(prompts=prompts, completions=prompts, around=Around(base=base, reference=base))
    names = ["gain[hashed]", "facility_location[hashed]"]
    found = {
        m.metric: m for m in measure_rows(rows, n=150, seed_stream=np.random.default_rng(0), names=names, table=TABLE)
    }
    for m in found.values():
        assert m.value is not None
        assert (m.low or 0) <= m.value <= (m.high or 0)
    chosen = [base.embeddings("hashed") @ rows.embeddings("hashed").T][0].max(axis=0)
    assert np.mean(gain(rows, "hashed")) == pytest.approx(np.mean(2 - 2 * chosen), abs=1e-5)
