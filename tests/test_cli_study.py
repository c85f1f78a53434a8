"""``qdcbench study validity``: the same bytes each time, also from the store; what it writes; what it refuses."""

import csv
import json
from pathlib import Path

import pytest

from qdcbench.cli import main
from qdcbench.measures.behaviour import Study
from qdcbench.measures.table import METRICS
from qdcbench.records import from_json
from qdcbench.report.validity import data
from qdcbench.studies.dataset import Job, measured
from qdcbench.studies.dials import DIALS
from qdcbench.studies.recipes import Recipe

NAMES = ("verified_share", "pair_entropy", "distinct_2", "unique_rows", "mean_depth", "prompt_words", "tag_count")
FILES = ("validity.json", "validity.csv", "summary.md", "validity.png", "validity.pdf")


def study(folder: Path, store: Path, *more: str) -> int:
    chosen = [word for name in NAMES for word in ("--measure", name)]
    words = ["study", "validity", "--rows", "100", "--repetitions", "2", "--workers", "1", *chosen, *more]
    return main([*words, "--out", str(folder), "--store", str(store)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path, Path]:
    root = tmp_path_factory.mktemp("study")
    assert study(root / "one", root / "store") == 0
    assert study(root / "again", root / "store") == 0
    return root / "one", root / "again", root / "store"


@pytest.fixture(scope="module")
def found(folders) -> Study:
    return from_json(Study, json.loads((folders[0] / "validity.json").read_text()), "validity.json")


def test_the_same_bytes_from_the_store(folders):
    for name in FILES:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    kept = [path for path in (folders[2] / "validity").glob("*/*") if path.is_dir()]
    # A setting that several dials share is measured once.
    assert len(kept) == 2 * len({recipe for dial in DIALS.values() for recipe in dial.settings})


def test_measures_do_what_they_must(found):
    done = {m.measure: m for m in found.measures}
    assert set(done) == set(NAMES)
    for name, own in (("verified_share", "quality"), ("pair_entropy", "coverage"), ("mean_depth", "depth")):
        assert done[name].own == own and done[name].responses[own].share == 1.0
        assert done[name].responses[own].rank > 0.95
    assert done["verified_share"].responses["quality"].means == pytest.approx((0.2, 0.4, 0.6, 0.8, 1.0))
    for dial in set(DIALS) - {"quality"}:
        assert done["verified_share"].responses[dial].change == 0
    assert done["mean_depth"].responses["filler"].change == 0
    words = done["prompt_words"].responses
    assert words["filler"].change == pytest.approx(40) and words["equal_words"].change == 0
    assert done["unique_rows"].responses["copies"].means == pytest.approx((0.2, 0.4, 0.6, 0.8, 1.0))
    assert done["distinct_2"].responses["n"].change < 0 and done["distinct_2"].responses["n"].moved
    assert done["tag_count"].reason and not done["unique_rows"].needs and done["verified_share"].needs
    assert found.recommended["complexity"] == ("mean_depth",)


def test_the_truth_stands_beside_each_setting(found):
    truth = {dial.name: dial.truth for dial in found.dials}
    assert [one["right"] for one in truth["quality"]] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert [one["operations"] for one in truth["coverage"]] == [2, 4, 6, 9, 12]
    assert len({one["depth"] for one in truth["coverage"]}) == 1
    assert {one["filler_words"] for one in truth["depth"]} == {0.0}
    assert all(one["filler_words"] > 0 for one in truth["equal_words"])
    assert [one["different"] for one in truth["copies"]] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_table_and_figure_have_every_measure_and_dial(folders, found):
    rows = list(csv.DictReader((folders[0] / "validity.csv").read_text().splitlines()))
    assert [row["measure"] for row in rows] == [name for name in METRICS if name in NAMES]
    assert all(set(DIALS) <= set(row) for row in rows)
    marks = data(found).rows
    assert {mark["measure"] for mark in marks} == set(NAMES) - {"tag_count"}
    raw = {mark["dial"] for mark in marks if mark["form"] == "raw"}
    assert raw == set(DIALS)


@pytest.mark.parametrize(
    "words", [("--rows", "10"), ("--repetitions", "1"), ("--workers", "0"), ("--measure", "no_such_*")]
)
def test_what_cannot_be_done_is_refused_in_a_sentence(tmp_path, capsys, words):
    assert main(["study", "validity", "--out", str(tmp_path), "--store", str(tmp_path), *words]) == 1
    assert capsys.readouterr().err.startswith("qdcbench: ") and not list(tmp_path.iterdir())


def test_a_dataset_measured_anew_gives_the_same(tmp_path):
    taken = [
        measured(
            Job(
                recipe=Recipe(n=40, right=0.5), models=True,
                measures=("judge_score", "ifd", "distinct_2", "gold_share"),
                repetition=1, root_seed=3, words={"prompt": 3.0, "completion": 2.0, "both": 3.2}, store=tmp_path / name,
            )
        )
        for name in ("one", "other")
    ]  # fmt: skip
    assert taken[0] == taken[1] and all(m.value is not None for m in taken[0])
    assert {m.metric: m.value for m in taken[0]}["gold_share"] == 0.5
