"""Relations between measures and scores over datasets, and the contrast of ID with OOD."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qdcbench.records import Interval, Relation, SuiteFacts
from qdcbench.seeds import array_stream
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import Bootstrap, FloatArray
from qdcbench.stats.compare import benjamini_hochberg, holm, holm_levels
from qdcbench.stats.relations import Effect, Panel, bootstrap_effects, effects, leave_one_out, standardise

__all__ = ["AXES", "Table", "contrasts", "relations", "scopes", "table_of"]

AXES = ("quality", "diversity", "complexity")

ALPHA = 0.05

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Columns over the datasets of one scope, each of shape (datasets,), NaN where there is no value."""

    scope: str
    measures: Mapping[str, FloatArray]
    scores: Mapping[str, FloatArray]
    log_words: FloatArray
    groups: tuple[str, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """One relation before its p-value is adjusted."""

    axis: str
    measure: str
    score: str
    primary: bool
    effect: Effect
    bootstrap: Interval | None = None
    leave_one_out: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """A panel over the datasets that have every value wanted, with the standardised outcomes, or why there is none."""

    n: int
    n_clusters: int
    panel: Panel | None
    outcomes: Mapping[str, FloatArray | None]
    reason: str = ""


def scopes(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Return the method datasets by scope: simulated, real, and each group; the first two never share one.

    Controls and imported data are left out: they were made to lie at chosen places, not found there.
    """
    found: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.record.spec.role == "method":
            found["simulated" if unit.record.spec.teacher.simulated else "real"].append(unit)
    for unit in units:
        if unit.record.spec.role == "method":
            found[unit.group].append(unit)
    return dict(found)


def table_of(scope: str, units: Sequence[Unit], measure_names: Sequence[str], score_names: Sequence[str]) -> Table:
    """Lay the units of a scope out in columns."""

    def column(values: Sequence[float | None]) -> FloatArray:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    return Table(
        scope=scope,
        measures={name: column([u.measures.get(name) for u in units]) for name in measure_names},
        scores={name: column([u.scores.get(name) for u in units]) for name in score_names},
        log_words=column([u.log_words for u in units]),
        groups=tuple(u.group for u in units),
        clusters=tuple(u.cluster for u in units),
    )


def relations(table: Table, axes: Mapping[str, str], suite: SuiteFacts) -> tuple[Relation, ...]:
    """Return the effect of every measure on every score within one scope.

    The primary measures against the primary scores are one Holm family; everything else is exploratory, one
    measure at a time in the place of its axis' primary, adjusted by Benjamini and Hochberg.
    """
    fits: list[_Fit] = []
    for axis in AXES:
        primary = suite.primary[axis]
        others = [name for name, its in axes.items() if its == axis and name != primary]
        for measure in [primary, *others]:
            fits.extend(_fits(table, axis, measure, suite))
    return _adjusted(table.scope, fits)


def contrasts(table: Table, suite: SuiteFacts) -> tuple[Relation, ...]:
    """Return for each primary measure its effect on ID minus its effect on OOD, both scores standardised.

    The difference of two effects from one regression is the effect on the difference of the two outcomes, so
    that it has a standard error of its own.
    """
    id_score, ood_score = primary_scores(suite)
    fits = []
    for axis in AXES:
        measure = suite.primary[axis]
        there = ~np.isnan(table.scores[id_score]) & ~np.isnan(table.scores[ood_score])
        rows = _rows(table, axis, measure, {id_score: there, ood_score: there}, suite)
        left, right = rows.outcomes.get(id_score), rows.outcomes.get(ood_score)
        name = f"{id_score} - {ood_score}"
        difference = None if left is None or right is None else left - right
        fits.extend(_fit_all(replace(rows, outcomes={name: difference}), table.scope, (axis, measure), {name}, suite))
    return _adjusted(table.scope, fits)


def _fits(table: Table, axis: str, measure: str, suite: SuiteFacts) -> list[_Fit]:
    """Fit one measure against all scores; scores that are there for the same datasets share one design."""
    patterns: dict[bytes, dict[str, BoolArray]] = defaultdict(dict)
    for name, values in table.scores.items():
        there = ~np.isnan(values)
        patterns[there.tobytes()][name] = there
    primary = set(primary_scores(suite)) if measure == suite.primary[axis] else set()
    fits = []
    for masks in patterns.values():
        rows = _rows(table, axis, measure, masks, suite)
        fits.extend(_fit_all(rows, table.scope, (axis, measure), primary, suite))
    return fits


def _rows(table: Table, axis: str, measure: str, masks: Mapping[str, BoolArray], suite: SuiteFacts) -> _Rows:
    """Select complete datasets, standardise every column within groups; constant columns are held already."""
    nothing = np.full(len(table.groups), np.nan)
    wanted = [measure, *(suite.primary[other] for other in AXES if other != axis)]
    columns = [*(table.measures.get(name, nothing) for name in wanted), table.log_words]
    mask = np.logical_and.reduce([~np.isnan(column) for column in columns] + list(masks.values()))
    groups, clusters = np.array(table.groups, dtype=str), np.array(table.clusters, dtype=str)
    for group in sorted(set(table.groups)):
        # A group with one dataset only compares it with itself.
        if np.sum(mask & (groups == group)) < 2:
            mask &= groups != group
    n, empty = int(mask.sum()), dict.fromkeys(masks)
    if n == 0:
        reason = f"no two datasets of a group have {', '.join(wanted)}, training words and the score"
        return _Rows(n=0, n_clusters=0, panel=None, outcomes=empty, reason=reason)
    group_codes = np.unique(groups[mask], return_inverse=True)[1].astype(np.int64)
    cluster_codes = np.unique(clusters[mask], return_inverse=True)[1].astype(np.int64)
    n_clusters = int(cluster_codes.max()) + 1
    focal, *controls = (standardise(column[mask], group_codes) for column in columns)
    if focal is None:
        reason = "the measure does not vary within groups"
        return _Rows(n=n, n_clusters=n_clusters, panel=None, outcomes=empty, reason=reason)
    x = np.column_stack([focal, *(column for column in controls if column is not None)])
    return _Rows(
        n=n,
        n_clusters=n_clusters,
        panel=Panel(x=x, groups=group_codes, clusters=cluster_codes),
        outcomes={name: standardise(table.scores[name][mask], group_codes) for name in masks},
    )


def _fit_all(rows: _Rows, scope: str, focal: tuple[str, str], primary: set[str], suite: SuiteFacts) -> list[_Fit]:
    """Return a fit per outcome; ``focal`` is axis and measure, ``primary`` the scores that get a second look."""
    axis, measure = focal
    fits = []
    varying = {name: values for name, values in rows.outcomes.items() if values is not None}
    for name in rows.outcomes:
        if name not in varying or rows.panel is None:
            effect = Effect(
                estimate=None,
                n_units=rows.n,
                n_clusters=rows.n_clusters,
                reason=rows.reason or "the score does not vary within groups",
            )
            fits.append(_Fit(axis=axis, measure=measure, score=name, primary=name in primary, effect=effect))
    if rows.panel is None or not varying:
        return fits
    found = effects(rows.panel, np.column_stack(list(varying.values())))
    looked = [name for name, effect in zip(varying, found, strict=True) if name in primary and effect.stderr]
    second: dict[str, Interval] = {}
    if looked:
        rng = array_stream(suite.root_seed, "analyze/relations", {"scope": scope, "measure": measure})
        outcomes = np.column_stack([varying[name] for name in looked])
        drawn = bootstrap_effects(rows.panel, outcomes, rng, Bootstrap(resamples=suite.resamples))
        second = dict(zip(looked, drawn, strict=True))
    for name, effect in zip(varying, found, strict=True):
        fits.append(
            _Fit(
                axis=axis,
                measure=measure,
                score=name,
                primary=name in primary,
                effect=effect,
                bootstrap=second.get(name),
                leave_one_out=leave_one_out(rows.panel, varying[name]) if name in second else None,
            )
        )
    return fits


def _adjusted(scope: str, fits: Sequence[_Fit]) -> tuple[Relation, ...]:
    """Adjust both families and write the relations in order of axis, measure and score."""
    p = np.array([np.nan if fit.effect.p_value is None else fit.effect.p_value for fit in fits], dtype=np.float64)
    primary = np.array([fit.primary for fit in fits], dtype=bool)
    adjusted = np.full(p.shape, np.nan)
    adjusted[primary] = holm(p[primary])
    adjusted[~primary] = benjamini_hochberg(p[~primary])
    levels = np.full(p.shape, np.nan)
    levels[primary] = holm_levels(p[primary], ALPHA)
    rows = [
        _relation(scope, fit, None if np.isnan(a) else float(a), None if np.isnan(level) else float(level))
        for fit, a, level in zip(fits, adjusted, levels, strict=True)
    ]
    return tuple(sorted(rows, key=lambda r: (AXES.index(r.axis), not r.primary, r.measure, r.score)))


def _relation(scope: str, fit: _Fit, p_adjusted: float | None, level: float | None) -> Relation:
    effect = fit.effect
    return Relation(
        scope=scope,
        axis=fit.axis,
        measure=fit.measure,
        score=fit.score,
        primary=fit.primary,
        effect=effect.interval(),
        p_value=effect.p_value,
        p_adjusted=p_adjusted,
        detectable=effect.detectable,
        n_datasets=effect.n_units,
        n_clusters=effect.n_clusters,
        correlation=effect.correlation,
        effect_adjusted=None if level is None else effect.interval(level),
        bootstrap=fit.bootstrap,
        leave_one_out=fit.leave_one_out,
        stderr=effect.stderr,
        df=effect.df,
        n_effective=effect.n_effective,
    )
