"""Figure ``tradeoff``: what selection costs in diversity, beside the same share of rows taken at random."""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qdcbench.records import Analysis, ArmSummary, RunRecord
from qdcbench.report.groups import groups_in_order
from qdcbench.report.panels import Panels, panels_for
from qdcbench.report.placement import Mark, label_marks
from qdcbench.report.points import primary_measure
from qdcbench.report.style import FigureData, bare, legend, panel_title, printable, settle, sign
from qdcbench.report.text import sign_text, title_of

__all__ = ["data", "draw"]

Row = Mapping[str, str | float | int | bool | None]

_COLOURS = ("#0072B2", "#8a949e", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = "osD^v"


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per arm of a sweep: arms that differ in the factor of an interventional study.

    A sweep is drawn where its null is there too: two methods or more have the factor at two levels or more.
    """
    params = {(r.spec.arm, r.spec.method): dict(r.spec.params) for r in records}
    rows: list[Row] = []
    for factor in dict.fromkeys(s.factor for s in analysis.studies if s.design == "interventional"):
        for group in groups_in_order(analysis):
            arms = [a for a in analysis.arms if a.group == group and _level(params, a, factor) is not None]
            sweeps: dict[str, list[ArmSummary]] = {}
            for arm in arms:
                sweeps.setdefault(_sweep_name(params, arm, factor, arms), []).append(arm)
            whole = {name: own for name, own in sweeps.items() if len({_level(params, a, factor) for a in own}) > 1}
            if len({own[0].method for own in whole.values()}) > 1:
                rows += [
                    _row(analysis, arm, name, factor, level)
                    for name, own in whole.items()
                    for level, arm in sorted(((_level(params, a, factor) or 0.0, a) for a in own), key=lambda p: p[0])
                ]
    return FigureData(
        name="tradeoff",
        title="Quality against diversity as selection gets stricter",
        caption=(
            "Means over an arm's datasets with 95 % intervals both ways; numbers are the levels of the dial. A line is "
            "one method at all levels of the dial, the others as they are. What the null keeps of the diversity at the "
            "same level is what fewer rows alone cost; a line below it pays for quality with diversity."
        ),
        sign=sign_text(analysis, f"n = {analysis.complete}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={axis: title_of(analysis, analysis.primary.get(axis, axis)) for axis in ("quality", "diversity")},
    )


def _level(params: Mapping[tuple[str, str], Mapping[str, object]], arm: ArmSummary, factor: str) -> float | None:
    value = params.get((arm.arm, arm.method), {}).get(factor)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _sweep_name(
    params: Mapping[tuple[str, str], Mapping[str, object]], arm: ArmSummary, factor: str, arms: Sequence[ArmSummary]
) -> str:
    """A method's name, and of its other parameters those that differ among its arms."""
    own = params[arm.arm, arm.method]
    alike = [params[a.arm, a.method] for a in arms if a.method == arm.method]
    others = [k for k in sorted(own) if k != factor and len({json.dumps(p.get(k), sort_keys=True) for p in alike}) > 1]
    return ", ".join([arm.method, *(f"{k}={own[k]}" for k in others)])


def _row(analysis: Analysis, arm: ArmSummary, sweep: str, factor: str, level: float) -> Row:
    quality, diversity = (primary_measure(arm, analysis, axis) for axis in ("quality", "diversity"))
    return {
        "group": arm.group, "simulated": arm.simulated, "factor": factor, "sweep": sweep, "level": level,
        "arm": arm.arm, "quality": quality.point, "quality_low": quality.low, "quality_high": quality.high,
        "diversity": diversity.point, "diversity_low": diversity.low, "diversity_high": diversity.high,
        "n": arm.complete,
    }  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw a panel per group and dial, two a row."""
    rows = [row for row in figure_data.rows if row["quality"] is not None and row["diversity"] is not None]
    keys = list(dict.fromkeys((str(row["group"]), str(row["factor"])) for row in rows)) or [("", "")]
    parts = [[row for row in rows if (row["group"], row["factor"]) == key] for key in keys]
    panels = panels_for([1] * len(keys), height=2.5, extra=0.45)
    sweeps = list(dict.fromkeys(str(row["sweep"]) for row in rows))
    for axes, part, (group, _) in zip(panels.axes, parts, keys, strict=True):
        _panel(axes, part, sweeps, figure_data.labels)
        panel_title(axes, group, simulated=bool(part and part[0]["simulated"]), width=panels.letters)
    _finish(panels, parts, sweeps, figure_data)
    return panels.figure


def _finish(panels: Panels, parts: Sequence[Sequence[Row]], sweeps: Sequence[str], figure_data: FigureData) -> None:
    """Write the legend, settle the layout and only then the levels, as they are placed among what is there."""
    keys = [
        Line2D([], [], color=_COLOURS[i % len(_COLOURS)], marker=_MARKERS[i % len(_MARKERS)], ms=4,
               label=printable(name, 44))
        for i, name in enumerate(sweeps)
    ]  # fmt: skip
    legend(panels.figure, keys, columns=2 * panels.columns)
    sign(panels.figure, figure_data)
    settle(panels.figure)
    for axes, part in zip(panels.axes, parts, strict=True):
        marks = [Mark(_number(row, "quality"), _number(row, "diversity"), f"{row['level']:g}") for row in part]
        dots = [dot for row in part for dot in _dots(row)]
        label_marks(axes, marks, np.array(dots, dtype=np.float64).reshape(-1, 3), fontsize=5.6)


def _dots(row: Row) -> list[tuple[float, float, float]]:
    """The mark and points along its intervals, which a level must not cover: x, y, radius in points."""
    x, y = _number(row, "quality"), _number(row, "diversity")
    found = [(x, y, 3.0)]
    for axis in ("quality", "diversity"):
        low, high = (_number(row, f"{axis}_{end}") for end in ("low", "high"))
        if not math.isnan(low + high):
            steps = np.linspace(low, high, 25).tolist()
            found += [(step, y, 1.5) if axis == "quality" else (x, step, 1.5) for step in steps]
    return found


def _number(row: Row, key: str) -> float:
    value = row[key]
    return float(value) if isinstance(value, int | float) else math.nan


def _panel(axes: Axes, rows: Sequence[Row], sweeps: Sequence[str], labels: Mapping[str, str]) -> None:
    bare(axes)
    for sweep in dict.fromkeys(str(row["sweep"]) for row in rows):
        own = [row for row in rows if row["sweep"] == sweep]
        place = sweeps.index(sweep)
        colour = _COLOURS[place % len(_COLOURS)]
        xs, ys = ([_number(row, key) for row in own] for key in ("quality", "diversity"))
        axes.plot(xs, ys, color=colour, marker=_MARKERS[place % len(_MARKERS)], ms=4, linewidth=1.2, zorder=3)
        for x, y, row in zip(xs, ys, own, strict=True):
            _cross(axes, (x, y), row, colour)
    axes.margins(0.12)
    axes.set_xlabel(printable(labels["quality"], 40), parse_math=False)
    axes.set_ylabel(printable(labels["diversity"], 40), parse_math=False)


def _cross(axes: Axes, at: tuple[float, float], row: Row, colour: str) -> None:
    """Draw both intervals of one arm."""
    x, y = at
    for axis, fixed in (("quality", y), ("diversity", x)):
        low, high = (row[f"{axis}_{end}"] for end in ("low", "high"))
        if not isinstance(low, float | int) or not isinstance(high, float | int):
            continue
        ends, other = [low, high], [fixed, fixed]
        axes.plot(*((ends, other) if axis == "quality" else (other, ends)), color=colour, linewidth=0.7, zorder=2)
