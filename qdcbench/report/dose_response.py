"""Figure ``dose_response``: mean outcomes at each level of the factor of an interventional study."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qdcbench.records import Analysis, OutcomeResult, RunRecord, StudyResult
from qdcbench.report.claims import simulated_scope, studies_in_order
from qdcbench.report.groups import scope_title
from qdcbench.report.points import yardstick
from qdcbench.report.style import (
    DISTANCE_COLOURS,
    FigureData,
    bare,
    leave_room,
    legend,
    panel_title,
    printable,
    settle,
    sign,
)
from qdcbench.report.text import outcome_title, sign_text

__all__ = ["data", "draw"]

Row = Mapping[str, str | float | int | bool | None]

_OTHERS = ("#E69F00", "#CC79A7", "#56B4E9", "#009E73", "#8a949e", "#000000")
_MARKERS = "osD^vPX<>"


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per level, outcome and factor; a curve that several studies have stands once."""
    rows: list[Row] = []
    seen: set[tuple[object, ...]] = set()
    for study, test in _curves(analysis):
        key = (study.scope, study.factor, test.outcome, test.curve)
        if key not in seen:
            seen.add(key)
            rows += _rows(analysis, study, test)
    n = max((int(row["n"] or 0) for row in rows), default=0)
    return FigureData(
        name="dose_response",
        title="Outcomes at each level of a dial",
        caption=(
            "Interventional: mean outcome at each level of a factor, the other factors averaged (less that of the null "
            "of the sweep where the study has one), with 95 % intervals over repetitions; these differ among "
            "themselves, so that the effect of a factor, which is taken within repetitions, can be surer than these "
            "intervals look. Panels of one unit share a scale."
        ),
        sign=sign_text(analysis, f"n = {n}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={test.outcome: outcome_title(analysis, test.outcome) for _, test in _curves(analysis)},
    )


def _curves(analysis: Analysis) -> Iterator[tuple[StudyResult, OutcomeResult]]:
    """Yield tests with two levels or more; the difference of two outcomes is left to the other figures."""
    for study in studies_in_order(analysis):
        for test in study.tests:
            if len(test.curve) > 1 and " - " not in test.outcome:
                yield study, test


def _rows(analysis: Analysis, study: StudyResult, test: OutcomeResult) -> list[Row]:
    return [
        {
            "scope": study.scope, "simulated": simulated_scope(analysis, study.scope), "study": study.name,
            "factor": study.factor, "yardstick": yardstick(analysis, test.outcome), "outcome": test.outcome,
            "against": study.against, "level": at.level, "mean": at.mean.point, "low": at.mean.low,
            "high": at.mean.high, "n": test.n_units,
        }
        for at in sorted(test.curve, key=lambda at: at.level)
    ]  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw a panel per scope, factor and unit, a line per outcome."""
    keys = list(dict.fromkeys(_panel_key(row) for row in figure_data.rows))
    columns = min(3, max(1, len(keys)))
    lines = math.ceil(max(1, len(keys)) / columns)
    figure = Figure(figsize=(max(3.5, 2.4 * columns), 2.0 * lines + 0.5), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    outcomes = list(figure_data.labels)
    for axes, key in zip(panels, keys, strict=False):
        rows = [row for row in figure_data.rows if _panel_key(row) == key]
        alike = [row for row in figure_data.rows if (row["scope"], row["yardstick"]) == (key[0], key[2])]
        _panel(axes, rows, outcomes)
        axes.set_ylim(*_ends(alike))
        where = key[0] if "|" in key[0] else scope_title(key[0])
        panel_title(axes, f"{where}|{rows[0]['study']}", simulated=False, width=30)
    for axes in panels[len(keys) :]:
        axes.remove()
    handles = [
        Line2D([], [], label=printable(figure_data.labels[o], 24), **_look(o, outcomes)) for o in outcomes
    ]  # fmt: skip
    legend(figure, handles, columns=min(6, max(2, 2 * columns)))
    sign(figure, figure_data)
    settle(figure)
    return figure


def _panel_key(row: Row) -> tuple[str, str, str]:
    return (str(row["scope"]), str(row["factor"]), str(row["yardstick"]))


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    """Ends of the scale that all panels of one unit in one scope share, so that slopes can be compared."""
    values = [v for row in rows for v in (row["low"], row["mean"], row["high"]) if isinstance(v, float | int)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.06 * ((high - low) or 1.0)
    return low - room, high + room


def _look(outcome: str, outcomes: Sequence[str]) -> dict[str, Any]:
    """Colour, mark and line of an outcome: ID and OOD as everywhere, others by their place."""
    name = outcome.partition(":")[0]
    main = name in DISTANCE_COLOURS
    others = [other for other in outcomes if other.partition(":")[0] not in DISTANCE_COLOURS]
    colour = DISTANCE_COLOURS[name] if main else _OTHERS[others.index(outcome) % len(_OTHERS)]
    marker = _MARKERS[list(DISTANCE_COLOURS).index(name) if main else (2 + others.index(outcome)) % len(_MARKERS)]
    return {"color": colour, "marker": marker, "ms": 4.0 if main else 3.0, "linewidth": 1.4 if main else 0.8}


def _panel(axes: Axes, rows: Sequence[Row], outcomes: Sequence[str]) -> None:
    """Curves over one factor, a little beside each other so that intervals can be told apart."""
    bare(axes)
    shown = list(dict.fromkeys(str(row["outcome"]) for row in rows))
    levels = sorted({float(row["level"] or 0) for row in rows})
    step = 0.012 * ((levels[-1] - levels[0]) or 1.0)
    for place, outcome in enumerate(shown):
        own = [row for row in rows if row["outcome"] == outcome and isinstance(row["mean"], float | int)]
        aside = step * (place - (len(shown) - 1) / 2)
        look = _look(outcome, outcomes)
        xs = [float(row["level"] or 0) + aside for row in own]
        axes.plot(xs, [float(row["mean"] or 0) for row in own], zorder=3, **look)
        for x, row in zip(xs, own, strict=True):
            low, high = row["low"], row["high"]
            if isinstance(low, float | int) and isinstance(high, float | int):
                axes.plot([x, x], [low, high], color=str(look["color"]), linewidth=0.8, zorder=2)
    axes.set_xticks(levels, [f"{level:g}".replace("-", "−") for level in levels])
    first = rows[0]
    axes.set_xlabel(printable(str(first["factor"]).replace("_", " "), 30), parse_math=False)
    less = f" − {first['against']}" if first["against"] else ""
    axes.set_ylabel(printable(f"{first['yardstick']}{less}".replace("_", " "), 30), parse_math=False)
