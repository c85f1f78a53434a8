"""``qdcbench run``: a suite from generation to leaderboard page."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qdcbench.cli.common import LEDGER, add_suite, edition_folder, is_custom, load_plan
from qdcbench.cli.plan import forecast_of, print_forecast_and_fact
from qdcbench.cli.progress import progress
from qdcbench.editions import Edition, foreign_records, load_edition, write_plan
from qdcbench.errors import RecordError
from qdcbench.executors.pool import Site, run_cells
from qdcbench.plan import Plan
from qdcbench.records import RunRecord, RunSpec
from qdcbench.stages.bench import Spending
from qdcbench.teachers.ledger.read import Spend, spent

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "run",
        help="run a suite to its leaderboard page; finished cells are not run again",
        description="Run a suite: generate, select, measure, train, evaluate, analyze, draw. A killed run goes on "
        "where it stopped.",
        epilog="examples: qdcbench run | qdcbench run standard --workers 2 | qdcbench run my.toml --plugins mine | "
        "qdcbench run --method persona --teacher openai:my-model --base-url http://127.0.0.1:8000/v1 --budget tiny",
    )
    add_suite(parser)
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="worker processes (default: all cores)"
    )
    parser.add_argument(
        "--work", type=Path, default=Path(".qdcbench"), help="folder of cached artefacts (default: .qdcbench)"
    )
    parser.add_argument(
        "--replay-only", action="store_true", help="use recorded answers alone; fail rather than ask a teacher"
    )
    parser.add_argument("--retry-failed", action="store_true", help="run cells again whose record is a failure")
    parser.add_argument("--no-report", action="store_true", help="stop after the records: no analysis, figures, page")
    parser.add_argument("--plain", action="store_true", help="plain progress lines even on a terminal")
    parser.set_defaults(func=run)


def _begin(folder: Path, plan: Plan, *, set_aside: bool) -> Edition:
    """Write the promise, unless the folder holds records that are not of it: those are refused or set aside."""
    strangers = foreign_records(folder, plan)
    if strangers and not set_aside:
        raise RecordError(
            f"{folder} holds {len(strangers)} records of other code or parameters, such as {strangers[0]}; "
            "run into a new folder with --edition NAME"
        )
    for path in strangers:
        kept = folder / "set-aside" / path.relative_to(folder / "runs")
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.replace(kept)
    if strangers:
        print(
            f"{len(strangers)} records that are not cells of this run (another arm, code or parameter) were moved to "
            f"{folder / 'set-aside'}; a run that asks for them makes them again from the cache"
        )
    write_plan(folder, plan)
    return load_edition(folder)


def _to_run(edition: Edition, retry: bool) -> tuple[RunSpec, ...]:
    done: Mapping[str, RunRecord] = {record.run_id: record for record in edition.records}
    return tuple(
        cell
        for cell in edition.plan.cells
        if cell.run_id not in done or (retry and done[cell.run_id].status == "failed")
    )


def _spend(site: Site, cells: Sequence[RunSpec]) -> Callable[[], Spend] | None:
    """Return a look into the ledger, None where no teacher of the cells to run is paid or metered there."""
    ledger = site.spending.ledger
    if ledger is None or all(cell.teacher.simulated for cell in cells):
        return None
    return lambda: spent(ledger, f"suite:{site.spending.suite}")


def run(args: argparse.Namespace) -> int:
    """Run what is missing, then the report; return 3 when some cells failed."""
    plan, registry, base = load_plan(args)
    folder = edition_folder(args, plan)
    edition = _begin(folder, plan, set_aside=is_custom(args, plan))
    cells = _to_run(edition, args.retry_failed)
    site = Site(
        edition=folder.resolve(),
        store=(args.work / "store").resolve(),
        base=base,
        plugins=registry.folders,
        cell_seconds=plan.suite.cell_seconds,
        workers=max(1, args.workers),
        spending=Spending(
            ledger=(args.work / LEDGER).resolve(),
            replay_only=args.replay_only,
            suite=folder.name,
            caps=plan.suite.caps,
            cell_caps=plan.suite.cell_caps,
        ),
    )
    expected = forecast_of(plan, registry, args.results, cells, site.workers)
    with progress(plan, edition, cells, plain=args.plain, spend=_spend(site, cells)) as show:
        for event in run_cells(cells, site, show.tick):
            show.event(event)
    edition = load_edition(folder)
    failed = [record for record in edition.records if record.status == "failed"]
    for record in failed[:20]:
        assert record.failure is not None
        print(
            f"failed: {record.spec.arm} r{record.spec.repetition} ({record.spec.teacher.name}), "
            f"stage {record.failure.stage}: {record.failure.message}"
        )
    print_forecast_and_fact(expected, edition)
    if not args.no_report:
        from qdcbench.cli.report import write_report

        write_report(edition)
    return 3 if failed else 0
