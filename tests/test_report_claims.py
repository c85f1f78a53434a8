"""Claims beside each other: studies, verdicts without a study, what each test found, in tables and on the page."""

import io
import re
import runpy
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from qdcbench.records import Interval
from qdcbench.report.claims import claims_in_order, outcome_words, told
from qdcbench.report.grids import factorial_grids
from qdcbench.report.page_sections import claims_section, inference_sections
from qdcbench.report.study_tables import factorial_table, study_table
from qdcbench.report.table_forms import to_csv, to_latex, to_markdown
from qdcbench.report.tables import all_tables, verdict_table

HERE = Path(__file__)
build_edition = runpy.run_path(str(HERE.with_name("report_edition.py")))["build_edition"]
invented = runpy.run_path(str(HERE.with_name("report_inference.py")))
fill = invented["fill"]
HOSTILE = "</script><img src=x onerror=alert(1)>'\"`{{ data }}|$_\\"


@pytest.fixture(scope="module")
def plain_edition():
    return build_edition(repetitions=2)[0]


@pytest.fixture(scope="module")
def analysis(plain_edition):
    return fill(plain_edition)


def test_each_claim_stands_once_a_scope_and_design_and_its_designs_beside_each_other(analysis):
    claims = claims_in_order(analysis)
    keys = [(c.scope, c.name, c.design) for c in claims]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {(s.scope, s.name, s.design) for s in analysis.studies} | {
        (v.scope, v.claim, v.design) for v in analysis.verdicts
    }
    simulated = [(c.name, c.design) for c in claims if c.scope == "simulated"]
    assert simulated[:2] == [("F1", "observational"), ("F1", "interventional")]
    assert simulated[-1] == ("T", "interventional")


def test_the_order_of_studies_and_verdicts_in_the_analysis_changes_nothing_within_a_claim(analysis):
    shuffled = replace(analysis, studies=analysis.studies[::-1])
    assert claims_in_order(shuffled) == claims_in_order(analysis)


def test_a_verdict_without_a_study_keeps_its_words(plain_edition):
    claims = claims_in_order(plain_edition)
    assert [(c.name, c.evidence, c.rule) for c in claims] == [
        (v.claim, v.evidence, v.rule) for v in plain_edition.verdicts
    ]
    assert all(c.design == "observational" and c.declared == "after" and not c.tests for c in claims)


def test_a_studys_sentence_takes_the_place_of_its_verdict(analysis):
    table = verdict_table(analysis)
    keys = [column.key for column in table.columns]
    said = {row[keys.index("evidence")].text for row in table.rows}
    assert {s.sentence for s in analysis.studies} <= said
    assert {row[keys.index("declared")].text for row in table.rows} == {"before", "after"}
    assert table.rules, "a line parts the scopes"


def test_the_table_of_studies_reads_back_to_the_analysis(analysis):
    frame = pd.read_csv(io.StringIO(to_csv(study_table(analysis))))
    tests = [(s, t) for s in analysis.studies for t in s.tests]
    assert len(frame) == len(tests)
    for study, test in tests:
        mine = frame[(frame["claim"] == study.name) & (frame["design"] == study.design)]
        (row,) = [r for _, r in mine.iterrows() if f"{r['outcome']} {r['expected']}" == outcome_words(analysis, test)]
        assert row["effect"] == pytest.approx(test.effect.point)
        assert (row["effect_low"], row["adjusted_high"]) == pytest.approx((test.effect.low, test.adjusted.high))
        assert row["p_adjusted"] == test.p_adjusted and row["detectable"] == pytest.approx(test.detectable)
        assert (row["answer"], row["found"], row["declared"]) == (study.answer, test.answer, study.declared)
        assert (row["n_units"], row["n_clusters"]) == (test.n_units, test.n_clusters)


def test_what_was_not_tested_is_a_dash_and_no_clause(analysis):
    study = analysis.studies[0]
    unknown = Interval(point=None, low=None, high=None, reason="too few methods")
    bare = replace(study.tests[0], effect=unknown, adjusted=None, p_adjusted=None, p_equivalence=None,
                   p_permutation=None, detectable=None)  # fmt: skip
    one = replace(analysis, studies=(replace(study, tests=(bare,)),))
    (row,) = study_table(one).rows
    assert [cell.text for cell in row][8:10] == ["–", "–"]
    assert "adjusted p" not in "; ".join(told(analysis, bare)) and "detectable" not in "; ".join(told(analysis, bare))
    assert "174 datasets, 20 independent" in told(analysis, bare)


def test_the_table_of_the_factorial_and_its_grid_hold_the_same_numbers(analysis):
    frame = pd.read_csv(io.StringIO(to_csv(factorial_table(analysis)))).set_index(["factor", "outcome"])
    (grid,) = factorial_grids(analysis)
    assert len(frame) == len(analysis.factorial)
    names = [column.header for column in grid.columns[1:]]
    seen = 0
    for row in grid.rows:
        for name, cell in zip(names, row[1:], strict=True):
            assert cell.values[0] == pytest.approx(frame.loc[(row[0].text, name), "effect"])
            seen += 1
    assert seen == len(frame)
    assert grid.rules == (3, 6), "lines part dials, interactions of two, interactions of three"


def test_a_dot_marks_what_is_sure_after_correction(analysis):
    for p, marked in ((0.049, True), (0.051, False), (None, False)):
        effects = tuple(replace(e, p_adjusted=p) for e in analysis.factorial)
        (grid,) = factorial_grids(replace(analysis, factorial=effects))
        assert {cell.text.endswith("•") for row in grid.rows for cell in row[1:]} == {marked}


def test_an_effect_that_is_missing_in_a_cell_is_a_dash(analysis):
    (grid,) = factorial_grids(replace(analysis, factorial=analysis.factorial[1:]))
    assert [cell.text for row in grid.rows for cell in row].count("–") == 1


def test_tables_that_would_be_empty_are_not_there(plain_edition, analysis):
    new = {"studies", "factorial", "shares", "collinearity", "variance", "separations", "tracks"}
    assert not new & {table.name for table in all_tables(plain_edition)}
    assert new <= {table.name for table in all_tables(analysis)}
    for table in all_tables(analysis):
        assert table.rows or not new & {table.name}
        assert all(len(row) == len(table.columns) for row in table.rows)
        for row in table.rows:
            assert all(len(c.values) == len(k.parts) for c, k in zip(row, table.columns, strict=True)), table.name


def test_hostile_names_stay_text_in_every_table_and_section(analysis):
    studies = tuple(
        replace(s, name=HOSTILE, claim=HOSTILE, sentence=HOSTILE, rule=HOSTILE, factor=HOSTILE,
                tests=tuple(replace(t, reason=HOSTILE, unit=HOSTILE, by_group=((HOSTILE, t.effect),) * 2)
                            for t in s.tests))
        for s in analysis.studies
    )  # fmt: skip
    hostile = replace(
        analysis, studies=studies, edition=HOSTILE,
        factorial=tuple(replace(e, method=HOSTILE, factors=(HOSTILE,)) for e in analysis.factorial),
        separations=tuple(replace(s, better=HOSTILE, reason=HOSTILE) for s in analysis.separations),
        variances=tuple(replace(v, source=HOSTILE, reason=HOSTILE) for v in analysis.variances),
        tracks=tuple(replace(t, left_out=(HOSTILE,)) for t in analysis.tracks),
    )  # fmt: skip
    page = str(claims_section(hostile)) + str(inference_sections(hostile))
    assert "<img" not in page and "</script" not in page and page.count("&lt;img") > 20
    for table in all_tables(hostile):
        assert not re.search(r"(?<!\\)<(?!/?sup>)", to_markdown(table))
        assert to_latex(table).count("\\begin{tabular}") == 1


def test_the_page_says_of_each_claim_how_it_was_asked_and_whether_it_was_declared(analysis):
    page = str(claims_section(analysis))
    assert page.count('class="card ') == len(claims_in_order(analysis))
    assert page.count("declared before the runs") == sum(c.declared == "before" for c in claims_in_order(analysis))
    assert page.count("rule not in the records") == sum(c.declared == "after" for c in claims_in_order(analysis))
    assert all(study.sentence in page for study in analysis.studies)
    assert "In each group alone" in page and "adjusted p 0.030" in page


def test_sections_without_anything_to_say_are_not_on_the_page(plain_edition):
    assert str(inference_sections(plain_edition)) == ""
    nothing = replace(plain_edition, verdicts=())
    assert "hidden>" in str(claims_section(nothing)).partition("<h2")[0]


def test_sections_stand_for_what_the_analysis_has(analysis):
    page = str(inference_sections(analysis))
    found = [name for name in ("interventions", "shares", "spread", "tracks") if f'id="{name}"' in page]
    assert found == ["interventions", "shares", "spread", "tracks"]
    only = replace(analysis, factorial=(), shares=(), collinearity=(), separations=(), tracks=())
    assert 'id="spread"' in str(inference_sections(only)) and 'id="tracks"' not in str(inference_sections(only))
