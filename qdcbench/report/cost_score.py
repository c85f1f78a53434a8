"""Figure ``cost_score``: what the teacher's tokens bought, in and out of distribution."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from qdcbench.records import Analysis, RunRecord
from qdcbench.report.groups import groups_with_panels, left_out_note
from qdcbench.report.panels import panels_for
from qdcbench.report.placement import Mark, label_marks
from qdcbench.report.points import DISTANCES, arm_score, arms_in_order
from qdcbench.report.style import DISTANCE_COLOURS, GREY, INK, FigureData, bare, panel_title, settle, sign
from qdcbench.report.text import big_number, sign_text

__all__ = ["data", "draw"]

_MARKERS = {"id": "o", "ood": "s"}

Row = Mapping[str, str | float | int | bool | None]


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per group, arm and distance; arms without tokens or score, small groups are left out."""
    rows: list[Row] = []
    groups, left_out = groups_with_panels(analysis)
    for group in groups:
        for arm in arms_in_order(analysis, group):
            for distance in DISTANCES:
                value = arm_score(analysis, arm, distance)
                if value.point is None or arm.teacher_tokens.point is None:
                    continue
                rows.append(
                    {
                        "group": group, "arm": arm.arm, "role": arm.role, "simulated": arm.simulated,
                        "distance": distance, "tokens": arm.teacher_tokens.point, "score": value.point,
                        "low": value.low, "high": value.high, "n": value.n,
                    }
                )  # fmt: skip
    n = sum(arm.complete for arm in analysis.arms if arm.group in groups)
    of_all = f" of {analysis.complete}" if n < analysis.complete else ""
    return FigureData(
        name="cost_score",
        title="Score against what the teacher cost",
        caption=(
            "Mean score of the probe against the mean number of teacher tokens an arm's datasets took, rejected and "
            "judge calls included, on a logarithmic scale (0: no teacher was asked). Hollow marks are controls."
            + left_out_note(left_out)
        ),
        sign=sign_text(analysis, f"n = {n}{of_all}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={"id": "in distribution", "ood": "out of distribution"},
    )


def draw(figure_data: FigureData) -> Figure:
    """Draw one panel per group, two a row where they have few names."""
    groups = list(dict.fromkeys(str(row["group"]) for row in figure_data.rows)) or [""]
    parts = [[row for row in figure_data.rows if row["group"] == group] for group in groups]
    panels = panels_for([len({row["arm"] for row in part}) for part in parts], height=2.9, extra=0.35)
    figure = panels.figure
    for axes, part in zip(panels.axes, parts, strict=True):
        _panel(axes, part)
        if part:
            panel_title(axes, str(part[0]["group"]), simulated=bool(part[0]["simulated"]), width=panels.letters)
    keys = [
        Line2D([], [], marker=_MARKERS[d], ms=4.5, color=DISTANCE_COLOURS[d], label=figure_data.labels[d])
        for d in DISTANCES
    ]
    keys.append(Line2D([], [], ls="", marker="o", ms=4.5, mfc="white", color=GREY, label="control"))
    figure.legend(handles=keys, loc="outside upper right", ncols=3, columnspacing=1.2, handletextpad=0.4)
    sign(figure, figure_data)
    settle(figure)
    for axes, part in zip(panels.axes, parts, strict=True):
        _names(axes, part)
    return figure


def _value(row: Row, key: str) -> float:
    value = row[key]
    return float(value) if isinstance(value, int | float) else math.nan


def _zero(rows: Sequence[Row]) -> float:
    """Where zero tokens are drawn: a third of the smallest cost that is not zero."""
    spent = [_value(row, "tokens") for row in rows if _value(row, "tokens") > 0]
    return min(spent, default=3.0) / 3


def _panel(axes: Axes, rows: Sequence[Row]) -> None:
    """Scores of one group over cost, the two distances of an arm joined by a thin line."""
    axes.set_xscale("log")
    zero = _zero(rows)
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        ys = [_value(row, "score") for row in own]
        axes.plot([_value(row, "tokens") or zero for row in own], ys, color="#cfd5da", linewidth=0.6, zorder=1)
    for row in rows:
        x, y, colour = _value(row, "tokens") or zero, _value(row, "score"), DISTANCE_COLOURS[str(row["distance"])]
        low, high = row["low"], row["high"]
        if isinstance(low, float) and isinstance(high, float):
            axes.plot([x, x], [low, high], color=colour, linewidth=1.0, zorder=2, solid_capstyle="butt")
        hollow = row["role"] == "control"
        axes.plot(
            [x], [y], ls="", marker=_MARKERS[str(row["distance"])], ms=4.5, color=colour, zorder=3, mew=0.9,
            mfc="white" if hollow else colour,
        )  # fmt: skip
    bare(axes)
    axes.margins(x=0.2, y=0.1)
    _ticks(axes, [_value(row, "tokens") for row in rows], zero)
    axes.set_xlabel("teacher tokens per dataset")
    axes.set_ylabel("score of the probe")


def _ticks(axes: Axes, tokens: Sequence[float], zero: float) -> None:
    """Ticks at 1, 2, 5 times powers of ten, and one for zero where it is drawn."""
    spent = [t for t in tokens if t > 0] or [1.0, 10.0]
    low, high = math.floor(math.log10(min(spent))), math.ceil(math.log10(max(spent)))
    steps = (1, 2, 5) if high - low <= 2 else (1,) if high - low > 4 else (1, 3)
    places = [m * 10.0**e for e in range(low, high + 1) for m in steps]
    places = [p for p in places if min(spent) / 1.6 <= p <= max(spent) * 1.6]
    names = [big_number(p) for p in places]
    if any(t == 0 for t in tokens):
        places, names = [zero, *places], ["0", *names]
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FixedFormatter(names))
    axes.xaxis.set_minor_locator(NullLocator())


def _names(axes: Axes, rows: Sequence[Row]) -> None:
    """Write each arm's name once, at its higher score."""
    zero = _zero(rows)
    marks, dots = [], []
    for arm in dict.fromkeys(str(row["arm"]) for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        top = max(own, key=lambda row: _value(row, "score"))
        colour = GREY if top["role"] == "control" else INK
        marks.append(Mark(_value(top, "tokens") or zero, _value(top, "score"), arm, colour))
        for row in own:
            bounds = [v for v in (row["low"], row["score"], row["high"]) if isinstance(v, float)]
            dots += [(_value(row, "tokens") or zero, y, 2.6) for y in bounds]
    label_marks(axes, marks, np.array(dots, dtype=np.float64).reshape(-1, 3))
