"""Pages with Python: their examples print what they say; the table of columns names every one, and the script runs.

``python tests/test_docs_example.py`` writes what the examples print today into the pages.
"""

import contextlib
import doctest
import io
import os
import re
import runpy
import sys
from pathlib import Path

import pytest
from planted_edition import Size, records, write_edition

import qdcbench
from qdcbench.results import Results
from qdcbench.stages.analysis_rows import SOURCES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "python.md"
PAGES = (PAGE, ROOT / "docs" / "interventional_editions.md")
SCRIPT = ROOT / "docs" / "example_analysis.py"
PARTS = ("", "_low", "_high", "_level", "_kind", "_n", "_reason")


def printed(text: str) -> str:
    """A page with each example followed by what it prints now."""
    names: dict[str, object] = {}

    def block(match: re.Match[str]) -> str:
        out = []
        for example in doctest.DocTestParser().get_examples(match.group(1)):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(example.source, "page", "single"), names)
            first, *more = example.source.splitlines()
            out += [f">>> {first}", *(f"... {line}" for line in more), *said.getvalue().splitlines()]
        return "```python\n" + "\n".join(out) + "\n\n```"

    return re.sub(r"```python\n(.*?)```", block, text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_print_what_the_page_says(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    assert text.count(">>>") > 8
    assert printed(text) == text, "python tests/test_docs_example.py writes the page anew"


def documented() -> dict[str, list[str]]:
    """The columns of each frame as the page names them."""
    found = {}
    for name, columns in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        written = re.findall(r"`(\w+\*?)`", columns)
        found[name] = [
            full
            for column in written
            for full in ([column[:-1] + part for part in PARTS] if column.endswith("*") else [column])
        ]
    return found


def test_every_frame_and_column_is_on_the_page(tmp_path: Path) -> None:
    results = qdcbench.load_results(write_edition(tmp_path / "planted", records(Size(repetitions=2))))
    page = documented()
    frames = {name for name, part in vars(Results).items() if isinstance(part, property)}
    assert set(page) == frames - {"editions", "notes", "records", "analysis", "suite"} == {*SOURCES} | {
        "runs", "measures", "scores", "probes",
    }  # fmt: skip
    for name, columns in page.items():
        there = list(getattr(results, name))[1:]
        if name == "runs":
            measures, scores = set(results.analysis.measure_names), set(results.analysis.score_names)
            assert set(there[len(columns) :]) == measures | scores
            there = there[: len(columns)]
        assert there == columns, name


def run_script(folder: Path) -> str:
    said, before = io.StringIO(), sys.argv
    sys.argv = [SCRIPT.name, str(folder)]
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(SCRIPT))
    finally:
        sys.argv = before
    return said.getvalue()


def test_the_script_runs_on_an_edition_made_here(tmp_path: Path) -> None:
    folder = write_edition(tmp_path / "planted", records(Size(repetitions=2)))
    out = run_script(folder)
    assert out.startswith("Results of planted (24 of 24 datasets)") and "NaN" not in out.split("Who leads")[0]
    assert "F1 (observational, simulated" in out and "correlation with id:exact_match, 24 data sets" in out


def test_the_script_tells_the_committed_edition_like_the_page() -> None:
    out = run_script(ROOT / "results" / "standard")
    edition = qdcbench.load_results(ROOT / "results" / "standard")
    best = edition.rankings.query("score.str.startswith('ood:') and place == 1")
    assert all(arm in out for arm in best["arm"])
    for row in edition.verdicts.itertuples():
        assert row.evidence in out and f": {row.answer}\n" in out


if __name__ == "__main__":
    os.chdir(ROOT)
    for each in PAGES:
        each.write_text(printed(each.read_text(encoding="utf-8")), encoding="utf-8")
