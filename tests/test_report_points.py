import runpy
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.records import Interval
from qdcbench.report.points import (
    arm_score,
    arms_in_order,
    dataset_points,
    distance_of,
    headline,
    scores_at,
)
from qdcbench.report.text import (
    big_number,
    decimals_for,
    gaps,
    interval_text,
    number,
    percent,
    set_title,
    sign_text,
    title_of,
)

build_edition = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))["build_edition"]


@pytest.fixture(scope="module")
def edition():
    return build_edition()


def test_a_name_with_the_letters_of_id_inside_is_not_id(edition):
    analysis, _ = edition
    assert distance_of(analysis, "ood_pairs:exact_match") == "ood"
    assert distance_of(analysis, "my-task/id:acc") == "id"
    assert distance_of(analysis, "idioms:acc") == ""
    assert distance_of(replace(analysis, distances={"idioms:acc": "ood"}), "idioms:acc") == "ood"


def test_headline_is_the_aggregate_of_the_primary_metric(edition):
    analysis, _ = edition
    assert headline(analysis, "id") == "id:exact_match"
    assert headline(analysis, "ood") == "ood:exact_match"
    assert scores_at(analysis, "ood") == [f"ood_{s}:exact_match" for s in ("pairs", "depth", "surface", "length")]
    assert scores_at(analysis, "id") == ["id:exact_match"]


def test_without_an_aggregate_the_mean_has_no_interval(edition):
    analysis, _ = edition
    names = tuple(n for n in analysis.score_names if not n.startswith("ood:"))
    bare = replace(analysis, score_names=names)
    arm = bare.arms[0]
    score = arm_score(bare, arm, "ood")
    assert headline(bare, "ood") is None
    assert score.point == pytest.approx(fmean(arm.scores[n].point for n in scores_at(bare, "ood")))
    assert score.low is None and score.high is None and "4 evaluation sets" in score.reason


def test_dataset_points_average_to_the_arms_scores(edition):
    analysis, records = edition
    points = dataset_points(analysis, records)
    assert len(points) == analysis.complete
    for arm in analysis.arms:
        own = [p for p in points if (p.group, p.arm) == (arm.group, arm.arm)]
        assert fmean(p.ood for p in own) == pytest.approx(arm.scores["ood:exact_match"].point)
        assert fmean(p.quality for p in own) == pytest.approx(arm.measures["verified_share"].point)


def test_a_missing_score_makes_the_mean_missing_not_another_mean(edition):
    analysis, records = edition
    hole = replace(records[0], scores=(replace(records[0].scores[1], value=None), *records[0].scores))
    point = next(p for p in dataset_points(analysis, [hole]) if p.run_id == hole.run_id)
    assert point.ood is None and point.id is not None


def test_order_is_rank_then_controls(edition):
    analysis, _ = edition
    arms = arms_in_order(analysis, analysis.groups[0])
    roles = [arm.role for arm in arms]
    assert roles == sorted(roles, key=["method", "imported", "control"].index)
    ranks = next(r for r in analysis.rankings if r.score == "ood:exact_match" and r.group == analysis.groups[0]).ranks
    assert [arm.arm for arm in arms if arm.role == "method"] == [rank.arm for rank in ranks]


@given(st.floats(0.001, 9e14))
def test_big_numbers_read_back_within_rounding(value):
    text = big_number(value)
    scale = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert float(text.rstrip("kMGT")) * scale == pytest.approx(value, rel=0.0051, abs=0.0)
    assert len(text) <= 8


@given(st.floats(-1e6, 1e6), st.integers(0, 5))
def test_numbers_have_no_minus_zero(value, decimals):
    text = number(value, decimals)
    assert float(text) == pytest.approx(value, abs=0.5 * 10**-decimals + 1e-9)
    assert not (text.startswith("-") and float(text) == 0)


def test_words_for_numbers():
    assert interval_text(Interval(point=0.714, low=0.69, high=0.73)) == "0.71 [0.69, 0.73]"
    assert interval_text(Interval(point=0.714, low=None, high=None)) == "0.71"
    assert interval_text(Interval(point=None, low=None, high=None)) == "–"
    assert decimals_for([Interval(point=0.5, low=0.497, high=0.503)]) == 3
    assert decimals_for([Interval(point=500.0, low=400, high=600)]) == 0
    assert (percent(0.714), percent(0.005), percent(0.0), percent(None)) == ("71%", "0.5%", "0%", "–")


def test_each_reason_for_a_missing_interval_is_told_once():
    bare = Interval(point=0.5, low=None, high=None, reason="one repetition")
    other = Interval(point=0.5, low=None, high=None, reason="mean of 4 sets")
    none = Interval(point=None, low=None, high=None, reason="no rows")
    whole = Interval(point=0.5, low=0.4, high=0.6)
    assert gaps([whole, none]) == "" == gaps([])
    assert gaps([bare, whole, other, bare, none]) == "one repetition; mean of 4 sets"


def test_measures_of_a_part_of_a_row_are_told_apart(edition):
    analysis, _ = edition
    names = ("distinct_1", "distinct_1:completion", "pair_entropy")
    assert [title_of(analysis, n) for n in names] == [
        "distinct 1", "distinct 1 (completion)", "entropy of ordered pairs",
    ]  # fmt: skip


def test_sets_lose_their_tasks_name_and_signs_say_what_matters(edition):
    analysis, _ = edition
    assert set_title(analysis, "list_edits_ood_pairs:exact_match") == "OOD pairs"
    assert sign_text(analysis, "n = 3", [True, True]) == "edition invented · n = 3 datasets · simulated teacher"
    assert "simulated where marked" in sign_text(analysis, "n = 3", [True, False])
    assert "simulated" not in sign_text(analysis, "n = 3", [False])
    assert sign_text(replace(analysis, valid=False), "n = 3", []).startswith("INVALID edition")
