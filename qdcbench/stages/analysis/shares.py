"""How much of a score's spread goes with each axis, and how far the axes can be told from each other."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from qdcbench.records import AxisShare, Collinearity, Interval, SuiteFacts
from qdcbench.seeds import array_stream
from qdcbench.stages.analysis.decisions import FEWEST_CLUSTERS, FEWEST_DATASETS
from qdcbench.stages.analysis.table import AXES, LENGTH, TRAINING_WORDS, Sample, Samples, Table, told_apart
from qdcbench.stats.bootstrap import Bootstrap, FloatArray
from qdcbench.stats.collinearity import correlations, variance_inflation
from qdcbench.stats.dominance import dominance_intervals
from qdcbench.stats.panel import Panel

__all__ = ["axis_shares", "collinearity"]


def _regressors(suite: SuiteFacts) -> dict[str, str]:
    """Return the column of every regressor by its name: the axes, training words, length."""
    return {axis: suite.primary[axis] for axis in AXES} | {TRAINING_WORDS: TRAINING_WORDS, LENGTH: LENGTH}


def axis_shares(table: Table, suite: SuiteFacts) -> tuple[AxisShare, ...]:
    """Return the shares of each primary-metric score (ID, OOD, every set) by general dominance, in order of score.

    A regressor that is constant within groups, or made up by those before it, has no share of its own; its interval
    says so, and the others share what there is.
    """
    samples, metric = Samples(table), suite.primary["score"]
    patterns: dict[bytes, list[str]] = defaultdict(list)
    for name in sorted(table.scores):
        if name.partition(":")[2] == metric:
            patterns[samples.there(name).tobytes()].append(name)
    rows: list[AxisShare] = []
    for names in patterns.values():
        sample = samples.having([*_regressors(suite).values(), names[0]])
        rows.extend(_shares(sample, names, suite))
    return tuple(sorted(rows, key=lambda row: row.score))


def _shares(sample: Sample, names: Sequence[str], suite: SuiteFacts) -> list[AxisShare]:
    """Return the shares of the scores that all datasets of the sample have."""
    regressors = _regressors(suite)
    held, left_out = told_apart(sample, tuple(regressors.values()))
    varying = {name: values for name in names if (values := sample.standardised(name)) is not None}
    reason = _why_not(sample, held)
    found: dict[str, tuple[Interval, ...]] = {}
    if not reason and varying:
        panel = Panel(x=np.column_stack(list(held.values())), groups=sample.groups, clusters=sample.clusters)
        rng = array_stream(suite.root_seed, "analyze/shares", {"scope": sample.table.scope})
        how = Bootstrap(resamples=suite.resamples)
        drawn = dominance_intervals(panel, np.column_stack(list(varying.values())), rng, how)
        found = dict(zip(varying, drawn, strict=True))
    rows = []
    for name in names:
        shares = dict(zip(held, found.get(name, ()), strict=False))
        why = reason or ("" if name in varying else "the score does not vary within groups")
        for regressor, column in regressors.items():
            share = shares.get(column) or _none(why or left_out[column])
            rows.append(
                AxisShare(
                    scope=sample.table.scope,
                    score=name,
                    name=regressor,
                    share=share,
                    r_squared=sum(s.point or 0.0 for s in shares.values()) if shares else None,
                    n_datasets=sample.n,
                    n_clusters=sample.n_clusters,
                )
            )
    return rows


def _why_not(sample: Sample, held: Mapping[str, FloatArray]) -> str:
    if sample.n == 0:
        return "no two datasets of a group have the score, the three primaries, training words and length"
    if not held:
        return "nothing that could explain it varies within groups"
    clusters = int(np.unique(sample.clusters).size)
    if sample.n < FEWEST_DATASETS or clusters < FEWEST_CLUSTERS:
        # With as many regressors as methods the shares of nearly all of the variance would be those of chance.
        least = f"at least {FEWEST_DATASETS} of {FEWEST_CLUSTERS}"
        return f"{sample.n} datasets of {clusters} methods are too few ({least})"
    if sample.n - np.unique(sample.groups).size - len(held) < 1:
        return f"{sample.n} datasets are too few for {len(held)} regressors"
    return ""


def _none(reason: str) -> Interval:
    return Interval(point=None, low=None, high=None, kind="cluster percentile", reason=reason)


def collinearity(table: Table, suite: SuiteFacts) -> tuple[Collinearity, ...]:
    """Return how far each regressor can be told from the others within settings, in the order they are held.

    Variance inflation is among the regressors that the fits hold; one that they leave out says why.
    """
    regressors = _regressors(suite)
    sample = Samples(table).having(tuple(regressors.values()))
    held, left_out = told_apart(sample, tuple(regressors.values())) if sample.n else ({}, {})
    varying = {name: v for name, c in regressors.items() if sample.n and (v := sample.standardised(c)) is not None}
    related = correlations(np.column_stack(list(varying.values()))) if varying else np.empty((0, 0))
    factors = dict(zip(held, variance_inflation(np.column_stack(list(held.values()))), strict=True)) if held else {}
    rows = []
    for name, column in regressors.items():
        others: tuple[tuple[str, float], ...] = ()
        if name in varying:
            mine = related[list(varying).index(name)]
            others = tuple((o, float(r)) for o, r in zip(varying, mine, strict=True) if o != name)
        reason = left_out.get(column, "") if sample.n else "no two datasets of a group have all regressors"
        rows.append(
            Collinearity(
                scope=table.scope,
                name=name,
                vif=None if column not in factors else float(factors[column]),
                correlations=others,
                n_datasets=sample.n,
                reason=reason,
            )
        )
    return tuple(rows)
