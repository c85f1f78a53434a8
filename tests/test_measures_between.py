"""Rows of several generators against loops over pairs, and what writing alike must look like."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit_vectors import Vectors, basis, clump, rows_with, scaled, unit

from qdcbench.measures import Rows, Unmeasurable, measure_rows
from qdcbench.measures.diversity import vectors
from qdcbench.measures.diversity.between import between_generators, between_over_within
from qdcbench.measures.known import Known

parts = st.lists(st.integers(2, 9), min_size=2, max_size=4)


def rows_by(groups: list[Vectors], order: np.ndarray | None = None) -> Rows:
    """Return the rows of generators a, b, ... one after another, or in a given order."""
    found = np.concatenate(groups)
    names = [chr(ord("a") + i) for i, group in enumerate(groups) for _ in group]
    order = np.arange(len(found)) if order is None else order
    return rows_with(found[order], Known(generator=tuple(names[i] for i in order)))


@settings(deadline=None, max_examples=40)
@given(parts, st.integers(2, 12), st.integers(0, 10_000))
def test_both_equal_loops_over_pairs_of_rows(sizes: list[int], d: int, seed: int) -> None:
    groups = [unit(n, d, seed + i, lean=float(i)) for i, n in enumerate(sizes)]
    across = [
        np.mean([1 - float(x.astype(float) @ y.astype(float)) for x, y in product(a, b)])
        for a, b in combinations(groups, 2)
    ]
    within = [
        np.mean([1 - float(x.astype(float) @ y.astype(float)) for x, y in combinations(group, 2)]) for group in groups
    ]
    rows = rows_by(groups, np.random.default_rng(seed).permutation(sum(sizes)))
    assert between_generators(rows, "hashed") == pytest.approx(np.mean(across), abs=1e-6)
    assert between_over_within(rows, "hashed") == pytest.approx(np.mean(across) / np.mean(within), rel=1e-4)


def test_values_by_hand() -> None:
    one, other = basis(2, 4), basis(4, 4)[2:]
    assert between_generators(rows_by([one, other]), "hashed") == 1.0
    assert between_over_within(rows_by([one, other]), "hashed") == pytest.approx(1.0)
    # The same two texts by both: half of the pairs across are copies.
    assert between_generators(rows_by([one, one]), "hashed") == 0.5
    tight = scaled(np.asarray([[1, 0], [0.8, 0.6]]))
    # Distance within .2; across 1, .4 twice as 1 - .6, and 1 - 0.
    upright = scaled(np.asarray([[0, 1], [0.6, 0.8]]))
    across = ((1 - 0) + (1 - 0.6) + (1 - 0.6) + (1 - 0.96)) / 4
    assert between_generators(rows_by([tight, upright]), "hashed") == pytest.approx(across)
    assert between_over_within(rows_by([tight, upright]), "hashed") == pytest.approx(across / 0.2, rel=1e-5)


def test_generators_that_write_alike_are_at_one_and_others_above() -> None:
    alike = rows_by([unit(400, 30, 1), unit(400, 30, 2), unit(400, 30, 3)])
    assert between_over_within(alike, "hashed") == pytest.approx(1.0, abs=0.02)
    apart = rows_by([clump(0, 40), clump(1, 40)])
    assert between_over_within(apart, "hashed") > 3
    assert between_generators(apart, "hashed") > between_generators(
        rows_by([clump(0, 40), clump(0, 40, seed=1)]), "hashed"
    )


def test_who_wrote_most_does_not_count_more() -> None:
    few, many = unit(20, 10, 1), unit(20, 10, 2, lean=2.0)
    balanced = between_generators(rows_by([few, many]), "hashed")
    assert between_generators(rows_by([few, np.tile(many, (5, 1))]), "hashed") == pytest.approx(balanced, abs=1e-6)


def test_reasons() -> None:
    with pytest.raises(Unmeasurable, match="do not say who wrote them"):
        between_generators(rows_with(basis(4)), "hashed")
    with pytest.raises(Unmeasurable, match="all rows are by one generator"):
        between_generators(rows_by([basis(4)]), "hashed")
    singles = rows_by([basis(1), basis(2)[1:], basis(6)[2:]])
    assert between_generators(singles, "hashed") == 1.0
    with pytest.raises(Unmeasurable, match="fewer than two generators wrote two rows"):
        between_over_within(singles, "hashed")
    repeating = rows_by([np.repeat(basis(1), 5, axis=0), np.repeat(basis(2)[1:], 5, axis=0)])
    with pytest.raises(Unmeasurable, match="all alike"):
        between_over_within(repeating, "hashed")


def test_the_instrument_takes_both_of_both_sides() -> None:
    prompts = tuple(f"{('sing', 'count')[i % 2]} of the {i}th {('river', 'king')[i % 2]}" for i in range(100))
    rows = Rows(
        prompts=prompts, completions=prompts[::-1], known=Known(generator=tuple("ab"[i % 2] for i in range(100)))
    )
    table = {row.name: row for row in vectors.measures("hashed") if row.name.startswith("between")}
    assert len(table) == 4
    for m in measure_rows(rows, n=80, seed_stream=np.random.default_rng(0), table=table):
        assert m.value is not None
        assert m.low is not None
        assert m.low <= m.value <= (m.high or 0)
        if m.metric.startswith("between_over_within"):
            assert m.low > 1
