"""Effects of measures on scores over datasets with what moves with them held, and the contrast of ID with OOD."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qdcbench.records import Interval, Relation, SuiteFacts
from qdcbench.seeds import array_stream
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.table import (
    AXES,
    LENGTH,
    TRAINING_WORDS,
    Sample,
    Samples,
    Table,
    scopes,
    table_of,
    told_apart,
)
from qdcbench.stats.bootstrap import Bootstrap, FloatArray
from qdcbench.stats.compare import benjamini_hochberg, holm, holm_levels
from qdcbench.stats.permutation import permutation_p_values
from qdcbench.stats.relations import Effect, Panel, bootstrap_effects, effects, leave_one_out

__all__ = ["AXES", "Table", "contrasts", "fitted", "relations", "scopes", "table_of"]

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """One measure, what is to be held beside it, and what of that cannot be, as sentences.

    ``looked_at`` are the outcomes that also get the bootstrap, the permutation and the fits without one method.
    """

    axis: str
    measure: str
    controls: tuple[str, ...]
    not_held: tuple[str, ...]
    looked_at: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """One relation before its p-value is adjusted."""

    question: _Question
    score: str
    effect: Effect
    held: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    bootstrap: Interval | None = None
    leave_one_out: tuple[float, float] | None = None
    p_permutation: float | None = None


def relations(table: Table, axes: Mapping[str, str], suite: SuiteFacts) -> tuple[Relation, ...]:
    """Return the effect of every measure on every score within one scope.

    The primary measures against the primary scores are one Holm family; everything else is exploratory, one
    measure at a time in the place of its axis' primary, adjusted by Benjamini and Hochberg.
    """
    samples, fits = Samples(table), []
    for axis in AXES:
        primary = suite.primary[axis]
        others = [name for name, its in axes.items() if its == axis and name != primary]
        for measure in [primary, *others]:
            looked_at = primary_scores(suite) if measure == primary else ()
            question = _question((axis, measure), (), looked_at, suite)
            fits.extend(_fits(samples, question, tuple(table.scores), suite))
    return _adjusted(table.scope, fits)


def contrasts(table: Table, suite: SuiteFacts) -> tuple[Relation, ...]:
    """Return for each primary measure its effect on ID minus its effect on OOD, both scores standardised.

    The difference of two effects from one regression is the effect on the difference of the two outcomes, so
    that it has a standard error of its own.
    """
    samples, name = Samples(table), " - ".join(primary_scores(suite))
    fits: list[_Fit] = []
    for axis in AXES:
        question = _question((axis, suite.primary[axis]), (), (name,), suite)
        fits.extend(_fits(samples, question, (name,), suite))
    return _adjusted(table.scope, fits)


def fitted(table: Table, measure: str, outcome: str, suite: SuiteFacts) -> Relation:
    """Return the effect of one measure on one outcome, its p-value not adjusted for any other.

    ``measure`` and ``outcome`` are names of columns, or an axis for its primary measure, or the short name of an
    evaluation set for its primary score; ``outcome`` may be the difference ``a - b`` of two of these, each
    standardised. Held are the primaries of the axes that neither is on, training words and length. What cannot be
    fitted has a relation without an estimate that says why.
    """
    measure = table.named(measure, suite)
    outcome = " - ".join(table.named(part, suite) for part in outcome.split(" - ", 1))
    axis = table.axes.get(measure, measure)
    parts = tuple(outcome.split(" - ", 1))
    outcome_axes = {part: table.axes[part] for part in parts if part in table.axes}
    question = _question((axis, measure), tuple(outcome_axes.values()), (outcome,), suite)
    question = replace(question, controls=tuple(name for name in question.controls if name not in parts))
    if measure in parts:
        effect = Effect(estimate=None, n_units=0, n_clusters=0, reason="the measure is the outcome itself")
        return _relation(table.scope, _Fit(question=question, score=outcome, effect=effect), None, None)
    (fit,) = _fits(Samples(table), question, (outcome,), suite)
    return _relation(table.scope, fit, None, None)


def _question(
    focal: tuple[str, str], outcome_axes: Sequence[str], looked_at: Sequence[str], suite: SuiteFacts
) -> _Question:
    """Hold the other axes' primaries, training words and length; ``focal`` is an axis and its measure."""
    axis, measure = focal
    others = [other for other in AXES if other != axis]
    return _Question(
        axis=axis,
        measure=measure,
        controls=(
            *(suite.primary[other] for other in others if other not in outcome_axes),
            *(name for name in (TRAINING_WORDS, LENGTH) if name != measure),
        ),
        not_held=tuple(
            f"{suite.primary[other]} is on the axis of the outcome" for other in others if other in outcome_axes
        ),
        looked_at=frozenset(looked_at),
    )


def _fits(samples: Samples, question: _Question, outcomes: Sequence[str], suite: SuiteFacts) -> list[_Fit]:
    """Fit one measure against all outcomes; those that are there for the same datasets share one design."""
    patterns: dict[bytes, list[str]] = defaultdict(list)
    for name in outcomes:
        patterns[samples.there(name).tobytes()].append(name)
    fits: list[_Fit] = []
    for names in patterns.values():
        sample = samples.having([question.measure, *question.controls, names[0]])
        fits.extend(_fits_of(sample, question, names, suite))
    return fits


def _fits_of(sample: Sample, question: _Question, names: Sequence[str], suite: SuiteFacts) -> list[_Fit]:
    """Return a fit for each outcome that this sample's datasets have."""
    if sample.n == 0:
        wanted = ", ".join([question.measure, *question.controls])
        return [
            _without(sample, question, name, f"no two datasets of a group have {wanted} and the outcome")
            for name in names
        ]
    focal = sample.standardised(question.measure)
    if focal is None:
        return [_without(sample, question, name, "the measure does not vary within groups") for name in names]
    held, left_out = told_apart(sample, question.controls)
    panel = Panel(x=np.column_stack([focal, *held.values()]), groups=sample.groups, clusters=sample.clusters)
    found: dict[str, FloatArray] = {}
    fits: list[_Fit] = []
    for name in names:
        values = sample.standardised(name)
        if values is None:
            fits.append(_without(sample, question, name, "the score does not vary within groups"))
        else:
            found[name] = values
    if found:
        plain = [
            _Fit(
                question=question,
                score=name,
                effect=effect,
                held=tuple(held),
                not_held=(*question.not_held, *left_out.values()),
            )
            for name, effect in zip(found, effects(panel, np.column_stack(list(found.values()))), strict=True)
        ]
        fits.extend(_looked_at(sample, panel, plain, suite))
    return fits


def _without(sample: Sample, question: _Question, name: str, reason: str) -> _Fit:
    effect = Effect(estimate=None, n_units=sample.n, n_clusters=sample.n_clusters, reason=reason)
    return _Fit(question=question, score=name, effect=effect, not_held=question.not_held)


def _looked_at(sample: Sample, panel: Panel, fits: Sequence[_Fit], suite: SuiteFacts) -> list[_Fit]:
    """Add the second looks to the fits that want them."""
    wanted = [fit.score for fit in fits if fit.score in fit.question.looked_at and fit.effect.stderr]
    if not wanted:
        return list(fits)
    columns = np.column_stack([values for name in wanted if (values := sample.standardised(name)) is not None])
    axes = {"scope": sample.table.scope, "measure": fits[0].question.measure}
    drawn = bootstrap_effects(
        panel, columns, array_stream(suite.root_seed, "analyze/relations", axes), Bootstrap(resamples=suite.resamples)
    )
    permuted = permutation_p_values(
        panel, columns, array_stream(suite.root_seed, "analyze/permutation", axes), suite.resamples
    )
    at = {name: i for i, name in enumerate(wanted)}
    return [
        replace(
            fit,
            bootstrap=drawn[at[fit.score]],
            p_permutation=permuted[at[fit.score]],
            leave_one_out=_without_one(sample, panel, fit.score),
        )
        if fit.score in at
        else fit
        for fit in fits
    ]


def _without_one(sample: Sample, panel: Panel, name: str) -> tuple[float, float] | None:
    """Return the range of the effect without one method; both terms of a difference are standardised anew."""
    terms = [values for part in name.split(" - ", 1) if (values := sample.standardised(part)) is not None]
    return leave_one_out(panel, *terms)


def _adjusted(scope: str, fits: Sequence[_Fit]) -> tuple[Relation, ...]:
    """Adjust both families and write the relations in order of axis, measure and score."""
    p = np.array([np.nan if fit.effect.p_value is None else fit.effect.p_value for fit in fits], dtype=np.float64)
    primary = np.array([fit.score in fit.question.looked_at for fit in fits], dtype=bool)
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
    effect, question = fit.effect, fit.question
    return Relation(
        scope=scope,
        axis=question.axis,
        measure=question.measure,
        score=fit.score,
        primary=fit.score in question.looked_at,
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
        p_permutation=fit.p_permutation,
        held=fit.held,
        not_held=fit.not_held,
    )
