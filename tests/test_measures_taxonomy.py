"""Coverage of a taxonomy by level and leaf, drift between aim and outcome, tags."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures.diversity.structure import measures
from qdcbench.measures.diversity.tags import tag_coverage, tags_seen
from qdcbench.measures.diversity.taxonomy import leaf_coverage, level_coverage, level_ratios, taxonomy_drift
from qdcbench.measures.known import Around, Known
from qdcbench.measures.rows import Rows, Unmeasurable

TREE = ("a/x/1", "a/x/2", "a/y", "b", "c/z")


def rows_of(taxonomy: tuple[str, ...] = TREE, universe: int | None = None, **columns: tuple[object, ...]) -> Rows:
    n = len(next(iter(columns.values())))
    known, around = Known(**columns), Around(taxonomy=taxonomy, tag_universe=universe)  # type: ignore[arg-type]
    return Rows(prompts=("p",) * n, completions=("c",) * n, known=known, around=around)


def test_levels_and_leaves_by_hand() -> None:
    rows = rows_of(aimed=("a/x/1", "b", "b", None, "nowhere/at/all"))
    # a and b of a, b, c; a/x of a/x, a/y, c/z; a/x/1 of a/x/1, a/x/2; leaves a/x/1 and b of a/x/1, a/x/2, a/y, b, c/z
    assert level_ratios(rows, "aimed") == (2 / 3, 1 / 3, 1 / 2)
    assert level_coverage(rows, "aimed") == pytest.approx((2 / 3 + 1 / 3 + 1 / 2) / 3)
    assert leaf_coverage(rows, "aimed") == 2 / 5
    with pytest.raises(Unmeasurable, match="nobody placed"):
        level_coverage(rows, "assigned")
    with pytest.raises(Unmeasurable, match="nobody gave the taxonomy"):
        leaf_coverage(rows_of((), aimed=("a",)), "aimed")


nodes = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join), min_size=1, max_size=20)


@given(nodes, nodes)
@settings(deadline=None)
def test_coverage_equals_a_count_of_prefixes_and_only_grows_with_rows(taxonomy: list[str], hit: list[str]) -> None:
    rows = rows_of(tuple(taxonomy), assigned=tuple(hit))
    everything = {tuple(node.split("/")[:depth]) for node in taxonomy for depth in (1, 2, 3)}
    found = {tuple(node.split("/")[:depth]) for node in hit for depth in (1, 2, 3)}
    for level, ratio in enumerate(level_ratios(rows, "assigned"), 1):
        there = {node for node in everything if len(node) == level}
        assert ratio == len(there & found) / len(there)
    half = rows.take(np.arange((len(hit) + 1) // 2))
    assert level_coverage(half, "assigned") <= level_coverage(rows, "assigned") <= 1
    assert leaf_coverage(half, "assigned") <= leaf_coverage(rows, "assigned") <= 1
    assert leaf_coverage(rows_of(tuple(taxonomy), assigned=tuple(taxonomy)), "assigned") == 1


def test_drift_is_anything_but_the_aim_or_below_it() -> None:
    aimed = ("a/x", "a/x", "a/x", "a/x", "a/x", None)
    assigned = ("a/x", "a/x/1", "a/xy", "a", None, "b")
    drift = taxonomy_drift(rows_of(aimed=aimed, assigned=assigned))
    assert drift[:5].tolist() == [0, 0, 1, 1, 1]
    assert np.isnan(drift[5])
    with pytest.raises(Unmeasurable, match="no row says"):
        taxonomy_drift(rows_of(aimed=(None,), assigned=("a",)))


def test_tags_seen_of_the_pool() -> None:
    rows = rows_of(universe=8, tags=(("a", "b"), None, (), ("b",)))
    assert tags_seen(rows) == 2
    assert tag_coverage(rows) == 0.25
    with pytest.raises(Unmeasurable, match="2 tags occur where the pool is said to have 1"):
        tag_coverage(rows_of(universe=1, tags=(("a", "b"),)))
    with pytest.raises(Unmeasurable, match="nobody counted"):
        tag_coverage(rows_of(tags=(("a", "b"),)))
    with pytest.raises(Unmeasurable, match="no row has tags"):
        tags_seen(rows_of(tags=(None,)))


def test_the_measures_of_known_things_are_registered() -> None:
    table = {row.name: row for row in measures()}
    assert {"pair_coverage", "taxonomy_coverage_aimed", "taxonomy_leaves_assigned", "tag_coverage"} < set(table)
    assert "classifier" in table["taxonomy_coverage_assigned"].card.summary
    assert "generator aimed at" in table["taxonomy_coverage_aimed"].card.summary
    rows = rows_of(aimed=("a/x/1", "b"), assigned=("b", "b"))
    for name in ("taxonomy_coverage_assigned", "taxonomy_leaves_assigned"):
        assigned, aimed = table[name].whole, table[name.replace("assigned", "aimed")].whole
        assert assigned and aimed
        assert assigned(rows) < aimed(rows)
