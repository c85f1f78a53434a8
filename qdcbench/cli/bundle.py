"""``qdcbench bundle``: an edition and all it takes to make it again, in one file."""

import argparse
import hashlib
from pathlib import Path

from qdcbench.bundles.gather import bundle
from qdcbench.cli.common import LEDGER, add_plugins
from qdcbench.editions import load_edition
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.store import Store

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "bundle",
        help="pack an edition with its recorded answers, so that qdcbench verify can make it again anywhere",
        description="Pack the promise, records, tables, figures and page of an edition with the recorded answers of "
        "its teachers, the data files that its arms and task read, and the source of private plugins. The same "
        "edition gives the same bytes. A file that holds the value of a variable named like a secret is refused.",
        epilog="example: qdcbench bundle results/mine -o mine.qdcbundle.tar.gz --base suites",
    )
    parser.add_argument("edition", type=Path, help="edition folder")
    parser.add_argument("-o", "--out", type=Path, help="file to write (default: EDITION.qdcbundle.tar.gz)")
    parser.add_argument(
        "--work", type=Path, default=Path(".qdcbench"), help="folder of cached artefacts (default: .qdcbench)"
    )
    parser.add_argument(
        "--base", metavar="DIR", type=Path, default=Path(), help="folder of the suite file (default: this folder)"
    )
    add_plugins(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the bundle and print what it holds."""
    edition = load_edition(args.edition)
    bench = Bench(
        registry=discover(args.plugins),
        store=Store(args.work / "store"),
        base=args.base.resolve(),
        spending=Spending(ledger=args.work / LEDGER),
    )
    target = args.out or Path(f"{edition.folder.resolve().name}.qdcbundle.tar.gz")
    manifest = bundle(edition, bench, target)
    with target.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    counts = manifest.counts
    print(
        f"{counts['complete']} complete and {counts['failed']} failed runs of {counts['promised']} promised, "
        f"{counts['answers']:,} recorded answers, {len(manifest.inputs)} inputs, {len(manifest.plugins)} folders of "
        f"private plugins, {len(manifest.files)} files"
    )
    print(f"{target}: {target.stat().st_size:,} bytes, SHA-256 {sha256}")
    return 0
