"""``qdcbench check``: does a plugin keep its contract?"""

import argparse
import json

from qdcbench.cli.common import add_plugins
from qdcbench.registry import discover
from qdcbench.testing import Finding, check_method, check_task

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "check",
        help="conformance of methods and tasks, in seconds",
        epilog="examples: qdcbench check my_method --plugins . | qdcbench check --all",
    )
    parser.add_argument("names", nargs="*", help="methods or tasks")
    parser.add_argument("--all", action="store_true", help="every plugin")
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    add_plugins(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print a line a check; return 1 when one does not hold."""
    registry = discover(args.plugins)
    names = [*registry.methods, *registry.tasks] if args.all else args.names
    if not names:
        print("qdcbench check: name a plugin or give --all")
        return 2
    findings: list[Finding] = []
    for name in names:
        known = name in registry.tasks
        findings += check_task(registry.task(name)) if known else check_method(registry.method(name), registry)
    findings += [
        Finding(plugin=b.name, check="loads", holds=False, detail=b.sentence) for b in registry.broken if args.all
    ]
    if args.json:
        print(
            json.dumps(
                [{"plugin": f.plugin, "check": f.check, "holds": f.holds, "detail": f.detail} for f in findings],
                indent=1,
            )
        )
    else:
        for finding in findings:
            print(
                f"{'ok  ' if finding.holds else 'FAIL'} {finding.plugin}: {finding.check}"
                + (f" ({finding.detail})" if finding.detail else "")
            )
    return 0 if all(finding.holds for finding in findings) else 1
