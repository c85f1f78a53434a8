"""The committed editions: every record valid and in its place, the analysis what the records give."""

from pathlib import Path

import pytest

from qdcbench.canon import pretty_json
from qdcbench.editions import load_edition, path_for
from qdcbench.stages.analyze import analyze

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ["methods", "standard"]
EDITIONS = sorted(path.parent for path in (ROOT / "results").glob("*/analysis.json") if path.parent.name in COMMITTED)


def test_the_editions_are_there():
    assert [edition.name for edition in EDITIONS] == COMMITTED


@pytest.mark.parametrize("folder", EDITIONS, ids=lambda folder: folder.name)
def test_records_are_where_they_belong_and_give_the_committed_analysis(folder):
    edition = load_edition(folder)
    assert edition.missing == ()
    assert {path for path in (folder / "runs").rglob("*.json")} == {path_for(folder, r.spec) for r in edition.records}
    analysis = analyze(edition.records, edition.facts)
    assert pretty_json(analysis) == (folder / "analysis.json").read_text(encoding="utf-8")
    shuffled = analyze(edition.records[::-1], edition.facts)
    assert shuffled == analysis
