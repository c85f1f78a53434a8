"""Figure ``studies``: what each study found, observational beside interventional, in smallest effects of interest."""

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from qdcbench.records import Analysis, Interval, OutcomeResult, RunRecord, StudyResult
from qdcbench.report.claims import DESIGNS, outcome_words, simulated_scope, studies_in_order
from qdcbench.report.groups import scope_title
from qdcbench.report.style import GREY, INK, FigureData, bare, leave_room, legend, panel_title, printable, settle, sign
from qdcbench.report.text import decimals_alone, interval_text, sign_text

__all__ = ["data", "draw"]

Row = Mapping[str, str | float | int | bool | None]
Line = tuple[str, str]
"""A study's name and what one of its tests expects: the tests of both designs stand in one line."""

_LINE, _HEAD, _MORE = 0.15, 0.19, 0.11
"""Inches of a line, of a claim's heading, and of its second line."""
_COLUMN = 3.6
_LETTERS = 56
"""Letters of a claim that fit above one column."""
_FAR = 8.0
"""Effects of more smallest effects than this are drawn on a scale that is logarithmic beyond ±1."""
_BAND = "#e8ebee"
_COLOURS = {"supported": "#00805c", "contradicted": "#b3261e", "undetermined": "#5a6570"}
_MARKERS = {"supported": "o", "contradicted": "X", "undetermined": "o"}


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per test of a study, and one per group where the effect in each group alone is known."""
    rows = [row for study in studies_in_order(analysis) for test in study.tests for row in _rows(analysis, study, test)]
    n = max((test.n_units for study in analysis.studies for test in study.tests), default=0)
    return FigureData(
        name="studies",
        title="What the studies found",
        caption=(
            "Effect that each claim speaks of, divided by the smallest effect of interest that its study declares: "
            "standard deviations of the outcome per standard deviation of the factor in an observational design, "
            "units of the outcome from the factor's lowest level to its highest in an interventional one; at the "
            "right the effect in its own units with its 95 % interval. Thick: that interval; thin: at the level that "
            "Holm gives the test; small marks: each group alone. Grey: too small to be of interest. n: "
            "datasets / what is independent of them, methods or repetitions."
        ),
        sign=sign_text(analysis, f"n ≤ {n}", (bool(row["simulated"]) for row in rows)),
        rows=tuple(rows),
        labels={study.name: study.claim for study in reversed(studies_in_order(analysis))},
    )


def _rows(analysis: Analysis, study: StudyResult, test: OutcomeResult) -> list[Row]:
    adjusted = test.adjusted or Interval(point=None, low=None, high=None)
    shared: Row = {
        "scope": study.scope, "simulated": simulated_scope(analysis, study.scope), "study": study.name,
        "design": study.design, "declared": study.declared, "factor": study.factor,
        "test": outcome_words(analysis, test), "outcome": test.outcome, "answer": test.answer,
        "smallest_effect": test.smallest_effect, "detectable": test.detectable, "unit": test.unit,
        "p_adjusted": test.p_adjusted, "n": test.n_units, "clusters": test.n_clusters,
    }  # fmt: skip
    found = [("", test.effect, adjusted)]
    if len(test.by_group) > 1:
        found += [(group, value, Interval(point=None, low=None, high=None)) for group, value in test.by_group]
    return [
        {
            **shared, "group": group, "effect": value.point, "low": value.low, "high": value.high,
            "adjusted_low": own.low, "adjusted_high": own.high,
        }
        for group, value, own in found
    ]  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw a row of panels per scope, a column per design."""
    rows = figure_data.rows
    scopes = list(dict.fromkeys(str(row["scope"]) for row in rows)) or [""]
    designs = [d for d in DESIGNS if any(row["design"] == d for row in rows)] or [DESIGNS[0]]
    headings = _headings(rows, figure_data.labels, _LETTERS * len(designs))
    heights = [_height([row for row in rows if row["scope"] == scope], headings) for scope in scopes]
    figure = Figure(figsize=(_COLUMN * len(designs), sum(heights) + 0.55 * len(scopes) + 0.55), dpi=200,
                    layout="constrained")  # fmt: skip
    FigureCanvasAgg(figure)
    leave_room(figure)
    panels = figure.subplots(len(scopes), len(designs), squeeze=False, height_ratios=heights, sharey="row")
    for line, scope in zip(panels, scopes, strict=True):
        own = [row for row in rows if row["scope"] == scope]
        places, heads = _places(own, headings)
        for axes, design in zip(line, designs, strict=True):
            _panel(axes, [row for row in own if row["design"] == design], places)
            where = scope if "|" in scope else scope_title(scope)
            title = f"{where}|{design}" if axes is line[0] else design
            panel_title(axes, title, simulated=False, width=54)
        _names(line[0], places, {headings[study]: y for study, y in heads.items()})
    for axes in panels[-1]:
        axes.set_xlabel("effect / smallest effect of interest")
    legend(figure, _keys(rows), columns=3)
    sign(figure, figure_data)
    settle(figure)
    return figure


def _keys(rows: Sequence[Row]) -> list[Artist]:
    found = [answer for answer in _COLOURS if any(row["answer"] == answer for row in rows)]
    keys: list[Artist] = [
        Line2D([], [], marker=_MARKERS[answer], ms=4.5, color=_COLOURS[answer], mfc=_face(answer), label=answer)
        for answer in found
    ]
    if any(row["group"] for row in rows):
        keys.append(Line2D([], [], ls="", marker="|", ms=5, color=GREY, label="a group alone"))
    return [*keys, Patch(color=_BAND, label="too small to be of interest")]


def _face(answer: str) -> str:
    return "white" if answer == "undetermined" else _COLOURS[answer]


def _headings(rows: Sequence[Row], claims: Mapping[str, str], letters: int) -> dict[str, str]:
    """Return what stands above each study's tests: its name and claim, in two lines of that many letters at most."""
    return {
        study: "\n".join(textwrap.wrap(printable(f"{study}: {claims.get(study, '')}", 2 * letters - 9), letters)[:2])
        for study in dict.fromkeys(str(row["study"]) for row in rows)
    }


def _places(rows: Sequence[Row], headings: Mapping[str, str]) -> tuple[dict[Line, float], dict[str, float]]:
    """Where on a panel each test's line and each study's heading stand, in inches from the top."""
    lines: dict[Line, float] = {}
    heads: dict[str, float] = {}
    y = 0.0
    for study in dict.fromkeys(str(row["study"]) for row in rows):
        height = _HEAD + _MORE * headings[study].count("\n")
        heads[study] = y + height / 2
        y += height
        for test in dict.fromkeys(str(row["test"]) for row in rows if row["study"] == study):
            lines[study, test] = y + _LINE / 2
            y += _LINE
        y += 0.04
    return lines, heads


def _height(rows: Sequence[Row], headings: Mapping[str, str]) -> float:
    return max(_places(rows, headings)[0].values(), default=0.5) + _LINE


def _names(axes: Axes, places: Mapping[Line, float], headings: Mapping[str, float]) -> None:
    """Write tests beside the left panel, and the headings above those of a study, as wide as the figure."""
    axes.set_yticks(list(places.values()), [printable(test, 30) for _, test in places], parse_math=False)
    axes.set_ylim(max(places.values(), default=0.5) + _LINE / 2 + 0.02, 0.0)
    figure = axes.get_figure(root=True)
    assert figure is not None
    across = blended_transform_factory(figure.transFigure, axes.transData)
    for heading, y in headings.items():
        text = axes.text(
            0.01, y, heading, transform=across, fontsize=6.3, weight="bold", va="center", color=INK, parse_math=False,
            linespacing=1.1,
        )  # fmt: skip
        text.set_in_layout(False)


def _panel(axes: Axes, rows: Sequence[Row], places: Mapping[Line, float]) -> None:
    """Effects of one design in one scope."""
    bare(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=INK, linewidth=0.6, zorder=1)
    for row in rows:
        y = places[str(row["study"]), str(row["test"])]
        if row["group"]:
            _mark_group(axes, row, y)
        else:
            axes.fill_betweenx([y - _LINE / 2, y + _LINE / 2], -1, 1, color=_BAND, linewidth=0, zorder=0)
            _mark(axes, row, y)
    _scale(axes, rows)


def _scaled(row: Row, key: str) -> float | None:
    """A value in smallest effects of interest, None where it or they are not known."""
    value, smallest = row[key], row["smallest_effect"]
    return (
        value / smallest if isinstance(value, float | int) and isinstance(smallest, float | int) and smallest else None
    )


def _mark(axes: Axes, row: Row, y: float) -> None:
    answer = str(row["answer"])
    colour = _COLOURS[answer]
    for low_key, high_key, width in (("adjusted_low", "adjusted_high", 0.5), ("low", "high", 1.5)):
        low, high = _scaled(row, low_key), _scaled(row, high_key)
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=colour, linewidth=width, zorder=2, solid_capstyle="butt")
    point = _scaled(row, "effect")
    if point is not None:
        axes.plot([point], [y], ls="", marker=_MARKERS[answer], ms=4.4, color=colour, mfc=_face(answer), mew=0.9,
                  zorder=3)  # fmt: skip
    axes.text(
        1.02, y, f"{_words(row)} n={row['n']}/{row['clusters']}", transform=axes.get_yaxis_transform(), fontsize=5.2,
        va="center", color="#5a6570", parse_math=False,
    )  # fmt: skip


def _mark_group(axes: Axes, row: Row, y: float) -> None:
    point = _scaled(row, "effect")
    if point is not None:
        axes.plot([point], [y], ls="", marker="|", ms=5, color=GREY, mew=0.8, zorder=1.5)


def _words(row: Row) -> str:
    """The effect in its own units."""
    point, low, high = (
        value if isinstance(value := row[key], float | int) else None for key in ("effect", "low", "high")
    )
    if point is None:
        return "no estimate"
    effect = Interval(point=point, low=low, high=high)
    return interval_text(effect, decimals_alone(effect))


def _scale(axes: Axes, rows: Sequence[Row]) -> None:
    """Let the axis hold the intervals; logarithmic beyond ±1 where one effect would squeeze the others."""
    keys = ("low", "effect", "high", "adjusted_low", "adjusted_high")
    ends = [abs(v) for row in rows for v in (_scaled(row, key) for key in keys) if v is not None]
    most = max([1.5, *ends]) * 1.08
    if most > _FAR:
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.6)
        steps = [s for s in (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000) if s <= most]
        steps = steps if len(steps) < 5 else steps[::2]
        ticks = [*(-s for s in reversed(steps)), 0, *steps]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{t:g}".replace("-", "−") for t in ticks]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-most, most)
