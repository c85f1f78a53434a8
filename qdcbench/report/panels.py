"""How large the panels of a figure are: names need room, so a panel with many of them is as wide as the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qdcbench.report.style import leave_room

__all__ = ["MANY", "Panels", "panels_for"]

_COLUMN = 3.5
"""Inches of a column of a paper of two columns."""
MANY = 14
"""More names than this do not fit into a panel of one column."""
_GROWTH = 0.075
"""Inches that a panel grows in height for each name more than that."""
_LETTERS = 15
"""Letters of a panel's title that fit into an inch."""


@dataclass(frozen=True, slots=True)
class Panels:
    """A figure with constrained layout, its panels in order, and the letters that fit into the title of each."""

    figure: Figure
    axes: tuple[Axes, ...]
    columns: int
    letters: int


def panels_for(names: Sequence[int], height: float, extra: float) -> Panels:
    """Return a figure with a panel for each number of names: two a row, or one as wide as both where names are many.

    Args:
        names: how many names each panel has to hold.
        height: inches of a panel with few names.
        extra: inches of the figure outside of its panels.
    """
    many = max(names, default=0) > MANY
    columns = 1 if many else min(2, max(1, len(names)))
    rows = math.ceil(max(1, len(names)) / columns)
    heights = [height] * rows
    if many:
        heights = [height + _GROWTH * max(0, count - MANY) for count in names]
    width = _COLUMN * (2 if many else columns)
    figure = Figure(figsize=(width, sum(heights) + extra), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axes in grid.flat[len(names) :]:
        axes.remove()
    letters = round(_LETTERS * width / columns)
    return Panels(figure, tuple(grid.flat[: len(names)]), columns, letters)
