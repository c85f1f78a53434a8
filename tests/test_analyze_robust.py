"""Editions that are broken, mixed, doubled or thin: refused with a sentence, or analysed with one; nothing is made up.

Each is changed on disk and read the two public ways: `qdcbench.load_results` and ``qdcbench analyze``.
"""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_edition import Size, records, write_edition

import qdcbench
from qdcbench.canon import pretty_json
from qdcbench.cli import main
from qdcbench.errors import RecordError
from qdcbench.results import Results

SIZE = Size(methods=5, repetitions=2, teachers=("scripted:strong",))
FIRST = "method_00[dial=0,other=0]"
Change = Callable[[Path], object]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "runs").rglob("*.json"))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def first(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda folder: edited(files(folder)[0], change)


def every(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda folder: [edited(path, change) for path in files(folder)]


def promise(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda folder: edited(folder / "suite.json", change)


def text(change: Callable[[str], str]) -> Change:
    return lambda folder: files(folder)[0].write_text(change(files(folder)[0].read_text()))


def measured(value: object) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["measurements"][0].update(value=value)


def foreign(folder: Path) -> None:
    record = next(records(Size(teachers=("scripted:other",))))
    (folder / "runs" / "x.json").write_text(pretty_json(record))


def fail(data: dict[str, Any]) -> None:
    failure = {"stage": "train", "kind": "DataError", "message": "the training set is empty"}
    data.update(status="failed", measurements=[], scores=[], probes=[], failure=failure)


def without(*sets: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.update(
        scores=[s for s in data["scores"] if s["eval_task"].removeprefix("list_edits_") not in sets]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_edition(tmp_path / "edition", records(SIZE))


REFUSED: dict[str, tuple[Change, str]] = {
    "cut off": (text(lambda t: t[: len(t) // 2]), "r0-.*json cannot be read as JSON"),
    "empty file": (text(lambda t: ""), "r0-.*json cannot be read as JSON"),
    "not UTF-8": (lambda f: files(f)[0].write_bytes(b"\xff\xfe{"), "cannot be read as JSON"),
    "a folder in its place": (lambda f: (f / "runs" / "d.json").mkdir(), "d.json cannot be read"),
    "no object": (text(lambda t: "[1]"), "not a JSON object"),
    "a newer format": (first(lambda d: d.update(schema_version=99)), "has format 99"),
    "an unknown old format": (first(lambda d: d.update(schema_version=0)), "no migration"),
    "no format": (first(lambda d: d.pop("schema_version")), "no integer schema_version"),
    "a word for a number": (first(measured("many")), "measurements.0.value"),
    "edited by hand": (first(lambda d: d["spec"].update(measure_n=9)), "was edited"),
    "another edition's": (foreign, "not of this suite"),
    "the same twice": (lambda f: shutil.copy(files(f)[0], files(f)[0].with_name("copy.json")), "occurs twice"),
    "a measure twice": (first(lambda d: d["measurements"].append(d["measurements"][0])), "states measure"),
    "a score twice": (first(lambda d: d["scores"].append(d["scores"][0])), "of probe 0 twice"),
    "two axes of a measure": (first(lambda d: d["measurements"][1].update(axis="utility")), "has axis"),
    "two versions of a set": (first(lambda d: d["scores"][0].update(eval_version="2")), "version of 'list_edits_id'"),
    "NaN": (first(measured(math.nan)), "run .*is nan"),
    "infinity": (first(measured(math.inf)), "run .*is inf"),
    "too large for a float": (text(lambda t: t.replace('"value": ', '"value": 1e999, "x": ', 1)), "run .*is inf"),
    "an infinite score": (first(lambda d: d["scores"][0].update(value=-math.inf)), "run .*scores.*is -inf"),
    "infinitely many words": (first(lambda d: d["dataset"].update(mean_prompt_words=math.inf)), "run .*is inf"),
    "an infinite bound": (first(lambda d: d["measurements"][0].update(low=-math.inf)), "run .*is -inf"),
    "no promise": (lambda f: (f / "suite.json").unlink(), "suite.json does not exist"),
    "a promise of something else": (lambda f: (f / "suite.json").write_text("[]"), "not a promise"),
    "a promise nested without end": (
        lambda f: (f / "suite.json").write_text("[" * 100_000), "cannot be read as JSON",
    ),
    "sets in a list": (promise(lambda d: d.update(held_out=["id"])), "held_out"),
    "a set that is neither": (promise(lambda d: d["held_out"].update(far="elsewhere")), "held_out.far"),
    "cells that are a number": (promise(lambda d: d.update(cells=3)), "cells"),
    "a cell twice": (promise(lambda d: d["cells"].append(d["cells"][0])), "promises a cell twice"),
    "an effect below nothing": (
        promise(lambda d: d["suite"]["primary"].update(smallest_effect=-0.1)), "of interest below 0",
    ),
    "an unknown primary": (
        promise(lambda d: d["suite"]["primary"].update(quality="verified_shar")), "did you mean 'verified_share'",
    ),
    "a primary of another axis": (
        promise(lambda d: d["suite"]["primary"].update(quality="mean_depth")), "its axis is complexity",
    ),
    "an unknown primary score": (promise(lambda d: d["suite"]["primary"].update(score="bleu")), "score 'bleu'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_sentence(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, said = REFUSED[name]
    change(folder)
    with pytest.raises(RecordError, match=said):
        qdcbench.load_results(folder)
    assert main(["analyze", str(folder)]) == 1
    out = capsys.readouterr()
    assert out.out == "" and "Traceback" not in out.err and not (folder / "analysis.json").exists()


def all_frames(results: Results) -> None:
    for name, part in vars(Results).items():
        if isinstance(part, property):
            getattr(results, name)


def analysed(folder: Path, capsys: pytest.CaptureFixture[str]) -> Results:
    """Read it both ways; the second must be what the first wrote."""
    before = qdcbench.load_results(folder)
    assert main(["analyze", str(folder)]) == 0
    after = qdcbench.load_results(folder)
    assert "analysis.json" in after.notes[0] and after.analysis == before.analysis
    all_frames(after)
    return after


def primary(found: Results) -> Any:
    frame = found.relations
    return frame[frame["primary"] & (frame["scope"] == "simulated")].set_index(["measure", "score"])


def test_failed_runs_are_counted_and_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first(fail)(folder)
    found = analysed(folder, capsys)
    assert (found.analysis.complete, found.analysis.failed) == (9, 1)
    (arm,) = found.arms.query("arm == @FIRST").itertuples()
    assert arm.failures == ("repetition 0: DataError in train: the training set is empty",)
    assert found.runs.query("status == 'failed'")["failure"].tolist() == [
        "DataError in train: the training set is empty"
    ]
    scores = found.arm_scores.query("arm == @FIRST and score == 'id:exact_match'")
    assert scores["value_n"].tolist() == [1] and scores["value_low"].isna().all()
    assert "one repetition" in scores["value_reason"].iloc[0]
    assert set(primary(found)["n_datasets"]) == {9} and found.rankings["coverage"].max() == pytest.approx(0.9)


@pytest.mark.parametrize("change", [every(fail), lambda folder: shutil.rmtree(folder / "runs")], ids=["failed", "none"])
def test_no_complete_dataset_decides_nothing(change: Change, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder)
    found = analysed(folder, capsys)
    assert found.analysis.complete == 0 and set(found.verdicts["answer"]) == {"undetermined"}
    assert found.rankings["value"].isna().all() and found.rankings["coverage"].eq(0).all()
    assert found.verdicts["evidence"].str.len().gt(20).all()


def test_a_single_repetition_has_points_without_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = Size(methods=5, repetitions=1, teachers=("scripted:strong",))
    found = analysed(write_edition(tmp_path / "thin", records(size)), capsys)
    scores = found.arm_scores
    assert scores["value"].notna().all() and scores["value_low"].isna().all()
    assert scores["value_reason"].str.contains("one repetition").all()
    letters = found.rankings.groupby("score")["tie_group"]
    assert letters.nunique().eq(1).all(), "arms of one repetition cannot be told apart"
    assert set(found.verdicts["answer"]) == {"undetermined"}


def test_one_method_alone_decides_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = Size(methods=1, arms=4, repetitions=3, teachers=("scripted:strong",))
    found = analysed(write_edition(tmp_path / "lone", records(size)), capsys)
    assert set(found.verdicts["answer"]) == {"undetermined"}
    assert primary(found)["effect"].isna().all() and primary(found)["effect_reason"].str.contains("1 method").all()


def test_a_constant_measure_has_no_effect_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every(measured(1.0))(folder)
    rows = primary(analysed(folder, capsys))
    constant, others = rows.loc["verified_share"], rows.drop("verified_share", level="measure")
    assert constant["effect"].isna().all() and constant["effect_reason"].str.contains("does not vary").all()
    assert others["effect"].notna().all()


def test_a_constant_score_has_no_effect_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every(lambda d: [s.update(value=0.5) for s in d["scores"]])(folder)
    found = analysed(folder, capsys)
    assert primary(found)["effect"].isna().all()
    assert primary(found)["effect_reason"].str.contains("does not vary").all()
    assert found.rankings.groupby("score")["tie_group"].nunique().eq(1).all()


def test_a_measure_without_value_leaves_its_dataset_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first(lambda d: d["measurements"][0].update(value=None, low=None, high=None, reason="the judge is down"))(folder)
    found = analysed(folder, capsys)
    assert set(primary(found)["n_datasets"]) == {9}
    (cell,) = found.arm_measures.query("arm == @FIRST and measure == 'verified_share'").itertuples()
    assert cell.value_n == 1 and "1 of 2 datasets have no value (the judge is down)" in cell.value_reason
    every(measured(None))(folder)
    found = analysed(folder, capsys)
    assert (
        primary(found)["effect"].isna().all() and primary(found)["effect_reason"].str.contains("verified_share").all()
    )


def test_a_missing_set_is_no_mean_over_fewer_sets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first(without("ood_pairs"))(folder)
    found = analysed(folder, capsys)
    rows = primary(found)
    assert rows.xs("id:exact_match", level="score")["n_datasets"].eq(10).all()
    assert rows.xs("ood:exact_match", level="score")["n_datasets"].eq(9).all()
    (cell,) = found.arm_scores.query("arm == @FIRST and score == 'ood:exact_match'").itertuples()
    assert cell.value_n == 1 and "1 of 2 datasets have no value" in cell.value_reason


OOD = ("ood_pairs", "ood_depth", "ood_length", "ood_surface")


@pytest.mark.parametrize(
    "change",
    [every(without(*OOD)), promise(lambda d: d.update(held_out={"id": "id"}))],
    ids=["not evaluated", "not promised"],
)
def test_without_any_ood_set_only_id_is_told(change: Change, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder)
    found = analysed(folder, capsys)
    rows = primary(found)
    assert rows.xs("id:exact_match", level="score")["effect"].notna().all()
    assert rows.xs("ood:exact_match", level="score")["effect"].isna().all()
    assert rows.xs("ood:exact_match", level="score")["effect_reason"].str.len().gt(10).all()
    ranks = found.rankings.query("score == 'ood:exact_match'")
    assert ranks["value"].isna().all() and ranks["coverage"].eq(0).all()
    assert found.contrasts["effect"].isna().all()


def test_a_damaged_analysis_is_not_believed(folder: Path) -> None:
    whole = qdcbench.load_results(folder)
    (folder / "analysis.json").write_text("{")
    again = qdcbench.load_results(folder)
    assert again.analysis == whole.analysis and "cannot be read" in again.notes[0]
