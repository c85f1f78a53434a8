"""Shares and collinearity of the regressors of one scope, from a table of columns."""

import numpy as np
import pytest
from analysis_tables import SUITE, planted

from qdcbench.stages.analysis.shares import axis_shares, collinearity

NAMES = ["quality", "diversity", "complexity", "training words", "length"]


def test_shares_follow_what_was_planted_and_add_up() -> None:
    rows = axis_shares(planted(0, methods=16, rows_vary=True), SUITE)
    assert [row.score for row in rows[::5]] == ["id:em", "ood:em", "ood_deep:em"]
    assert [row.name for row in rows[:5]] == NAMES
    by = {(row.score, row.name): row for row in rows}
    assert by["id:em", "quality"].share.point == max(r.share.point for r in rows[:5] if r.share.point is not None)
    assert by["ood:em", "diversity"].share.point == max(r.share.point for r in rows[5:10] if r.share.point is not None)
    for score in ("id:em", "ood:em", "ood_deep:em"):
        total = sum(by[score, name].share.point or 0.0 for name in NAMES)
        assert total == pytest.approx(by[score, NAMES[0]].r_squared) and 0 < total < 1
        for name in NAMES:
            share = by[score, name].share
            assert share.low is not None and share.high is not None and 0 <= share.low <= share.high <= 1


def test_with_equal_rows_length_has_no_share_of_its_own() -> None:
    table = planted(1)
    rows = axis_shares(table, SUITE)[:5]
    assert rows[4].share.point is None and "same column as training words" in rows[4].share.reason
    assert all(row.share.point is not None for row in rows[:4])
    assert [row.n_datasets for row in rows] == [len(table.groups)] * 5


def test_collinearity_shows_what_cannot_be_told_apart() -> None:
    rows = {row.name: row for row in collinearity(planted(2, alike=0.05), SUITE)}
    assert list(rows) == NAMES
    assert rows["diversity"].vif is not None and rows["diversity"].vif > 50  # made of quality and a little noise
    assert dict(rows["quality"].correlations)["diversity"] > 0.98
    assert rows["complexity"].vif == pytest.approx(1.0, abs=0.5)
    assert rows["length"].vif is None and "same column" in rows["length"].reason
    apart = {row.name: row for row in collinearity(planted(2, rows_vary=True), SUITE)}
    assert all(row.vif is not None and row.vif < 20 for row in apart.values())
    assert dict(apart["quality"].correlations)["length"] == dict(apart["length"].correlations)["quality"]


def test_variance_inflation_within_settings_is_that_of_statsmodels() -> None:
    influence = pytest.importorskip("statsmodels.stats.outliers_influence")
    table = planted(3, rows_vary=True)
    mine = [*(table.measures[name] for name in ("correct", "vendi", "depth")), table.log_words, table.log_length]
    columns = np.column_stack([*mine, np.array(table.groups) == "g0", np.ones(len(table.groups))])
    for j, row in enumerate(collinearity(table, SUITE)):
        # Theirs compares with the spread about the overall mean, ours with the spread within groups.
        design = np.delete(columns, j, axis=1)
        rest = columns[:, j] - design @ np.linalg.lstsq(design, columns[:, j], rcond=None)[0]
        dummies = columns[:, 5:]
        within = columns[:, j] - dummies @ np.linalg.lstsq(dummies, columns[:, j], rcond=None)[0]
        about = np.sum((columns[:, j] - columns[:, j].mean()) ** 2)
        theirs = influence.variance_inflation_factor(columns, j) * (within @ within) / about
        assert row.vif == pytest.approx(theirs) == pytest.approx((within @ within) / (rest @ rest))


def test_constant_and_missing_columns_are_said() -> None:
    flat = planted(4, constant="depth")
    rows = {row.name: row for row in collinearity(flat, SUITE)}
    assert "does not vary" in rows["complexity"].reason and rows["complexity"].correlations == ()
    shares = {row.name: row for row in axis_shares(flat, SUITE)[:5]}
    assert shares["complexity"].share.point is None and "does not vary" in shares["complexity"].share.reason
    gone = planted(4, missing="depth")
    assert all(row.n_datasets == 0 and row.reason for row in collinearity(gone, SUITE))
    for row in axis_shares(gone, SUITE):
        assert row.share.point is None and row.r_squared is None and "no two datasets" in row.share.reason


def test_few_datasets_and_scores_that_do_not_vary() -> None:
    small = planted(5, methods=3, groups=1, repetitions=1)
    assert all("too few" in row.share.reason for row in axis_shares(small, SUITE) if "same" not in row.share.reason)
    still = axis_shares(planted(5, constant="id:em"), SUITE)
    assert {row.share.reason for row in still if row.score == "id:em"} == {"the score does not vary within groups"}
    assert all(row.share.point is not None for row in still if row.score == "ood:em" and row.name != "length")


def test_same_numbers_twice() -> None:
    assert axis_shares(planted(6), SUITE) == axis_shares(planted(6), SUITE)
