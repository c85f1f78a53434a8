"""Where to write the name of a mark so that no two names, and no name and mark, lie on each other."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from qdcbench.report.style import INK, printable

__all__ = ["Box", "Mark", "label_marks", "place"]

_DIRECTIONS = 24
_RINGS = 18


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in points, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Shared area in square points."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def outside(self, frame: "Box") -> float:
        """Own area that lies outside of a frame."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(frame)


@dataclass(frozen=True, slots=True)
class Mark:
    """A point to be named, in data coordinates."""

    x: float
    y: float
    text: str
    colour: str = INK


Point = tuple[float, float]


def place(anchors: Sequence[Point], sizes: Sequence[Point], dots: NDArray[np.float64], frame: Box) -> list[Box]:
    """Return a box for each anchor, chosen among rings of positions around it.

    A position costs by what it covers (other boxes most, then dots, then room outside the frame), by the
    leaders it crosses and by its distance from the anchor. The most crowded anchors choose first.

    Args:
        anchors: n positions in points.
        sizes: n widths and heights in points.
        dots: (m, 3) array of marks not to cover: x, y, radius in points.
        frame: where boxes should stay.
    """
    crowd = [sum(math.dist(a, b) < 30 for b in anchors) for a in anchors]
    taken: dict[int, _Placed] = {}
    for i in sorted(range(len(anchors)), key=lambda i: (-crowd[i], i)):
        taken[i] = _best(_candidates(anchors[i], sizes[i]), list(taken.values()), dots, frame)
    return [taken[i].box for i in range(len(anchors))]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A box and the leader from its nearest edge to its anchor."""

    box: Box
    start: Point
    end: Point


def _best(
    candidates: Iterable[tuple[float, _Placed]], others: Sequence[_Placed], dots: NDArray[np.float64], frame: Box
) -> _Placed:
    """Return the cheapest candidate; they come nearest first, so the search ends where the way alone costs more."""
    found, least = None, math.inf
    for walk, candidate in candidates:
        if found is not None and walk >= least:
            break
        cost = walk + _cost(candidate, others, frame) + _covered(candidate, dots)
        if cost < least:
            found, least = candidate, cost
    assert found is not None
    return found


def _candidates(anchor: Point, size: Point) -> Iterator[tuple[float, _Placed]]:
    """Positions around an anchor, nearest first, with what their distance costs."""
    (x, y), (width, height) = anchor, size
    for ring in range(_RINGS):
        gap = height * (0.35 + 0.5 * ring)
        for step in range(_DIRECTIONS):
            angle = 2 * math.pi * step / _DIRECTIONS
            centre_x = x + math.cos(angle) * (gap + width / 2)
            centre_y = y + math.sin(angle) * (gap + height / 2)
            box = Box(centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)
            start = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
            yield gap, _Placed(box, start, anchor)


def _covered(new: _Placed, dots: NDArray[np.float64]) -> float:
    """What marks a box lies on, by area, and how many marks of others its leader runs over."""
    if not len(dots):
        return 0.0
    x, y, r = dots.T
    box = new.box
    width = np.minimum(box.right, x + r) - np.maximum(box.left, x - r)
    height = np.minimum(box.top, y + r) - np.maximum(box.bottom, y - r)
    area = float((np.maximum(width, 0) * np.maximum(height, 0)).sum())
    (ax, ay), (bx, by) = new.start, new.end
    along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / max((bx - ax) ** 2 + (by - ay) ** 2, 1e-9), 0, 1)
    near = np.hypot(ax + along * (bx - ax) - x, ay + along * (by - ay) - y) < r
    own = np.hypot(bx - x, by - y) < r + 2.0
    return 2.0 * area + 12.0 * float((near & ~own).sum())


def _cost(new: _Placed, others: Sequence[_Placed], frame: Box) -> float:
    """What a position covers, weighed so that a name on a name is never chosen while any other place is free."""
    box = new.box
    padded = Box(box.left - 1, box.bottom - 0.5, box.right + 1, box.top + 0.5)
    names = sum(padded.overlap(other.box) for other in others)
    crossed = sum(
        _crosses(new.start, new.end, other.start, other.end)
        + _runs_through(other.start, other.end, box)
        + _runs_through(new.start, new.end, other.box)
        for other in others
    )
    return 100.0 * names + 100.0 * box.outside(frame) + 40.0 * crossed


def _crosses(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two segments cross."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _runs_through(start: Point, end: Point, box: Box) -> bool:
    """Whether a leader runs through the inside of a box (clipped as by Liang and Barsky)."""
    enter, leave = 0.0, 1.0
    for k, low, high in ((0, box.left, box.right), (1, box.bottom, box.top)):
        step = end[k] - start[k]
        if abs(step) < 1e-12:
            if not low < start[k] < high:
                return False
            continue
        first, last = sorted(((low - start[k]) / step, (high - start[k]) / step))
        enter, leave = max(enter, first), min(leave, last)
    return leave - enter > 1e-9


def label_marks(axes: Axes, marks: Sequence[Mark], dots: NDArray[np.float64], fontsize: float = 6.0) -> list[Box]:
    """Write each mark's text near it with a thin leader, and return the boxes in points from the lower left.

    Call it when the figure's layout is final. ``dots`` is (m, 3): x, y in data coordinates, radius in points.
    """
    figure = axes.get_figure(root=True)
    if figure is None or not marks:
        return []
    renderer: RendererBase = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    points = 72 / figure.dpi
    sizes = [_size(mark, figure, renderer, fontsize) for mark in marks]
    anchors = [(x * points, y * points) for x, y in axes.transData.transform([(m.x, m.y) for m in marks]).tolist()]
    covered = np.column_stack([axes.transData.transform(dots[:, :2]) * points, dots[:, 2]]) if len(dots) else dots
    bounds = axes.get_window_extent(renderer)
    frame = Box(bounds.x0 * points, bounds.y0 * points, bounds.x1 * points, bounds.y1 * points)
    boxes = place(anchors, sizes, covered, frame)
    for mark, anchor, box in zip(marks, anchors, boxes, strict=True):
        start = ((anchor[0] - box.left) / (box.right - box.left), (anchor[1] - box.bottom) / (box.top - box.bottom))
        axes.annotate(
            printable(mark.text), (mark.x, mark.y), xytext=(box.left, box.bottom), textcoords="figure points",
            fontsize=fontsize, ha="left", va="bottom", color=mark.colour, parse_math=False, annotation_clip=False,
            zorder=6,
            # The leader starts where the search took it to start, not at the middle of the name.
            arrowprops={
                "arrowstyle": "-", "color": mark.colour, "lw": 0.4, "alpha": 0.7, "shrinkA": 0, "shrinkB": 1,
                "patchA": None, "relpos": tuple(min(1.0, max(0.0, share)) for share in start),
            },
        )  # fmt: skip
    return boxes


def _size(mark: Mark, figure: Figure, renderer: RendererBase, fontsize: float) -> Point:
    """Width and height of a name in points."""
    name = Text(text=printable(mark.text), fontsize=fontsize, parse_math=False)
    name.set_figure(figure)
    extent = name.get_window_extent(renderer)
    return (extent.width * 72 / figure.dpi, extent.height * 72 / figure.dpi)
