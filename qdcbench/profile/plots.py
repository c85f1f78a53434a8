"""Plots as inline SVG: the map of the rows, lengths, and a value with its interval beside those of others."""

import math
from collections.abc import Sequence

from qdcbench.measures.rows import FloatArray
from qdcbench.profile.findings import Lengths, Place
from qdcbench.records import Measurement
from qdcbench.report.markup import Html, join, tag

__all__ = ["interval_mark", "length_plot", "map_plot", "swatch"]

_MAP_WIDTH, _MAP_HEIGHT, _MAP_EDGE = 900, 520, 12
_WIDTH, _HEIGHT = 560, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 8, 24
_TICKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


def swatch(part: int) -> Html:
    """Return the spot in a part's colour that stands before its name."""
    spot = tag("circle", cx=6, cy=6, r=4.5)
    return tag("svg", spot, class_=f"swatch part p{part}", width=12, height=12, aria_hidden="true")


def map_plot(points: FloatArray, places: Sequence[Place]) -> Html:
    """Return points (m, 2) in the colour of their part; each knows its number, for the script that shows its texts."""
    low, high = points.min(axis=0), points.max(axis=0)
    # One scale for both axes: a distance means the same in every direction.
    wide, tall = (max(float(size), 1e-9) for size in high - low)
    scale = min((_MAP_WIDTH - 2 * _MAP_EDGE) / wide, (_MAP_HEIGHT - 2 * _MAP_EDGE) / tall)
    middle = (low + high) / 2
    groups: dict[int, list[Html]] = {}
    for number, (place, point) in enumerate(zip(places, (points - middle) * scale, strict=True)):
        x, y = _MAP_WIDTH / 2 + float(point[0]), _MAP_HEIGHT / 2 - float(point[1])
        spot = tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.6, data_row=number)
        groups.setdefault(place.part, []).append(spot)
    return tag(
        "svg", *(tag("g", *spots, class_=f"part p{part}", data_part=part) for part, spots in sorted(groups.items())),
        id="map", viewBox=f"0 0 {_MAP_WIDTH} {_MAP_HEIGHT}", role="img",
        aria_label="Rows as points; near points are prompts that are alike. The texts stand in the lists below.",
    )  # fmt: skip


def length_plot(found: Lengths, side: str) -> Html:
    """Return one line a part: the share of its texts by the number of words, on a logarithmic axis."""
    top = max(float(shares.max()) for shares in found.shares.values())
    reach = float(found.edges[-1])
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(log_words: float) -> float:
        return _LEFT + wide * log_words / reach

    lines = []
    for part, shares in sorted(found.shares.items()):
        centres = (found.edges[:-1] + found.edges[1:]) / 2
        corners = [(x(float(c)), _TOP + tall * (1 - float(s) / top)) for c, s in zip(centres, shares, strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        lines.append(tag("polyline", points=path, class_=f"line part p{part}", data_part=part))
    base = _TOP + tall
    ticks = [n for n in _TICKS if math.log1p(n) <= reach]
    # Labels that would stand on each other are left out, the last one never.
    places = [x(math.log1p(n)) for n in ticks]
    gaps = [after - before for before, after in zip(places, [*places[1:], math.inf], strict=True)]
    return tag(
        "svg", tag("line", x1=_LEFT, x2=_LEFT + wide, y1=base, y2=base, class_="base"),
        [_tick(a, base, f"{n:,}") for a, n, gap in zip(places, ticks, gaps, strict=True) if gap > 30], *lines,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", class_="lengths", aria_label=f"Words of a {side} by part",
    )  # fmt: skip


def _tick(x: float, base: float, text: str) -> Html:
    line = tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=base, y2=base + 4, class_="base")
    return join(line, tag("text", text, x=f"{x:.1f}", y=base + 17, text_anchor="middle"))


def interval_mark(measurement: Measurement, low: float, high: float) -> Html:
    """Return a value with its interval on a line from ``low`` to ``high``."""
    assert measurement.value is not None
    ends = (measurement.value if end is None else end for end in (measurement.low, measurement.high))
    reach = max(high - low, 1e-300)
    left, right, spot = (100 * (min(max(v, low), high) - low) / reach for v in (*ends, measurement.value))
    return tag(
        "svg",
        tag("rect", x=0, y=3.5, width=100, height=1, class_="under"),
        tag("rect", x=f"{left:.2f}", y=2.5, width=f"{max(right - left, 0.4):.2f}", height=3, class_="reach"),
        tag("circle", cx=f"{spot:.2f}", cy=4, r=2.6, class_="spot"),
        viewBox="-3 0 106 8", class_="mark", preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip
