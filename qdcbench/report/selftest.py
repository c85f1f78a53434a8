"""Figure ``selftest``: what the engine does on planted editions, and the table of all its shares."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qdcbench.report.style import AXIS_COLOURS, GREY, INK, FigureData, bare, leave_room, paper, save, settle, sign
from qdcbench.stats.operating import Rate, SelfTest

__all__ = ["data", "draw", "rates_table", "write_selftest_figure"]

Row = Mapping[str, str | float | int | bool | None]

_ERRORS, _FAMILIES, _COVERAGE, _POWER = "type I error", "family-wise error", "coverage", "power"
_PANELS = (_ERRORS, _FAMILIES, _COVERAGE, _POWER)
_NULLS = "nothing, methods differ"
_LEVEL = 0.05
_SHADES = ("#08306b", "#2171b5", "#4292c6", "#6baed6", "#9ecae1")
_MARKERS = {"ID": "o", "OOD": "^", "ID - OOD": "D"}
_SCENARIO_MARKERS = ("o", "s", "^", "D", "v")


def rates_table(found: SelfTest) -> str:
    """Return every share as CSV, one row each."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Rate)], lineterminator="\n")
    writer.writeheader()
    for rate in found.rates:
        row = {field.name: getattr(rate, field.name) for field in fields(Rate)}
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    return out.getvalue()


def data(found: SelfTest) -> FigureData:
    """Return one row per mark: a share with its Monte Carlo interval in one panel."""
    rows = [row for rate in found.rates if (row := _row(rate)) is not None]
    fewest = {
        panel: min((int(str(row["of"])) for row in rows if row["panel"] == panel), default=0) for panel in _PANELS
    }
    return FigureData(
        name="selftest",
        title="What the engine says where the truth is planted",
        caption=(
            "Planted editions over the datasets of the committed edition (C) and over drawn ones with 6 to 30 methods. "
            "Top: share of editions in which a test rejects although nothing is planted, in which any test of a family "
            "does after Holm, and in which the 95 % interval holds the planted effect; bars are exact 95 % Monte Carlo "
            "intervals, dashed what is promised. Bottom: share of editions in which a planted effect on both scores is "
            "found at 5 %, ID."
        ),
        sign=f"{found.edition}, simulated; {found.editions} planted editions a mark "
        f"(nulls other than 'methods differ': {fewest[_FAMILIES]}, power: {fewest[_POWER]})",
        rows=tuple(rows),
        labels={},
    )


def _row(rate: Rate) -> Row | None:
    """Return the mark of a share, None where the figure has none."""
    if rate.part != "relations" or rate.value is None:
        return None
    null, power = rate.scenario.startswith("nothing"), rate.scenario.startswith("power")
    if rate.what == "rejected at 5 %" and rate.scenario == _NULLS:
        panel = _ERRORS
    elif rate.what == "any wrong after Holm" and null:
        panel = _FAMILIES
    elif rate.what == "covered" and rate.scenario == "effects":
        panel = _COVERAGE
    elif rate.what == "rejected at 5 %" and power and rate.test.endswith(" on ID"):
        panel = _POWER
    else:
        return None
    axis, _, score = rate.test.partition(" on ")
    return {
        "panel": panel, "axis": axis, "score": score, "scenario": rate.scenario, "design": rate.design,
        "size": rate.size, "effect": rate.effect, "value": rate.value, "low": rate.low, "high": rate.high,
        "of": rate.of,
    }  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw errors, families and coverage by design above, power curves of each axis below."""
    figure = Figure(figsize=(7.2, 4.6), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    above, below = figure.subplots(2, 3)
    rows = {panel: [row for row in figure_data.rows if row["panel"] == panel] for panel in _PANELS}
    _by_design(above[0], rows[_ERRORS], _LEVEL)
    above[0].set_title("Type I error, methods differ")
    _by_design(above[1], rows[_FAMILIES], _LEVEL)
    above[1].set_title("Family-wise error after Holm")
    _by_design(above[2], rows[_COVERAGE], 1 - _LEVEL)
    above[2].set_title("Coverage of 95 % intervals")
    for panel, axis in zip(below, AXIS_COLOURS, strict=True):
        _power(panel, [row for row in rows[_POWER] if row["axis"] == axis])
        panel.set_title(f"Power, {axis} on ID", color=AXIS_COLOURS[axis])
    _keys(above, below, rows)
    sign(figure, figure_data)
    settle(figure)
    return figure


def _designs(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Return the designs, the committed one first, then by number of methods."""
    found = {(str(row["design"]), int(str(row["size"]))) for row in rows}
    return sorted(found, key=lambda design: (design[0] != "committed", design[1]))


def _name(design: tuple[str, int]) -> str:
    return f"{design[1]}\nC" if design[0] == "committed" else str(design[1])


def _by_design(panel: Axes, rows: Sequence[Row], promised: float) -> None:
    """Draw shares beside each other within each design."""
    designs = _designs(rows)
    panel.axhline(promised, color=INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    for place, design in enumerate(designs):
        own = [row for row in rows if (row["design"], row["size"]) == design]
        for offset, row in enumerate(own):
            x = place + (offset - (len(own) - 1) / 2) * 0.75 / max(len(own), 1)
            colour, marker = _look(row)
            panel.plot([x, x], [_number(row, "low"), _number(row, "high")], color=colour, linewidth=0.8, zorder=2)
            panel.plot([x], [_number(row, "value")], ls="", marker=marker, ms=3.0, color=colour, zorder=3)
    panel.set_xticks(range(len(designs)), [_name(design) for design in designs])
    panel.set_xlabel("methods")
    highest = max((_number(row, "high") for row in rows), default=1.0)
    if promised < 0.5:
        panel.set_ylim(0, 1.7 * highest)  # room for the key
    bare(panel, "y")


def _look(row: Row) -> tuple[str, str]:
    """Return colour and marker: axis and score of a test, family and scenario of a family."""
    if row["panel"] == _FAMILIES:
        scenarios = ("nothing", "nothing, methods differ", "nothing, odd methods", "nothing, own slopes")
        place = scenarios.index(str(row["scenario"])) if row["scenario"] in scenarios else len(scenarios)
        return (INK if row["axis"] == "primaries" else GREY), _SCENARIO_MARKERS[place]
    return AXIS_COLOURS.get(str(row["axis"]), INK), _MARKERS.get(str(row["score"]), "o")


def _power(panel: Axes, rows: Sequence[Row]) -> None:
    """Draw one curve a design over the planted effect."""
    designs = _designs(rows)
    for place, design in enumerate(designs):
        own = sorted(
            (row for row in rows if (row["design"], row["size"]) == design), key=lambda row: _number(row, "effect")
        )
        xs, ys = [_number(row, "effect") for row in own], [_number(row, "value") for row in own]
        colour = AXIS_COLOURS["diversity"] if design[0] == "committed" else _SHADES[-place % len(_SHADES)]
        panel.plot(xs, ys, color=colour, marker="o", ms=2.0, label=_name(design).replace("\n", " "))
    panel.axhline(0.8, color=INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlabel("planted effect, standard deviations")
    bare(panel)


def _number(row: Row, key: str) -> float:
    value = row[key]
    assert isinstance(value, int | float)
    return float(value)


def _keys(above: Sequence[Axes], below: Sequence[Axes], rows: Mapping[str, Sequence[Row]]) -> None:
    """Say what colours, markers and shades mean."""
    tests = [Line2D([], [], ls="", marker="o", ms=3, color=c, label=a) for a, c in AXIS_COLOURS.items()]
    tests += [Line2D([], [], ls="", marker=m, ms=3, color=GREY, label=s) for s, m in _MARKERS.items()]
    above[0].legend(handles=tests, ncols=2, fontsize=5, handletextpad=0.2, columnspacing=0.8)
    scenarios = dict.fromkeys(str(row["scenario"]) for row in rows[_FAMILIES])
    families = [
        Line2D([], [], ls="", marker=_look({"panel": _FAMILIES, "scenario": s, "axis": "primaries"})[1], ms=3,
               color=INK, label=s)
        for s in scenarios
    ]  # fmt: skip
    families.append(Line2D([], [], ls="", marker="o", ms=3, color=GREY, label="contrasts"))
    above[1].legend(handles=families, fontsize=5, handletextpad=0.2)
    if rows[_POWER]:
        below[0].legend(title="methods", title_fontsize=5.5, fontsize=5, handlelength=1.2)


def write_selftest_figure(found: SelfTest, folder: Path) -> list[Path]:
    """Write ``selftest.png`` and ``selftest.pdf``; same result, same bytes; return their paths."""
    with paper():
        return save(draw(data(found)), folder, "selftest")
