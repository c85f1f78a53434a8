"""``qdcbench plan``: what a suite would run, before anything is spent."""

import argparse
import json
from collections import Counter

from rich.console import Console
from rich.table import Table

from qdcbench.cli.common import add_suite, edition_folder, load_plan
from qdcbench.editions import complete_runs

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "plan",
        help="show the cells of a suite and the most they can spend; runs nothing",
        epilog="examples: qdcbench plan standard | qdcbench plan my.toml --repetitions 5 --json",
    )
    add_suite(parser)
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    plan, registry, _ = load_plan(args)
    folder = edition_folder(args, plan)
    finished = complete_runs(folder)
    done = [cell for cell in plan.cells if cell.run_id in finished]
    asking = [cell for cell in plan.cells if registry.method(cell.method).plugin.intents]
    cap = sum(cell.budget.teacher_tokens or 0 for cell in asking)
    facts = {
        "suite": plan.suite.name,
        "edition": str(folder),
        "cells": len(plan.cells),
        "finished": len(done),
        "datasets_by_a_teacher": len(asking),
        "probe_trainings": sum(c.probe_repetitions for c in plan.cells),
        "teacher_tokens_at_most": cap,
    }
    if args.json:
        print(json.dumps(facts | {"run_ids": [cell.run_id for cell in plan.cells]}, indent=1))
        return 0
    table = Table(
        title=f"suite {plan.suite.name}: {plan.suite.summary}", title_justify="left", box=None, pad_edge=False
    )
    for column in ("arm", "role", "teacher", "budget", "repetitions", "finished"):
        table.add_column(column)
    total = Counter((c.arm, c.role, c.teacher.name, c.budget.name) for c in plan.cells)
    ended = Counter((c.arm, c.role, c.teacher.name, c.budget.name) for c in done)
    for key, count in total.items():
        table.add_row(*key, str(count), str(ended[key]))
    Console().print(table, markup=False)
    print(
        f"{len(plan.cells)} cells, {len(done)} finished, {facts['probe_trainings']} probe trainings; the budgets allow "
        f"at most {cap:,} teacher tokens in all; judging, up to 200 questions a dataset, comes on top"
    )
    return 0
