"""``qdcbench leaderboard``: an edition as one HTML page that opens from disk."""

import argparse
import tempfile
from pathlib import Path

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "leaderboard",
        help="build an edition's leaderboard page from its committed analysis",
        description="Build one self-contained HTML page from an edition's analysis.json and records: tables, verdicts, "
        "figures, every run. The same input gives the same bytes.",
        epilog="example: qdcbench leaderboard results/quick --out site/",
    )
    parser.add_argument("edition", type=Path, nargs="?", default=Path("results/quick"), help="edition folder")
    parser.add_argument("--out", type=Path, help="folder to write index.html to (default: page/ of the edition)")
    parser.add_argument(
        "--plugins", metavar="DIR", type=Path, action="append", default=[],
        help="folder with private methods, for what the page says about them (may be given again)",
    )  # fmt: skip
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and print its path."""
    from qdcbench.editions import load_edition, read_analysis
    from qdcbench.registry import discover
    from qdcbench.report.figures import write_figures
    from qdcbench.report.methods import methods_info
    from qdcbench.report.site import build_site

    edition, analysis = load_edition(args.edition), read_analysis(args.edition)
    info = methods_info(discover(args.plugins))
    # Figures are drawn anew, so that the page never shows those of an older analysis.
    with tempfile.TemporaryDirectory() as scratch:
        write_figures(analysis, edition.records, Path(scratch))
        page = build_site(analysis, edition.records, info, Path(scratch), args.out or args.edition / "page")
    print(page)
    return 0
