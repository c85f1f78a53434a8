"""``qdcbench plan`` as a user types it, and the table of forecast and fact after a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdcbench.canon import pretty_json
from qdcbench.cli.plan import forecast_of, print_forecast_and_fact
from qdcbench.editions import Edition, facts_of
from qdcbench.plan import expand
from qdcbench.records import DatasetSummary, Provenance, RunRecord, Usage
from qdcbench.registry import discover
from qdcbench.suite import parse_suite
from qdcbench.teachers.account import Access, Order, Rates, Scope, Spent
from qdcbench.teachers.ledger.group_commit import open_account
from qdcbench.teachers.prices import Price

SUITE = """
name = "s"
repetitions = 2
teachers = ["openai:gpt-4o-mini"]
budget = "rows-1k"
[teacher_options]
base_url = "https://api.openai.com/v1"
[caps]
money = 0.30
[[arm]]
method = "persona"
[[arm]]
method = "seeds_only"
"""
SECONDS = {"generate": 100.0, "select": 1.0, "measure": 9.0, "probe": 70.0}


def qdcbench(*arguments, cwd, width=100):
    return subprocess.run(
        [sys.executable, "-m", "qdcbench", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        check=False, timeout=120, env={**os.environ, "COLUMNS": str(width)},
    )  # fmt: skip


@pytest.fixture
def plan():
    return expand(parse_suite(SUITE, "s"), discover(), Path())


def record_of(spec):
    usage = Usage(calls=2200, prompt_tokens=400_000, completion_tokens=100_000, money=0.12,
                  calls_by_intent={"persona": 200, "propose": 1000, "answer": 1000})  # fmt: skip
    dataset = DatasetSummary(
        sha256="a", training_sha256="b", attempts=1000, accepted=1000, contaminated=0, selected=1000, rejected_by={},
        stopped_by="examples", usage=usage if spec.arm == "persona" else Usage(), mean_prompt_words=None,
        mean_completion_words=None,
    )  # fmt: skip
    provenance = Provenance(
        commit="0", dirty=False, packages={}, python="3", platform="p", started="t", seconds=SECONDS
    )
    return RunRecord(run_id=spec.run_id, spec=spec, status="complete", dataset=dataset, provenance=provenance)


def write_results(folder, plan, n):
    for cell in plan.cells[:n]:
        path = folder / "results" / "s" / "runs" / f"{cell.run_id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pretty_json(record_of(cell)), encoding="utf-8")
    (folder / "s.toml").write_text(SUITE, encoding="utf-8")


def test_what_is_finished_tells_what_the_rest_will_need(tmp_path, plan):
    write_results(tmp_path, plan, 2)
    ended = qdcbench("plan", "s.toml", "--json", "--workers", "1", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert (facts["cells"], facts["finished"], len(facts["run_ids"])) == (4, 2, 4)
    assert facts["teacher_tokens_at_most"] == 2 * 4_000_000 and facts["datasets_by_a_teacher"] == 2
    persona = next(line for line in facts["forecast"] if line["arm"] == "persona")
    assert (persona["cells"], persona["to_do"], persona["calls"], persona["tokens"]) == (2, 1, 2200, 500_000)
    assert persona["money"] == pytest.approx(0.4 * 0.15 + 0.1 * 0.60)
    assert persona["source"] == "measured in 1 run"
    total = facts["forecast_total"]
    assert total["hours"] == pytest.approx(2 * sum(SECONDS.values()) / 3600)
    assert total["money"] > persona["money"]  # judging comes on top
    (cap,) = facts["caps"]
    assert (cap["kind"], cap["cap"], cap["fits"]) == ("money", 0.3, True)


def test_a_cap_that_is_too_low_is_told_before_anything_is_spent(tmp_path, plan):
    write_results(tmp_path, plan, 2)
    shown = qdcbench("plan", "s.toml", "--cap", "money=0.05", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "the suite's cap of 0.05 USD would end it after about 0 % of the cells (0 of 2)" in shown.stdout
    assert "measured in 1 run" in shown.stdout and "teacher openai:gpt-4o-mini" in shown.stdout


def test_what_the_ledger_says_was_spent_is_no_longer_there_to_spend(tmp_path, plan):
    write_results(tmp_path, plan, 2)
    access = Access(ledger=tmp_path / "work" / "ledger.sqlite", scopes=(Scope(name="suite:s"),))
    access.ledger.parent.mkdir()
    account = open_account(access, Rates(endpoint="e"))
    order = Order(
        key="k", request={}, intent="propose", teacher="t", prompt_tokens=10, completion_tokens=10,
        price=Price(input=1e4, output=1e4, dated="2026-11-01", source="s"),
    )  # fmt: skip
    (ticket,) = account.reserve_now([order])
    account.settle_now([(ticket, Spent(outcome="answered", prompt_tokens=10, completion_tokens=10), None)])
    account.close()
    ended = qdcbench("plan", "s.toml", "--work", "work", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "0 of 2); 0.20 USD of it was spent before" in ended.stdout
    assert "is enough" in qdcbench("plan", "s.toml", "--work", "elsewhere", cwd=tmp_path).stdout


def test_the_table_fits_a_narrow_terminal(tmp_path, plan):
    write_results(tmp_path, plan, 2)
    shown = qdcbench("plan", "s.toml", cwd=tmp_path, width=80).stdout
    rows = shown[shown.index("teacher openai") : shown.index("4 cells")].splitlines()
    assert max(map(len, rows)) <= 80


def test_a_plan_loads_no_tensor_library():
    code = (
        "import sys; from qdcbench.cli import main; main(['plan', 'quick', '--json']); "
        "print(sorted({'torch', 'transformers', 'lm_eval', 'datasets'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


def test_after_a_run_the_forecast_stands_beside_the_fact(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    write_results(tmp_path, plan, 2)
    found = forecast_of(plan, discover(), tmp_path / "results", plan.cells[2:], workers=2)
    edition = Edition(
        folder=tmp_path, plan=plan, records=tuple(map(record_of, plan.cells[:3])), facts=facts_of(plan, "s")
    )
    print_forecast_and_fact(found, edition)
    shown = capsys.readouterr().out
    took, said, *_ = (
        line.split() for line in shown.splitlines() if line.startswith("persona") or "forecast, measured" in line
    )
    assert took == ["persona", "1", "2,200", "500,000", "0.12", "1.5", "min", "took"]
    assert said[:5] == ["2,200", "500,000", "0.12", "1.5", "min"]
    assert "seeds_only" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_nothing_is_printed_where_nothing_was_run(plan, tmp_path, capsys):
    found = forecast_of(plan, discover(), tmp_path, plan.cells)
    print_forecast_and_fact(found, Edition(folder=tmp_path, plan=plan, records=(), facts=facts_of(plan, "s")))
    assert capsys.readouterr().out == ""
