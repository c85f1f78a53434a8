"""Figure ``qd_plane``: each dataset between quality and diversity, and what it was worth out of distribution."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qdcbench.records import Analysis, RunRecord
from qdcbench.report.groups import groups_with_panels, is_simulated, left_out_note
from qdcbench.report.panels import MANY, panels_for
from qdcbench.report.placement import Mark, label_marks
from qdcbench.report.points import AXES, dataset_points
from qdcbench.report.style import GREY, INK, FigureData, bare, panel_title, printable, settle, sign
from qdcbench.report.text import number, sign_text, title_of

__all__ = ["data", "draw"]

_MAP = colormaps["cividis"]
_SMALLEST, _LARGEST = 12.0, 90.0
"""Areas of marks in square points, for the lowest and the highest score."""

Row = Mapping[str, str | float | int | bool | None]


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per complete dataset: group, arm, role, simulated, quality, diversity, complexity, ood.

    Datasets without both primaries are not drawn, nor are groups with fewer than three arms; the sign says how many
    datasets there are in all.
    """
    points = dataset_points(analysis, records)
    groups, left_out = groups_with_panels(analysis)
    kept = [p for p in points if p.group in groups and p.quality is not None and p.diversity is not None]
    rows = tuple(
        {
            "group": p.group, "arm": p.arm, "role": p.role, "simulated": is_simulated(analysis, p.group),
            "run_id": p.run_id, "quality": p.quality, "diversity": p.diversity, "complexity": p.complexity,
            "ood": p.ood,
        }
        for p in kept
    )  # fmt: skip
    of_all = f" of {len(points)}" if len(kept) < len(points) else ""
    labels = {axis: title_of(analysis, analysis.primary.get(axis, axis)) for axis in AXES}
    return FigureData(
        name="qd_plane",
        title="Quality and diversity of every dataset",
        caption=(
            f"Each mark is one generated dataset: {labels['quality']} (quality) against {labels['diversity']} "
            f"(diversity). Colour is {labels['complexity']} (complexity), size the probe's mean score out of "
            "distribution. Hollow marks are controls. Names stand at the mean of an arm." + left_out_note(left_out)
        ),
        sign=sign_text(analysis, f"n = {len(rows)}{of_all}", (bool(row["simulated"]) for row in rows)),
        rows=rows,
        labels=labels,
    )


def draw(figure_data: FigureData) -> Figure:
    """Draw one panel per group, two a row where they have few names."""
    rows = figure_data.rows
    groups = list(dict.fromkeys(str(row["group"]) for row in rows)) or [""]
    parts = [[row for row in rows if row["group"] == group] for group in groups]
    panels = panels_for([len({row["arm"] for row in part}) for part in parts], height=3.1, extra=0.65)
    figure = panels.figure
    colours, sizes = _range(rows, "complexity"), _range(rows, "ood")
    for axes, part in zip(panels.axes, parts, strict=True):
        _panel(axes, part, figure_data, (colours, sizes))
        if part:
            panel_title(axes, str(part[0]["group"]), simulated=bool(part[0]["simulated"]), width=panels.letters)
    bar = figure.colorbar(
        ScalarMappable(norm=colours, cmap=_MAP), ax=panels.axes, location="bottom", aspect=45 * panels.columns,
        pad=0.03, shrink=0.9,
        label=f"complexity: {printable(figure_data.labels['complexity'])}",
    )  # fmt: skip
    bar.outline.set_visible(False)
    figure.legend(handles=_size_keys(sizes), loc="outside upper right", ncols=4, handletextpad=0.3, columnspacing=1.0)
    sign(figure, figure_data)
    settle(figure)
    for axes, part in zip(panels.axes, parts, strict=True):
        _names(axes, part, sizes)
    return figure


def _number(row: Row, key: str) -> float:
    value = row[key]
    return float(value) if isinstance(value, int | float) else math.nan


def _range(rows: Sequence[Row], key: str) -> Normalize:
    """Scale from the lowest to the highest known value, widened where all are the same."""
    known = [_number(row, key) for row in rows if row[key] is not None] or [0.0, 1.0]
    low, high = min(known), max(known)
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def _area(row: Row, sizes: Normalize) -> float:
    share = 0.0 if row["ood"] is None else float(sizes(_number(row, "ood")))
    return _SMALLEST + share * (_LARGEST - _SMALLEST)


def _panel(axes: Axes, rows: Sequence[Row], figure_data: FigureData, scales: tuple[Normalize, Normalize]) -> None:
    """Marks of one group, small ones over large ones."""
    colours, sizes = scales
    if len({row["arm"] for row in rows}) > MANY:
        for own, mean in _by_arm(rows):
            for row in own:
                xs, ys = (mean[0], _number(row, "quality")), (mean[1], _number(row, "diversity"))
                axes.plot(xs, ys, color="#b4bcc4", linewidth=0.6, zorder=2)
    for row in sorted(rows, key=lambda row: (-_area(row, sizes), str(row["run_id"]))):
        colour = GREY if row["complexity"] is None else _MAP(colours(_number(row, "complexity")))
        control = row["role"] == "control"
        axes.scatter(
            [_number(row, "quality")], [_number(row, "diversity")], s=_area(row, sizes), zorder=3,
            facecolors="none" if control else [colour], edgecolors=[colour] if control else "white",
            linewidths=1.1 if control else 0.5,
        )  # fmt: skip
    bare(axes)
    axes.margins(0.12)
    axes.set_xlabel(f"quality: {printable(figure_data.labels['quality'])}", parse_math=False)
    axes.set_ylabel(f"diversity: {printable(figure_data.labels['diversity'])}", parse_math=False)


def _by_arm(rows: Sequence[Row]) -> list[tuple[list[Row], tuple[float, float]]]:
    """Each arm's rows with their mean quality and diversity."""
    found = []
    for arm in dict.fromkeys(str(row["arm"]) for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        found.append((own, (fmean(_number(r, "quality") for r in own), fmean(_number(r, "diversity") for r in own))))
    return found


def _names(axes: Axes, rows: Sequence[Row], sizes: Normalize) -> None:
    """Write arm names at the arms' means."""
    marks = [
        Mark(*mean, str(own[0]["arm"]), GREY if own[0]["role"] == "control" else INK) for own, mean in _by_arm(rows)
    ]
    dots = [
        (_number(row, "quality"), _number(row, "diversity"), math.sqrt(_area(row, sizes) / math.pi)) for row in rows
    ]
    label_marks(axes, marks, np.array(dots, dtype=np.float64).reshape(-1, 3))


def _size_keys(sizes: Normalize) -> list[Line2D]:
    """Legend: three scores as sizes, and the hollow control."""
    low, high = float(sizes.vmin or 0.0), float(sizes.vmax or 0.0)
    keys = []
    for share in (0.0, 0.5, 1.0):
        width = 2 * math.sqrt((_SMALLEST + share * (_LARGEST - _SMALLEST)) / math.pi)
        text = number(low + share * (high - low))
        label = f"OOD {text}" if share == 0 else text
        keys.append(Line2D([], [], ls="", marker="o", ms=width, mfc=GREY, mec="white", label=label))
    keys.append(Line2D([], [], ls="", marker="o", ms=6, mfc="none", mec=GREY, label="control"))
    return keys
