"""What chance does in an edition: which datasets it has, and how their columns and residuals vary at each level.

What a dataset is like has five columns: the primaries of quality, diversity and complexity, the log of training words
and the log of words in a row. Variances are split over nested levels: method, method in a setting, arm, repetition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qdcbench.errors import ConfigError
from qdcbench.records import SuiteFacts
from qdcbench.stages.analysis.rankings import primary_scores
from qdcbench.stages.analysis.table import AXES, LENGTH, TRAINING_WORDS
from qdcbench.stages.analysis.units import Unit
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.panel import IntArray, standardise

__all__ = ["COLUMNS", "LEVELS", "Layout", "Nature", "averaged", "layout_of", "nature_of", "resized"]

COLUMNS = (*AXES, TRAINING_WORDS, LENGTH)
LEVELS = ("method", "setting", "arm", "repetition")
"""From the widest; ``setting`` is a method in a setting, ``arm`` an arm of it there, ``repetition`` one dataset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which datasets there are: names of shape (datasets,).

    ``codes`` number the member of each level that a dataset belongs to, four arrays of shape (datasets,), and
    ``group_codes`` its group; ``sources`` is the place of the unit that each dataset came from.
    """

    groups: tuple[str, ...]
    methods: tuple[str, ...]
    arms: tuple[str, ...]
    sources: IntArray
    codes: tuple[IntArray, ...]
    group_codes: IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Nature:
    """What an edition says about chance: covariances by level.

    ``x`` is where its datasets lie, (datasets, 5), standardised within groups; ``columns`` and ``errors`` are
    covariances, (levels, 5, 5) and (levels, 2, 2), each column's variances adding to 1.
    """

    layout: Layout
    x: FloatArray
    columns: FloatArray
    errors: FloatArray


def layout_of(units: Sequence[Unit]) -> Layout:
    """Return the layout of units."""
    return _layout([(unit.group, unit.cluster, unit.record.spec.arm, place) for place, unit in enumerate(units)])


def resized(layout: Layout, n_methods: int, rng: np.random.Generator) -> Layout:
    """Return a layout with another number of methods, each with the arms and settings of one drawn from this one."""
    places: dict[str, list[int]] = {name: [] for name in sorted(set(layout.methods))}
    for place, method in enumerate(layout.methods):
        places[method].append(place)
    drawn = rng.choice(sorted(places), size=n_methods)
    return _layout(
        [
            (layout.groups[place], f"m{number:02d}", f"m{number:02d}/{layout.arms[place]}", int(layout.sources[place]))
            for number, name in enumerate(drawn)
            for place in places[str(name)]
        ]
    )


def _layout(datasets: Sequence[tuple[str, str, str, int]]) -> Layout:
    """Lay out datasets given by group, method, arm and source."""
    groups, methods, arms, sources = zip(*datasets, strict=True)
    keys: tuple[Sequence[object], ...] = (
        methods,
        list(zip(methods, groups, strict=True)),
        list(zip(arms, groups, strict=True)),
        range(len(groups)),
    )
    return Layout(
        groups=groups,
        methods=methods,
        arms=arms,
        sources=np.array(sources, dtype=np.int64),
        codes=tuple(_numbered(key) for key in keys),
        group_codes=_numbered(groups),
    )


def _numbered(keys: Sequence[object]) -> IntArray:
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([places[key] for key in keys], dtype=np.int64)


def nature_of(units: Sequence[Unit], suite: SuiteFacts) -> Nature:
    """Estimate what chance does in an edition from its complete method datasets.

    Raises:
        ConfigError: a dataset lacks a primary measure or score, or a column does not vary.
    """
    layout = layout_of(units)
    x = _standard([_column(unit, suite) for unit in units], layout, COLUMNS)
    scores = primary_scores(suite)
    y = _standard([[unit.scores.get(name) for name in scores] for unit in units], layout, scores)
    residuals = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return Nature(layout=layout, x=x, columns=_shares(x, layout), errors=_shares(residuals, layout))


def _column(unit: Unit, suite: SuiteFacts) -> list[float | None]:
    return [*(unit.measures.get(suite.primary[axis]) for axis in AXES), unit.log_words, unit.log_length]


def _standard(rows: Sequence[Sequence[float | None]], layout: Layout, names: Sequence[str]) -> FloatArray:
    """Return columns standardised within groups."""
    values = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=np.float64)
    columns = []
    for name, column in zip(names, values.reshape(-1, len(names)).T, strict=True):
        scaled = None if np.isnan(column).any() else standardise(column, layout.group_codes)
        if scaled is None:
            raise ConfigError(
                f"{name} has no value in some dataset, or the same in all; take an edition where every method dataset "
                "is measured and evaluated"
            )
        columns.append(scaled)
    return np.column_stack(columns)


def _shares(values: FloatArray, layout: Layout) -> FloatArray:
    """Return covariances by level, (levels, k, k), scaled so that each column's variances add to 1.

    Moments: the covariance of repetitions within arms, then of arm means within a method's setting, of those means
    within methods (what the settings do to all taken out), and of method means, each less what the narrower levels add
    to it. What becomes negative is cut.
    """
    method, setting, arm, _ = layout.codes
    insides = [arm, setting, method, np.zeros_like(method)]
    means, groups = values, layout.group_codes
    found: list[FloatArray] = []
    added = np.zeros((values.shape[1], values.shape[1]))
    for step, level in enumerate(reversed(LEVELS)):
        inside = insides[step]
        averages = averaged(means, inside)
        if level == "setting":
            deviations, df = _two_way(means, inside, groups)
        else:
            deviations, df = means - averages[inside], len(means) - len(averages)
        covariance = deviations.T @ deviations / max(df, 1)
        found.append(_positive(covariance - added))
        added = covariance * float(np.mean(1 / np.bincount(inside)))
        first = np.unique(inside, return_index=True)[1]
        means, groups, insides = averages, groups[first], [codes[first] for codes in insides]
    shares = np.array(found[::-1])
    scale = np.sqrt(np.einsum("lkk->k", shares))
    scaled: FloatArray = shares / (scale[:, None] * scale[None, :])
    return scaled


def averaged(values: FloatArray, codes: IntArray) -> FloatArray:
    """Return the mean of each member, (members, k)."""
    sums = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(sums, codes, values)
    averages: FloatArray = sums / np.bincount(codes)[:, None]
    return averages


def _two_way(values: FloatArray, rows: IntArray, columns: IntArray) -> tuple[FloatArray, int]:
    """Return residuals of two crossed factors and their degrees of freedom."""
    design = np.column_stack([rows[:, None] == np.unique(rows), columns[:, None] == np.unique(columns)]).astype(float)
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return values - fitted, len(values) - int(np.linalg.matrix_rank(design))


def _positive(covariance: FloatArray) -> FloatArray:
    """Return the nearest covariance: negative eigenvalues cut at zero."""
    values, vectors = np.linalg.eigh(covariance)
    cut: FloatArray = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return cut
