"""What tests ask of every figure: no text lies on another or leaves the figure. Loaded by runpy."""

from matplotlib.figure import Figure
from matplotlib.text import Text


def _out_of_view(figure: Figure) -> list[Text]:
    """Labels of ticks outside of the axes' limits, which matplotlib keeps but does not draw."""
    ticks = [
        (axis, tick) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_major_ticks()
    ]
    return [
        t.label1
        for axis, t in ticks
        if not min(axis.get_view_interval()) <= t.get_loc() <= max(axis.get_view_interval())
    ]


def misplaced(figure: Figure) -> list[str]:
    """Return a sentence for each text outside of the figure and for each two that lie on each other."""
    renderer = figure.canvas.get_renderer()
    hidden = _out_of_view(figure)
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in hidden]
    boxes = [(t.get_text(), Text.get_window_extent(t, renderer)) for t in texts]
    width, height = figure.bbox.width, figure.bbox.height
    found = []
    for i, (text, box) in enumerate(boxes):
        if not (-1 <= box.x0 and box.x1 <= width + 1 and -1 <= box.y0 and box.y1 <= height + 1):
            found.append(f"{text!r} leaves the figure")
        for other, its in boxes[i + 1 :]:
            wide = min(box.x1, its.x1) - max(box.x0, its.x0)
            high = min(box.y1, its.y1) - max(box.y0, its.y0)
            if wide > 1 and high > 2:
                found.append(f"{text!r} lies on {other!r}")
    return found
