import runpy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.records import Interval
from qdcbench.report.groups import (
    group_facets,
    groups_in_order,
    groups_with_panels,
    left_out_note,
    scope_place,
    shown_relations,
)

module = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))
build_edition, ARMS = module["build_edition"], module["ARMS"]
FEW = {name: ARMS[name] for name in ("persona", "few_shot", "evol_instruct", "seeds_only")}
EDITION = build_edition(teachers=("scripted:b", "scripted:a", "openai:c"), repetitions=2, arms=FEW)


def with_sizes(sizes):
    """The edition with other numbers of promised datasets, one for each group."""
    analysis, _ = EDITION
    size = dict(zip(analysis.groups, sizes, strict=True))
    return replace(analysis, arms=tuple(replace(arm, promised=size[arm.group]) for arm in analysis.arms))


def without_estimates(analysis, group):
    none = Interval(point=None, low=None, high=None, reason="one dataset")
    relations = (replace(r, effect=none) if r.scope == group else r for r in analysis.relations)
    return replace(analysis, relations=tuple(relations))


@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.permutations(range(3)))
def test_the_group_with_most_datasets_is_first_and_ties_go_by_name(sizes, order):
    analysis = with_sizes(sizes)
    shuffled = replace(analysis, groups=tuple(analysis.groups[i] for i in order), arms=analysis.arms[::-1])
    found = groups_in_order(shuffled)
    assert found == groups_in_order(analysis) and sorted(found) == sorted(analysis.groups)
    size = dict(zip(analysis.groups, sizes, strict=True))
    assert all((size[a], b) > (size[b], a) for a, b in pairwise(found))


def test_scopes_are_wide_ones_then_groups_in_order_then_any_other():
    analysis = with_sizes((1, 2, 3))
    scopes = ["zzz", *sorted(analysis.groups), "real", "simulated"]
    found = sorted(scopes, key=lambda scope: scope_place(analysis, scope))
    assert found == ["simulated", "real", *analysis.groups[::-1], "zzz"]


def test_groups_of_one_or_two_arms_get_no_panel_unless_there_are_no_others():
    analysis, _ = EDITION
    small = analysis.groups[1]
    keep = [a for a in analysis.arms if a.group != small or a.arm in ("persona", "few_shot")]
    large, left_out = groups_with_panels(replace(analysis, arms=tuple(keep)))
    assert left_out == [small] and large == [g for g in groups_in_order(analysis) if g != small]
    assert "list_edits · scripted:a · rows-1k · native" in left_out_note(left_out)
    all_small = replace(analysis, arms=tuple(a for a in analysis.arms if a.arm in ("persona", "few_shot")))
    assert groups_with_panels(all_small) == (groups_in_order(all_small), [])
    assert left_out_note([]) == ""


def test_a_scope_without_estimates_is_left_out_and_named():
    analysis, _ = EDITION
    gone = analysis.groups[0]
    kept, left_out = shown_relations(analysis, without_estimates(analysis, gone).relations)
    assert left_out == [gone] and {r.scope for r in kept} == set(analysis.groups) - {gone}
    nothing = analysis
    for group in analysis.groups:
        nothing = without_estimates(nothing, group)
    assert shown_relations(nothing, nothing.relations) == (list(nothing.relations), [])


@pytest.mark.parametrize("alone", [True, False])
def test_a_group_alone_with_estimates_is_not_shown_beside_all_of_its_kind(alone):
    analysis, _ = EDITION
    b, a, real = analysis.groups
    wide = tuple(replace(r, scope="simulated") for r in analysis.relations if r.scope == a)
    less = without_estimates(analysis, b) if alone else analysis
    kept, _ = shown_relations(analysis, (*less.relations, *wide))
    assert {r.scope for r in kept} == {"simulated", real} | (set() if alone else {a, b})


def test_facets_come_from_runs_else_from_the_name():
    analysis, records = EDITION
    group = analysis.groups[2]
    expected = {"task": "list_edits", "teacher": "openai:c", "budget": "rows-1k", "selection": "native"}
    assert group_facets(group, records, analysis) == expected == group_facets(group, [], analysis)
    assert group_facets("free text", [], analysis) == {"task": "free text"}
