"""The same numbers as the long tables, laid out for reading on the page: a row a score, a column a part."""

from collections.abc import Sequence
from dataclasses import replace

from qdcbench.records import Analysis, AxisShare, FactorEffect, VarianceShare
from qdcbench.report.cells import INTERVAL, Cell, Column, Table, count, decimal, interval_cell, where_changes, word
from qdcbench.report.groups import scope_title
from qdcbench.report.spread_tables import (
    separation_table,
    separations_in_order,
    shares_in_order,
    track_table,
    tracks_in_order,
    variances_in_order,
)
from qdcbench.report.study_tables import factor_name, factorial_in_order
from qdcbench.report.text import MISSING, decimals_alone, group_title, interval_text, outcome_title, percent

__all__ = ["factorial_grids", "separation_grids", "share_grid", "track_grids", "variance_grid"]

_NONE = Cell(text=MISSING, values=(None,) * 4)


def factorial_grids(analysis: Analysis) -> list[Table]:
    """Return tables per scope and method, of scores and of measures: a row a dial, a column an outcome.

    A dot marks an effect whose adjusted p is below 0.05.
    """
    blocks: dict[tuple[str, str, str], list[FactorEffect]] = {}
    for effect in factorial_in_order(analysis):
        kind = "measures" if effect.outcome in analysis.measure_names else "scores"
        blocks.setdefault((effect.scope, effect.method, kind), []).append(effect)
    return [
        _factorial_grid(analysis, f"{scope_title(scope)}: {kind} of {method}", effects)
        for (scope, method, kind), effects in blocks.items()
    ]


def _factorial_grid(analysis: Analysis, title: str, effects: Sequence[FactorEffect]) -> Table:
    outcomes = list(dict.fromkeys(effect.outcome for effect in effects))
    found = {(factor_name(effect), effect.outcome): effect for effect in effects}
    factors = list(dict.fromkeys((factor_name(effect), len(effect.factors)) for effect in effects))
    n, repetitions = (max(values) for values in zip(*((e.n_units, e.n_repetitions) for e in effects), strict=True))
    return Table(
        name="factorial_grid",
        title=title,
        note=(
            f"{n} datasets in {repetitions} repetitions; change of the outcome from a dial's lowest "
            "level to its highest with 95% intervals; × marks interactions"
        ),
        columns=(
            Column(key="factor", header="dial", align="left"),
            *(Column(key=name, header=outcome_title(analysis, name), parts=INTERVAL) for name in outcomes),
        ),
        rows=tuple((word(name), *(_effect(found.get((name, outcome))) for outcome in outcomes)) for name, _ in factors),
        rules=where_changes([size for _, size in factors]),
    )


def _effect(effect: FactorEffect | None) -> Cell:
    if effect is None:
        return _NONE
    text = interval_text(effect.interval, decimals_alone(effect.interval))
    sure = effect.p_adjusted is not None and effect.p_adjusted < 0.05
    return interval_cell(effect.interval, 0, f"{text} •" if sure else text)


def share_grid(analysis: Analysis) -> Table | None:
    """Return what part of each score every regressor has, a row a score; None where the analysis has none."""
    shares = shares_in_order(analysis)
    if not shares:
        return None
    names = list(dict.fromkeys(share.name for share in shares))
    lines: dict[tuple[str, str], dict[str, AxisShare]] = {}
    for share in shares:
        lines.setdefault((share.scope, share.score), {})[share.name] = share
    rows = []
    for (scope, score), own in lines.items():
        first = next(iter(own.values()))
        cells = [interval_cell(own[name].share, 2) if name in own else _NONE for name in names]
        size = (decimal(first.r_squared), count(first.n_datasets), count(first.n_clusters))
        rows.append((word(scope_title(scope)), word(outcome_title(analysis, score)), *cells, *size))
    return Table(
        name="share_grid",
        title="Share of a score's variance by regressor",
        note=(
            "general dominance (Shapley): share of a score's variance within settings, which over all regressors adds "
            "to R²; 95% intervals over methods"
        ),
        columns=(
            Column(key="scope", header="scope", align="left"),
            Column(key="score", header="score", align="left"),
            *(Column(key=name.replace(" ", "_"), header=name, parts=INTERVAL) for name in names),
            Column(key="r_squared", header="R²"),
            Column(key="n_datasets", header="datasets"),
            Column(key="n_clusters", header="methods"),
        ),
        rows=tuple(rows),
        rules=where_changes([scope for scope, _ in lines]),
    )


def variance_grid(analysis: Analysis) -> Table | None:
    """Return where each score's spread comes from, a row a score; None where the analysis does not say."""
    found = variances_in_order(analysis)
    if not found:
        return None
    sources = list(dict.fromkeys(line.source for line in found))
    lines: dict[tuple[str, str], dict[str, VarianceShare]] = {}
    for line in found:
        lines.setdefault((line.group, line.score), {})[line.source] = line
    # What follows a semicolon are numbers of one row; the long table has them.
    reasons = dict.fromkeys((v.source, v.reason.partition(";")[0]) for v in found if v.share is None and v.reason)
    unknown = [f"{source}: {reason}" for source, reason in reasons]
    return Table(
        name="variance_grid",
        title="Share of the variance of one measurement of a score",
        note=(
            "between arms, between repetitions that all arms share, between generation seeds of an arm, between probe "
            "seeds of a dataset, and from the choice of evaluation items"
            + (f"; in no share: {'; '.join(unknown)}" if unknown else "")
        ),
        columns=(
            Column(key="setting", header="setting", align="left"),
            Column(key="score", header="score", align="left"),
            *(Column(key=source.replace(" ", "_"), header=source) for source in sources),
        ),
        rows=tuple(
            (
                word(group_title(group)),
                word(outcome_title(analysis, score)),
                *(_share(own.get(source)) for source in sources),
            )
            for (group, score), own in lines.items()
        ),
        rules=where_changes([group for group, _ in lines]),
    )


def _share(line: VarianceShare | None) -> Cell:
    share = None if line is None else line.share
    return Cell(text=percent(share), values=(share,))


def separation_grids(analysis: Analysis) -> list[Table]:
    """Return a table per ranking: pairs of arms, and how many repetitions would separate them."""
    keys = dict.fromkeys((line.group, line.score) for line in separations_in_order(analysis))
    found = []
    for group, score in keys:
        own = tuple(s for s in analysis.separations if (s.group, s.score) == (group, score))
        table = separation_table(replace(analysis, separations=own))
        if table is not None:
            found.append(replace(table, title=f"{group_title(group)}: {outcome_title(analysis, score)}"))
    return found


def track_grids(analysis: Analysis) -> list[tuple[str, Table | None, tuple[str, ...]]]:
    """Return of each budget track its title, its table (None where no two arms meet) and why arms are left out."""
    return [
        (
            f"{group_title(track.setting)}: {outcome_title(analysis, track.score)} at equal {track.track}",
            track_table(replace(analysis, tracks=(replace(track, left_out=()),))),
            track.left_out,
        )
        for track in tracks_in_order(analysis)
    ]
