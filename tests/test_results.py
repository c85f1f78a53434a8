"""The committed editions: every record valid and in its place, the analysis what the records give."""

from pathlib import Path

import pytest

import qdcbench
from qdcbench.canon import pretty_json
from qdcbench.editions import load_edition, path_for
from qdcbench.stages.analyze import analyze

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ("budget_curve", "factorial", "methods", "replication", "spread", "standard", "tradeoff")
EDITIONS = [ROOT / "results" / name for name in COMMITTED]


@pytest.mark.parametrize("folder", EDITIONS, ids=lambda folder: folder.name)
def test_records_are_where_they_belong_and_give_the_committed_analysis(folder):
    edition = load_edition(folder)
    assert edition.missing == ()
    assert {path for path in (folder / "runs").rglob("*.json")} == {path_for(folder, r.spec) for r in edition.records}
    analysis = analyze(edition.records, edition.facts)
    assert pretty_json(analysis) == (folder / "analysis.json").read_text(encoding="utf-8")
    shuffled = analyze(edition.records[::-1], edition.facts)
    assert shuffled == analysis


@pytest.mark.parametrize("folder", EDITIONS, ids=lambda folder: folder.name)
def test_records_are_frames_with_a_row_each(folder):
    results = qdcbench.load_results(folder)
    assert results.notes == (f"{folder.name}: the analysis is that of analysis.json",)
    assert set(results.runs["run_id"]) == {record.run_id for record in load_edition(folder).records}
    assert results.runs["id:exact_match"].notna().all()
