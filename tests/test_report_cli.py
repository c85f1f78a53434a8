import json
import runpy
from pathlib import Path

import pytest

from qdcbench.cli import main
from qdcbench.editions import load_edition, read_analysis, write_plan, write_record
from qdcbench.plan import Plan
from qdcbench.suite import Arm, Primary, Suite

edition_of = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))
ARMS = {name: edition_of["ARMS"][name] for name in ("taxonomy_tree", "persona", "few_shot", "seeds_only")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An edition on disk whose records are invented, as a run would leave it."""
    folder = tmp_path_factory.mktemp("results") / "invented"
    _, records = edition_of["build_edition"](teachers=["scripted:strong"], repetitions=2, arms=ARMS)
    suite = Suite(
        name="invented", arms=tuple(Arm(method=m.partition("[")[0], name=m) for m in ARMS),
        primary=Primary(complexity="depth"), root_seed=7,
    )  # fmt: skip
    held_out = {name: "id" if name == "id" else "ood" for name in edition_of["SETS"]}
    write_plan(folder, Plan(suite=suite, held_out=held_out, cells=tuple(r.spec for r in records)))
    for record in records:
        write_record(folder, record)
    return folder


def test_analyze_then_figures_then_leaderboard(folder, capsys):
    assert main(["analyze", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "taxonomy_tree" in text and "7 of 8 datasets complete, 1 failed" in text
    analysis = read_analysis(folder)
    assert analysis.complete == 7 and len(load_edition(folder).records) == 8

    assert main(["figures", str(folder)]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {p.suffix for p in written} == {".png", ".pdf", ".csv", ".md", ".tex"}
    assert all(p.is_file() for p in written)

    assert main(["leaderboard", str(folder)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == folder / "page" / "index.html" and page.stat().st_size > 100_000

    assert main(["verify", str(folder)]) == 0, capsys.readouterr().out


def test_json_is_the_analysis_and_writes_nothing(folder, capsys):
    (folder / "analysis.json").unlink(missing_ok=True)
    assert main(["analyze", str(folder), "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["edition"] == "invented"
    assert not (folder / "analysis.json").exists()
    main(["analyze", str(folder)])
    assert (folder / "analysis.json").read_text(encoding="utf-8") == printed


def test_only_one_figure_to_another_folder(folder, tmp_path, capsys):
    main(["analyze", str(folder)])
    assert main(["figures", str(folder), "--only", "axis_effects", "--out", str(tmp_path / "x")]) == 0
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == [f"axis_effects.{s}" for s in ("csv", "pdf", "png")]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["figures", "{}", "--only", "qd_plan"], 1, "did you mean 'qd_plane'"),
        (["figures", "{}x"], 1, "there is no edition folder"),
        (["leaderboard", "{}x"], 1, "there is no edition folder"),
        (["analyze", "{}x"], 1, "there is no edition folder"),
    ],
)
def test_mistakes_are_one_sentence(folder, capsys, words, code, sentence):
    main(["analyze", str(folder)])
    capsys.readouterr()
    assert main([word.replace("{}", str(folder)) for word in words]) == code
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


@pytest.mark.parametrize("verb", ["analyze", "figures", "leaderboard"])
def test_help_has_an_example(verb, capsys):
    with pytest.raises(SystemExit) as done:
        main([verb, "--help"])
    assert done.value.code == 0
    assert f"qdcbench {verb} results/quick" in " ".join(capsys.readouterr().out.split())
