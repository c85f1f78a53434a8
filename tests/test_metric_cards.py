"""Every measure has a card; the page of all of them is the one in docs; what a card says was measured."""

import csv
import json
from pathlib import Path

import pytest

from qdcbench.cli import main
from qdcbench.measures.behaviour import measured_behaviour
from qdcbench.measures.table import METRICS
from qdcbench.registry import discover
from qdcbench.report.measure_cards import card_facts, card_text, cards_page

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = discover()


def test_the_page_in_docs_is_the_generated_one():
    assert (ROOT / "docs" / "measures.md").read_text(encoding="utf-8") == cards_page(METRICS, REGISTRY), (
        "type `qdcbench list measures --cards docs/measures.md`"
    )


def test_the_table_that_ships_is_that_of_the_study():
    study = ROOT / "results" / "validity" / "validity.csv"
    shipped = ROOT / "qdcbench" / "measures" / "behaviour.csv"
    assert shipped.read_bytes() == study.read_bytes(), f"copy {study} to {shipped}"


def test_every_measure_was_in_the_study_and_has_a_value_or_a_reason():
    table = measured_behaviour()
    assert set(METRICS) <= set(table), "run `qdcbench study validity` and copy its table"
    assert all(row["follows"] or row["reason"] for row in table.values())


@pytest.mark.parametrize("name", METRICS)
def test_a_card_says_all_that_it_must(name):
    facts = card_facts(METRICS[name], REGISTRY)
    assert {"axis", "formula", "variant", "source", "direction", "range", "reads", "cost", "size"} <= set(facts)
    assert {"evidence", "measured"} <= set(facts) and "{" not in "".join(facts.values())
    text = card_text(METRICS[name], REGISTRY)
    assert text.startswith(f"{name}: ") and all(
        len(line) <= 100 or " " not in line.strip() for line in text.split("\n")
    )


def test_the_card_prints_numbers_of_the_study(capsys):
    assert main(["list", "measures", "pair_entropy"]) == 0
    text = capsys.readouterr().out
    row = measured_behaviour()["pair_entropy"]
    assert row["follows"] in text and row["copies"] in text and f"{row['n_percent']} %" in text


def test_a_flag_names_the_methods(capsys):
    assert main(["list", "measure", "vendi_q1[minilm]", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["name"] == "vendi_q1[minilm]" and card["selected by"].startswith("deita, ")


def test_all_cards_go_to_a_file(tmp_path, capsys):
    assert main(["list", "measures", "--cards", str(tmp_path / "cards.md")]) == 0
    text = (tmp_path / "cards.md").read_text(encoding="utf-8")
    for name in METRICS:
        assert f"### {name}\n" in text or f"`{name}`" in text, name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["measures", "pair_entrpy"], "pair_entropy"),
        (["tasks", "list_edits"], "leave 'list_edits' out"),
        (["--cards", "x.md"], "--cards FILE"),
        (["measures", "pair_entropy", "--cards", "x.md"], "--cards FILE"),
    ],
)
def test_mistakes_are_told_in_a_sentence(capsys, words, sentence):
    assert main(["list", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_the_table_is_plain_csv():
    rows = list(csv.reader((ROOT / "qdcbench" / "measures" / "behaviour.csv").read_text().splitlines()))
    assert len({len(row) for row in rows}) == 1
