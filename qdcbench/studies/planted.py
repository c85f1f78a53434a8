"""Editions whose truth is planted: the datasets of a committed edition, scores made from known effects.

The columns of the datasets stay where they lie in the committed edition, or are drawn anew, as nested normal effects
with the covariances that the edition has at each level. Scores are linear in the columns, plus errors nested in the
same way whose covariances are those of the edition's residuals. Normal distributions and the nesting are assumed; the
covariances are estimated (see `nature`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qdcbench.errors import ConfigError
from qdcbench.records import SuiteFacts
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.table import AXES, LENGTH, TRAINING_WORDS, Table
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.panel import IntArray
from qdcbench.studies.nature import COLUMNS, LEVELS, Layout, Nature, averaged, resized

__all__ = ["Planted", "Truth", "plant", "table_of_truth", "units_of_truth"]

SETTING_SPREAD = 5.0
"""Standard deviation of what a setting adds to scores, in those of a score: large, so that none may leak."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """What is planted.

    ``effects`` are standard deviations of the score per standard deviation of the column, (5, 2), ID then OOD.
    ``tails`` are the degrees of freedom of the methods' errors, 0 for normal ones. ``own_slopes`` is the standard
    deviation, between methods, of the three axes' effects around those planted. ``between`` is the share of the error
    variance that lies between methods, None for as much as in the edition.
    """

    effects: FloatArray
    between: float | None = None
    tails: int = 0
    own_slopes: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """One planted edition: columns (datasets, 5) and scores (datasets, 2), and the effects they were made with.

    ``effects`` are as planted, per population standard deviation; ``realised`` are the same effects in the standard
    deviations within groups that this edition happens to have, which is what the engine estimates.
    """

    layout: Layout
    x: FloatArray
    y: FloatArray
    effects: FloatArray
    realised: FloatArray


def plant(nature: Nature, planted: Planted, n_methods: int | None, rng: np.random.Generator) -> Truth:
    """Return one planted edition: the nature's own datasets, or where a number of methods is given new ones.

    Raises:
        ConfigError: the effects explain more than all of a score.
    """
    if n_methods is None:
        layout, x, correlation = nature.layout, nature.x, np.corrcoef(nature.x.T)
    else:
        layout, correlation = resized(nature.layout, n_methods, rng), nature.columns.sum(axis=0)
        x = _nested(nature.columns, layout, rng, tails=0)
    left = 1 - np.einsum("ks,kj,js->s", planted.effects, correlation, planted.effects)
    if left.min() <= 0:
        raise ConfigError(
            f"the planted effects explain {1 - left.min():.0%} of the variance of a score; plant smaller ones"
        )
    methods, groups = layout.codes[0], layout.group_codes
    slopes = planted.own_slopes * rng.standard_normal((int(methods.max()) + 1, len(AXES), 2))
    y = x @ planted.effects + np.einsum("nk,nks->ns", x[:, : len(AXES)], slopes[methods])
    y = y + np.sqrt(left) * _nested(_errors(nature, planted), layout, rng, tails=planted.tails)
    y = y + SETTING_SPREAD * rng.standard_normal((int(groups.max()) + 1, 2))[groups]
    realised = planted.effects * _spread(x, groups)[:, None] / _spread(y, groups)[None, :]
    return Truth(layout=layout, x=x, y=y, effects=planted.effects, realised=realised)


def _errors(nature: Nature, planted: Planted) -> FloatArray:
    """Return covariances of errors by level, the share between methods as wanted, (levels, 2, 2)."""
    if planted.between is None:
        return nature.errors
    correlation, inner = nature.errors.sum(axis=0), nature.errors[1:]
    scale = np.sqrt((1 - planted.between) / np.einsum("lkk->k", inner))
    errors: FloatArray = np.concatenate([planted.between * correlation[None], inner * scale[:, None] * scale[None, :]])
    return errors


def _nested(covariances: FloatArray, layout: Layout, rng: np.random.Generator, tails: int) -> FloatArray:
    """Draw nested effects, (datasets, k); those of methods with heavy tails, their variance as it was, if asked."""
    total = np.zeros((len(layout.groups), covariances.shape[1]))
    for level, covariance, codes in zip(LEVELS, covariances, layout.codes, strict=True):
        values, vectors = np.linalg.eigh(covariance)
        drawn = rng.standard_normal((int(codes.max()) + 1, covariance.shape[0]))
        if tails and level == "method":
            drawn = drawn * np.sqrt((tails - 2) / rng.chisquare(tails, size=(drawn.shape[0], 1)))
        total += ((drawn * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)[codes]
    return total


def _spread(values: FloatArray, groups: IntArray) -> FloatArray:
    """Return standard deviations within groups, (k,), as the engine takes them: groups of one dataset do not count."""
    deviations = values - averaged(values, groups)[groups]
    sizes = np.bincount(groups)
    df = float(sizes[sizes > 1].sum() - (sizes > 1).sum())
    spread: FloatArray = np.sqrt((deviations**2).sum(axis=0) / df)
    return spread


def table_of_truth(truth: Truth, suite: SuiteFacts) -> Table:
    """Lay a planted edition out as the engine reads it, with the primaries alone."""
    return Table(
        scope="simulated",
        measures={suite.primary[axis]: column for axis, column in zip(AXES, truth.x.T, strict=False)},
        scores=dict(zip(primary_scores(suite), truth.y.T, strict=True)),
        axes={suite.primary[axis]: axis for axis in AXES},
        log_words=truth.x[:, COLUMNS.index(TRAINING_WORDS)],
        log_length=truth.x[:, COLUMNS.index(LENGTH)],
        groups=truth.layout.groups,
        clusters=truth.layout.methods,
    )


def units_of_truth(truth: Truth, units: Sequence[Unit], suite: SuiteFacts) -> tuple[Unit, ...]:
    """Return the units that a planted edition's datasets came from, with its values and methods in their place."""
    scores = primary_scores(suite)
    planted = []
    for place, source in enumerate(truth.layout.sources):
        x, method = truth.x[place], truth.layout.methods[place]
        unit = units[source]
        spec = replace(unit.record.spec, method=method, arm=truth.layout.arms[place])
        planted.append(
            replace(
                unit,
                record=replace(unit.record, spec=spec),
                cluster=method,
                measures={suite.primary[axis]: float(value) for axis, value in zip(AXES, x, strict=False)},
                reasons={},
                scores={name: float(value) for name, value in zip(scores, truth.y[place], strict=True)},
                log_words=float(x[COLUMNS.index(TRAINING_WORDS)]),
                log_length=float(x[COLUMNS.index(LENGTH)]),
            )
        )
    return tuple(planted)
