"""G-Vendi by hand and against the n x n form."""

import numpy as np
import pytest
from unit_vectors import Vectors, basis, unit

from qdcbench.measures import Rows, Unmeasurable, measure_rows
from qdcbench.measures.diversity import vectors
from qdcbench.measures.diversity.gradients import g_vendi
from qdcbench.measures.known import Known


def rows_of(gradient: Vectors | None) -> Rows:
    texts = tuple(f"{i:04}" for i in range(0 if gradient is None else len(gradient))) or ("a",)
    return Rows(prompts=texts, completions=texts, known=Known(gradient=gradient))


@pytest.mark.parametrize(("n", "w"), [(30, 8), (8, 30)])
def test_value_equals_the_kernel_form(n: int, w: int) -> None:
    found = unit(n, w, 1)
    exact = found.astype(np.float64)
    values = np.linalg.eigvalsh(exact @ exact.T / n)
    values = values[values > 1e-10]
    assert g_vendi(rows_of(found)) == pytest.approx(float(np.prod(values**-values)), rel=1e-5)


def test_values_by_hand_and_copies() -> None:
    assert g_vendi(rows_of(basis(12))) == pytest.approx(12)
    assert g_vendi(rows_of(np.repeat(basis(1), 9, axis=0))) == pytest.approx(1)
    assert g_vendi(rows_of(np.tile(basis(5), (4, 1)))) == pytest.approx(5)
    clumps = np.concatenate([np.repeat(basis(1), 10, axis=0), np.repeat(basis(2)[1:], 10, axis=0)])
    assert g_vendi(rows_of(clumps)) == pytest.approx(2)


def test_the_instrument_takes_it_and_says_why_not() -> None:
    table = {row.name: row for row in vectors.measures_of_known()}
    taken = [
        measure_rows(rows, n=len(rows), seed_stream=np.random.default_rng(0), names=["g_vendi"], table=table)[0]
        for rows in (rows_of(unit(60, 16, 2)), rows_of(None))
    ]
    assert taken[0].low is not None
    assert taken[0].low < (taken[0].value or 0) < (taken[0].high or 0)
    assert taken[1].value is None
    assert "gradients" in taken[1].reason
    with pytest.raises(Unmeasurable):
        g_vendi(rows_of(np.zeros((3, 4), dtype=np.float32)))
