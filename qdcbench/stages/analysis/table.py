"""The datasets of one scope as columns, and the ones among them that have every value a fit wants."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from qdcbench.records import SuiteFacts
from qdcbench.stages.analysis.units import Unit, axes_of
from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.collinearity import orthonormal
from qdcbench.stats.panel import BoolArray, IntArray, codes, standardise

__all__ = ["AXES", "LENGTH", "TRAINING_WORDS", "Sample", "Samples", "Table", "scopes", "table_of", "told_apart"]

AXES = ("quality", "diversity", "complexity")

TRAINING_WORDS = "training words"

LENGTH = "length"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Columns over the datasets of one scope, each of shape (datasets,), NaN where there is no value.

    ``axes`` maps each measure to its axis. ``log_words`` is the log of training words, ``log_length`` of the mean
    words of a row.
    """

    scope: str
    measures: Mapping[str, FloatArray]
    scores: Mapping[str, FloatArray]
    axes: Mapping[str, str]
    log_words: FloatArray
    log_length: FloatArray
    groups: tuple[str, ...]
    clusters: tuple[str, ...]

    def column(self, name: str) -> FloatArray:
        """Return a measure, a score, ``training words`` or ``length`` (logs); all NaN where there is none."""
        sizes = {TRAINING_WORDS: self.log_words, LENGTH: self.log_length}
        for columns in (sizes, self.measures, self.scores):
            if name in columns:
                return columns[name]
        return np.full(len(self.groups), np.nan)

    def named(self, name: str, suite: SuiteFacts) -> str:
        """Return the column that a declaration means: an axis is its primary, a set has the primary metric."""
        if name in suite.primary and name in AXES:
            return suite.primary[name]
        scored = f"{name}:{suite.primary['score']}"
        return scored if scored in self.scores and name not in self.measures else name


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
        axes=axes_of([u.record for u in units]),
        log_words=column([u.log_words for u in units]),
        log_length=column([u.log_length for u in units]),
        groups=tuple(u.group for u in units),
        clusters=tuple(u.cluster for u in units),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The datasets that have every value wanted; ``groups`` and ``clusters`` (datasets,) are codes from 0."""

    table: Table
    mask: BoolArray
    groups: IntArray
    clusters: IntArray
    n_clusters: int
    known: dict[str, FloatArray | None] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of datasets."""
        return self.groups.size

    def standardised(self, name: str) -> FloatArray | None:
        """Return a column in standard deviations within groups, shape (datasets,); None where it does not vary.

        ``a - b`` is the difference of two standardised columns, itself not standardised again.
        """
        if name not in self.known:
            self.known[name] = self._standardised(name)
        return self.known[name]

    def _standardised(self, name: str) -> FloatArray | None:
        if " - " not in name:
            return standardise(self.table.column(name)[self.mask], self.groups)
        left, right = (self.standardised(part) for part in name.split(" - ", 1))
        return None if left is None or right is None else left - right


class Samples:
    """Samples of one table, so that columns that many fits share are standardised once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._labels = np.array(table.groups, dtype=str), np.array(table.clusters, dtype=str)
        self._group, self._n_groups = codes(self._labels[0])
        self._there: dict[str, BoolArray] = {}
        self._samples: dict[bytes, Sample] = {}

    def there(self, name: str) -> BoolArray:
        """Return which datasets have a value of a column or of both columns of a difference, (datasets,)."""
        if name not in self._there:
            parts = name.split(" - ", 1)
            self._there[name] = np.logical_and.reduce([~np.isnan(self.table.column(part)) for part in parts])
        return self._there[name]

    def having(self, names: Sequence[str]) -> Sample:
        """Return the datasets that have a value in all of these columns.

        A group with one dataset is left out: it could only be compared with itself.
        """
        mask = np.logical_and.reduce([self.there(name) for name in names])
        alone = np.bincount(self._group[mask], minlength=self._n_groups) < 2
        mask = mask & ~alone[self._group]
        key = mask.tobytes()
        if key not in self._samples:
            groups, clusters = (labels[mask] for labels in self._labels)
            coded, n_clusters = codes(clusters)
            self._samples[key] = Sample(
                table=self.table, mask=mask, groups=codes(groups)[0], clusters=coded, n_clusters=n_clusters
            )
        return self._samples[key]


def told_apart(sample: Sample, names: Sequence[str]) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Return the columns that tell something of their own, in order, and a sentence on each that does not, by name.

    A column does not where it is constant within groups, or where those before it make it up: with equal rows the log
    of training words and the log of length differ by a constant.
    """
    apart: dict[str, FloatArray] = {}
    left_out: dict[str, str] = {}
    for name in names:
        values = sample.standardised(name)
        if values is None:
            left_out[name] = f"{name} does not vary within groups"
        elif _adds_something(list(apart.values()), values):
            apart[name] = values
        else:
            twin = next((other for other, column in apart.items() if not _adds_something([column], values)), None)
            left_out[name] = (
                f"{name} is made up by {', '.join(apart)} within groups"
                if twin is None
                else f"{name} is the same column as {twin} within groups"
            )
    return apart, left_out


def _adds_something(before: Sequence[FloatArray], values: FloatArray) -> bool:
    return len(before) in orthonormal(np.column_stack([*before, values]))[1]
