"""``qdcbench study selftest``: the engine on planted editions."""

import argparse
from pathlib import Path

__all__ = ["add_parser", "run"]


def add_parser(studies: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the study."""
    parser = studies.add_parser(
        "selftest",
        help="how often the engine is wrong where effects or their absence are planted",
        description="Plant effects, or none, over the datasets of a committed edition, let the engine test them, and "
        "write selftest.json, selftest.csv and the figure: type I error, family-wise error, coverage and power by the "
        "number of methods, with Monte Carlo error. The same code and edition give the same bytes with any number of "
        "workers, and what is in the store is not counted again. With 2,000 editions it takes long; --editions 100 "
        "gives a first look.",
        epilog="examples: qdcbench study selftest | qdcbench study selftest --editions 100 --out trial",
    )
    parser.add_argument("--editions", type=int, default=2_000, help="planted editions of a design (default: 2000)")
    parser.add_argument("--source", type=Path, default=Path("results/methods"), help="the committed edition")
    parser.add_argument("--out", type=Path, default=Path("results/selftest"), help="folder to write to")
    parser.add_argument(
        "--part", action="append", default=[], metavar="PART",
        help="only this part: relations, 'second looks', verdicts, interventions or rankings (may be given again)",
    )  # fmt: skip
    parser.add_argument("--root-seed", type=int, default=0, help="root seed (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--store", type=Path, default=Path(".qdcbench/studies"), help="folder of kept counts")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the self-test, write its files, print the shares that are not as promised."""
    from qdcbench.cli.study import teller
    from qdcbench.errors import ConfigError, did_you_mean
    from qdcbench.stats.operating import PARTS
    from qdcbench.studies.selftest import selftest, write_selftest
    from qdcbench.studies.selftest_batches import FEWEST_EDITIONS, Plan
    from qdcbench.studies.selftest_findings import findings

    if args.editions < FEWEST_EDITIONS or args.workers < 1:
        raise ConfigError(f"the self-test needs --editions of {FEWEST_EDITIONS} or more, and a worker")
    for name in args.part:
        if name not in PARTS:
            raise ConfigError(f"the self-test has no part {name!r}; {did_you_mean(name, PARTS)}")
    plan = Plan(
        source=args.source.resolve(), store=args.store.resolve(), editions=args.editions, root_seed=args.root_seed,
        workers=args.workers, parts=tuple(part for part in PARTS if part in args.part or not args.part),
    )  # fmt: skip
    found = selftest(plan, teller("batches"))
    for path in write_selftest(found, args.out):
        print(path)
    for line in findings(found):
        print(line)
    return 0
