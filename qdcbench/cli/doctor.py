"""``qdcbench doctor``: is everything at hand that a run needs, before anything is spent?"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from qdcbench.api import Task
from qdcbench.canon import plain
from qdcbench.cli.common import LEDGER, add_plugins
from qdcbench.cli.plan import fits_of, forecast_of
from qdcbench.doctor import Examined, check_caps, check_ledger, check_machine, check_teacher, fail, note, ok
from qdcbench.editions import load_edition
from qdcbench.errors import QdcError
from qdcbench.plan import expand, options_of
from qdcbench.records import TeacherSpec
from qdcbench.registry import Registry, discover
from qdcbench.suite import Suite, read_suite
from qdcbench.teachers.build import parse_teacher

__all__ = ["add_parser", "run"]

_SHOWN = {"ok": "ok  ", "fail": "FAIL", "note": "note"}


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "doctor",
        help="check packages, disk, plugins, teachers and caps before anything is spent",
        description="Each line is ok, FAIL (a run would fail; the line says what to do) or note (worth knowing). A "
        "teacher behind an endpoint is asked a dozen tiny questions at most.",
        epilog="examples: qdcbench doctor | qdcbench doctor my.toml | "
        "qdcbench doctor --teacher openai:my-model --base-url http://127.0.0.1:8000/v1",
    )
    parser.add_argument("suite", nargs="?", help="suite or TOML file whose teachers and caps to check (default: none)")
    parser.add_argument("--teacher", action="append", default=[], help="teacher to check instead, kind:model")
    parser.add_argument("--base-url", help="endpoint of an openai: teacher")
    parser.add_argument("--work", type=Path, default=Path(".qdcbench"), help="folder of cached artefacts")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of editions (default: results)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    add_plugins(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print a line a check; return 1 when one fails."""
    suite, base = read_suite(args.suite) if args.suite else (None, Path())
    registry = discover(args.plugins)
    groups = [Examined(teacher="", lines=(*check_machine(args.work, registry), check_ledger(args.work / LEDGER)))]
    task = _task(suite, registry, base)
    teachers = []
    for name in args.teacher or (suite.every_teacher if suite else ("scripted:strong",)):
        try:
            teachers.append(_spec(name, args, suite, base))
        except QdcError as error:
            groups.append(Examined(teacher=name, lines=(fail("options", str(error)),)))
        else:
            groups += check_teacher(teachers[-1], task, base)
    if suite is not None:
        groups.append(_suite(suite, args, registry, base, teachers))
    calls = sum(group.calls for group in groups)
    failed = any(line.state == "fail" for group in groups for line in group.lines)
    if args.json:
        print(json.dumps({"failed": failed, "calls": calls, "checks": plain(groups)}, indent=1))
        return 1 if failed else 0
    for group in groups:
        if group.teacher:
            print(f"{group.teacher} ({group.calls} questions asked)" if group.calls else group.teacher)
        for line in group.lines:
            print(f"{_SHOWN[line.state]} {line.name}: {line.text}")
    print(f"{calls} tiny questions were asked; they are charged to no cap")
    return 1 if failed else 0


def _task(suite: Suite | None, registry: Registry, base: Path) -> Task:
    """Return the task whose questions teachers are tried with: the suite's own, where it can be read."""
    if suite is not None:
        try:
            if suite.task_file is None:
                return registry.task(suite.task).plugin
            from qdcbench.file_task import read_task_file

            return read_task_file(base / suite.task_file)
        except QdcError:
            # The line of the suite says what is wrong with its task; an endpoint can be looked at all the same.
            pass
    return registry.task("list_edits").plugin


def _spec(name: str, args: argparse.Namespace, suite: Suite | None, base: Path) -> TeacherSpec:
    options = options_of(suite, name) if suite else {}
    if args.base_url:
        options["base_url"] = args.base_url
    return parse_teacher(name, options, base)


def _suite(
    suite: Suite, args: argparse.Namespace, registry: Registry, base: Path, teachers: Sequence[TeacherSpec]
) -> Examined:
    """Check the names and caps of a suite, the forecast under its caps, and the records it has."""
    lines = check_caps(suite, teachers)
    try:
        plan = expand(suite, registry, base)
        lines.append(ok("suite", f"{len(plan.cells)} cells; see qdcbench plan {args.suite}"))
        found = forecast_of(plan, registry, args.results, workers=args.workers)
        for fit in fits_of(plan, found, suite.name, args.work):
            lines.append((ok if fit.fits else note)("caps", fit.sentence))
        if (args.results / suite.name).is_dir():
            edition = load_edition(args.results / suite.name)
            lines.append(ok("records", f"{len(edition.records)} under {edition.folder} can be read"))
    except QdcError as error:
        lines.append(fail("suite", str(error)))
    return Examined(teacher=f"suite {suite.name}", lines=tuple(lines))
