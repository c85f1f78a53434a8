"""Figures ``shares`` and ``spread``: of what a score's variance is made, as stacked bars."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from qdcbench.records import Analysis, RunRecord
from qdcbench.report.claims import simulated_scope
from qdcbench.report.groups import is_simulated, scope_title
from qdcbench.report.spread_tables import shares_in_order, variances_in_order
from qdcbench.report.style import (
    AXIS_COLOURS,
    INK,
    FigureData,
    leave_room,
    legend,
    panel_title,
    printable,
    settle,
    sign,
)
from qdcbench.report.text import outcome_title, percent, sign_text

__all__ = ["draw", "share_data", "spread_data"]

Row = Mapping[str, str | float | int | bool | None]

_COLOURS = {
    **AXIS_COLOURS, "training words": "#56B4E9", "length": "#E69F00",
    "arm": "#0072B2", "repetition": "#56B4E9", "generation seed": "#E69F00",
    "probe seed": "#CC79A7", "items": "#8a949e",
}  # fmt: skip
_OTHERS = ("#F0E442", "#000000", "#5a6570")
_LINE = 0.24
"""Inches of a bar with the room around it."""
_LEAST = 0.055
"""A piece of a bar that is narrower has no number in it."""


def share_data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per regressor, score and scope: its share of the score's variance.

    Scopes whose shares have no interval are left out: a handful of datasets is explained by anything.
    """
    every = shares_in_order(analysis)
    sure = {share.scope for share in every if share.share.low is not None}
    shown = [share for share in every if share.scope in sure]
    gone = [scope_title(scope) for scope in dict.fromkeys(share.scope for share in every) if scope not in sure]
    note = f" Left out, without intervals: {'; '.join(gone)} (in the table)." if gone else ""
    rows: list[Row] = [
        {
            "panel": share.scope, "simulated": simulated_scope(analysis, share.scope), "score": share.score,
            "part": share.name, "share": share.share.point, "low": share.share.low, "high": share.share.high,
            "r_squared": share.r_squared, "n": share.n_datasets, "clusters": share.n_clusters,
            "reason": share.share.reason,
        }
        for share in shown
    ]  # fmt: skip
    n = max((share.n_datasets for share in shown), default=0)
    return FigureData(
        name="shares",
        title="How much of each score the axes explain",
        caption=(
            "Share of a score's variance within settings that each regressor has by general dominance (Shapley), the "
            "mean over all orders in which they can enter; together they are R², the rest is not explained. "
            "Observational: a share is no effect. Intervals are in the table." + note
        ),
        sign=sign_text(analysis, f"n ≤ {n}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={share.score: outcome_title(analysis, share.score) for share in shown},
    )


def spread_data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per source, score and setting: its share of the variance of one measurement of the score."""
    rows: list[Row] = [
        {
            "panel": found.group, "simulated": is_simulated(analysis, found.group), "score": found.score,
            "part": found.source, "share": found.share, "variance": found.variance, "reason": found.reason,
        }
        for found in variances_in_order(analysis)
    ]  # fmt: skip
    return FigureData(
        name="spread",
        title="Where the spread of a score comes from",
        caption=(
            "Variance of one measurement of a score: between arms (what a benchmark wants to see), between repetitions "
            "that all arms share, between generation seeds of an arm, between probe seeds of a dataset, and from the "
            "choice of evaluation items. A source that the design cannot tell apart is named beside the bar."
        ),
        sign=sign_text(analysis, f"n = {analysis.complete}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={found.score: outcome_title(analysis, found.score) for found in analysis.variances},
    )


def draw(figure_data: FigureData) -> Figure:
    """Draw a panel per scope or setting, one under the other; a bar per score."""
    panels = list(dict.fromkeys(str(row["panel"]) for row in figure_data.rows)) or [""]
    parts = [[row for row in figure_data.rows if row["panel"] == panel] for panel in panels]
    heights = [_LINE * max(1, len({row["score"] for row in part})) for part in parts]
    colours = _colours(figure_data.rows)
    figure = Figure(figsize=(5.4, sum(heights) + 0.42 * len(parts) + 0.6), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights, sharex=True)
    for axes, part, panel in zip(grid.flat, parts, panels, strict=True):
        _panel(axes, part, colours, figure_data.labels)
        title = scope_title(panel)
        simulated = bool(part and part[0]["simulated"]) and "simulated" not in title
        panel_title(axes, panel if "|" in panel else title, simulated=simulated, width=70)
    grid.flat[-1].set_xlabel("share of the variance of the score")
    keys = [Patch(color=colour, label=printable(name, 24)) for name, colour in colours.items()]
    legend(figure, keys, columns=5)
    sign(figure, figure_data)
    settle(figure)
    return figure


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    """Map each part to its colour, in the order in which the parts come."""
    names = list(dict.fromkeys(str(row["part"]) for row in rows))
    unknown = [name for name in names if name not in _COLOURS]
    return {name: _COLOURS.get(name) or _OTHERS[unknown.index(name) % len(_OTHERS)] for name in names}


def _panel(axes: Axes, rows: Sequence[Row], colours: Mapping[str, str], labels: Mapping[str, str]) -> None:
    scores = list(dict.fromkeys(str(row["score"]) for row in rows))
    for y, score in enumerate(scores):
        own = [row for row in rows if row["score"] == score]
        _bar(axes, own, y, colours)
        words = _beside(own)
        axes.text(1.01, y, words, transform=axes.get_yaxis_transform(), fontsize=5.2, va="center", color="#5a6570",
                  parse_math=False)  # fmt: skip
    axes.set_yticks(range(len(scores)), [printable(labels[score], 26) for score in scores], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(scores) - 0.45, -0.55)


def _bar(axes: Axes, rows: Sequence[Row], y: int, colours: Mapping[str, str]) -> None:
    axes.barh(y, 1.0, height=0.7, color="#eef1f3", linewidth=0)
    left = 0.0
    for row in rows:
        share = row["share"]
        if not isinstance(share, float | int) or share <= 0:
            continue
        colour = colours[str(row["part"])]
        axes.barh(y, share, left=left, height=0.7, color=colour, linewidth=0)
        if share >= _LEAST:
            light = colour in {"#E69F00", "#56B4E9", "#F0E442", "#8a949e"}
            axes.text(left + share / 2, y, percent(share), fontsize=5.2, ha="center", va="center",
                      color=INK if light else "white")  # fmt: skip
        left += share


def _beside(rows: Sequence[Row]) -> str:
    """What the bar cannot show: R² and n of shares, or sources that are not known."""
    unknown = [str(row["part"]) for row in rows if row["share"] is None]
    parts = [f"not in the bar: {', '.join(unknown)}"] if unknown else []
    r_squared = rows[0].get("r_squared")
    if isinstance(r_squared, float | int):
        parts.append(f"R² {r_squared:.2f}, n={rows[0]['n']}/{rows[0]['clusters']}")
    return printable("; ".join(parts), 48)
