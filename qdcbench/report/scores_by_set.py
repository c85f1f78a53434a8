"""Figure ``scores_by_set``: arms by evaluation sets, numbers with intervals on a heat map."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qdcbench.records import Analysis, Interval, RunRecord
from qdcbench.report.groups import groups_in_order
from qdcbench.report.points import DISTANCES, arms_in_order, distance_of, scores_at
from qdcbench.report.style import GREY, INK, FigureData, leave_room, panel_title, printable, settle, sign
from qdcbench.report.text import number, set_title, sign_text

__all__ = ["data", "draw"]

_MAP = LinearSegmentedColormap.from_list("paper_to_blue", ["#f6f8fa", "#86bbdd"])
"""One hue that stays light enough for dark numbers everywhere."""
_COLUMN, _LINE = 0.52, 0.27
"""Inches of a cell."""
_LETTERS = 17
"""Letters of a panel's title that fit into an inch."""
_NAME, _SHORT_NAME = 36, 24
"""Letters of an arm's name that are shown, and those that a figure of usual width has room for."""
_TALL = 16
"""With more arms than this the names of the sets stand above a panel too."""

Row = Mapping[str, str | float | int | bool | None]


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per group, arm and evaluation set, in the order drawn."""
    sets = [name for distance in DISTANCES for name in scores_at(analysis, distance)]
    sets += [name for name in analysis.score_names if not distance_of(analysis, name)]
    rows: list[Row] = []
    for group in groups_in_order(analysis):
        for place, arm in enumerate(arms_in_order(analysis, group)):
            for name in sets:
                value = arm.scores.get(name, Interval(point=None, low=None, high=None))
                rows.append(
                    {
                        "group": group, "place": place, "arm": arm.arm, "role": arm.role, "simulated": arm.simulated,
                        "set": name, "distance": distance_of(analysis, name), "score": value.point, "low": value.low,
                        "high": value.high, "n": value.n,
                    }
                )  # fmt: skip
    return FigureData(
        name="scores_by_set",
        title="Scores on every evaluation set",
        caption=(
            "Mean score of the probe over an arm's datasets, with its interval in brackets, by evaluation set: in "
            "distribution first, then out of distribution. Arms in order of rank, controls below the line. Shades run "
            "from the lowest to the highest score within a set and a panel."
        ),
        sign=sign_text(analysis, f"n = {analysis.complete}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={name: set_title(analysis, name) for name in sets},
    )


def draw(figure_data: FigureData) -> Figure:
    """Draw one table per group, one under the other."""
    groups = list(dict.fromkeys(str(row["group"]) for row in figure_data.rows)) or [""]
    parts = [[row for row in figure_data.rows if row["group"] == group] for group in groups]
    arms = [max(1, len({row["arm"] for row in part})) for part in parts]
    sets = max(1, len(figure_data.labels))
    heights = [_LINE * count + 0.35 for count in arms]
    longest = max((len(printable(str(row["arm"]), _NAME)) for row in figure_data.rows), default=0)
    width = max(3.5, 1.0 + _COLUMN * sets) + 0.055 * max(0, longest - _SHORT_NAME)
    figure = Figure(figsize=(width, sum(heights) + 0.75), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    panels = figure.subplots(len(parts), 1, squeeze=False, height_ratios=arms)
    for axes, part, group in zip(panels.flat, parts, groups, strict=True):
        _panel(axes, part, figure_data)
        panel_title(axes, group, simulated=bool(part and part[0]["simulated"]), width=round(_LETTERS * _COLUMN * sets))
    sign(figure, figure_data)
    settle(figure)
    return figure


def _panel(axes: Axes, rows: Sequence[Row], figure_data: FigureData) -> None:
    """One group's table."""
    arms = list(dict.fromkeys(str(row["arm"]) for row in rows))
    sets = list(figure_data.labels)
    values = np.full((max(1, len(arms)), max(1, len(sets))), np.nan)
    for row in rows:
        x, y = sets.index(str(row["set"])), arms.index(str(row["arm"]))
        score = row["score"]
        if isinstance(score, float):
            values[y, x] = score
            _cell(axes, (x, y), row)
        else:
            axes.text(x, y, "–", ha="center", va="center", fontsize=6.5, color=GREY)
    axes.imshow(_within_columns(values), aspect="auto", cmap=_MAP, vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(sets)), [_two_lines(figure_data.labels[s]) for s in sets], parse_math=False)
    axes.set_yticks(range(len(arms)), [printable(arm, _NAME) for arm in arms], parse_math=False)
    axes.tick_params(length=0, labeltop=len(arms) > _TALL)
    axes.set_xticks([i - 0.5 for i in range(1, len(sets))], minor=True)
    axes.set_yticks([i - 0.5 for i in range(1, len(arms))], minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1.0)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    controls = [i for i, arm in enumerate(arms) if any(r["arm"] == arm and r["role"] == "control" for r in rows)]
    if controls and controls[0] > 0:
        axes.axhline(controls[0] - 0.5, color=INK, linewidth=1.2)
    distances = [next((r["distance"] for r in rows if r["set"] == s), "") for s in sets]
    if "id" in distances and "ood" in distances:
        axes.axvline(distances.index("ood") - 0.5, color=INK, linewidth=1.2)


def _within_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale (arms, sets) scores from 0 at a set's lowest to 1 at its highest; a set with one value gives 0.5."""
    known = ~np.isnan(values)
    low = np.min(np.where(known, values, np.inf), axis=0)
    span = np.max(np.where(known, values, -np.inf), axis=0) - low
    usable = np.isfinite(span) & (span > 0)
    share = (values - np.where(usable, low, 0.0)) / np.where(usable, span, 1.0)
    return np.where(known & ~usable, 0.5, share)


def _cell(axes: Axes, at: tuple[int, int], row: Row) -> None:
    """The number and, under it, its interval."""
    x, y = at
    score, low, high = (row[key] for key in ("score", "low", "high"))
    bounded = isinstance(low, float) and isinstance(high, float)
    axes.text(
        x, y - (0.16 if bounded else 0.0), number(float(score or 0.0)), ha="center", va="center", fontsize=6.8,
        color=INK,
    )  # fmt: skip
    if isinstance(low, float) and isinstance(high, float):
        axes.text(x, y + 0.24, f"[{_short(low)}, {_short(high)}]", ha="center", va="center", fontsize=5.2, color=INK)


def _short(value: float) -> str:
    """Two decimals without the leading zero, as space is dear."""
    text = number(value)
    return text.replace("0.", ".", 1) if math.fabs(value) < 0.995 else text


def _two_lines(label: str) -> str:
    """Break a label at the space nearest to its middle."""
    clean = printable(label, 26)
    spaces = [i for i, c in enumerate(clean) if c == " "]
    if not spaces or len(clean) < 9:
        return clean
    cut = min(spaces, key=lambda i: abs(i - len(clean) / 2))
    return f"{clean[:cut]}\n{clean[cut + 1 :]}"
