"""Frames of editions: what `qdcbench.load_results` reads, says and refuses, and that a page's numbers are in it."""

import csv
import gzip
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_edition import Size, records, write_edition

import qdcbench
from qdcbench.bundles.archive import Manifest, write_bundle
from qdcbench.canon import pretty_json, round_float
from qdcbench.editions import write_analysis
from qdcbench.errors import RecordError
from qdcbench.records import (
    Analysis,
    AxisShare,
    BudgetPoint,
    BudgetTrack,
    Collinearity,
    FactorEffect,
    Interval,
    LevelMean,
    OutcomeResult,
    Separation,
    StudyResult,
    VarianceShare,
)
from qdcbench.report.page_data import page_data
from qdcbench.report.tables import write_tables
from qdcbench.results import Results
from qdcbench.stages.analysis_rows import SOURCES

ROOT = Path(__file__).resolve().parent.parent
METHODS = ROOT / "results" / "methods"
OF_RECORDS = ("runs", "measures", "scores", "probes")
FRAMES = (*OF_RECORDS, *SOURCES)


def load(*paths: Path, **options: bool) -> Results:
    return qdcbench.load_results(*paths, **options)


@pytest.fixture(scope="module")
def committed() -> Results:
    return load(METHODS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_edition(tmp_path_factory.mktemp("editions") / "planted", records(Size()))


def test_importing_the_package_stays_light() -> None:
    code = "import sys, qdcbench; print(sorted({'pandas', 'numpy', 'pydantic', 'torch'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert out.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="load_result"):
        qdcbench.load_result  # noqa: B018


def test_the_analysis_file_is_used_only_where_it_is_of_these_records(folder: Path) -> None:
    fresh = load(folder)
    assert "no analysis.json" in fresh.notes[0]
    path = write_analysis(folder, fresh.analysis)
    stated = load(folder)
    assert "is that of analysis.json" in stated.notes[0]
    assert stated.analysis == fresh.analysis and "as asked" in load(folder, again=True).notes[0]
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(stated, name), getattr(fresh, name))
    path.write_text(path.read_text().replace(fresh.analysis.inputs_sha256, "0" * 64))
    assert "other records" in load(folder).notes[0]
    path.write_text("{")
    assert "cannot be read" in load(folder).notes[0] and load(folder).analysis == fresh.analysis
    path.unlink()


def test_what_was_made_shows_in_the_runs(folder: Path) -> None:
    found = load(folder)
    made = {record.run_id: record for record in records(Size())}
    runs = found.runs.set_index("run_id")
    assert set(runs.index) == set(made) and set(runs["edition"]) == {"planted"}
    for run_id, record in made.items():
        row = runs.loc[run_id]
        assert row["arm"] == record.spec.arm and row["simulated"] and row["failure"] == ""
        values = {item.metric: item.value for item in record.measurements}
        assert all(row[name] == pytest.approx(value, rel=1e-9) for name, value in values.items())
        ood = [s.value for s in record.scores if "ood" in s.eval_task and s.metric == "exact_match"]
        assert row["ood:exact_match"] == pytest.approx(np.mean(ood), rel=1e-9)
        assert row["row_tokens"] == record.dataset.usage.tokens / 1000
    long = found.measures.pivot_table(index="run_id", columns="metric", values="value")
    pd.testing.assert_frame_equal(long, runs[list(long.columns)].loc[long.index], check_names=False)
    assert found.record(found.runs.run_id[0]).provenance.seconds == {"generate": 1.0}
    means = runs.groupby(["group", "arm"])["pair_entropy"].mean()
    stated = found.arm_measures.query("measure == 'pair_entropy'").set_index(["group", "arm"])["value"]
    np.testing.assert_allclose(stated.sort_index(), means.sort_index(), rtol=1e-8)


def test_a_frame_is_a_copy(folder: Path) -> None:
    found = load(folder)
    effects, runs = found.relations, found.runs
    effects["effect"] = 0.0
    runs.loc[:, "selected"] = -1
    assert found.relations["effect"].abs().max() > 0 and (found.runs["selected"] > 0).all()


def test_several_editions_stand_below_each_other(folder: Path, tmp_path: Path) -> None:
    other = write_edition(tmp_path / "other", records(Size(methods=4, measures=9, teachers=("openai:m",)), seed=1))
    both, one, first = load(folder, other), load(other), load(folder)
    assert both.editions == ("planted", "other") and repr(one) in f"Results of {repr(both).split(', ')[1]}"
    for name in FRAMES:
        mine, theirs, together = getattr(first, name), getattr(one, name), getattr(both, name)
        assert len(together) == len(mine) + len(theirs) and set(together) == set(mine) | set(theirs)
        if len(theirs):
            assert list(together["edition"].tail(len(theirs))) == ["other"] * len(theirs)
    assert both.of("other").analysis == one.analysis
    with pytest.raises(RecordError, match="2 editions were loaded; name one"):
        _ = both.analysis
    with pytest.raises(RecordError, match="did you mean 'planted'"):
        both.of("plantd")
    with pytest.raises(RecordError, match="two editions are called 'planted'"):
        load(folder, folder)
    with pytest.raises(RecordError, match="no edition is named"):
        load()


def test_a_bundle_is_read_like_its_folder(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "planted.qdcbundle.tar.gz"
    files = {f"results/planted/{p.relative_to(folder)}": p for p in folder.rglob("*") if p.is_file()}
    write_bundle(bundle, Manifest(edition="planted", qdcbench="0"), files, {})
    assert load(bundle).analysis == load(folder).analysis
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-2000])
    with pytest.raises(RecordError, match=r"cut off|damaged|cannot be read"):
        load(bundle)
    changed = gzip.decompress(whole).replace(b'"stopped_by": "examples"', b'"stopped_by": "tomorrow"', 1)
    bundle.write_bytes(gzip.compress(changed))
    with pytest.raises(RecordError, match="not what its manifest says"):
        load(bundle)
    with pytest.raises(RecordError, match="no edition folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="no run has the id"):
        load(folder).record("0")


def test_a_folder_may_be_written_as_a_dot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert load(Path()).analysis == load(folder).analysis


def test_every_frame_has_its_columns_without_a_row(tmp_path: Path, folder: Path) -> None:
    size = Size(methods=1, repetitions=1, teachers=("scripted:strong",), measures=3)
    empty, full = write_edition(tmp_path / "empty", records(size)), load(folder)
    for path in (empty / "runs").rglob("*.json"):
        path.unlink()
    found = load(empty)
    for name in FRAMES:
        if name != "runs":
            assert list(getattr(found, name)) == list(getattr(full, name)), name
    assert len(found.runs) == 0 and list(found.runs)[:3] == ["edition", "run_id", "group"]
    assert found.rankings["place"].eq(0).all() and found.rankings["value_reason"].str.len().gt(0).all()


def numbers_of(value: object) -> set[float]:
    """Every number in nested JSON, whole numbers as floats."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return set()
    if isinstance(value, int | float):
        return {float(value)}
    parts = value.values() if isinstance(value, dict) else value
    return set().union(*(numbers_of(part) for part in parts))  # type: ignore[attr-defined]


def numbers_in(results: Results) -> set[float]:
    """Every number in the frames, to the digits of a file."""
    found: set[float] = set()
    for name in FRAMES:
        frame = getattr(results, name).select_dtypes("number")
        found |= {round_float(float(v)) for v in np.unique(frame.to_numpy(dtype=float)) if not math.isnan(v)}
    return found


COSTS = {"tokens": "teacher_tokens", "yield": "accepted_share", "rows": "selected_rows"}
"""What the page calls otherwise than the frame `arms`."""


def interval(frame: pd.DataFrame, name: str) -> list[object]:
    """The cells of the page's [point, low, high, n, reason] from the one row of a frame."""
    assert len(frame) == 1, (name, frame)
    row = frame.iloc[0]
    cells = [row[column] for column in (name, f"{name}_low", f"{name}_high", f"{name}_n", f"{name}_reason")]
    return [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]


def cell_of(found: Results, group: str, arm: str, key: str) -> list[object]:
    """The cell of the page's table by documented calls."""
    kind, _, name = key.partition(":")
    if key in ("quality", "diversity", "complexity"):
        kind, name = "measure", found.analysis.primary[key]
    if key in ("id", "ood"):
        kind, name = "score", f"{key}:{found.analysis.primary['score']}"
    if kind in ("measure", "score"):
        frame = found.arm_measures if kind == "measure" else found.arm_scores
        return interval(frame[(frame["group"] == group) & (frame["arm"] == arm) & (frame[kind] == name)], "value")
    frame = found.arms
    return interval(frame[(frame["group"] == group) & (frame["arm"] == arm)], COSTS.get(key, key))


def test_every_cell_of_the_page_is_in_a_frame(committed: Results) -> None:
    page = page_data(committed.analysis, committed.records, {})
    seen = 0
    for group in page["groups"]:
        for arm in group["arms"][::5]:
            for key, cell in arm["cells"].items():
                assert cell_of(committed, group["key"], arm["arm"], key) == cell, (group["key"], arm["arm"], key)
                seen += cell[0] is not None
            for item in arm["comparisons"]:
                frame = committed.comparisons
                mine = frame[(frame["group"] == group["key"]) & (frame["arm"] == arm["arm"])]
                assert [item["p_adjusted"], *item["difference"][:3]] in mine[
                    ["p_adjusted", "difference", "difference_low", "difference_high"]
                ].to_numpy().tolist()
        ranks = committed.rankings[committed.rankings["group"] == group["key"]]
        for column in group["columns"]:
            places = group["ranks"].get(column["key"], {"places": {}})["places"]
            mine = ranks[(ranks["score"] == column["score"]) & (ranks["place"] > 0)]
            assert places == {row.arm: [row.place, row.tie_group] for row in mine.itertuples()}
    assert seen > 500
    effects = set(committed.relations["effect"].dropna())
    assert {r["effect"][0] for r in page["relations"] if r["effect"][0] is not None} <= effects


def test_every_number_of_a_run_on_the_page_is_in_a_frame(committed: Results) -> None:
    page = page_data(committed.analysis, committed.records, {})
    runs, measures = committed.runs.set_index("run_id"), committed.measures
    for run_id, run in list(page["runs"].items())[::40]:
        row = runs.loc[run_id]
        assert row["teacher_tokens"] == run["tokens"] and row["repetition"] == run["repetition"]
        names = {"setup_tokens": "setup_tokens", "tokens": "row_tokens", "tokens_amortised": "row_tokens_amortised",
                 "money": "row_money", "money_amortised": "row_money_amortised"}  # fmt: skip
        for name, value in run["cost"].items():
            assert value is None or round_float(row[names[name]]) == value
        mine = measures[measures["run_id"] == run_id].set_index("metric")
        assert {m[0]: m[2] for m in run["measures"] if m[2] is not None} == mine["value"].dropna().to_dict()
        scores = committed.scores[committed.scores["run_id"] == run_id]
        assert [s[3] for s in run["scores"]] == scores["value"].tolist()
        losses = committed.probes.loc[committed.probes["run_id"] == run_id, "final_loss"].dropna()
        assert [p[4] for p in run["probes"] if p[4] is not None] == losses.tolist()
        record = committed.record(run_id)
        assert record.dataset is not None and record.dataset.attempts == run["dataset"]["attempts"]


def test_every_number_of_the_tables_is_in_a_frame(committed: Results, tmp_path: Path) -> None:
    known = numbers_in(committed)
    write_tables(committed.analysis, tmp_path)
    seen = 0
    for path in sorted(tmp_path.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(line for line in file if not line.startswith("#")):
                for name, text in row.items():
                    if text and re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text):
                        seen += 1
                        assert round_float(float(text)) in known, (path.name, name, text)
    assert seen > 5_000


def test_what_an_analysis_may_hold_has_a_frame(committed: Results) -> None:
    """Numbers of the whole analysis, but for what only counts or labels, are numbers of frames."""
    stated = json.loads(pretty_json(committed.analysis))
    facts = {"schema_version", "promised", "complete", "failed", "smallest_effect"}
    inside = {name: value for name, value in stated.items() if name not in facts}
    for dial in inside["dials"]:
        dial["changed"] = str(dial["changed"])
    assert numbers_of(inside) <= numbers_in(committed)
    assert {name for name in stated if isinstance(stated[name], list) and stated[name]} - {
        "groups", "score_names", "measure_names", "invalid_because",
    } <= set(FRAMES)  # fmt: skip


def with_everything(analysis: Analysis) -> Analysis:
    """Invented parts; every number in them occurs nowhere else."""
    fresh = iter(range(1_000, 9_999))

    def value() -> Interval:
        return Interval(point=next(fresh) + 0.5, low=next(fresh) + 0.5, high=next(fresh) + 0.5, n=next(fresh))

    test = OutcomeResult(
        outcome="id", expect="rises", answer="supported", reason="", effect=value(), adjusted=value(),
        p_value=next(fresh), p_adjusted=next(fresh), p_equivalence=next(fresh), p_permutation=None,
        detectable=next(fresh), smallest_effect=0.1, unit="", n_units=next(fresh), n_clusters=next(fresh),
        curve=(LevelMean(level=next(fresh), mean=value()),), by_group=(("g1", value()), ("g2", value())),
    )  # fmt: skip
    study = StudyResult(
        name="F1", claim="c", design="interventional", factor="quality", scope="simulated", sha256="0",
        declared="before", answer="supported", rule="r", sentence="s", tests=(test,),
    )  # fmt: skip
    point = BudgetPoint(
        amount=next(fresh), arm="a", value=value(), place=next(fresh), tie_group="a", interpolated=False
    )
    return replace(
        analysis, studies=(study,),
        shares=(AxisShare(scope="simulated", score="id", name="quality", share=value(), r_squared=next(fresh),
                          n_datasets=next(fresh), n_clusters=next(fresh)),),
        collinearity=(Collinearity(scope="simulated", name="quality", vif=None, n_datasets=next(fresh), reason="inf",
                                   correlations=(("length", next(fresh)), ("diversity", next(fresh)))),),
        factorial=(FactorEffect(scope="simulated", method="m", factors=("quality", "diversity"), outcome="id",
                                interval=value(), p_value=next(fresh), p_adjusted=next(fresh), n_units=next(fresh),
                                n_repetitions=next(fresh)),),
        variances=(VarianceShare(group="g", score="id", source="arm", variance=next(fresh), share=next(fresh)),),
        separations=(Separation(group="g", score="id", better="a", worse="b", difference=value(), improvement=value(),
                                p_adjusted=next(fresh), repetitions=next(fresh), repetitions_needed=None),),
        tracks=(BudgetTrack(setting="s", score="id", track="rows", points=(point,),
                            left_out=("arm b has one budget",)),),
    )  # fmt: skip


def test_an_analysis_with_everything_in_it_loses_no_number(folder: Path) -> None:
    """Parts that an edition may not have yet: filled with numbers of their own, each is found again."""
    found = load(folder)
    full = with_everything(found.analysis)
    (part,) = found._parts
    again = Results([type(part)(name=part.name, edition=part.edition, analysis=full, note="")])
    before, after = json.loads(pretty_json(found.analysis)), json.loads(pretty_json(full))
    added = set().union(*(numbers_of(after[n]) - numbers_of(before[n]) for n in after))
    assert len(added) > 20 and added <= numbers_in(again)
    assert again.studies["answer"].tolist() == ["supported"] and again.study_groups["group"].tolist() == ["g1", "g2"]
    assert again.tracks_left_out["sentence"].tolist() == ["arm b has one budget"]
    assert again.correlations.loc[0, ["scope", "name", "other"]].tolist() == ["simulated", "quality", "length"]
    assert again.factorial["factors"].tolist() == [("quality", "diversity")]
    assert math.isnan(again.separations["repetitions_needed"][0]) and again.collinearity["vif"].isna().all()
