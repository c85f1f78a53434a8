"""``qdcbench list``: what there is, the broken included."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from qdcbench.api import MethodPlugin
from qdcbench.budgets import BUDGETS
from qdcbench.cli.common import add_plugins
from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.measures.table import METRICS
from qdcbench.probes.recipe import RECIPES
from qdcbench.registry import Entry, Registry, default_params, discover
from qdcbench.selection import RULES
from qdcbench.suite import embedded_suites, parse_suite
from qdcbench.teachers.build import TEACHER_KINDS

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "list",
        help="methods, tasks, suites, measures, budgets, probes, teachers, selection rules; broken plugins too",
        epilog="examples: qdcbench list | qdcbench list methods --plugins my_methods | qdcbench list methods persona | "
        "qdcbench list measures pair_entropy | qdcbench list measures --cards docs/measures.md",
    )
    parser.add_argument(
        "what", nargs="?", choices=(*_TABLES, "method", "measure"), help="only this kind (default: all)"
    )
    parser.add_argument("name", nargs="?", help="with methods: all that its plugin says; with measures: its card")
    parser.add_argument("--json", action="store_true", help="JSON for programs; of methods, all that plugins say")
    parser.add_argument("--cards", type=Path, metavar="FILE", help="with measures: write every card to a Markdown file")
    add_plugins(parser)
    parser.set_defaults(func=run)


def _methods(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": e.name,
            "role": e.plugin.role,
            "summary": e.plugin.summary,
            "reference": e.plugin.reference,
            "params": ", ".join(f"{name}={value}" for name, value in default_params(e.plugin).items()),
        }
        for e in registry.methods.values()
    ]


def _tasks(registry: Registry) -> list[dict[str, Any]]:
    return [
        {"name": e.name, "summary": e.plugin.summary, "reference": e.plugin.reference} for e in registry.tasks.values()
    ]


def _suites(registry: Registry) -> list[dict[str, Any]]:
    suites = (parse_suite(text, name) for name, text in embedded_suites().items())
    return [{"name": s.name, "summary": s.summary, "arms": len(s.arms), "repetitions": s.repetitions} for s in suites]


def _measures(registry: Registry) -> list[dict[str, Any]]:
    rows = [row.metric for row in METRICS.values()]
    return [
        {
            "name": m.name,
            "axis": m.axis,
            "better": "higher" if m.higher_is_better else "lower",
            "summary": m.summary,
            "reference": m.reference,
        }
        for m in rows
    ]


def _budgets(registry: Registry) -> list[dict[str, Any]]:
    return [
        {"name": b.name, "examples": b.examples, "teacher_tokens": b.teacher_tokens, "teacher_calls": b.teacher_calls}
        for b in BUDGETS.values()
    ]


def _probes(registry: Registry) -> list[dict[str, Any]]:
    return [{"name": name, "summary": recipe.summary} for name, recipe in RECIPES.items()]


def _teachers(registry: Registry) -> list[dict[str, Any]]:
    return [{"name": name, "summary": summary} for name, summary in TEACHER_KINDS.items()]


def _rules(registry: Registry) -> list[dict[str, Any]]:
    return [{"name": name, "summary": summary} for name, summary in RULES.items()]


def _broken(registry: Registry) -> list[dict[str, Any]]:
    return [{"kind": item.kind, "name": item.name, "why": item.sentence} for item in registry.broken]


_TABLES = {
    "methods": _methods,
    "tasks": _tasks,
    "suites": _suites,
    "measures": _measures,
    "budgets": _budgets,
    "probes": _probes,
    "teachers": _teachers,
    "selection": _rules,
    "broken": _broken,
}


def run(args: argparse.Namespace) -> int:
    """Print the tables, or one method or measure."""
    what = {"method": "methods", "measure": "measures"}.get(args.what, args.what)
    if args.name and what not in ("methods", "measures"):
        raise ConfigError(
            f"only a method or a measure has more to say by name, not one of the {what}; leave {args.name!r} out"
        )
    if args.cards is not None and (what != "measures" or args.name or args.json):
        raise ConfigError("--cards writes all cards of measures; type `qdcbench list measures --cards FILE`")
    registry = discover(args.plugins)
    if args.cards is not None:
        return _all_cards(args.cards, registry)
    if args.name and what == "measures":
        return _one_measure(args.name, registry, as_json=args.json)
    if args.name:
        return _one_method(registry.method(args.name), as_json=args.json)
    wanted = [what] if what else list(_TABLES)
    if args.json:
        print(json.dumps({kind: _rows(kind, registry) for kind in wanted}, indent=1))
        return 0
    console = Console()
    for kind in wanted:
        rows = _TABLES[kind](registry)
        if not rows:
            if what:
                print(f"no {kind}")
            continue
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False)
        for column in rows[0]:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        console.print(table, markup=False)
        console.print()
    return 0


def _rows(kind: str, registry: Registry) -> list[dict[str, Any]]:
    """Return what a program reads of a kind: of a method, all that its plugin says."""
    if kind != "methods":
        return _TABLES[kind](registry)
    from qdcbench.report.methods import methods_info

    return list(methods_info(registry).values())


def _one_method(entry: Entry[MethodPlugin], *, as_json: bool) -> int:
    from qdcbench.report.method_text import method_text
    from qdcbench.report.methods import method_info

    info = method_info(entry)
    print(json.dumps(info, indent=1, ensure_ascii=False) if as_json else method_text(info))
    return 0


def _one_measure(name: str, registry: Registry, *, as_json: bool) -> int:
    from qdcbench.report.measure_cards import card_facts, card_text

    if name not in METRICS:
        raise ConfigError(f"there is no measure {name!r}; {did_you_mean(name, METRICS)}")
    row = METRICS[name]
    if as_json:
        facts = {"name": row.name, "summary": row.metric.summary} | card_facts(row, registry)
        print(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        print(card_text(row, registry))
    return 0


def _all_cards(path: Path, registry: Registry) -> int:
    from qdcbench.report.measure_cards import cards_page
    from qdcbench.store import write_atomic

    write_atomic(path, cards_page(METRICS, registry))
    print(path)
    return 0
