"""``qdcbench figures``: an edition's figures and tables, from its committed analysis."""

import argparse
from pathlib import Path

from qdcbench.errors import ConfigError

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "figures",
        help="draw an edition's figures (PNG, PDF, numbers as CSV) and tables (Markdown, CSV, LaTeX)",
        description="Draw the figures and tables of an edition from its analysis.json and records. Needs no GPU, "
        "network or key; the same input gives the same bytes.",
        epilog="examples: qdcbench figures results/quick | qdcbench figures results/quick --only qd_plane --out paper/",
    )
    parser.add_argument("edition", type=Path, nargs="?", default=Path("results/quick"), help="edition folder")
    parser.add_argument("--out", type=Path, help="folder to write to (default: figures/ and tables/ of the edition)")
    parser.add_argument("--only", action="append", metavar="NAME", help="draw only this figure (may be given again)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the files and print their paths."""
    from qdcbench.editions import load_edition, read_analysis
    from qdcbench.report.figures import FIGURES, write_figures
    from qdcbench.report.tables import write_tables

    edition, analysis = load_edition(args.edition), read_analysis(args.edition)
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise ConfigError(f"--out {args.out} is a file; name a folder")
    paths = write_figures(analysis, edition.records, args.out or args.edition / "figures", args.only or tuple(FIGURES))
    if not args.only:
        paths += write_tables(analysis, args.out or args.edition / "tables")
    for path in paths:
        print(path)
    return 0
