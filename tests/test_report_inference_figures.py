"""Figures of studies, factorials, shares, spread, trade-off and budgets: what they hold, and that they can be read."""

import csv
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from qdcbench.errors import ConfigError
from qdcbench.records import Interval, LevelMean
from qdcbench.report.figures import FIGURES, figure_data, write_figures
from qdcbench.report.site import build_site
from qdcbench.report.style import paper

HERE = Path(__file__)
edition_of = runpy.run_path(str(HERE.with_name("report_edition.py")))
invented = runpy.run_path(str(HERE.with_name("report_inference.py")))
misplaced = runpy.run_path(str(HERE.with_name("figure_text.py")))["misplaced"]
build_edition, fill = edition_of["build_edition"], invented["fill"]
NEW = tuple(name for name, plot in FIGURES.items() if plot.may_lack)
SWEEP = {
    "self_instruct": ("judged_share", 0.25), "evol_instruct": ("judged_share", 0.5), "persona": ("judged_share", 1.0),
    "taxonomy_tree": ("random_share", 0.25), "few_shot": ("random_share", 0.5),
    "backtranslation": ("random_share", 1.0),
}  # fmt: skip
HOSTILE = '$x_{$ <script>\u202e\u2603 "a" & b\n' + "long" * 12


def with_sweep(analysis, records, sweep):
    """The edition with the named arms as levels of a sweep's dial."""
    arms = tuple(replace(a, method=sweep[a.arm][0]) if a.arm in sweep else a for a in analysis.arms)
    return replace(analysis, arms=arms), invented["swept"](records, sweep)


@pytest.fixture(scope="module")
def plain_edition():
    return build_edition(repetitions=2)


@pytest.fixture(scope="module")
def edition(plain_edition):
    analysis, records = plain_edition
    return with_sweep(fill(analysis), records, SWEEP)


@pytest.fixture(scope="module")
def crowded(plain_edition):
    """Many groups a study, many studies, outcomes of other units, long names, arms that end early."""
    analysis, records = plain_edition
    full = fill(analysis)
    studies = tuple(
        replace(s, scope=scope, name=s.name if scope == "simulated" else f"{s.name}, a study with a long name",
                claim=s.claim + " And much more is said of it than fits beside a panel of a figure of any width.")
        for scope in ("simulated", "real", analysis.groups[0]) for s in full.studies
    )  # fmt: skip
    measure = tuple(replace(e, outcome="pair_entropy", interval=Interval(point=12.0, low=3.0, high=21.0))
                    for e in full.factorial[:7])  # fmt: skip
    second = tuple(replace(e, scope="real") for e in full.factorial)
    tracks = tuple(replace(t, points=t.points[:-2]) for t in full.tracks)
    return replace(full, studies=studies, factorial=(*full.factorial, *measure, *second), tracks=tracks), records


def drawn(data):
    with paper():
        figure = FIGURES[data.name].draw(data)
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("which", ["edition", "crowded"])
@pytest.mark.parametrize("name", NEW)
def test_no_text_lies_on_another_or_leaves_the_figure(which, name, request):
    analysis, records = request.getfixturevalue(which)
    data = figure_data(analysis, records, name)
    if not data.rows:
        assert (which, name) == ("crowded", "tradeoff")
        return
    assert not misplaced(drawn(data))


@pytest.mark.parametrize("name", NEW)
def test_nothing_is_drawn_where_there_is_nothing(plain_edition, name, tmp_path):
    analysis, records = plain_edition
    assert figure_data(analysis, records, name).rows == ()
    with pytest.raises(ConfigError, match=f"nothing to draw in {name}; leave --only out"):
        write_figures(analysis, records, tmp_path, [name])
    assert not list(tmp_path.iterdir())


def test_a_picture_of_an_older_analysis_is_not_shown(plain_edition, edition, tmp_path):
    write_figures(*edition, tmp_path, ["shares"])
    shown = build_site(*edition, {}, tmp_path, tmp_path / "full").read_text(encoding="utf-8")
    gone = build_site(*plain_edition, {}, tmp_path, tmp_path / "bare").read_text(encoding="utf-8")
    assert 'id="figure-shares"' in shown and 'id="figure-shares"' not in gone


def test_csv_beside_each_figure_is_what_it_draws(edition, tmp_path):
    analysis, records = edition
    assert all(figure_data(analysis, records, name).rows for name in NEW)
    names = ("shares", "tradeoff")
    write_figures(analysis, records, tmp_path, names)
    for name in names:
        with (tmp_path / f"{name}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == len(figure_data(analysis, records, name).rows)
        assert (tmp_path / f"{name}.png").stat().st_size > 4000


def test_same_bytes_twice_and_from_shuffled_records(edition, tmp_path):
    analysis, records = edition
    for side, order in (("a", records), ("b", records[::-1])):
        write_figures(analysis, order, tmp_path / side, ("studies", "tradeoff"))
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert [(tmp_path / "a" / n).read_bytes() for n in names] == [(tmp_path / "b" / n).read_bytes() for n in names]


def test_the_forest_has_both_designs_of_each_claim_and_each_group(edition):
    analysis, records = edition
    rows = figure_data(analysis, records, "studies").rows
    tests = [(s, t) for s in analysis.studies for t in s.tests]
    assert len([r for r in rows if not r["group"]]) == len(tests)
    assert len([r for r in rows if r["group"]]) == sum(len(t.by_group) for _, t in tests if len(t.by_group) > 1)
    found = {(r["study"], r["design"], r["outcome"]): r for r in rows if not r["group"]}
    for study, test in tests:
        row = found[study.name, study.design, test.outcome]
        assert (row["effect"], row["low"], row["adjusted_high"]) == (
            test.effect.point, test.effect.low, test.adjusted.high,
        )  # fmt: skip
        assert row["answer"] == test.answer and row["smallest_effect"] == test.smallest_effect


def test_the_band_of_the_forest_is_one_smallest_effect_in_every_unit(edition):
    """An effect twice as large with a smallest effect twice as large is the same mark."""
    analysis, records = edition
    data = figure_data(analysis, records, "studies")
    keys = ("effect", "low", "high", "adjusted_low", "adjusted_high", "smallest_effect")
    doubled = tuple({k: 2 * v if k in keys and v is not None else v for k, v in row.items()} for row in data.rows)
    marks = [
        [list(line.get_xdata()) for axes in drawn(d).axes for line in axes.lines]
        for d in (data, replace(data, rows=doubled))
    ]
    assert len(marks[0]) > 20
    assert all(a == pytest.approx(b) for a, b in zip(*marks, strict=True))


def test_a_study_without_a_smallest_effect_or_an_estimate_is_named_and_has_no_mark(edition):
    analysis, records = edition
    study = analysis.studies[0]
    unknown = Interval(point=None, low=None, high=None, reason="too few methods")
    test = replace(study.tests[0], effect=unknown, adjusted=None, by_group=())
    one = replace(analysis, studies=(replace(study, tests=(test,)),))
    figure = drawn(figure_data(one, records, "studies"))
    assert any("no estimate" in t.get_text() for axes in figure.axes for t in axes.texts)
    assert len(figure.axes) == 1 and len(figure.axes[0].lines) == 1, "the line at zero alone"


def test_panels_that_count_in_one_unit_share_their_scale(crowded):
    analysis, records = crowded
    figure = drawn(figure_data(analysis, records, "factorial"))
    limits = {axes.get_title(loc="left").splitlines()[-1]: axes.get_xlim() for axes in figure.axes}
    assert limits["OOD pairs"] == limits["OOD depth"] == limits["OOD"]
    assert limits["entropy of ordered pairs"][1] > 5 * limits["OOD"][1]


def test_a_curve_that_two_studies_have_is_drawn_once(edition):
    analysis, records = edition
    studies = [s for s in analysis.studies if s.design == "interventional"]
    twin = replace(studies[0], name="F1 again")
    data = figure_data(analysis, records, "dose_response")
    again = figure_data(replace(analysis, studies=(*analysis.studies, twin)), records, "dose_response")
    assert again.rows == data.rows
    assert {row["level"] for row in data.rows} == {0.0, 0.5, 1.0}
    assert not any(" - " in str(row["outcome"]) for row in data.rows)


def test_one_level_is_no_curve(edition):
    analysis, records = edition
    point = (LevelMean(level=0.0, mean=Interval(point=0.5, low=0.4, high=0.6)),)
    flat = tuple(replace(s, tests=tuple(replace(t, curve=point) for t in s.tests)) for s in analysis.studies)
    assert figure_data(replace(analysis, studies=flat), records, "dose_response").rows == ()


def test_the_trade_off_is_of_sweeps_that_have_their_null_beside_them(edition, plain_edition):
    analysis, records = edition
    rows = figure_data(analysis, records, "tradeoff").rows
    assert {row["sweep"] for row in rows} == {"judged_share", "random_share"}
    assert [row["level"] for row in rows[:3]] == [0.25, 0.5, 1.0]
    arms = {(a.group, a.arm): a for a in analysis.arms}
    for row in rows:
        arm = arms[row["group"], row["arm"]]
        assert (row["quality"], row["diversity_low"]) == (
            arm.measures["verified_share"].point, arm.measures["pair_entropy"].low,
        )  # fmt: skip
    alone = {arm: level for arm, level in SWEEP.items() if level[0] == "judged_share"}
    without_null = with_sweep(fill(plain_edition[0]), plain_edition[1], alone)
    assert figure_data(*without_null, "tradeoff").rows == ()


def test_sweeps_of_one_method_that_differ_in_another_parameter_are_two_lines(plain_edition):
    analysis, records = with_sweep(fill(plain_edition[0]), plain_edition[1], SWEEP)
    more = {"rejection_sampling": ("judged_share", 0.25), "balanced_improvement": ("judged_share", 0.5)}
    analysis, records = with_sweep(analysis, records, more)
    records = [
        replace(r, spec=replace(r.spec, params={**r.spec.params, "judge": "little" if r.spec.arm in more else "large"}))
        if r.spec.method == "judged_share" else r
        for r in records
    ]  # fmt: skip
    sweeps = {row["sweep"] for row in figure_data(analysis, records, "tradeoff").rows}
    assert sweeps == {"judged_share, judge=large", "judged_share, judge=little", "random_share"}


def test_a_rank_curve_needs_two_amounts(plain_edition):
    analysis, records = plain_edition
    for amounts, some in (((500.0,), False), ((500.0, 1000.0), True)):
        assert bool(figure_data(fill(analysis, amounts), records, "rank_curve").rows) == some


def test_every_arm_of_a_rank_curve_is_named_in_each_panel(crowded):
    analysis, records = crowded
    figure = drawn(figure_data(analysis, records, "rank_curve"))
    arms = {p.arm for p in analysis.tracks[0].points}
    for axes in figure.axes:
        assert {name for t in axes.texts for name in t.get_text().split(", ")} == arms


def test_bars_are_as_long_as_their_shares(edition):
    analysis, records = edition
    for name in ("shares", "spread"):
        data = figure_data(analysis, records, name)
        known = sorted(row["share"] for row in data.rows if row["share"])
        widths = sorted(
            p.get_width()
            for axes in drawn(data).axes
            for p in axes.patches
            if p.get_width() < 1.0 and p.get_height() < 1
        )
        assert widths == pytest.approx(known)
    beside = [t.get_text() for axes in drawn(figure_data(analysis, records, "spread")).axes for t in axes.texts]
    assert beside.count("not in the bar: probe seed") == 2 * len(analysis.groups)


def test_hostile_names_are_drawn_as_text(edition):
    analysis, records = edition
    hostile = replace(
        analysis,
        studies=tuple(replace(s, name=f"{s.name}{HOSTILE}", claim=HOSTILE, factor=HOSTILE) for s in analysis.studies),
        factorial=tuple(replace(e, factors=tuple(HOSTILE + f for f in e.factors)) for e in analysis.factorial),
        shares=tuple(replace(s, name=s.name + HOSTILE) for s in analysis.shares),
        variances=tuple(replace(v, source=v.source + HOSTILE) for v in analysis.variances),
        tracks=tuple(replace(t, track=HOSTILE, left_out=(HOSTILE,)) for t in analysis.tracks),
    )  # fmt: skip
    for name in NEW:
        data = figure_data(hostile, records, name)
        assert name == "tradeoff" or (data.rows and drawn(data))


def test_headings_of_the_validity_figure_can_be_read():
    import json

    from qdcbench.measures.behaviour import Study
    from qdcbench.records import from_json
    from qdcbench.report import validity

    path = HERE.parent.parent / "results" / "validity" / "validity.json"
    study = from_json(Study, json.loads(path.read_text(encoding="utf-8")), "the validity study")
    with paper():
        figure = validity.draw(validity.data(study))
        figure.draw_without_rendering()
    assert not misplaced(figure)
