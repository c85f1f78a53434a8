"""Figure ``rank_curve``: the order of arms at equal amounts of a budget, as the budget grows."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from qdcbench.records import Analysis, BudgetTrack, RunRecord
from qdcbench.report.points import DISTANCES, headline
from qdcbench.report.spread_tables import tracks_in_order
from qdcbench.report.style import GREY, INK, FigureData, bare, leave_room, legend, panel_title, printable, settle, sign
from qdcbench.report.text import big_number, outcome_title, sign_text

__all__ = ["data", "draw"]

Row = Mapping[str, str | float | int | bool | None]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5a6570")
_STYLES = ("-", "--", ":")
"""With seven colours, twenty-one lines that differ."""
_LINE = 0.125
"""Inches of a place."""


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per arm and amount of every track with two amounts or more; ID and OOD alone where there are both.

    None where there is no such track.
    """
    tracks = [track for track in tracks_in_order(analysis) if len({p.amount for p in track.points}) > 1]
    heads = {headline(analysis, distance) for distance in DISTANCES}
    tracks = [track for track in tracks if track.score in heads] or tracks
    rows = [row for track in tracks for row in _rows(analysis, track)]
    missing = len({sentence.partition(":")[0] for track in tracks for sentence in track.left_out})
    return FigureData(
        name="rank_curve",
        title="Order of the arms as the budget grows",
        caption=(
            "Place of each arm among the arms that have a score at the same amount of a budget: rows, training words, "
            "or teacher tokens. Hollow: between two budgets that were run, on the line through both."
            + (f" Left out somewhere: {missing} arms; the page has the reasons." if missing else "")
        ),
        sign=sign_text(analysis, f"n = {analysis.complete}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={track.score: outcome_title(analysis, track.score) for track in tracks},
    )


def _rows(analysis: Analysis, track: BudgetTrack) -> list[Row]:
    parts = set(track.setting.split("|"))
    simulated = any(parts <= set(arm.group.split("|")) and arm.simulated for arm in analysis.arms)
    return [
        {
            "setting": track.setting, "score": track.score, "track": track.track, "amount": p.amount, "arm": p.arm,
            "simulated": simulated, "place": p.place, "tie": p.tie_group, "value": p.value.point,
            "low": p.value.low, "high": p.value.high, "interpolated": p.interpolated,
        }
        for p in sorted(track.points, key=lambda p: (p.amount, p.place, p.arm))
    ]  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw a panel per setting, score and budget, two a row."""
    keys = list(dict.fromkeys(_panel_key(row) for row in figure_data.rows)) or [("", "", "")]
    parts = [[row for row in figure_data.rows if _panel_key(row) == key] for key in keys]
    columns = min(2, len(keys))
    lines = math.ceil(len(keys) / columns)
    most = max((int(row["place"] or 1) for row in figure_data.rows), default=1)
    figure = Figure(figsize=(3.6 * columns, (max(0.9, _LINE * most) + 0.65) * lines + 0.3), dpi=200,
                    layout="constrained")  # fmt: skip
    FigureCanvasAgg(figure)
    leave_room(figure)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    arms = sorted({str(row["arm"]) for row in figure_data.rows})
    for axes, part, (setting, score, track) in zip(panels, parts, keys, strict=False):
        _panel(axes, part, arms)
        axes.set_xlabel(printable(track, 30), parse_math=False)
        simulated = bool(part and part[0]["simulated"])
        panel_title(axes, f"{setting}|{figure_data.labels.get(score, score)}", simulated=simulated, width=54)
    for axes in panels[len(keys) :]:
        axes.remove()
    hollow = Line2D([], [], ls="", marker="o", ms=3.5, mfc="white", color=GREY, label="between two budgets run")
    if any(row["interpolated"] for row in figure_data.rows):
        legend(figure, [hollow], columns=1, right=True)
    sign(figure, figure_data)
    settle(figure)
    return figure


def _panel_key(row: Row) -> tuple[str, str, str]:
    return (str(row["setting"]), str(row["score"]), str(row["track"]))


def _panel(axes: Axes, rows: Sequence[Row], arms: Sequence[str]) -> None:
    """Places over amounts, a line an arm, its name where the line ends."""
    bare(axes, "x")
    axes.set_xscale("log")
    amounts = sorted({float(row["amount"] or 0) for row in rows})
    for arm in dict.fromkeys(str(row["arm"]) for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        index = arms.index(arm)
        colour, style = _COLOURS[index % len(_COLOURS)], _STYLES[index // len(_COLOURS) % len(_STYLES)]
        xs, ys = [float(row["amount"] or 0) for row in own], [int(row["place"] or 0) for row in own]
        axes.plot(xs, ys, color=colour, ls=style, linewidth=1.0, zorder=2)
        for x, y, row in zip(xs, ys, own, strict=True):
            axes.plot([x], [y], ls="", marker="o", ms=3.5, color=colour, mfc="white" if row["interpolated"] else colour,
                      mew=0.8, zorder=3)  # fmt: skip
    _names(axes, rows, amounts)
    places = sorted({int(row["place"] or 0) for row in rows})
    axes.set_ylim(max(places, default=1) + 0.6, 0.4)
    axes.set_yticks([p for p in places if p == 1 or p % 5 == 0] or [1])
    axes.set_ylabel("place")
    axes.xaxis.set_major_locator(FixedLocator(amounts))
    axes.xaxis.set_major_formatter(FixedFormatter([big_number(amount) for amount in amounts]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.06)


def _names(axes: Axes, rows: Sequence[Row], amounts: Sequence[float]) -> None:
    """Write the arms where their lines end; arms with one place at one amount share a line."""
    last = {str(row["arm"]): (float(row["amount"] or 0), int(row["place"] or 0)) for row in rows}
    ends: dict[tuple[float, int], list[str]] = {}
    for arm, end in last.items():
        ends.setdefault(end, []).append(arm)
    for (amount, place), names in ends.items():
        beside = amount == amounts[-1]
        axes.annotate(
            printable(", ".join(names), 34), (1.0, place) if beside else (amount, place), xytext=(3, 0),
            xycoords=axes.get_yaxis_transform() if beside else "data", textcoords="offset points", fontsize=5.6,
            va="center", color=INK, parse_math=False, annotation_clip=False,
        )  # fmt: skip
