"""Shares, collinearity, spread, separations and budgets: tables that read back, and grids that say the same."""

import io
import runpy
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from qdcbench.report.grids import separation_grids, share_grid, track_grids, variance_grid
from qdcbench.report.page_sections import inference_sections
from qdcbench.report.spread_tables import (
    collinearity_table,
    separation_table,
    share_table,
    track_table,
    variance_table,
)
from qdcbench.report.table_forms import to_csv
from qdcbench.report.text import group_title

HERE = Path(__file__)
build_edition = runpy.run_path(str(HERE.with_name("report_edition.py")))["build_edition"]
invented = runpy.run_path(str(HERE.with_name("report_inference.py")))


@pytest.fixture(scope="module")
def analysis():
    return invented["fill"](build_edition(repetitions=2)[0])


def frame_of(table):
    return pd.read_csv(io.StringIO(to_csv(table)))


def test_shares_read_back_and_add_up_in_the_grid(analysis):
    frame = frame_of(share_table(analysis))
    assert list(frame["share"]) == pytest.approx([s.share.point for s in analysis.shares])
    assert list(frame["share_low"]) == pytest.approx([s.share.low for s in analysis.shares])
    grid = frame_of(share_grid(analysis))
    parts = ["quality", "diversity", "complexity", "training_words", "length"]
    assert list(grid[parts].sum(axis=1)) == pytest.approx(list(grid["r_squared"]))


def test_collinearity_has_no_number_where_there_is_none_and_says_why(analysis):
    frame = frame_of(collinearity_table(analysis)).set_index("regressor")
    assert frame["vif"].isna().sum() == 1 and frame.loc["length", "reason"] == "constant"
    assert frame.loc["quality", "r_diversity"] == 0.31 and pd.isna(frame.loc["quality", "r_quality"])


def test_what_a_design_cannot_tell_is_a_dash_with_its_reason(analysis):
    frame = frame_of(variance_table(analysis))
    unknown = frame[frame["source"] == "probe seed"]
    assert unknown["share"].isna().all() and set(unknown["reason"]) == {"one probe a dataset"}
    grid = variance_grid(analysis)
    assert "in no share: probe seed: one probe a dataset" in grid.note
    assert len(grid.rows) == 2 * len(analysis.groups)
    column = [c.key for c in grid.columns].index("generation_seed")
    assert {row[column].text for row in grid.rows} == {"21%"}


def test_neighbours_are_in_the_order_of_their_ranking(analysis):
    tables = separation_grids(analysis)
    assert len(tables) == 2 * len(analysis.groups)
    assert sum(len(t.rows) for t in tables) == len(frame_of(separation_table(analysis)))
    for table in tables:
        frame = frame_of(table)
        assert list(frame["worse"])[:-1] == list(frame["better"])[1:], "each arm is compared with the one below it"
        assert frame["repetitions_needed"].isna().sum() == 1 and "the two are equal" in set(frame["reason"])


def test_tracks_read_back_and_name_who_is_left_out(analysis):
    table = track_table(analysis)
    frame = frame_of(table)
    assert len(frame) == sum(len(t.points) for t in analysis.tracks)
    first = frame[(frame["setting"] == group_title(analysis.tracks[0].setting)) & (frame["budget"] == "rows")]
    assert list(first[first["amount"] == 500]["place"].head(3)) == [1, 2, 3]
    assert "left out somewhere: 1 arms" in table.note
    grids = track_grids(analysis)
    assert [left_out for _, _, left_out in grids] == [t.left_out for t in analysis.tracks]
    assert sum(len(grid.rows) for _, grid, _ in grids) == len(frame)


def test_id_comes_before_ood_and_both_before_other_scores(analysis):
    found = tuple(replace(v, score=score) for score in ("ood_pairs:exact_match", "ood:exact_match", "id:exact_match")
                  for v in analysis.variances[:1])  # fmt: skip
    frame = frame_of(variance_table(replace(analysis, variances=found)))
    assert list(frame["score"]) == ["ID", "OOD", "OOD pairs"]


def test_the_page_shows_id_and_ood_and_leaves_other_scores_to_the_files(analysis):
    more = tuple(replace(s, score="ood_pairs:exact_match") for s in analysis.separations)
    both = replace(analysis, separations=(*analysis.separations, *more))
    assert str(inference_sections(both)) == str(inference_sections(analysis))
    only = str(inference_sections(replace(analysis, separations=more)))
    assert "OOD pairs" in only


def test_tables_stand_in_the_order_of_groups_whatever_the_order_of_the_analysis(analysis):
    turned = replace(analysis, variances=analysis.variances[::-1], separations=analysis.separations)
    first = frame_of(variance_table(turned))["setting"].iloc[0]
    assert first == frame_of(variance_table(analysis))["setting"].iloc[0]
