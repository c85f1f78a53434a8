"""Effective semantic diversity against plain loops over rows and pairs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures.diversity.effective import effective_fixed, effective_pairwise
from qdcbench.measures.known import Known
from qdcbench.measures.rows import Rows, Unmeasurable

ROWS = st.lists(
    st.tuples(st.sampled_from([True, True, False, None]), st.sampled_from(["m", "n", "o", None])),
    min_size=2,
    max_size=30,
).filter(lambda rows: any(c is not None for c, _ in rows) and any(m is not None for _, m in rows))

Found = list[tuple[bool | None, str | None]]


def rows_of(found: Found) -> Rows:
    known = Known(correct=tuple(c for c, _ in found), meaning=tuple(m for _, m in found))
    return Rows(prompts=("p",) * len(found), completions=("c",) * len(found), known=known)


@given(ROWS)
@settings(deadline=None)
def test_both_forms_equal_plain_loops(found: Found) -> None:
    rows = rows_of(found)
    valid = [c is True and m is not None for c, m in found]
    distinct = {m for (_, m), good in zip(found, valid, strict=True) if good}
    assert effective_fixed(rows) == pytest.approx(len(distinct) / len(found))
    scores = [
        float(valid[i] and valid[j] and found[i][1] != found[j][1]) for i, j in combinations(range(len(found)), 2)
    ]
    assert effective_pairwise(rows) == pytest.approx(sum(scores) / len(scores))


@given(ROWS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_does_not_matter_and_a_wrong_answer_never_helps(found: Found, rng: object) -> None:
    shuffled = list(found)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert effective_fixed(rows_of(shuffled)) == effective_fixed(rows_of(found))
    assert effective_pairwise(rows_of(shuffled)) == effective_pairwise(rows_of(found))
    spoilt = [(False, found[0][1]), *found[1:]]
    if any(c is not None for c, _ in spoilt):
        assert effective_fixed(rows_of(spoilt)) <= effective_fixed(rows_of(found))
        assert effective_pairwise(rows_of(spoilt)) <= effective_pairwise(rows_of(found))


def test_ends_of_the_range() -> None:
    different: Found = [(True, f"m{i}") for i in range(50)]
    assert effective_fixed(rows_of(different)) == effective_pairwise(rows_of(different)) == 1.0
    assert effective_pairwise(rows_of([(True, "m")] * 50)) == 0.0
    assert effective_fixed(rows_of([(True, "m")] * 50)) == 1 / 50
    assert effective_fixed(rows_of([(False, "m"), (False, "n")])) == 0.0
    halves = rows_of(different).take(np.arange(25))
    assert effective_fixed(halves) == 1.0


def test_what_is_missing_is_said() -> None:
    with pytest.raises(Unmeasurable, match="no row was checked"):
        effective_fixed(Rows(prompts=("p",), completions=("c",), known=Known(meaning=("m",))))
    with pytest.raises(Unmeasurable, match="which rows mean the same"):
        effective_fixed(rows_of([(True, None)]))
    with pytest.raises(Unmeasurable, match="could tell about no row"):
        effective_pairwise(rows_of([(None, "m"), (None, "n")]))
    with pytest.raises(Unmeasurable, match="fewer than two"):
        effective_pairwise(rows_of([(True, "m")]))
