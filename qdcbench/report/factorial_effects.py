"""Figure ``factorial``: what each dial, and each two of them together, do to each outcome."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qdcbench.records import Analysis, RunRecord
from qdcbench.report.claims import simulated_scope
from qdcbench.report.groups import scope_title
from qdcbench.report.points import yardstick
from qdcbench.report.study_tables import factor_name, factorial_in_order
from qdcbench.report.style import (
    AXIS_COLOURS,
    GREY,
    INK,
    FigureData,
    bare,
    leave_room,
    printable,
    settle,
    sign,
)
from qdcbench.report.text import outcome_title, sign_text

__all__ = ["data", "draw"]

Row = Mapping[str, str | float | int | bool | None]

_MOST_COLUMNS = 4
_LINE = 0.14
"""Inches of a dial's line."""
_PANEL = 1.45


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per dial or interaction and outcome, in the order drawn."""
    rows: list[Row] = [
        {
            "scope": effect.scope, "simulated": simulated_scope(analysis, effect.scope), "method": effect.method,
            "factor": factor_name(effect), "factors": len(effect.factors),
            "axis": effect.factors[0] if len(effect.factors) == 1 else "", "outcome": effect.outcome,
            "yardstick": yardstick(analysis, effect.outcome), "effect": effect.interval.point,
            "low": effect.interval.low, "high": effect.interval.high, "p_adjusted": effect.p_adjusted,
            "n": effect.n_units, "repetitions": effect.n_repetitions, "reason": effect.interval.reason,
        }
        for effect in factorial_in_order(analysis)
    ]  # fmt: skip
    n = max((effect.n_units for effect in analysis.factorial), default=0)
    return FigureData(
        name="factorial",
        title="What each dial does to each outcome",
        caption=(
            "Interventional: rows of one verified pool are chosen so that one axis changes and the others stay. Change "
            "of the outcome from a dial's lowest level to its highest, the other dials at their middle; hollow: "
            "interactions, how that change differs over the other dial. 95 % intervals of Student's t over "
            "repetitions, each the mean of its groups. Panels that count in the same unit share their scale."
        ),
        sign=sign_text(analysis, f"n ≤ {n}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={effect.outcome: outcome_title(analysis, effect.outcome) for effect in analysis.factorial},
    )


def draw(figure_data: FigureData) -> Figure:
    """Draw a block of panels per scope and method: a panel an outcome, a line a dial."""
    keys = list(dict.fromkeys((str(row["scope"]), str(row["method"])) for row in figure_data.rows))
    blocks = [[row for row in figure_data.rows if (row["scope"], row["method"]) == key] for key in keys] or [[]]
    outcomes = [list(dict.fromkeys(str(row["outcome"]) for row in block)) or [""] for block in blocks]
    columns = max(_columns(len(names)) for names in outcomes)
    lines = [math.ceil(len(names) / columns) for names in outcomes]
    heights = [
        _LINE * len({row["factor"] for row in block}) + 0.5
        for block, n in zip(blocks, lines, strict=True)
        for _ in range(n)
    ]
    figure = Figure(figsize=(1.2 + _PANEL * columns, sum(heights) + 0.4), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    grid = figure.subplots(sum(lines), columns, squeeze=False, height_ratios=heights)
    first = 0
    for key, block, names, n in zip(keys or [("", "")], blocks, outcomes, lines, strict=True):
        panels = list(grid[first : first + n].flat)
        _block(panels, block, names, columns, figure_data.labels)
        _head(panels[0], f"{scope_title(key[0])}, {key[1]}")
        first += n
    sign(figure, figure_data)
    settle(figure)
    return figure


def _head(axes: Axes, words: str) -> None:
    """Write above the titles of a block's first row what the block is about.

    The words run over the next panels, so that they must not widen the first; what keeps their line free is a blank.
    """
    for text, counts in ((printable(words, 70), False), ("\u00a0", True)):
        axes.annotate(
            text, (0, 1), xycoords="axes fraction", xytext=(0, 16), textcoords="offset points", fontsize=7.5,
            color=INK, parse_math=False,
        ).set_in_layout(counts)  # fmt: skip


def _columns(outcomes: int) -> int:
    """Panels in a row, so that rows are about equally long."""
    return max(1, math.ceil(outcomes / math.ceil(outcomes / _MOST_COLUMNS)))


def _block(
    panels: Sequence[Axes], rows: Sequence[Row], outcomes: Sequence[str], columns: int, labels: Mapping[str, str]
) -> None:
    """Draw the panels of one scope and method, and remove those that are left over."""
    factors = list(dict.fromkeys(str(row["factor"]) for row in rows))
    for place, (axes, outcome) in enumerate(zip(panels, outcomes, strict=False)):
        own = [row for row in rows if row["outcome"] == outcome]
        alike = [row for row in rows if own and row["yardstick"] == own[0]["yardstick"]]
        _panel(axes, own, factors, _reach(alike))
        axes.set_title(printable(labels.get(outcome, outcome), 26), parse_math=False)
        if place % columns:
            axes.tick_params(labelleft=False)
        axes.set_xlabel(f"{printable(str(own[0]['yardstick']).replace('_', ' '), 26)}" if own else "")
    for axes in panels[len(outcomes) :]:
        axes.remove()


def _reach(rows: Sequence[Row]) -> float:
    ends = [abs(v) for row in rows for v in (row["low"], row["effect"], row["high"]) if isinstance(v, float | int)]
    return 1.08 * max(ends, default=1.0) or 1.0


def _panel(axes: Axes, rows: Sequence[Row], factors: Sequence[str], reach: float) -> None:
    bare(axes, "x")
    axes.axvline(0, color=INK, linewidth=0.6, zorder=1)
    for row in rows:
        _effect(axes, row, factors.index(str(row["factor"])))
    axes.set_yticks(range(len(factors)), [printable(name, 34) for name in factors], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(factors) - 0.4, -0.6)
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=4)


def _effect(axes: Axes, row: Row, y: int) -> None:
    """One effect with its interval; a dial that is named for an axis has that axis' colour."""
    effect, low, high = (row[key] for key in ("effect", "low", "high"))
    if not isinstance(effect, float | int):
        axes.text(0, y, " no estimate", fontsize=5.5, va="center", color=GREY)
        return
    alone = row["factors"] == 1
    colour = AXIS_COLOURS.get(str(row["axis"]), INK) if alone else "#5a6570"
    if isinstance(low, float | int) and isinstance(high, float | int):
        axes.plot([low, high], [y, y], color=colour, linewidth=1.4 if alone else 0.8, zorder=2, solid_capstyle="butt")
    axes.plot([effect], [y], ls="", marker="o", ms=4, color=colour, mfc=colour if alone else "white", mew=0.9, zorder=3)
