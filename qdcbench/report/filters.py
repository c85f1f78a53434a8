"""What a filter does, apart from the method: the same attempts under several selection rules, method by method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qdcbench.records import Analysis, ArmSummary, FilteredArms, Interval
from qdcbench.report.cells import INTERVAL, Cell, Column, Table, interval_cell, word
from qdcbench.report.groups import groups_in_order
from qdcbench.report.points import AXES, DISTANCES, arm_score, primary_measure
from qdcbench.report.text import big_number, decimals_for, group_title, percent, title_of

__all__ = ["filter_data", "filter_tables"]

RULE_ORDER = ("none", "native", "common", "native+common", "verified", "thinned")
NOTE = (
    "every row of a method is selected from the same attempts; accepted: attempts that the method's own filter kept; "
    "a reject that was never answered has no completion and cannot be trained on, whatever the rule"
)
_COUNTS = ("rows", "accepted")


@dataclass(frozen=True, slots=True)
class _Line:
    """One arm under one rule; ``first`` where the method's lines begin."""

    arms: FilteredArms
    rule: str
    summary: ArmSummary
    first: bool


def _lines(analysis: Analysis) -> dict[str, list[_Line]]:
    """Map each setting to its lines, settings in the order of their groups: methods by name, rules as in the 2 x 2."""
    summaries = {(summary.group, summary.arm): summary for summary in analysis.arms}
    settings = [group.rpartition("|")[0] for group in groups_in_order(analysis)]
    found: dict[str, list[_Line]] = {}
    for arms in sorted(analysis.filters, key=lambda arms: settings.index(arms.setting)):
        rules = sorted(arms.rules, key=lambda rule: (RULE_ORDER.index(rule) if rule in RULE_ORDER else 9, rule))
        for place, rule in enumerate(rules):
            summary = summaries[f"{arms.setting}|{rule}", arms.rules[rule]]
            found.setdefault(arms.setting, []).append(_Line(arms, rule, summary, place == 0))
    return found


def _values(analysis: Analysis, summary: ArmSummary) -> dict[str, Interval]:
    """Return what a line shows, in the order of the columns."""
    values = {"rows": summary.selected_rows, "accepted": summary.accepted_share}
    values |= {axis: primary_measure(summary, analysis, axis) for axis in AXES}
    return values | {distance: arm_score(analysis, summary, distance) for distance in DISTANCES}


def _title(analysis: Analysis, key: str) -> str:
    if key in AXES:
        return title_of(analysis, analysis.primary.get(key, "not declared"))
    return {"rows": "rows kept", "accepted": "accepted", "id": "ID", "ood": "OOD"}[key]


def filter_tables(analysis: Analysis) -> list[Table]:
    """Return a table for each setting in which methods differ in the selection rule alone; none where none do."""
    found = _lines(analysis)
    return [_table(analysis, setting, lines, alone=len(found) == 1) for setting, lines in found.items()]


def _table(analysis: Analysis, setting: str, lines: Sequence[_Line], *, alone: bool) -> Table:
    values = [_values(analysis, line.summary) for line in lines]
    decimals = {key: decimals_for(row[key] for row in values) for key in values[0]}
    columns = [Column(key="arm", header="method", align="left"), Column(key="rule", header="rule", align="left")]
    for key in values[0]:
        head = f"{key[0].upper()}: {_title(analysis, key)}" if key in AXES else _title(analysis, key)
        columns.append(Column(key=key, header=head, parts=INTERVAL))
    columns.append(Column(key="datasets", header="datasets", parts=("_complete", "_promised")))
    rows = []
    for line, row in zip(lines, values, strict=True):
        done = (line.summary.complete, line.summary.promised)
        rows.append((
            word(line.arms.arm), word(line.rule), *(_cell(key, value, decimals[key]) for key, value in row.items()),
            Cell(text=f"{done[0]}/{done[1]}", values=done),
        ))  # fmt: skip
    simulated = " (simulated)" if lines[0].arms.simulated else ""
    return Table(
        name="filters" if alone else f"filters_{_file_part(setting)}",
        title=f"Filters: {group_title(setting)}{simulated}",
        note=f"edition {analysis.edition}; 95% intervals over datasets; {NOTE}",
        columns=tuple(columns),
        rows=tuple(rows),
        rules=tuple(place for place, line in enumerate(lines) if line.first and place),
    )


def _file_part(setting: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in setting).strip("-").lower()


def _cell(key: str, value: Interval, decimals: int) -> Cell:
    text = {"rows": big_number, "accepted": percent}[key](value.point) if key in _COUNTS else ""
    return interval_cell(value, decimals, text)


def filter_data(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the same for the page: a table for each setting, with its columns and its lines."""
    found = []
    for setting, lines in _lines(analysis).items():
        values = [_values(analysis, line.summary) for line in lines]
        found.append(
            {
                "title": group_title(setting),
                "simulated": lines[0].arms.simulated,
                "columns": [_column(analysis, key, [row[key] for row in values]) for key in values[0]],
                "lines": [
                    {"arm": line.arms.arm, "method": line.arms.method, "rule": line.rule, "first": line.first,
                     "cells": {key: [v.point, v.low, v.high, v.n, v.reason] for key, v in row.items()}}
                    for line, row in zip(lines, values, strict=True)
                ],
            }
        )  # fmt: skip
    return found


def _column(analysis: Analysis, key: str, values: Sequence[Interval]) -> dict[str, Any]:
    ends = [end for value in values for end in (value.low, value.point, value.high) if end is not None]
    return {
        "key": key,
        "label": _title(analysis, key),
        "axis": "" if key in _COUNTS else key,
        "kind": {"rows": "big", "accepted": "share"}.get(key, "number"),
        "decimals": decimals_for(values),
        "low": min(ends, default=0.0),
        "high": max(ends, default=1.0),
    }
