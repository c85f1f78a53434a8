"""``qdcbench check``: does a plugin keep its contract?"""

import argparse
import json
from collections.abc import Sequence

from qdcbench.cli.common import add_plugins
from qdcbench.registry import discover
from qdcbench.testing import Finding, check_plugins

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
    """Print a line a check as they come, in the order of the names; return 1 when one does not hold."""
    registry = discover(args.plugins)
    names = [*registry.methods, *registry.tasks] if args.all else args.names
    if not names:
        print("qdcbench check: name a plugin or give --all")
        return 2
    for name in names:  # a wrong name is told before anything runs
        registry.task(name) if name in registry.tasks else registry.method(name)
    findings: list[Finding] = []
    for found in check_plugins(names, args.plugins):
        findings += found
        if not args.json:
            _show(found)
    broken = [Finding(plugin=b.name, check="loads", holds=False, detail=b.sentence) for b in registry.broken]
    findings += broken if args.all else []
    if args.json:
        rows = [{"plugin": f.plugin, "check": f.check, "holds": f.holds, "detail": f.detail} for f in findings]
        print(json.dumps(rows, indent=1))
    else:
        _show(broken if args.all else [])
        failed = sum(not finding.holds for finding in findings)
        print(f"{len(findings)} checks on {len(names)} plugins, {failed} failed")
    return 0 if all(finding.holds for finding in findings) else 1


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        detail = f" ({finding.detail})" if finding.detail else ""
        print(f"{'ok  ' if finding.holds else 'FAIL'} {finding.plugin}: {finding.check}{detail}", flush=True)
