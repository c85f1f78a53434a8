"""Tables of what an order rests on: shares of the axes, collinearity, sources of spread, seeds needed, budgets."""

from collections.abc import Sequence

from qdcbench.records import Analysis, AxisShare, BudgetPoint, BudgetTrack, Separation, VarianceShare
from qdcbench.report.cells import (
    INTERVAL,
    Cell,
    Column,
    Table,
    count,
    decimal,
    interval_cell,
    p_cell,
    where_changes,
    word,
)
from qdcbench.report.groups import groups_in_order, scope_place, scope_title
from qdcbench.report.points import DISTANCES, headline
from qdcbench.report.text import MISSING, big_number, decimals_for, group_title, outcome_title, percent

__all__ = [
    "collinearity_table",
    "separation_table",
    "separations_in_order",
    "share_table",
    "shares_in_order",
    "track_table",
    "tracks_in_order",
    "variance_table",
    "variances_in_order",
]


def _words(*keys: str) -> tuple[Column, ...]:
    return tuple(Column(key=key, header=key, align="left") for key in keys)


def _group_place(analysis: Analysis, group: str) -> tuple[int, str]:
    groups = groups_in_order(analysis)
    return (groups.index(group) if group in groups else len(groups), group)


def _score_place(analysis: Analysis, score: str) -> tuple[int, str]:
    """ID first, then OOD, then the other scores by name."""
    heads = [headline(analysis, distance) for distance in DISTANCES]
    return (heads.index(score) if score in heads else len(heads), score)


def shares_in_order(analysis: Analysis) -> list[AxisShare]:
    """Return the shares by scope and score (ID, OOD, others), else in the order of the analysis."""
    return sorted(analysis.shares, key=lambda s: (scope_place(analysis, s.scope), _score_place(analysis, s.score)))


def share_table(analysis: Analysis) -> Table | None:
    """Return the share of each score's variance that each regressor has, None where the analysis has none."""
    shares = shares_in_order(analysis)
    if not shares:
        return None
    return Table(
        name="shares",
        title="How much of each score the axes explain",
        note=(
            f"edition {analysis.edition}; general dominance (Shapley): share of a score's variance within settings, "
            "which over all regressors adds to R²; 95% intervals over methods; observational"
        ),
        columns=(
            *_words("scope", "score", "regressor"),
            Column(key="share", header="share", parts=INTERVAL),
            Column(key="r_squared", header="R²"),
            Column(key="n_datasets", header="n"),
            Column(key="n_clusters", header="methods"),
        ),
        rows=tuple(
            (
                word(scope_title(s.scope)), word(outcome_title(analysis, s.score)), word(s.name),
                interval_cell(s.share, 2), decimal(s.r_squared), count(s.n_datasets), count(s.n_clusters),
            )
            for s in shares
        ),
        rules=where_changes([(s.scope, s.score) for s in shares]),
    )  # fmt: skip


def collinearity_table(analysis: Analysis) -> Table | None:
    """Return how far each regressor can be told from the others, None where the analysis does not say."""
    lines = sorted(analysis.collinearity, key=lambda c: scope_place(analysis, c.scope))
    if not lines:
        return None
    names = list(dict.fromkeys([c.name for c in lines] + [name for c in lines for name, _ in c.correlations]))
    rows = []
    for line in lines:
        correlations = dict(line.correlations)
        rows.append(
            (
                word(scope_title(line.scope)), word(line.name), decimal(line.vif, 1),
                *(decimal(correlations.get(name)) for name in names), count(line.n_datasets), word(line.reason),
            )
        )  # fmt: skip
    return Table(
        name="collinearity",
        title="How far the axes can be told apart",
        note=(
            f"edition {analysis.edition}; VIF: variance inflation factor, how many times wider the variance of an "
            "effect is than without the other regressors; correlations within settings"
        ),
        columns=(
            *_words("scope", "regressor"),
            Column(key="vif", header="VIF"),
            *(Column(key=f"r_{name.replace(' ', '_')}", header=f"r {name}") for name in names),
            Column(key="n_datasets", header="n"),
            *_words("reason"),
        ),
        rows=tuple(rows),
        rules=where_changes([c.scope for c in lines]),
    )


def variances_in_order(analysis: Analysis) -> list[VarianceShare]:
    """Return the sources of spread by group and score (ID, OOD, others), else in the order of the analysis."""
    return sorted(analysis.variances, key=lambda v: (_group_place(analysis, v.group), _score_place(analysis, v.score)))


def variance_table(analysis: Analysis) -> Table | None:
    """Return how much of each score's spread comes from where, None where the analysis does not say."""
    lines = variances_in_order(analysis)
    if not lines:
        return None
    return Table(
        name="variance",
        title="Where the spread of a score comes from",
        note=(
            f"edition {analysis.edition}; variance of one measurement of a score: between arms, between repetitions "
            "that all arms share, between generation seeds of an arm, between probe seeds of a dataset, and from the "
            "choice of evaluation items"
        ),
        columns=(
            *_words("setting", "score", "source"),
            Column(key="variance", header="variance"),
            Column(key="share", header="share"),
            *_words("reason"),
        ),
        rows=tuple(
            (
                word(group_title(v.group)), word(outcome_title(analysis, v.score)), word(v.source),
                Cell(text=MISSING if v.variance is None else f"{v.variance:.2e}", values=(v.variance,)),
                Cell(text=percent(v.share), values=(v.share,)), word(v.reason),
            )
            for v in lines
        ),
        rules=where_changes([(v.group, v.score) for v in lines]),
    )  # fmt: skip


def separations_in_order(analysis: Analysis) -> list[Separation]:
    """Return pairs of arms by group and score (ID, OOD, others), else in the order of the analysis."""
    return sorted(
        analysis.separations, key=lambda s: (_group_place(analysis, s.group), _score_place(analysis, s.score))
    )


def separation_table(analysis: Analysis) -> Table | None:
    """Return neighbours, and the best with each other, in each ranking; None where there is no ranking of two arms."""
    lines = separations_in_order(analysis)
    if not lines:
        return None
    decimals = decimals_for(s.difference for s in lines)
    return Table(
        name="separations",
        title="How many seeds would separate arms",
        note=(
            f"edition {analysis.edition}; neighbours in the order, then the best with each other arm; difference: "
            "better minus worse, paired by repetition, 95% interval; "
            "P(better): probability that a new dataset of the better scores above one of the worse, 0.5 is a tie; "
            "needed: repetitions in all that would tell the observed difference from zero with 80% power at an "
            "unadjusted 5%"
        ),
        columns=(
            *_words("setting", "score", "better", "worse"),
            Column(key="difference", header="difference", parts=INTERVAL),
            Column(key="improvement", header="P(better)", parts=INTERVAL),
            Column(key="p_adjusted", header="p adj."),
            Column(key="repetitions", header="repetitions"),
            Column(key="repetitions_needed", header="needed"),
            *_words("reason"),
        ),
        rows=tuple(_separation_row(analysis, line, decimals) for line in lines),
        rules=where_changes([(s.group, s.score) for s in lines]),
    )


def _separation_row(analysis: Analysis, line: Separation, decimals: int) -> tuple[Cell, ...]:
    return (
        word(group_title(line.group)), word(outcome_title(analysis, line.score)), word(line.better), word(line.worse),
        interval_cell(line.difference, decimals), interval_cell(line.improvement, 2), p_cell(line.p_adjusted),
        count(line.repetitions), count(line.repetitions_needed), word(line.reason),
    )  # fmt: skip


def tracks_in_order(analysis: Analysis) -> list[BudgetTrack]:
    """Return the budget tracks by setting and score (ID, OOD, others), else in the order of the analysis."""
    return sorted(analysis.tracks, key=lambda t: (_group_place(analysis, t.setting), _score_place(analysis, t.score)))


def track_table(analysis: Analysis) -> Table | None:
    """Return every arm at every amount of every budget, None where the analysis has no track."""
    tracks = [track for track in tracks_in_order(analysis) if track.points]
    if not tracks:
        return None
    lines = [(track, point) for track in tracks for point in _points_in_order(track)]
    decimals = decimals_for(point.value for _, point in lines)
    missing = len({sentence.partition(":")[0] for track in tracks for sentence in track.left_out})
    return Table(
        name="tracks",
        title="Arms at equal amounts of a budget",
        note=(
            f"edition {analysis.edition}; place among the arms at the same amount; arms that share a letter cannot be "
            "told apart; between: the score lies between two budgets that were run"
            + (f"; left out somewhere: {missing} arms, as the page says with the reasons" if missing else "")
        ),
        columns=(
            *_words("setting", "score", "budget"),
            Column(key="amount", header="amount"),
            *_words("arm"),
            Column(key="value", header="value", parts=(*INTERVAL, "_tie")),
            Column(key="place", header="place"),
            *_words("between"),
        ),
        rows=tuple(_track_row(analysis, track, point, decimals) for track, point in lines),
        rules=where_changes([(t.setting, t.score, t.track, p.amount) for t, p in lines]),
    )


def _points_in_order(track: BudgetTrack) -> Sequence[BudgetPoint]:
    return sorted(track.points, key=lambda p: (p.amount, p.place, p.arm))


def _track_row(analysis: Analysis, track: BudgetTrack, point: BudgetPoint, decimals: int) -> tuple[Cell, ...]:
    value = interval_cell(point.value, decimals)
    return (
        word(group_title(track.setting)), word(outcome_title(analysis, track.score)), word(track.track),
        Cell(text=big_number(point.amount), values=(point.amount,)), word(point.arm),
        Cell(text=value.text, values=(*value.values, point.tie_group), tie=point.tie_group),
        count(point.place), Cell(text="yes" if point.interpolated else "", values=(point.interpolated,)),
    )  # fmt: skip
