"""The 2 x 2 of a method's own filter and the common one: found in records, drawn with the numbers of the arms."""

import runpy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from qdcbench.editions import facts_of
from qdcbench.plan import Plan
from qdcbench.records import SelectionSpec, group_of
from qdcbench.report.filters import filter_data, filter_tables
from qdcbench.report.table_forms import to_csv, to_markdown
from qdcbench.report.tables import all_tables
from qdcbench.stages.analysis.filters import filtered_arms
from qdcbench.stages.analyze import analyze
from qdcbench.suite import Arm, Primary, Suite

edition_of = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))
invented_run, SETS = edition_of["invented_run"], edition_of["SETS"]
RULES = ("native", "none", "native+common", "common")


def under(record, rule, **changes):
    """The record with another rule, as if its data had been selected so."""
    name = record.spec.arm if rule == "native" else f"{record.spec.arm} [{rule}]"
    spec = replace(record.spec, selection=SelectionSpec(rule=rule), arm=name, **changes)
    rows = {"native": 900, "none": 1000, "common": 400, "native+common": 300}[rule]
    return replace(record, spec=spec, run_id=spec.run_id, dataset=replace(record.dataset, selected=rows))


def runs(teacher="scripted:strong", rules=RULES, arms=("evol_instruct", "self_instruct", "copies")):
    made = [invented_run(arm, teacher, repetition) for arm in arms for repetition in range(3)]
    return [under(record, rule) for record in made for rule in rules]


def analysis_of(records):
    suite = Suite(name="f", arms=(Arm(method="x"),), primary=Primary(complexity="depth"), root_seed=7)
    held_out = {name: "id" if name == "id" else "ood" for name in SETS}
    plan = Plan(suite=suite, held_out=held_out, cells=tuple(r.spec for r in records))
    return analyze(records, facts_of(plan, "f"))


@pytest.fixture(scope="module")
def analysis():
    return analysis_of(runs() + runs("openai:little-1b", ("native", "common")))


def test_methods_are_found_by_setting_and_controls_are_not(analysis):
    found = {(f.setting.split("|")[1], f.arm): f for f in analysis.filters}
    assert set(found) == {(t, m) for t in ("scripted:strong", "openai:little-1b")
                          for m in ("evol_instruct", "self_instruct")}  # fmt: skip
    strong = found["scripted:strong", "self_instruct"]
    assert strong.simulated and strong.method == "self_instruct"
    labels = {rule: "self_instruct" if rule == "native" else f"self_instruct [{rule}]" for rule in RULES}
    assert strong.rules == labels
    assert set(found["openai:little-1b", "self_instruct"].rules) == {"native", "common"}
    assert not found["openai:little-1b", "self_instruct"].simulated


def test_the_order_of_records_does_not_matter():
    records = runs()
    assert filtered_arms(records) == filtered_arms(records[::-1]) != ()


@pytest.mark.parametrize(
    "changes",
    [{"params": {"shots": 8}}, {"hashes": {"method": "cd" * 32}}, {"measure_n": 100}, {"probe": "short"},
     {"method_version": 2}, {"root_seed": 8}],
)  # fmt: skip
def test_records_that_differ_in_more_than_the_rule_are_no_comparison_of_filters(changes):
    made = [invented_run("persona", "scripted:strong", repetition) for repetition in range(2)]
    alike = [under(r, rule) for r in made for rule in ("native", "common")]
    other = [under(r, "native") for r in made] + [under(r, "common", **changes) for r in made]
    assert len(filtered_arms(alike)) == 1
    assert filtered_arms(other) == ()


def test_without_rules_there_is_no_table():
    found = analysis_of(runs(rules=("native",)))
    assert found.filters == () and filter_tables(found) == [] and filter_data(found) == []
    assert not any(table.name.startswith("filters") for table in all_tables(found))


def test_each_setting_has_a_table_of_its_own_with_the_numbers_of_its_arms(analysis):
    tables = filter_tables(analysis)
    assert [t.name for t in tables] == [
        "filters_list-edits-openai-little-1b-rows-1k", "filters_list-edits-scripted-strong-rows-1k",
    ]  # fmt: skip
    assert ["simulated" in t.title for t in tables] == [False, True]
    arms = {(a.group, a.arm): a for a in analysis.arms}
    rows = [[cell.values for cell in row] for row in tables[1].rows]
    assert [row[1][0] for row in rows] == ["none", "native", "common", "native+common"] * 2
    assert tables[1].rules == (4,)
    for name, rule, kept, accepted, quality, *_, ood, done in rows:
        label = name[0] if rule[0] == "native" else f"{name[0]} [{rule[0]}]"
        arm = arms[f"list_edits|scripted:strong|rows-1k|{rule[0]}", label]
        assert kept[0] == {"native": 900, "none": 1000, "common": 400, "native+common": 300}[rule[0]]
        for shown, value in ((accepted, arm.accepted_share), (quality, arm.measures["verified_share"]),
                             (ood, arm.scores["ood:exact_match"])):  # fmt: skip
            assert shown[:3] == (value.point, value.low, value.high)
        assert done == (3, 3)


def test_one_setting_alone_is_called_filters():
    (table,) = filter_tables(analysis_of(runs()))
    assert table.name == "filters"
    header, *lines = to_csv(table).splitlines()
    assert header.startswith("arm,rule,rows,rows_low,rows_high,rows_n,accepted,") and len(lines) == 8
    assert to_markdown(table).count("native+common") == 2


def test_a_rule_whose_runs_failed_is_a_row_with_its_coverage():
    records = runs(arms=("persona",))
    records = [edition_of["failed"](r) if r.spec.selection.rule == "common" else r for r in records]
    (table,) = filter_tables(analysis_of(records))
    shown = {row[1].text: row for row in table.rows}
    assert shown["common"][-1].text == "0/3" and shown["common"][4].text == "–"
    assert shown["native"][-1].text == "3/3" and shown["native"][4].text != "–"


def test_the_page_has_the_same_lines(analysis):
    data = filter_data(analysis)
    assert [block["simulated"] for block in data] == [False, True]
    for block, table in zip(data, filter_tables(analysis), strict=True):
        assert [(line["arm"], line["rule"]) for line in block["lines"]] == [(r[0].text, r[1].text) for r in table.rows]
        for column in block["columns"]:
            ends = [v for line in block["lines"] for v in line["cells"][column["key"]][:3] if v is not None]
            assert column["low"] == min(ends) and column["high"] == max(ends)
    firsts = [line["first"] for line in data[1]["lines"]]
    assert firsts == [True, False, False, False] * 2
    assert all(a["arm"] == b["arm"] or b["first"] for a, b in pairwise(data[1]["lines"]))


def test_groups_of_rules_are_never_one_table(analysis):
    assert {group_of(r.spec) for r in runs()} <= set(analysis.groups)
    assert len(analysis.groups) == 6
