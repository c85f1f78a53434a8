"""The command line: one file a verb, the only place that prints."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from qdcbench import __version__
from qdcbench.errors import QdcError

__all__ = ["main"]

VERBS = (
    "run",
    "plan",
    "status",
    "measure",
    "analyze",
    "figures",
    "leaderboard",
    "list",
    "new",
    "check",
    "bundle",
    "verify",
    "study",
    "doctor",
)


def parser() -> argparse.ArgumentParser:
    """Return the whole command line's parser."""
    top = argparse.ArgumentParser(
        prog="qdcbench",
        description="Compare methods that make synthetic training data on quality, diversity and complexity.",
        epilog="`qdcbench run` alone runs the embedded quick suite from generation to leaderboard page.",
    )
    top.add_argument("--version", action="version", version=f"qdcbench {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        importlib.import_module(f"qdcbench.cli.{verb}").add_parser(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 1 an error of ours in one sentence, 2 usage, 3 finished with failed runs."""
    args = parser().parse_args(argv)
    try:
        return int(args.func(args))
    except QdcError as error:
        print(f"qdcbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("qdcbench: interrupted; finished work is kept, the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
