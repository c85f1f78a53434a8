"""Options and lookups that several verbs share."""

import argparse
import dataclasses
from pathlib import Path

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.plan import Plan, expand
from qdcbench.records import Caps, from_json
from qdcbench.registry import Registry, discover
from qdcbench.suite import Arm, Suite, arm_name, read_suite

__all__ = ["LEDGER", "add_plugins", "add_suite", "edition_folder", "is_custom", "load_plan"]


LEDGER = "ledger.sqlite"
"""File of recorded answers and of what was spent, in the folder of cached artefacts."""


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Add ``--plugins``."""
    parser.add_argument(
        "--plugins", metavar="DIR", type=Path, action="append", default=[],
        help="folder with private methods or tasks, one file each (may be given again)",
    )  # fmt: skip


def add_suite(parser: argparse.ArgumentParser) -> None:
    """Add the suite argument and everything that changes it from the command line."""
    parser.add_argument(
        "suite", nargs="?", default="quick", help="embedded suite's name or a TOML file (default: quick)"
    )
    parser.add_argument("--method", action="append", default=[], help="run only these methods (may be given again)")
    parser.add_argument("--teacher", action="append", default=[], help="teacher instead of the suite's, kind:model")
    parser.add_argument("--base-url", help="endpoint of an openai: teacher, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--budget", help="named budget instead of the suite's")
    parser.add_argument(
        "--cap", action="append", default=[], metavar="KIND=N",
        help="hard limit on what the whole suite may really spend: calls, tokens, money (US dollars) or seconds",
    )  # fmt: skip
    parser.add_argument("--probe", help="probe recipe instead of the suite's")
    parser.add_argument("--repetitions", type=int, help="generation repetitions instead of the suite's")
    parser.add_argument("--probe-repetitions", type=int, help="probe trainings per dataset instead of the suite's")
    parser.add_argument("--root-seed", type=int, help="root seed instead of the suite's")
    parser.add_argument(
        "--edition", help="folder name under results/ (default: the suite's name, with a suffix if it was changed)"
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of editions (default: results)")
    add_plugins(parser)


def _cap(text: str) -> tuple[str, int | float]:
    """Read ``kind=number``."""
    kind, _, number = text.partition("=")
    known = [field.name for field in dataclasses.fields(Caps)]
    if kind not in known:
        raise ConfigError(f"--cap {text}: there is no cap on {kind!r}, {did_you_mean(kind, known)}")
    try:
        value = float(number) if kind in {"money", "seconds"} else int(number)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise ConfigError(f"--cap {text}: write a number of 0 or more, such as --cap {kind}=100")
    return kind, value


def _changed(suite: Suite, args: argparse.Namespace) -> Suite:
    changes: dict[str, object] = {}
    for name in ("budget", "probe", "repetitions", "probe_repetitions", "root_seed"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    for name in ("repetitions", "probe_repetitions"):
        if name in changes and int(str(changes[name])) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least 1")
    if "budget" in changes:
        changes["budgets"] = ()
    if args.teacher:
        changes["teachers"] = tuple(args.teacher)
    if args.base_url:
        changes["teacher_options"] = {**suite.teacher_options, "base_url": args.base_url}
    if args.method:
        kept = tuple(arm for arm in suite.arms if arm.method in args.method or arm.name in args.method)
        absent = [name for name in args.method if not any(name in (arm.method, arm.name) for arm in kept)]
        changes["arms"] = kept + tuple(Arm(method=name, name=arm_name(name, {})) for name in absent)
        there = {arm.method for arm in kept}
        # A study without its arms cannot be decided, and a suite that declares it would be refused.
        changes["studies"] = tuple(study for study in suite.studies if {study.method, study.against} - {""} <= there)
    if args.cap:
        given = {**dataclasses.asdict(suite.caps), **dict(_cap(text) for text in args.cap)}
        changes["caps"] = from_json(Caps, given, "--cap")
    if not changes:
        return suite
    return dataclasses.replace(suite, **changes)  # type: ignore[arg-type]


def load_plan(args: argparse.Namespace) -> tuple[Plan, Registry, Path]:
    """Return the plan the arguments describe, the registry, and the folder of relative paths."""
    suite, base = read_suite(args.suite)
    changed = _changed(suite, args)
    registry = discover(args.plugins)
    same_cells = dataclasses.replace(changed, caps=suite.caps)  # a cap may end a run, and changes none
    if same_cells != suite and not args.edition:
        args.edition = f"{suite.name}-custom"
    return expand(changed, registry, base), registry, base


def is_custom(args: argparse.Namespace, plan: Plan) -> bool:
    """Whether the edition is a scratch one that command-line changes made, whose old records may be set aside."""
    return bool(args.edition == f"{plan.suite.name}-custom")


def edition_folder(args: argparse.Namespace, plan: Plan) -> Path:
    """Return the edition's folder."""
    folder: Path = args.results / (args.edition or plan.suite.name)
    return folder
