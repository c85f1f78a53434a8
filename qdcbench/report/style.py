"""One look for all figures, and files that have the same bytes each time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine

from qdcbench.errors import StoreError

__all__ = [
    "AXIS_COLOURS",
    "DISTANCE_COLOURS",
    "GREY",
    "INK",
    "FigureData",
    "bare",
    "leave_room",
    "legend",
    "panel_title",
    "paper",
    "printable",
    "save",
    "settle",
    "sign",
]

Cell = str | float | int | bool | None

INK = "#1c2733"
GREY = "#8a949e"
DISTANCE_COLOURS = {"id": "#0072B2", "ood": "#D55E00"}
AXIS_COLOURS = {"quality": "#0072B2", "diversity": "#D55E00", "complexity": "#009E73"}
"""From the palette of Okabe and Ito (2008), told apart with every common colour blindness."""

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7.0,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "#e3e7ea",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "lines.linewidth": 1.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.hashsalt": "qdcbench",
    "path.simplify": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureData:
    """All that a figure draws, one row per mark, before any drawing.

    ``rows`` share their keys. ``sign`` is the line under the figure: edition, n, simulated or not.
    """

    name: str
    title: str
    caption: str
    sign: str
    rows: tuple[Mapping[str, Cell], ...]
    labels: Mapping[str, str]


@contextmanager
def paper() -> Iterator[None]:
    """Draw with this look, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        cast(Any, matplotlib.rcParams).update(_STYLE)
        yield


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.png`` (200 dpi) and ``name.pdf`` without dates or program versions.

    Raises:
        StoreError: the folder cannot be written.
    """
    targets = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": "QDCBench", "Producer": None}}
    paths = []
    for suffix, metadata in targets.items():
        path = folder / f"{name}.{suffix}"
        try:
            figure.savefig(path, dpi=200, metadata=metadata)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}; free the disk or choose another folder") from None
        paths.append(path)
    return paths


@cache
def _glyphs() -> frozenset[int]:
    font = get_font(findfont(FontProperties(family=["DejaVu Sans"])))
    return frozenset(font.get_charmap())


def printable(text: str, limit: int = 40) -> str:
    """Return text the figures' font can draw, on one line, cut to ``limit`` characters."""
    clean = "".join(c if c.isprintable() and ord(c) in _glyphs() else "\ufffd" for c in " ".join(text.split()))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def bare(axes: Axes, grid: str = "both") -> None:
    """Light grid behind the marks along ``x``, ``y`` or ``both``."""
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    axes.tick_params(length=2.5)


def leave_room(figure: Figure) -> None:
    """Keep a line at the foot of a figure with constrained layout free of axes."""
    share = 0.13 / figure.get_figheight()
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, share, 1, 1 - share))


def sign(figure: Figure, data: FigureData) -> None:
    """Write edition, n and *simulated* at the lower left, in the line that ``leave_room`` keeps free."""
    figure.text(0.01, 0.006, data.sign, fontsize=5.5, color="#5a6570", ha="left", va="bottom", parse_math=False)


def settle(figure: Figure) -> None:
    """Lay the figure out for good. The solver's last bits differ from run to run, so positions are rounded."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(v), 6) for v in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))


def legend(figure: Figure, handles: Sequence[Artist], *, columns: int, right: bool = False) -> None:
    """Write the key of a figure outside of its panels, labels as they are; nothing where there is no handle."""
    if handles:
        place: Literal["outside upper right", "outside upper center"]
        place = "outside upper right" if right else "outside upper center"
        key = figure.legend(handles=handles, loc=place, ncols=columns, columnspacing=1.2, handletextpad=0.4)
        for text in key.get_texts():
            text.set_parse_math(False)


def panel_title(axes: Axes, group: str, *, simulated: bool, width: int = 52) -> None:
    """Head a panel with its group, broken between the parts of the name where a line gets too long."""
    parts = [printable(part) for part in group.split("|") if part]
    if simulated:
        parts.append("simulated")
    lines = [parts[0] if parts else ""]
    for part in parts[1:]:
        longer = f"{lines[-1]} · {part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    axes.set_title("\n".join(lines), parse_math=False, fontsize=6.5)
