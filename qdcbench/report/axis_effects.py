"""Figure ``axis_effects``: how each axis goes with each score over datasets, as a forest plot."""

from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from qdcbench.records import Analysis, Relation, RunRecord
from qdcbench.report.groups import WIDE_SCOPES, is_simulated, scope_place, scope_title, shown_relations
from qdcbench.report.points import AXES, DISTANCES, distance_of, headline
from qdcbench.report.style import (
    DISTANCE_COLOURS,
    GREY,
    INK,
    FigureData,
    bare,
    leave_room,
    panel_title,
    printable,
    settle,
    sign,
)
from qdcbench.report.text import sign_text, title_of

__all__ = ["all_data", "data", "draw"]

_ROW = 0.14
"""Inches of a step of one."""
_BAND = "#e8ebee"
_MARKERS = {"id": "o", "ood": "s"}

Row = Mapping[str, str | float | int | bool | None]


def data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per relation of a primary measure to the ID or OOD score, every scope.

    A group that alone of its kind has an estimate is left out, as it equals the scope over all groups of the kind; so
    are groups without any.
    """
    shown, left_out = shown_relations(analysis, [r for r in _headline_relations(analysis) if r.primary])
    note = f" Left out, without any estimate: {'; '.join(map(scope_title, left_out))}." if left_out else ""
    return _figure_data(analysis, shown, "axis_effects", "What each axis does to the scores", note)


def all_data(analysis: Analysis, records: Sequence[RunRecord]) -> FigureData:
    """Return one row per relation of any measure, exploratory ones included, for the widest scopes only."""
    found = _headline_relations(analysis)
    wide = {r.scope for r in found if r.scope in WIDE_SCOPES} or {r.scope for r in found}
    shown = [r for r in found if r.scope in wide]
    return _figure_data(analysis, shown, "axis_effects_all", "What every measure goes with")


def _headline_relations(analysis: Analysis) -> list[Relation]:
    """Relations to the ID and OOD scores in the order drawn; single sets where a distance has no aggregate."""
    heads = {headline(analysis, distance) for distance in DISTANCES} - {None}
    shown = [r for r in analysis.relations if r.axis in AXES and distance_of(analysis, r.score)]
    both = {distance_of(analysis, r.score) for r in shown if r.score in heads}
    shown = [r for r in shown if r.score in heads or distance_of(analysis, r.score) not in both]

    def key(r: Relation) -> tuple[tuple[int, str], int, bool, str, str, str]:
        distance = distance_of(analysis, r.score)
        return (scope_place(analysis, r.scope), AXES.index(r.axis), not r.primary, r.measure, distance, r.score)

    return sorted(shown, key=key)


def _figure_data(analysis: Analysis, shown: Sequence[Relation], name: str, title: str, note: str = "") -> FigureData:
    rows = tuple(_row(analysis, r) for r in shown)
    n = max((r.n_datasets for r in shown), default=0)
    return FigureData(
        name=name,
        title=title,
        caption=(
            "Standardised effect of each measure on the probe's score over datasets, the other two primary axes, the "
            "log of training words and length held fixed, with its interval. Filled: primary measures, declared before "
            "the runs; hollow: exploratory. Grey: effects smaller than the smallest that this many datasets could "
            "detect with 80 % power; an interval inside it says little." + note
        ),
        sign=sign_text(analysis, f"n ≤ {n}", (bool(row["simulated"]) for row in rows)),
        rows=rows,
        labels={r.measure: title_of(analysis, r.measure) for r in shown},
    )


def _row(analysis: Analysis, relation: Relation) -> dict[str, str | float | int | bool | None]:
    """One mark; a scope over several groups is simulated when its name says so."""
    simulated = relation.scope == WIDE_SCOPES[0] or is_simulated(analysis, relation.scope)
    return {
        "scope": relation.scope, "simulated": simulated, "axis": relation.axis, "measure": relation.measure,
        "score": relation.score,
        "distance": distance_of(analysis, relation.score), "primary": relation.primary,
        "effect": relation.effect.point, "low": relation.effect.low, "high": relation.effect.high,
        "detectable": relation.detectable, "p_adjusted": relation.p_adjusted, "n": relation.n_datasets,
        "clusters": relation.n_clusters, "reason": relation.effect.reason,
    }  # fmt: skip


def draw(figure_data: FigureData) -> Figure:
    """Draw one panel per scope, one under the other."""
    scopes = list(dict.fromkeys(str(row["scope"]) for row in figure_data.rows)) or [""]
    parts = [[row for row in figure_data.rows if row["scope"] == scope] for scope in scopes]
    heights = [_ROW * (_lines(part)[-1][1] + 1.0) + 0.2 if part else 1.0 for part in parts]
    height = sum(heights) + 0.85
    figure = Figure(figsize=(3.5, height), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    leave_room(figure)
    panels = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights, sharex=True)
    for axes, part, scope in zip(panels.flat, parts, scopes, strict=True):
        _panel(axes, part, figure_data)
        wide = scope in WIDE_SCOPES
        simulated = bool(part and part[0]["simulated"]) and not wide
        panel_title(axes, scope_title(scope) if wide else scope, simulated=simulated, width=36)
    panels.flat[-1].set_xlabel("effect (SD of score per SD of measure)")
    keys: list[Artist] = [
        Line2D([], [], marker=_MARKERS[d], ms=4, color=DISTANCE_COLOURS[d], label=d.upper()) for d in DISTANCES
    ]
    if not all(row["primary"] for row in figure_data.rows):
        keys.append(Line2D([], [], marker="o", ms=4, mfc="white", color=GREY, label="exploratory"))
    keys.append(Patch(color=_BAND, label="not detectable"))
    figure.legend(handles=keys, loc="outside upper center", ncols=4, columnspacing=1.0, handletextpad=0.4)
    sign(figure, figure_data)
    settle(figure)
    return figure


def _lines(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Height of each row on the page: scores of a measure close together, axes apart."""
    placed: list[tuple[Row, float]] = []
    y, before = 0.0, None
    for row in rows:
        if before is None or row["axis"] != before["axis"]:
            y += 1.5 if before is None else 2.2
        else:
            y += 0.75 if row["measure"] == before["measure"] else 1.15
        placed.append((row, y))
        before = row
    return placed


def _panel(axes: Axes, rows: Sequence[Row], figure_data: FigureData) -> None:
    """Effects of one scope with axis names as headings."""
    bare(axes, "x")
    axes.axvline(0, color=INK, linewidth=0.6, zorder=1)
    lines = _lines(rows)
    ticks: dict[str, list[float]] = {}
    headings: dict[str, float] = {}
    several = len({row["score"] for row in rows}) > len({row["distance"] for row in rows})
    for row, y in lines:
        headings.setdefault(str(row["axis"]), y - 0.95)
        ticks.setdefault(str(row["measure"]), []).append(y)
        _effect(axes, row, y)
        score = f"{printable(str(row['score']).partition(':')[0], 14)} " if several else ""
        axes.text(
            1.02, y, f"{score}n={row['n']}", transform=axes.get_yaxis_transform(), fontsize=5.5, va="center",
            color="#5a6570", parse_math=False,
        )  # fmt: skip
    for axis, y in headings.items():
        axes.text(
            0.0, y, axis, transform=axes.get_yaxis_transform(), fontsize=6.5, weight="bold", va="center", ha="right",
            color=INK,
        )  # fmt: skip
    names = [printable(figure_data.labels.get(m, m), 30) for m in ticks]
    axes.set_yticks([sum(ys) / len(ys) for ys in ticks.values()], names, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if lines:
        axes.set_ylim(lines[-1][1] + 0.8, 0.0)


def _effect(axes: Axes, row: Row, y: float) -> None:
    """One effect with its interval and the band of effects too small to detect."""
    detectable, effect, low, high = (row[key] for key in ("detectable", "effect", "low", "high"))
    if isinstance(detectable, float):
        axes.fill_betweenx([y - 0.37, y + 0.37], -detectable, detectable, color=_BAND, linewidth=0, zorder=0)
    if not isinstance(effect, float):
        axes.text(0, y, " no estimate", fontsize=5.5, va="center", color=GREY)
        return
    colour = DISTANCE_COLOURS[str(row["distance"])]
    if isinstance(low, float) and isinstance(high, float):
        axes.plot([low, high], [y, y], color=colour, linewidth=1.2 if row["primary"] else 0.8, zorder=2)
    axes.plot(
        [effect], [y], marker=_MARKERS[str(row["distance"])], ms=4.2, color=colour, zorder=3, mew=0.9, ls="",
        mfc=colour if row["primary"] else "white",
    )  # fmt: skip
