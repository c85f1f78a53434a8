"""What is held, what cannot be, and effects of any measure on any outcome."""

from dataclasses import replace

import numpy as np
import pytest
from analysis_tables import AXES_OF, SUITE, planted
from planted_edition import Size, records

from qdcbench.records import Interval, Relation
from qdcbench.stages.analysis.relations import contrasts, fitted, relations
from qdcbench.stages.analysis.table import Table, scopes, table_of
from qdcbench.stages.analysis.units import units


def row_of(rows: tuple[Relation, ...], measure: str, score: str) -> Relation:
    (row,) = [r for r in rows if (r.measure, r.score) == (measure, score)]
    return row


def same(left: Interval | None, right: Interval | None) -> bool:
    """Equal up to rounding: what is fitted together is added up in another order."""
    assert left is not None and right is not None
    return (left.point, left.low, left.high) == pytest.approx((right.point, right.low, right.high))


def point(relation: Relation) -> float:
    assert relation.effect.point is not None, relation.effect.reason
    return relation.effect.point


def test_words_and_length_are_both_held_where_rows_differ() -> None:
    table = planted(0, methods=14, rows_vary=True)
    row = row_of(relations(table, AXES_OF, SUITE), "correct", "id:em")
    assert row.held == ("vendi", "depth", "training words", "length") and row.not_held == ()
    wanted = np.column_stack([table.measures["correct"], table.measures["vendi"], table.measures["depth"],
                              table.log_words, table.log_length, np.array(table.groups) == "g0",
                              np.array(table.groups) == "g1"]).astype(float)  # fmt: skip
    slope = np.linalg.lstsq(wanted, table.scores["id:em"], rcond=None)[0][0]
    spreads = [
        np.concatenate([v[np.array(table.groups) == g] - v[np.array(table.groups) == g].mean() for g in ("g0", "g1")])
        for v in (table.measures["correct"], table.scores["id:em"])
    ]
    assert point(row) == pytest.approx(slope * spreads[0].std() / spreads[1].std())


def test_with_equal_rows_length_is_named_as_not_held_and_changes_nothing() -> None:
    table = planted(1)
    row = row_of(relations(table, AXES_OF, SUITE), "vendi", "ood:em")
    assert row.held == ("correct", "depth", "training words")
    assert row.not_held == ("length is the same column as training words within groups",)
    flat = replace(table, log_length=np.zeros(len(table.groups)))
    again = row_of(relations(flat, AXES_OF, SUITE), "vendi", "ood:em")
    assert again.not_held == ("length does not vary within groups",)
    assert (again.effect, again.p_value, again.bootstrap) == (row.effect, row.p_value, row.bootstrap)


def test_a_control_made_up_by_several_is_named_with_them() -> None:
    table = planted(2, rows_vary=True)
    made_up = replace(table, log_length=table.log_words - 2 * table.measures["depth"])
    row = row_of(relations(made_up, AXES_OF, SUITE), "correct", "id:em")
    assert row.not_held == ("length is made up by vendi, depth, training words within groups",)
    assert row.p_value is not None


def test_a_measure_that_is_a_control_is_refused_with_a_sentence_and_alone() -> None:
    table = planted(3, rows_vary=True)
    twin = replace(table, measures={**table.measures, "words": 5 - 3 * table.log_words})
    rows = relations(twin, AXES_OF, SUITE)
    assert "collinear" in row_of(rows, "words", "id:em").effect.reason
    assert all(point(row) is not None for row in rows if row.measure != "words")


def test_length_that_pays_does_not_pass_for_an_axis() -> None:
    """Longer rows score better and seem more diverse; the naive slope is wrong, ours is not."""
    table = planted(4, methods=16, length_pays=2.0)
    longer = replace(table, measures={**table.measures, "vendi": table.log_length + 0.1 * table.measures["vendi"]})
    row = fitted(longer, "diversity", "id", SUITE)
    assert row.correlation is not None and row.correlation > 0.5
    assert row.p_value is not None and row.p_value > 0.05 and abs(point(row)) < abs(row.correlation)


def test_fitted_gives_what_the_exploratory_table_has() -> None:
    table = planted(5, rows_vary=True)
    rows = relations(table, AXES_OF, SUITE)
    for measure, score in (("correct", "id:em"), ("words", "ood_deep:em"), ("depth", "id:nll")):
        alone, among = fitted(table, measure, score, SUITE), row_of(rows, measure, score)
        assert same(alone.effect, among.effect) and alone.p_value == pytest.approx(among.p_value)
        assert alone.held == among.held
        assert alone.p_adjusted is None and alone.effect_adjusted is None
        assert alone.bootstrap is not None and alone.leave_one_out is not None and alone.p_permutation is not None
    primary = row_of(rows, "correct", "id:em")
    alone = fitted(table, "quality", "id", SUITE)
    assert same(alone.bootstrap, primary.bootstrap) and alone.p_permutation == primary.p_permutation
    assert row_of(rows, "words", "id:em").p_permutation is None
    contrast = next(c for c in contrasts(table, SUITE) if c.axis == "diversity")
    alone = fitted(table, "diversity", "id - ood", SUITE)
    assert alone == replace(contrast, p_adjusted=None, effect_adjusted=None)


def test_a_difference_has_the_difference_of_the_effects() -> None:
    table = planted(6, methods=20, rows_vary=True)
    apart = [point(fitted(table, "quality", name, SUITE)) for name in ("id", "ood_deep")]
    both = fitted(table, "quality", "id - ood_deep", SUITE)
    assert both.score == "id:em - ood_deep:em"
    assert point(both) == pytest.approx(apart[0] - apart[1])
    assert both.effect.low is not None and both.effect.low > 0


def test_an_outcome_on_an_axis_is_not_held() -> None:
    table = planted(7, methods=14, alike=0.7)
    row = fitted(table, "quality", "diversity", SUITE)
    assert row.score == "vendi" and row.held == ("depth", "training words")
    assert row.not_held[0] == "vendi is on the axis of the outcome"
    assert point(row) > 0.3
    other = fitted(table, "quality", "words", SUITE)
    assert other.held == ("depth", "training words"), "a second measure of an axis would be judged at the first's value"
    longer = fitted(planted(7, rows_vary=True), "diversity", "length", SUITE)
    assert longer.held == ("correct", "depth", "training words")


def test_what_cannot_be_fitted_says_why() -> None:
    table = planted(8)
    assert "the outcome itself" in fitted(table, "quality", "correct", SUITE).effect.reason
    assert "no two datasets" in fitted(table, "quality", "nothing_of_this_name", SUITE).effect.reason
    assert "collinear" in fitted(table, "length", "id", SUITE).effect.reason
    assert point(fitted(planted(8, rows_vary=True), "length", "id", SUITE)) is not None
    assert "measure does not vary" in fitted(planted(8, constant="correct"), "quality", "id", SUITE).effect.reason
    assert "score does not vary" in fitted(planted(8, constant="id:em"), "quality", "id", SUITE).effect.reason
    gone = fitted(planted(8, missing="depth"), "quality", "id", SUITE)
    assert gone.effect.point is None and "depth" in gone.effect.reason and gone.n_datasets == 0
    two = fitted(planted(8, methods=2), "quality", "id", SUITE)
    assert "at least 3 are needed" in two.effect.reason and two.p_permutation is None


def test_missing_values_leave_datasets_out_and_are_counted() -> None:
    table = planted(9, rows_vary=True)
    there = np.arange(len(table.groups)) >= 7
    scores = {**table.scores, "ood:em": np.where(there, table.scores["ood:em"], np.nan)}
    cut = replace(table, scores=scores)
    rows = relations(cut, AXES_OF, SUITE)
    assert row_of(rows, "vendi", "ood:em").n_datasets == there.sum()
    assert row_of(rows, "vendi", "id:em").n_datasets == there.size
    few = pick(table, there)
    assert row_of(rows, "vendi", "ood:em").effect == row_of(relations(few, AXES_OF, SUITE), "vendi", "ood:em").effect
    assert fitted(cut, "diversity", "id - ood", SUITE).n_datasets == there.sum()


def pick(table: Table, rows: np.ndarray) -> Table:
    return replace(
        table,
        measures={name: column[rows] for name, column in table.measures.items()},
        scores={name: column[rows] for name, column in table.scores.items()},
        log_words=table.log_words[rows],
        log_length=table.log_length[rows],
        groups=tuple(np.array(table.groups)[rows]),
        clusters=tuple(np.array(table.clusters)[rows]),
    )


def test_a_group_of_one_dataset_is_left_out() -> None:
    table = planted(10)
    odd = replace(table, groups=("other", *table.groups[1:]))
    assert fitted(odd, "quality", "id", SUITE).n_datasets == len(table.groups) - 1


def test_one_odd_method_shows_in_the_fits_without_it() -> None:
    table = planted(11, methods=9)
    odd = np.array(table.clusters) == "m00"
    quality, outcome = table.measures["correct"], np.random.default_rng(0).standard_normal(odd.size)
    lifted = replace(
        table,
        measures={**table.measures, "correct": np.where(odd, quality + 8, quality)},
        scores={**table.scores, "id:em": np.where(odd, outcome + 8, outcome)},
    )
    row = fitted(lifted, "quality", "id", SUITE)
    assert point(row) > 0.7 and row.correlation is not None and row.correlation > 0.8
    assert row.leave_one_out is not None and row.leave_one_out[0] < point(row) / 2
    assert row.p_permutation is not None and row.p_permutation > 0.01


def test_families_are_adjusted_apart() -> None:
    rows = relations(planted(12, rows_vary=True), AXES_OF, SUITE)
    primary = sorted(r.p_value for r in rows if r.primary)  # type: ignore[type-var]
    assert len(primary) == 6
    assert min(r.p_adjusted for r in rows if r.primary) == pytest.approx(min(1.0, 6 * primary[0]))  # type: ignore
    assert all((r.effect_adjusted is not None) == r.primary for r in rows)


def test_columns_of_a_record() -> None:
    """Training words are rows times length, prompt and completion together; no rows, no value."""
    (record,) = records(Size(methods=1, teachers=("scripted:strong",), repetitions=1))
    assert record.dataset is not None
    sized = replace(record.dataset, selected=50, mean_prompt_words=12.0, mean_completion_words=8.0)
    empty = replace(sized, selected=0, mean_prompt_words=None, mean_completion_words=None)
    both = units([replace(record, dataset=sized), replace(record, dataset=empty)], SUITE)
    assert list(scopes(both)) == ["simulated", both[0].group] and scopes([]) == {}
    table = table_of("simulated", both, ("verified_share",), ("id:exact_match",))
    assert table.axes["verified_share"] == "quality"
    np.testing.assert_allclose(table.log_words, [np.log(1000), np.nan])
    np.testing.assert_allclose(table.log_length, [np.log(20), np.nan])
    assert np.isnan(table.column("unheard of")).all()
