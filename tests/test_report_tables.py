import io
import re
import runpy
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from qdcbench.errors import StoreError
from qdcbench.records import Interval
from qdcbench.report.cells import word
from qdcbench.report.table_forms import TerminalTable, latex_text, to_csv, to_latex, to_markdown
from qdcbench.report.tables import (
    all_tables,
    main_table,
    relation_table,
    terminal_tables,
    verdict_table,
    write_tables,
)

build_edition = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))["build_edition"]
HOSTILE = 'a|b_{$\\x} [bold]y[/bold] <script>, "q" & ~^#%\n```'
SPECIAL = re.compile(r"(?<!\\)[#%_$&]")


@pytest.fixture(scope="module")
def analysis():
    return build_edition()[0]


@pytest.fixture(scope="module")
def hostile():
    arms = {HOSTILE: ("method", 0.8, 0.5, 2.0, 1000), "plain": ("control", 0.9, 0.4, 1.5, 0)}
    return build_edition(teachers=["scripted:strong"], arms=arms, edition=HOSTILE)[0]


def shown(table, width=200):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(table)
    return console.file.getvalue()


def test_csv_parses_back_to_the_analysis(analysis):
    group = analysis.groups[0]
    frame = pd.read_csv(io.StringIO(to_csv(main_table(analysis, group)))).set_index("arm")
    arms = {arm.arm: arm for arm in analysis.arms if arm.group == group}
    assert set(frame.index) == set(arms)
    for name, arm in arms.items():
        assert frame.loc[name, "ood"] == pytest.approx(arm.scores["ood:exact_match"].point)
        assert frame.loc[name, "quality_low"] == pytest.approx(arm.measures["verified_share"].low)
        assert frame.loc[name, "teacher_tokens"] == arm.teacher_tokens.point
        assert frame.loc[name, "datasets_promised"] == arm.promised
    ranks = next(r for r in analysis.rankings if (r.group, r.score) == (group, "ood:exact_match")).ranks
    assert {rank.arm: rank.tie_group for rank in ranks} == frame["ood_tie"].dropna().to_dict()


def test_a_row_is_cheaper_without_the_set_up_for_the_method_that_has_one(analysis):
    for group in analysis.groups:
        frame = pd.read_csv(io.StringIO(to_csv(main_table(analysis, group)))).set_index("arm")
        cheaper = frame["row_tokens_amortised"] < frame["row_tokens"]
        assert list(frame.index[cheaper]) == ["persona"]
        assert frame.loc["persona", "row_tokens_amortised"] == pytest.approx(260 * 2 / 3, rel=0.01)
        assert (frame["row_tokens"] == frame["teacher_tokens"] / 1000).all()


def test_money_has_columns_only_where_a_teacher_has_a_price(analysis):
    for group in analysis.groups:
        frame = pd.read_csv(io.StringIO(to_csv(main_table(analysis, group)))).set_index("arm")
        assert ("row_money" in frame) == ("openai:" in group)
        if "row_money" in frame:
            assert frame.loc["persona", "row_money"] == pytest.approx(0.26 / 1000)
            assert frame.loc["persona", "row_money_amortised"] < frame.loc["persona", "row_money"]


def test_a_cost_that_no_record_tells_is_a_dash_and_an_empty_field(analysis):
    unknown = Interval(point=None, low=None, high=None, reason="the record is older")
    arms = tuple(replace(arm, row_tokens_amortised=unknown) for arm in analysis.arms)
    table = main_table(replace(analysis, arms=arms), analysis.groups[0])
    place = [column.key for column in table.columns].index("row_tokens_amortised")
    assert {row[place].text for row in table.rows} == {"–"}
    assert pd.read_csv(io.StringIO(to_csv(table)))["row_tokens_amortised"].isna().all()


def test_simulated_and_real_are_never_in_one_table(analysis):
    simulated = {arm.arm + arm.group: arm.simulated for arm in analysis.arms}
    for group in analysis.groups:
        table = main_table(analysis, group)
        kinds = {simulated[row[0].text + group] for row in table.rows}
        assert len(kinds) == 1
        assert ("simulated" in table.title) == kinds.pop()


def test_the_larger_group_is_first_in_every_list_of_tables(analysis):
    for group in analysis.groups:
        arms = tuple(replace(a, promised=a.promised + (a.group == group)) for a in analysis.arms)
        more = replace(analysis, arms=arms)
        assert all_tables(more)[0].title.startswith(group.replace("|", " · "))
        assert terminal_tables(more)[0].table.title == all_tables(more)[0].title
        assert relation_table(more, primary=True).rows[0][0].text == group.replace("|", " · ")


def test_a_table_says_once_why_it_has_no_brackets(analysis):
    single, _ = build_edition(repetitions=1)
    assert main_table(single, single.groups[0]).note.count("one repetition") == 1
    assert "no brackets" not in main_table(analysis, analysis.groups[0]).note


def test_rule_stands_before_the_first_control(analysis):
    table = main_table(analysis, analysis.groups[0])
    (rule,) = table.rules
    roles = [row[1].text for row in table.rows]
    assert set(roles[rule:]) == {"control"} and "control" not in roles[:rule]


def test_relations_split_into_primary_and_exploratory(analysis):
    both = [relation_table(analysis, primary=p) for p in (True, False)]
    assert sum(len(t.rows) for t in both) == len(analysis.relations)
    frame = pd.read_csv(io.StringIO(to_csv(both[0])))
    assert set(frame["measure"]) == {"verified_share", "pair_entropy", "depth"}
    assert (frame["effect_low"] < frame["effect"]).all()


def test_an_invalid_edition_says_so_in_every_table_of_results(analysis):
    broken = replace(analysis, valid=False, invalid_because=("wrong answers did not lower ID",))
    assert "INVALID" in main_table(broken, broken.groups[0]).note
    assert "wrong answers did not lower ID" in verdict_table(broken).note


def environments(text):
    return [re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end")]


def assert_latex_is_sound(text, columns):
    begun, ended = environments(text)
    assert begun == ended[::-1] == ["table", "tabular"]
    bare = re.sub(r"\\\\|\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1


@pytest.mark.parametrize("which", ["analysis", "hostile"])
def test_latex_is_balanced(which, request):
    for table in all_tables(request.getfixturevalue(which)):
        assert_latex_is_sound(to_latex(table), len(table.columns))


@given(st.text(max_size=60))
def test_latex_text_leaves_nothing_special(text):
    escaped = latex_text(text)
    without = re.sub(r"\\text[a-z]+\{\}|\\[{}$&#%_]|\$(-|\^2|\\(leq|geq|times|to|pm))\$", "", escaped)
    assert not re.search(r"[\\{}$&#%_^~]", without) and "\n" not in escaped


def test_markdown_keeps_its_columns_whatever_the_names(hostile):
    for table in all_tables(hostile):
        lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(table.columns) + 1}
        assert "<script>" not in to_markdown(table)


def test_hostile_names_survive_csv_and_are_not_markup_in_the_terminal(hostile):
    table = main_table(hostile, hostile.groups[0])
    assert HOSTILE in set(pd.read_csv(io.StringIO(to_csv(table)))["arm"])
    assert "[bold]y[/bold]" in shown(TerminalTable(table))


def test_terminal_tables_fit_eighty_columns_without_an_error(analysis):
    tables = terminal_tables(analysis)
    assert len(tables) == len(analysis.groups) + 1
    for width in (60, 80, 200):
        text = "".join(shown(table, width) for table in tables)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "taxonomy_tree" in text and "0.400 ±0.005 a" in text
    assert "self_improvement[rounds=3]" in text and "undetermined" in text


def test_verdicts_in_a_terminal_are_whole_paragraphs_and_no_markup(analysis):
    verdicts = terminal_tables(analysis)[-1]
    place = [column.key for column in verdicts.table.columns].index("evidence")
    first = tuple(word("[bold]y[/bold]") if i == place else cell for i, cell in enumerate(verdicts.table.rows[0]))
    hostile = replace(verdicts, table=replace(verdicts.table, rows=(first, *verdicts.table.rows[1:])))
    text = " ".join(shown(hostile, 80).split())
    assert "[bold]y[/bold]" in text
    assert len(verdicts.table.rows) > 1
    for row in verdicts.table.rows[1:]:
        assert " ".join(row[place].text.split()) in text


def test_files_are_the_same_each_time(analysis, tmp_path):
    first, second = (write_tables(analysis, tmp_path / name) for name in "ab")
    assert [p.name for p in first] == [p.name for p in second]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert {"verdicts.md", "verdicts.csv", "verdicts.tex", "relations_exploratory.csv"} <= {p.name for p in first}


def test_groups_with_alike_names_do_not_share_a_file(tmp_path):
    analysis, _ = build_edition(teachers=["openai:a.b", "openai:a-b"], repetitions=2)
    paths = write_tables(analysis, tmp_path)
    assert len(set(paths)) == len(paths)


def test_a_folder_that_cannot_be_written_is_one_sentence(analysis, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        write_tables(analysis, tmp_path / "taken")
