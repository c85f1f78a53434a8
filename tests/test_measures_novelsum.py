"""NovelSum against plain loops and by hand: which variant this is, and what copies do to it."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit_vectors import Vectors, basis, clump, rows_with, scaled, unit

from qdcbench.measures import Unmeasurable
from qdcbench.measures.diversity import pairs
from qdcbench.measures.diversity.novelsum import densities, novelsum, novelsum_of, novelsum_self
from qdcbench.measures.known import Around

sizes = st.tuples(st.integers(2, 30), st.integers(2, 20), st.integers(0, 10_000))


def distance(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    return 1.0 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def by_loops(found: Vectors, reference: Vectors | None, alpha: float = 1.0, beta: float = 0.5) -> float:
    """Follow the formula row by row; without a reference each row's density is that of the other rows."""
    exact = list(found.astype(np.float64))
    density = []
    for j, x in enumerate(exact):
        if reference is None:
            others = sorted(distance(x, y) for i, y in enumerate(exact) if i != j)
        else:
            others = sorted(distance(x, y) for y in reference.astype(np.float64))
        nearest = others[:10]
        density.append(1.0 / max(0.01, sum(nearest) / len(nearest)))
    total = 0.0
    for i, x in enumerate(exact):
        order = sorted((j for j in range(len(exact)) if j != i), key=lambda j: (distance(x, exact[j]), density[j]))
        for rank, j in enumerate(order, start=1):
            total += rank**-alpha * density[j] ** beta * distance(x, exact[j])
    return total


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_both_densities_equal_plain_loops(size: tuple[int, int, int]) -> None:
    found, reference = unit(*size), unit(25, size[1], 4)
    rows = rows_with(found, around=Around(reference=rows_with(reference)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_BLOCK", 60)
        assert novelsum(rows, "hashed") == pytest.approx(by_loops(found, reference), rel=1e-4)
        assert novelsum_self(rows, "hashed") == pytest.approx(by_loops(found, None), rel=1e-4)


def test_values_by_hand() -> None:
    # Orthogonal rows: all distances are 1 and so are all densities, so each row has a harmonic number.
    harmonic = sum(1 / rank for rank in range(1, 20))
    assert novelsum_self(rows_with(basis(20)), "hashed") == pytest.approx(20 * harmonic)
    # Distances .4 and .2 to the third row and 1 between the first two; density 4 doubles a distance.
    three = scaled(np.asarray([[1, 0], [0, 1], [0.6, 0.8]]))
    by_hand = (2 * 0.4 + 1 / 2 * 3 * 1.0) + (2 * 0.2 + 1 / 2 * 1 * 1.0) + (3 * 0.2 + 1 / 2 * 1 * 0.4)
    assert novelsum_of(three, np.asarray([1.0, 9.0, 4.0])) == pytest.approx(by_hand, rel=1e-5)
    flat = novelsum_of(three, np.asarray([1.0, 9.0, 4.0]), alpha=0.0, beta=0.0)
    assert flat == pytest.approx(2 * (0.4 + 0.2 + 1.0), rel=1e-5)


def test_this_is_the_formula_and_not_the_released_code() -> None:
    found = unit(12, 8, 3)
    density = np.random.default_rng(0).uniform(0.5, 4.0, 12)
    far = 1.0 - found.astype(np.float64) @ found.T.astype(np.float64)
    rank = far.argsort(axis=1).argsort(axis=1).astype(np.float64)
    weight = np.where(rank > 0, 1 / np.maximum(rank, 1), 0)
    formula = float((weight * far * np.sqrt(density)[None, :]).sum())
    ours = novelsum_of(found, density)
    assert ours == pytest.approx(formula, rel=1e-5)
    own_density = float((weight * far * np.sqrt(density)[:, None]).sum())
    with_self_first = float((far * np.sqrt(density)[None, :] / (rank + 1)).sum())
    average = formula / weight[0].sum()
    for code in (own_density, with_self_first, average):
        assert ours != pytest.approx(code, rel=0.01)


@settings(deadline=None, max_examples=30)
@given(sizes)
def test_order_changes_nothing_even_where_rows_repeat(size: tuple[int, int, int]) -> None:
    found = np.concatenate([unit(*size), unit(*size)[: size[0] // 2]])
    order = np.random.default_rng(size[2]).permutation(len(found))
    reference = Around(reference=rows_with(unit(20, size[1], 5)))
    for measure in (novelsum, novelsum_self):
        values = [measure(rows_with(v, around=reference), "hashed") for v in (found, found[order])]
        assert values[0] == pytest.approx(values[1], rel=1e-4)


@pytest.mark.parametrize("n", [2, 40])
def test_copies_of_one_row_are_nothing(n: int) -> None:
    copies = np.repeat(unit(1, 16, 0), n, axis=0)
    reference = Around(reference=rows_with(unit(20, 16, 1)))
    assert novelsum_self(rows_with(copies), "hashed") == 0.0
    assert novelsum(rows_with(copies, around=reference), "hashed") == 0.0


def test_density_from_outside_sees_a_narrow_set_and_the_rows_own_is_misled() -> None:
    reference = Around(reference=rows_with(unit(200, 50, 1, lean=0.0)))
    narrow, wide = clump(0, 100, spread=0.02), unit(100, 50, 2, lean=0.0)
    assert novelsum(rows_with(narrow, around=reference), "hashed") < novelsum(
        rows_with(wide, around=reference), "hashed"
    )
    # Twenty tight clumps are less novel than a wide set; their own density, which is high, hides part of that.
    clumps = np.concatenate([clump(i, 5, spread=0.005) for i in range(20)])
    outside, own = (
        [measure(rows_with(v, around=reference), "hashed") for v in (clumps, wide)]
        for measure in (novelsum, novelsum_self)
    )
    assert outside[0] < outside[1]
    assert own[0] / own[1] > outside[0] / outside[1]


def test_density_is_bounded_and_reasons_are_given() -> None:
    assert densities(np.asarray([[0.0, 0.0], [0.1, 0.3]], dtype=np.float32)).tolist() == pytest.approx([100.0, 5.0])
    with pytest.raises(Unmeasurable, match="no reference corpus"):
        novelsum(rows_with(basis(5)), "hashed")
    with pytest.raises(Unmeasurable, match="needs 10 rows of the reference and it has 9"):
        novelsum(rows_with(basis(5), around=Around(reference=rows_with(basis(9)))), "hashed")
    with pytest.raises(Unmeasurable, match="two rows"):
        novelsum(rows_with(basis(1), around=Around(reference=rows_with(basis(10)))), "hashed")
    with pytest.raises(Unmeasurable, match="two rows"):
        novelsum_self(rows_with(basis(1)), "hashed")
