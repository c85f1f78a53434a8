"""``qdcbench analyze``: an edition's statistics again from its records."""

import argparse
from pathlib import Path

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "analyze",
        help="compute an edition's statistics from its records and print tables and verdicts",
        description="Read suite.json and runs/ of an edition, compute every statistic, write analysis.json, print the "
        "main tables and the verdicts. Needs no GPU, network or key; the same records give the same bytes.",
        epilog="examples: qdcbench analyze results/quick | qdcbench analyze results/quick --json > analysis.json",
    )
    parser.add_argument("edition", type=Path, nargs="?", default=Path("results/quick"), help="edition folder")
    parser.add_argument("--json", action="store_true", help="print the analysis as JSON and write no file")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the tables, or JSON; return 0 also for an invalid edition, which the output says at its head."""
    from qdcbench.canon import pretty_json
    from qdcbench.editions import load_edition, write_analysis
    from qdcbench.stages.analyze import analyze

    edition = load_edition(args.edition)
    analysis = analyze(edition.records, edition.facts)
    if args.json:
        print(pretty_json(analysis), end="")
        return 0
    from rich.console import Console

    from qdcbench.report.tables import terminal_tables

    path = write_analysis(args.edition, analysis)
    if not analysis.valid:
        print("INVALID edition: " + "; ".join(analysis.invalid_because))
    console = Console()
    for table in terminal_tables(analysis):
        console.print(table)
    print(f"{analysis.complete} of {analysis.promised} datasets complete, {analysis.failed} failed; written: {path}")
    return 0
