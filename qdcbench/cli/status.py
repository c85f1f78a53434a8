"""``qdcbench status``: how far an edition is."""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qdcbench.canon import plain
from qdcbench.cli.common import LEDGER
from qdcbench.editions import load_edition
from qdcbench.teachers.ledger.read import Spend, spent

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "status",
        help="cells complete, failed and missing in an edition, and what was really spent on it",
        epilog="example: qdcbench status results/quick",
    )
    parser.add_argument("edition", type=Path, nargs="?", default=Path("results/quick"), help="edition folder")
    parser.add_argument("--work", type=Path, default=Path(".qdcbench"), help="folder with the ledger of what was spent")
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the counts; return 3 when there are failed cells."""
    edition = load_edition(args.edition)
    status = {record.run_id: record.status for record in edition.records}
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: {"complete": 0, "failed": 0, "missing": 0})
    for cell in edition.plan.cells:
        counts[cell.teacher.name, cell.arm][status.get(cell.run_id, "missing")] += 1
    total = {kind: sum(c[kind] for c in counts.values()) for kind in ("complete", "failed", "missing")}
    failures = [r for r in edition.records if r.failure is not None]
    spend = spent(args.work / LEDGER, f"suite:{args.edition.name}")
    if args.json:
        print(
            json.dumps(
                {
                    "edition": str(args.edition),
                    **total,
                    "spent": plain(spend),
                    "failures": {r.run_id: r.failure.message for r in failures if r.failure},
                },
                indent=1,
            )
        )
        return 3 if failures else 0
    table = Table(box=None, pad_edge=False)
    for column in ("teacher", "arm", "complete", "failed", "missing"):
        table.add_column(column)
    for (teacher, arm), row in counts.items():
        table.add_row(teacher, arm, *(str(row[k]) for k in ("complete", "failed", "missing")))
    Console().print(table, markup=False)
    print(", ".join(f"{n} {kind}" for kind, n in total.items()))
    if spend.calls:
        print(_spent(spend))
    for record in failures:
        assert record.failure is not None
        print(f"failed: {record.spec.arm} r{record.spec.repetition}: {record.failure.message}")
    return 3 if failures else 0


def _spent(spend: Spend) -> str:
    """Say what the ledger here holds of the edition, every attempt counted."""
    money = f"{spend.money:,.2f} US dollars" if not spend.unpriced else "no price is known"
    text = f"really spent: {spend.calls:,} requests, {spend.tokens:,} tokens, {money}"
    return text + (f"; {spend.assumed:,} of the requests are charged at their bound" if spend.assumed else "")
