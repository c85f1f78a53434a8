"""Figure ``validity``: what every measure does on every dial, measures × axes, from the validity study."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from qdcbench.measures.behaviour import Behaviour, Response, Study
from qdcbench.report.style import AXIS_COLOURS, GREY, INK, FigureData, leave_room, paper, save, settle, sign

__all__ = ["data", "draw", "write_validity_figure"]

Row = Mapping[str, str | float | int | bool | None]

_LINE = 0.125
"""Inches of a measure's line."""
_SHADES = LinearSegmentedColormap.from_list("shares", ["#b2182b", "#f7f7f7", "#2166ac"])
_TITLES = {
    "quality": "right\nanswers",
    "coverage": "edits and\nwordings",
    "wording": "wordings\nalone",
    "copies": "fewer\ncopies",
    "clumps": "less of\na clump",
    "depth": "deeper,\nmore\nwords",
    "equal_words": "deeper,\nless\nfiller",
    "filler": "40 filler\nwords",
    "lists": "longer\nlists",
    "n": "10 times\nthe rows",
}
_TWINS = ("filler", "depth")
"""Dials on which the value at a shared length is drawn too."""


def data(study: Study) -> FigureData:
    """Return one row per measure and dial; a measure without any value is left out."""
    rows: list[Row] = []
    for measure in study.measures:
        if measure.reason:
            continue
        columns = [(dial.name, "raw", measure.responses[dial.name]) for dial in study.dials]
        columns += [(name, "twin", measure.twins[name]) for name in _TWINS]
        rows += [_row(study, measure, dial, form, response) for dial, form, response in columns]
    without = sum(bool(measure.reason) for measure in study.measures)
    return FigureData(
        name="validity",
        title="How measures follow their own axis, and what else moves them",
        caption=(
            "Change of each measure over each dial, everything else held fixed, as a share of its change over the dial "
            "of its own axis (framed). Blue: the same way, red: the other way. Hatched: no value. Empty: not beyond "
            "three standard errors. A measure that does not move on its own dial has no shares; its rank correlation "
            "stands alone. Bold: recommended by the rule of the study."
        ),
        sign=f"{study.task}, {study.n} rows, {study.repetitions} repetitions, simulated; {without} measures without "
        "a value are left out",
        rows=tuple(rows),
        labels=_TITLES,
    )


def _row(study: Study, measure: Behaviour, dial: str, form: str, response: Response) -> Row:
    return {
        "axis": measure.axis, "measure": measure.measure, "dial": dial, "form": form, "own": dial == measure.own,
        "rank": response.rank, "share": response.share, "effect": response.effect, "moved": response.moved,
        "measured": response.change is not None,
        "recommended": measure.measure in study.recommended.get(measure.axis, ()),
    }  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw one panel an axis, one line a measure, one column a dial."""
    axes_names = [axis for axis in AXIS_COLOURS if any(row["axis"] == axis for row in figure_data.rows)]
    parts = [[row for row in figure_data.rows if row["axis"] == axis] for axis in axes_names]
    columns = list(dict.fromkeys((str(row["dial"]), str(row["form"])) for row in figure_data.rows))
    lines = [len({row["measure"] for row in part}) for part in parts]
    figure = Figure(figsize=(7.2, _LINE * sum(lines) + 0.35 * len(lines) + 0.75), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    panels = figure.subplots(len(parts), 1, squeeze=False, height_ratios=[count + 1.2 for count in lines])
    for place, (panel, axis, part) in enumerate(zip(panels.flat, axes_names, parts, strict=True)):
        _panel(panel, part, columns)
        panel.set_title(axis, color=AXIS_COLOURS[axis], loc="left", pad=3)
        if place == 0:
            _head(panel, columns, figure_data.labels)
    sign(figure, figure_data)
    settle(figure)
    return figure


def _head(panel: Axes, columns: Sequence[tuple[str, str]], titles: Mapping[str, str]) -> None:
    """Write the dials above the first panel."""
    names = ["rank on\nown dial"]
    names += [titles.get(dial, dial) + ("\n(twin)" if form == "twin" else "") for dial, form in columns]
    panel.tick_params(axis="x", labeltop=True, labelbottom=False, length=0, pad=1)
    panel.set_xticks([-1.15, *range(len(columns))], names, fontsize=5.2, linespacing=1.05)


def _panel(panel: Axes, rows: Sequence[Row], columns: Sequence[tuple[str, str]]) -> None:
    measures = list(dict.fromkeys(str(row["measure"]) for row in rows))
    for row in rows:
        x, y = columns.index((str(row["dial"]), str(row["form"]))), measures.index(str(row["measure"]))
        _cell(panel, row, x, y)
        if row["own"] and row["form"] == "raw":
            rank = row["rank"]
            text = "–" if not isinstance(rank, float | int) else f"{rank:.2f}".replace("-", "−")
            panel.text(-1.15, y, text, fontsize=5.2, ha="center", va="center", color=INK)
    panel.set_xlim(-1.7, len(columns) - 0.5)
    panel.set_ylim(len(measures) - 0.5, -0.5)
    panel.set_yticks(range(len(measures)), measures, fontsize=5.4, parse_math=False)
    best = {str(row["measure"]) for row in rows if row["recommended"]}
    for label in panel.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in best else "normal")
    panel.tick_params(length=0)
    panel.set_xticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)


def _cell(panel: Axes, row: Row, x: int, y: int) -> None:
    """Draw one share as a shade with its number, framed on the measure's own dial."""
    share = row["share"]
    known = isinstance(share, float | int)
    shade = _SHADES(0.5 + 0.5 * max(-1.0, min(1.0, float(share or 0)))) if known and row["moved"] else "white"
    own = bool(row["own"]) and row["form"] == "raw"
    box = Rectangle(
        (x - 0.5, y - 0.5), 1, 1, facecolor=shade, edgecolor=INK if own else "#e3e7ea", linewidth=0.8 if own else 0.3,
        zorder=3 if own else 1, hatch=None if row["measured"] else "////",
    )  # fmt: skip
    panel.add_patch(box)
    if not known or not row["moved"]:
        if row["moved"]:
            panel.text(x, y, "moves", fontsize=4.6, ha="center", va="center", color=GREY, zorder=4)
        return
    assert isinstance(share, float | int)
    text = f"{share:+.2f}".replace("-", "−") if abs(share) < 10 else f"{share:+.0f}".replace("-", "−")
    ink = "white" if abs(share) > 0.6 else INK
    panel.text(x, y, text, fontsize=4.8, ha="center", va="center", color=ink, zorder=4)


def write_validity_figure(study: Study, folder: Path) -> list[Path]:
    """Write ``validity.png`` and ``validity.pdf``; same study, same bytes; return their paths."""
    with paper():
        return save(draw(data(study)), folder, "validity")
