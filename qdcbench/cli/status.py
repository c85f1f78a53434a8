"""``qdcbench status``: how far an edition is."""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qdcbench.editions import load_edition

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "status",
        help="cells complete, failed and missing in an edition",
        epilog="example: qdcbench status results/quick",
    )
    parser.add_argument("edition", type=Path, nargs="?", default=Path("results/quick"), help="edition folder")
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
    if args.json:
        print(
            json.dumps(
                {
                    "edition": str(args.edition),
                    **total,
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
    for record in failures:
        assert record.failure is not None
        print(f"failed: {record.spec.arm} r{record.spec.repetition}: {record.failure.message}")
    return 3 if failures else 0
