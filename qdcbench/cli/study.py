"""``qdcbench study``: studies of the benchmark itself."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["add_parser", "run", "teller"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its studies."""
    from qdcbench.cli import selftest

    parser = verbs.add_parser(
        "study",
        help="studies of the benchmark itself: do measures follow what is true, does the engine keep its promises",
        description="Studies of the benchmark itself, on data whose truth is known.",
        epilog="examples: qdcbench study validity --rows 100 --repetitions 2 --out trial | qdcbench study selftest",
    )
    studies = parser.add_subparsers(dest="name", required=True, metavar="study")
    _add_validity(studies)
    selftest.add_parser(studies)


def _add_validity(studies: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = studies.add_parser(
        "validity",
        help="how well measures follow what is known to be true",
        description="Make data of list_edits whose quality, diversity, complexity, length and number of rows "
        "are turned one at a time, take every measure of it, and write summary.md, validity.json, validity.csv and the "
        "figure. Needs no GPU, network or key; on one machine the same code gives the same bytes, and what is in the "
        "store is not measured again. Without --rows and --repetitions it takes several minutes.",
        epilog="examples: qdcbench study validity | qdcbench study validity --rows 100 --repetitions 2 --out trial",
    )
    parser.add_argument("--out", type=Path, default=Path("results/validity"), help="folder to write to")
    parser.add_argument("--rows", type=int, default=500, help="rows of a dataset (default: 500)")
    parser.add_argument("--repetitions", type=int, default=4, help="datasets of one setting (default: 4)")
    parser.add_argument("--root-seed", type=int, default=0, help="root seed (default: 0)")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="processes")
    parser.add_argument(
        "--measure", action="append", default=[], metavar="GLOB",
        help="only measures whose names match, such as 'vendi_*' (may be given again; default: all)",
    )  # fmt: skip
    parser.add_argument("--store", type=Path, default=Path(".qdcbench/studies"), help="folder of kept measurements")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the study, write its files, print what it recommends."""
    from qdcbench.errors import ConfigError
    from qdcbench.studies.validity import LEAST_ROWS, Plan, study, write_study

    if args.rows < LEAST_ROWS or args.repetitions < 2 or args.workers < 1:
        raise ConfigError(f"the study needs --rows of {LEAST_ROWS} or more, --repetitions of 2 or more, and a worker")
    plan = Plan(
        store=args.store.resolve(), repetitions=args.repetitions, root_seed=args.root_seed, workers=args.workers,
        n=args.rows, measures=_measures(args.measure),
    )  # fmt: skip
    found = study(plan, teller("datasets measured"))
    for path in write_study(found, args.out):
        print(path)
    for axis, names in found.recommended.items():
        told = [f"{name} (at one n only)" if name in found.one_n else name for name in names]
        print(f"{axis}: {', '.join(told) or 'no measure passes the rule'}")
    return 0


def _measures(globs: list[str]) -> tuple[str, ...]:
    from qdcbench.errors import ConfigError
    from qdcbench.measures.table import METRICS

    # A name holds brackets, which a glob would read as a set of letters.
    patterns = [glob.replace("[", "[[]") for glob in globs]
    names = tuple(name for name in METRICS if not globs or any(fnmatchcase(name, pattern) for pattern in patterns))
    if not names:
        raise ConfigError(f"no measure is called {' or '.join(globs)}; `qdcbench list measures` shows their names")
    return names


def teller(things: str) -> Callable[[int, int], None]:
    """Return what says on stderr how far a study is: each step on a terminal, else a line for each tenth."""
    started, live = time.monotonic(), sys.stderr.isatty()

    def tell(done: int, of: int) -> None:
        seconds = time.monotonic() - started
        line = f"{done} of {of} {things}, {seconds:.0f} s, about {seconds / done * (of - done):.0f} s to go"
        if live:
            print(f"\r{line}   ", end="\n" if done == of else "", file=sys.stderr, flush=True)
        elif done * 10 // of != (done - 1) * 10 // of:
            print(line, file=sys.stderr, flush=True)

    return tell
