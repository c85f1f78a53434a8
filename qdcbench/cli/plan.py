"""``qdcbench plan``: what a suite would run and what it will need, before anything is spent."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qdcbench.canon import plain
from qdcbench.cli.common import LEDGER, add_suite, edition_folder, load_plan
from qdcbench.editions import Edition, complete_runs
from qdcbench.forecast import Amount, CapFit, Compared, Forecast, Line, cap_fits, compare, forecast, read_history
from qdcbench.plan import Plan
from qdcbench.records import Caps, RunSpec
from qdcbench.registry import Registry
from qdcbench.teachers.ledger.read import spent

__all__ = ["add_parser", "fits_of", "forecast_of", "print_forecast_and_fact", "run"]

UNKNOWN = "–"


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "plan",
        help="show the cells of a suite, what they will need and whether its caps are enough; runs nothing",
        description="Forecast calls, tokens, money and hours of the cells still to do. A number comes from earlier "
        "runs in the results folder, else from what a method declares, else from the budget's caps.",
        epilog="examples: qdcbench plan standard | qdcbench plan my.toml --repetitions 5 --cap money=2 --json",
    )
    add_suite(parser)
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="worker processes that share the time (all cores)"
    )
    parser.add_argument("--work", type=Path, default=Path(".qdcbench"), help="folder with what was spent before")
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    parser.set_defaults(func=run)


def forecast_of(
    plan: Plan, registry: Registry, results: Path, to_do: Sequence[RunSpec] | None = None, workers: int = 1
) -> Forecast:
    """Return the forecast of a plan's cells ``to_do`` (default: all) from the editions under ``results``."""
    return forecast(plan, registry, read_history(results), to_do=to_do, workers=max(1, workers))


def fits_of(plan: Plan, found: Forecast, edition: str, work: Path) -> tuple[CapFit, ...]:
    """Return whether a forecast fits under its suite's caps, less what the ledger says was spent on the edition."""
    before = spent(work / LEDGER, f"suite:{edition}")
    return cap_fits(plan.suite, found, Caps(calls=before.calls, tokens=before.tokens, money=before.money))


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    plan, registry, _ = load_plan(args)
    folder = edition_folder(args, plan)
    finished = complete_runs(folder)
    to_do = [cell for cell in plan.cells if cell.run_id not in finished]
    found = forecast_of(plan, registry, args.results, to_do, args.workers)
    fits = fits_of(plan, found, folder.name, args.work)
    asking = [cell for cell in plan.cells if registry.method(cell.method).plugin.intents]
    facts: dict[str, Any] = {
        "suite": plan.suite.name,
        "edition": str(folder),
        "cells": len(plan.cells),
        "finished": len(plan.cells) - len(to_do),
        "datasets_by_a_teacher": len(asking),
        "probe_trainings": sum(c.probe_repetitions for c in plan.cells),
        "teacher_tokens_at_most": sum(cell.budget.teacher_tokens or 0 for cell in asking),
    }
    if args.json:
        facts["run_ids"] = [cell.run_id for cell in plan.cells]
        facts["forecast"] = [_as_json(line) for line in found.lines]
        facts["forecast_total"] = _as_json(found.total)
        facts["workers"] = found.workers
        facts["caps"] = [plain(fit) | {"fits": fit.fits} for fit in fits]
        print(json.dumps(facts, indent=1))
        return 0
    print(f"suite {plan.suite.name}: {plan.suite.summary}" if plan.suite.summary else f"suite {plan.suite.name}")
    print(f"forecast of the cells to do, {found.workers} worker{'' if found.workers == 1 else 's'}")
    _show(_forecast_tables(found))
    print(
        f"{len(plan.cells)} cells, {facts['finished']} finished, {facts['probe_trainings']} probe trainings; the "
        f"budgets allow at most {facts['teacher_tokens_at_most']:,} teacher tokens in all; judging comes on top"
    )
    print("Answers that are recorded already cost nothing; retries and the time to wait for a busy server come on top.")
    for fit in fits:
        print(fit.sentence)
    return 0


def print_forecast_and_fact(found: Forecast, edition: Edition) -> None:
    """Print, for the cells of a forecast that now have a record, what was forecast beside what they took."""
    rows = compare(found, edition.records)
    if any(row.cells for row in rows):
        print("what the runs took beside their forecast; judging and retries are in neither")
        _show(_fact_tables(rows, found.workers))


def _show(tables: Sequence[Table]) -> None:
    console = Console()
    for table in tables:
        console.print(table, markup=False)
    console.print()


def _as_json(line: Line) -> dict[str, Any]:
    amount = plain(line.amount)
    del amount["seconds"], amount["seconds_at_least"]
    described: dict[str, Any] = plain(line)
    described.pop("amount")
    return {**described, **amount}


def _count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def _money(value: float | None) -> str:
    return UNKNOWN if value is None else "0" if value == 0 else f"{value:,.2f}" if value >= 0.01 else "<0.01"


def _time(hours: float | None, at_least: float) -> str:
    if hours is None:
        return f"over {_time(at_least, 0.0)}" if at_least > 0 else UNKNOWN
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"


def _table(title: str, numbers: Sequence[str], last: str) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("arm", overflow="fold", min_width=12)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(last, overflow="fold")
    return table


def _forecast_tables(found: Forecast) -> list[Table]:
    """Return a table a teacher, the last with the total of all."""
    tables = []
    for teacher in dict.fromkeys(line.teacher for line in found.lines):
        table = _table(f"teacher {teacher}", ("to do", "calls", "tokens", "USD", "time"), "from")
        for line in (line for line in found.lines if line.teacher == teacher):
            _add(table, line)
        tables.append(table)
    total = _table("all", ("to do", "calls", "tokens", "USD", "time"), "")
    _add(total, found.total)
    return [*tables, total]


def _add(table: Table, line: Line) -> None:
    amount = line.amount
    table.add_row(
        Text(line.arm), f"{line.to_do} of {line.cells}", _count(amount.calls), _count(amount.tokens),
        _money(amount.money), _time(line.hours, line.hours_at_least), Text(line.source),
    )  # fmt: skip


def _fact_tables(rows: Sequence[Compared], workers: int) -> list[Table]:
    """Return a table a teacher with two lines an arm: what its runs took, and what was forecast for them."""
    tables = []
    for teacher in dict.fromkeys(row.teacher for row in rows):
        table = _table(f"teacher {teacher}" if teacher else "all", ("cells", "calls", "tokens", "USD", "time"), "")
        for row in (row for row in rows if row.teacher == teacher and row.cells):
            table.add_row(Text(row.arm), str(row.cells), *_shown(row.fact, workers), "took")
            source = f"forecast, {row.source}" if row.source else "forecast"
            table.add_row("", "", *_shown(row.forecast, workers), Text(source), end_section=True)
        tables.append(table)
    return tables


def _shown(amount: Amount, workers: int) -> tuple[str, str, str, str]:
    hours = None if amount.seconds is None else amount.seconds / 3600 / workers
    at_least = amount.seconds_at_least / 3600 / workers
    return _count(amount.calls), _count(amount.tokens), _money(amount.money), _time(hours, at_least)
