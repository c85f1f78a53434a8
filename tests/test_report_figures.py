import csv
import hashlib
import json
import os
import random
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.text import Annotation

import qdcbench
from qdcbench.canon import pretty_json
from qdcbench.errors import ConfigError, StoreError
from qdcbench.records import Analysis, Interval, from_json
from qdcbench.report.figures import FIGURES, figure_data, write_figures
from qdcbench.report.style import paper, printable

BUILDER = Path(__file__).with_name("report_edition.py")
module = runpy.run_path(str(BUILDER))
build_edition = module["build_edition"]
misplaced = runpy.run_path(str(BUILDER.with_name("figure_text.py")))["misplaced"]
ALWAYS = tuple(name for name, plot in FIGURES.items() if not plot.may_lack)
HOSTILE = '$x_{$ <script>\u202e\u2603 "a" & b\n' + "long" * 12
DRAW = """
import runpy, sys
from pathlib import Path
from qdcbench.report.figures import write_figures
module = runpy.run_path(sys.argv[1])
few = {name: module["ARMS"][name] for name in ("taxonomy_tree", "persona", "few_shot", "seeds_only")}
analysis, records = module["build_edition"](teachers=["scripted:strong"], repetitions=2, arms=few)
write_figures(analysis, records, Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def edition():
    return build_edition()


def drawn(data):
    with paper():
        figure = FIGURES[data.name].draw(data)
        figure.draw_without_rendering()
    return figure


def test_qd_plane_holds_each_complete_dataset_once(edition):
    analysis, records = edition
    data = figure_data(analysis, records, "qd_plane")
    complete = {r.run_id: r for r in records if r.status == "complete"}
    assert {row["run_id"] for row in data.rows} == set(complete) and len(data.rows) == len(complete)
    for row in data.rows:
        measured = {m.metric: m.value for m in complete[row["run_id"]].measurements}
        assert (row["quality"], row["diversity"], row["complexity"]) == (
            measured["verified_share"], measured["pair_entropy"], measured["depth"],
        )  # fmt: skip
    assert f"n = {len(complete)} datasets" in data.sign and "invented" in data.sign


def test_scores_by_set_and_cost_score_show_the_analysis(edition):
    analysis, records = edition
    arms = {(arm.group, arm.arm): arm for arm in analysis.arms}
    for row in figure_data(analysis, records, "scores_by_set").rows:
        value = arms[row["group"], row["arm"]].scores[row["set"]]
        assert (row["score"], row["low"], row["high"]) == (value.point, value.low, value.high)
    rows = figure_data(analysis, records, "cost_score").rows
    assert len(rows) == 2 * len(arms)
    for row in rows:
        arm = arms[row["group"], row["arm"]]
        value = arm.scores[f"{row['distance']}:exact_match"]
        assert (row["tokens"], row["score"]) == (arm.teacher_tokens.point, value.point)


def test_axis_effects_has_primaries_only_and_its_twin_has_all(edition):
    analysis, records = edition
    primaries = figure_data(analysis, records, "axis_effects").rows
    everything = figure_data(analysis, records, "axis_effects_all").rows
    assert all(row["primary"] for row in primaries)
    assert {row["measure"] for row in everything} == set(analysis.measure_names)
    effects = {(r.scope, r.measure, r.score): r for r in analysis.relations}
    for row in (*primaries, *everything):
        relation = effects[row["scope"], row["measure"], row["score"]]
        assert (row["effect"], row["low"], row["high"], row["detectable"], row["n"]) == (
            relation.effect.point, relation.effect.low, relation.effect.high, relation.detectable, relation.n_datasets,
        )  # fmt: skip
    assert [row["distance"] for row in primaries[:2]] == ["id", "ood"]


def test_a_group_that_is_all_of_its_kind_is_not_drawn_twice(edition):
    analysis, records = edition
    wide = tuple(replace(r, scope="simulated") for r in analysis.relations if r.scope == analysis.groups[0])
    more = replace(analysis, relations=(*analysis.relations, *wide))
    scopes = list(dict.fromkeys(row["scope"] for row in figure_data(more, records, "axis_effects").rows))
    assert scopes == ["simulated", analysis.groups[1]]


@pytest.mark.parametrize("name", ["qd_plane", "cost_score"])
def test_a_group_of_two_arms_is_not_drawn_and_the_caption_says_so(edition, name):
    analysis, records = edition
    small = analysis.groups[1]
    kept = [a for a in analysis.arms if a.group != small or a.arm in ("persona", "few_shot")]
    data = figure_data(replace(analysis, arms=tuple(kept)), records, name)
    assert {row["group"] for row in data.rows} == {analysis.groups[0]}
    assert "openai:little-1b" in data.caption and "fewer than three arms" in data.caption
    assert " of " in data.sign and "fewer than" not in figure_data(analysis, records, name).caption


def test_the_larger_group_is_drawn_first(edition):
    analysis, records = edition
    for group in analysis.groups:
        arms = tuple(replace(a, promised=a.promised + (a.group == group)) for a in analysis.arms)
        for name in ("qd_plane", "cost_score", "scores_by_set"):
            assert figure_data(replace(analysis, arms=arms), records, name).rows[0]["group"] == group


def test_scopes_without_an_estimate_are_left_out_and_named(edition):
    analysis, records = edition
    none = Interval(point=None, low=None, high=None, reason="one dataset")
    gone = analysis.groups[1]
    relations = tuple(replace(r, effect=none) if r.scope == gone else r for r in analysis.relations)
    data = figure_data(replace(analysis, relations=relations), records, "axis_effects")
    assert {row["scope"] for row in data.rows} == {analysis.groups[0]}
    assert "Left out, without any estimate: list_edits · openai:little-1b" in data.caption


@pytest.fixture(scope="module")
def many():
    """One repetition of thirty-six arms."""
    rng = random.Random(3)
    arms = {
        f"{name.partition('[')[0]}{tail}": (
            role,
            min(1.0, q * rng.uniform(0.8, 1.1)),
            d * rng.uniform(0.8, 1.2),
            c,
            tokens,
        )
        for tail in ("", " wide", " deep")
        for name, (role, q, d, c, tokens) in list(module["ARMS"].items())[:12]
    }
    return build_edition(teachers=["scripted:strong"], repetitions=1, arms=arms)


@pytest.mark.parametrize("which", ["edition", "many"])
@pytest.mark.parametrize("name", ALWAYS)
def test_no_text_lies_on_another_or_leaves_the_figure(which, name, request):
    analysis, records = request.getfixturevalue(which)
    assert not misplaced(drawn(figure_data(analysis, records, name)))


def test_every_arm_is_named_once_a_panel(edition):
    analysis, records = edition
    for name in ("qd_plane", "cost_score"):
        notes = [t.get_text() for t in drawn(figure_data(analysis, records, name)).findobj(Annotation)]
        assert sorted(notes) == sorted(arm.arm for arm in analysis.arms)


def test_same_bytes_in_two_processes(tmp_path):
    env = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": "1"}
    root = str(Path(qdcbench.__file__).resolve().parent.parent)
    env["PYTHONPATH"] = os.pathsep.join([root, env.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", DRAW, str(BUILDER), str(tmp_path / "there")], check=True, env=env)
    few = {name: module["ARMS"][name] for name in ("taxonomy_tree", "persona", "few_shot", "seeds_only")}
    analysis, records = build_edition(teachers=["scripted:strong"], repetitions=2, arms=few)
    write_figures(analysis, records, tmp_path / "here")
    digests = [
        {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / side).iterdir()}
        for side in ("here", "there")
    ]
    assert digests[0] == digests[1]
    assert set(digests[0]) == {f"{name}.{suffix}" for name in ALWAYS for suffix in ("png", "pdf", "csv")}


def test_figures_are_the_same_from_memory_and_from_the_committed_analysis(edition, tmp_path):
    analysis, records = edition
    read_back = from_json(Analysis, json.loads(pretty_json(analysis)), "test")
    assert read_back != analysis, "the test needs floats with more digits than are written"
    sides = [write_figures(a, records, tmp_path / str(i), ["cost_score"]) for i, a in enumerate((analysis, read_back))]
    assert [p.read_bytes() for p in sides[0]] == [p.read_bytes() for p in sides[1]]


def test_users_settings_change_nothing_and_are_kept(edition):
    import matplotlib

    analysis, records = edition
    data = figure_data(analysis, records, "axis_effects")
    plain = drawn(data).get_size_inches().tolist(), drawn(data).axes[0].get_position().bounds
    with matplotlib.rc_context({"font.size": 30, "axes.labelsize": 40}):
        assert (drawn(data).get_size_inches().tolist(), drawn(data).axes[0].get_position().bounds) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_hostile_names_are_drawn_as_text(tmp_path):
    arms = {HOSTILE: ("method", 0.8, 0.5, 2.0, 1000), "$\\frac{": ("control", 0.9, 0.4, 1.5, 0)}
    analysis, records = build_edition(teachers=["scripted:strong"], repetitions=2, arms=arms)
    analysis = replace(analysis, edition="$e_{", labels={"depth": "$\\alpha"})
    paths = write_figures(analysis, records, tmp_path)
    assert all(path.stat().st_size for path in paths)


@pytest.mark.parametrize("name", ALWAYS)
def test_an_empty_edition_still_draws(name, tmp_path):
    analysis, _ = build_edition(teachers=["scripted:strong"], repetitions=1)
    none = Interval(point=None, low=None, high=None, reason="no complete run")
    arms = tuple(replace(a, complete=0, measures={}, scores={}, teacher_tokens=none, run_ids=()) for a in analysis.arms)
    empty = replace(analysis, complete=0, arms=arms, rankings=(), relations=())
    assert len(write_figures(empty, [], tmp_path, [name])) == 3
    nothing = replace(empty, groups=(), arms=(), score_names=(), measure_names=())
    assert len(write_figures(nothing, [], tmp_path, [name])) == 3


def test_csv_beside_a_figure_is_what_it_draws(edition, tmp_path):
    analysis, records = edition
    write_figures(analysis, records, tmp_path, ["axis_effects"])
    with (tmp_path / "axis_effects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    drawn_rows = figure_data(analysis, records, "axis_effects").rows
    assert [float(row["effect"]) for row in rows] == pytest.approx([row["effect"] for row in drawn_rows])


def test_errors_are_sentences(edition, tmp_path):
    analysis, records = edition
    with pytest.raises(ConfigError, match="did you mean 'qd_plane'"):
        figure_data(analysis, records, "qd_plan")
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        write_figures(analysis, records, tmp_path / "taken", ["axis_effects"])


def test_printable_keeps_to_the_font_and_the_length():
    assert printable("a\n b\tc") == "a b c"
    assert printable("\u4e2d\u202e") == "\ufffd\ufffd"
    assert len(printable("x" * 99, 10)) == 10 and printable("x" * 99, 10).endswith("…")
