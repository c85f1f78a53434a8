"""Take measures of a dataset at a fixed number of rows, each with an interval or a reason."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.encoders import identity
from qdcbench.measures.intervals import HALVES, clip, half_interval, mean_interval
from qdcbench.measures.length import at_length, slope_of_means, slope_of_strata, strata
from qdcbench.measures.rows import FloatArray, IntArray, Rows, Unmeasurable
from qdcbench.measures.table import METRICS
from qdcbench.records import Measurement

__all__ = ["full_name", "measure_rows"]

_ENCODER = re.compile(r"(?<=\[).*(?=\])")

_LEAST_FOR_INTERVAL = 20
"""Fewer rows than this cannot be halved to any use."""

_LEAST_FOR_CONSTANT = 20
"""As many equal scores in a row are no chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """The drawn rows and the indices of their random halves."""

    rows: Rows
    halves: tuple[IntArray, ...]


def full_name(measurement: Measurement) -> str:
    """Return the name with all that its number cannot be compared without: what its encoder reads and how, and n.

    ``vendi_q1[minilm:256:mixed]@5000``: MiniLM reads 256 word pieces of a text, this machine computes it in mixed
    precision, and 5,000 rows were measured.
    """
    return f"{_ENCODER.sub(lambda found: identity(found[0]), measurement.metric)}@{measurement.n}"


def measure_rows(
    rows: Rows,
    *,
    n: int,
    seed_stream: np.random.Generator,
    names: Iterable[str] | None = None,
    table: Mapping[str, MeasureRow] = METRICS,
) -> tuple[Measurement, ...]:
    """Take measures of ``n`` rows drawn without replacement, in the order of ``table`` or of ``names``.

    The rows are put in canonical order before the draw, so a shuffle of them changes nothing, and all draws
    come before the first measure, so what is asked for does not change any value. A measure whose card
    says that it is taken on fewer rows at most is taken on the first of those drawn.

    ``n`` of a measurement is the number of rows drawn. Where only some of these have a value, its note says how many.

    The 95 % interval is for the process that made the rows, these being independent draws from it; see
    `intervals`. Where ``rows.around.words`` has a reference length, the value moved to it stands beside each.

    Args:
        rows: the dataset, any number of rows.
        n: rows to measure. With fewer there, a measure that does not depend on n is taken on what there
            is, with its own ``n``; any other has no value.
        seed_stream: source of all draws.
        names: which measures; all of the table by default.
        table: the measures there are.

    Raises:
        ConfigError: a name is unknown or n is below 1.
        DataError: an encoder's weights are not the pinned ones.
    """
    wanted = list(table) if names is None else list(names)
    for name in wanted:
        if name not in table:
            raise ConfigError(f"there is no measure {name!r}; {did_you_mean(name, table)}")
    if n < 1:
        raise ConfigError(f"measures need n of at least 1, not {n}")
    size = min(n, len(rows))
    drawn = seed_stream.permutation(len(rows))[:size].astype(np.int64)
    halves = _halves(size, seed_stream)
    more = int(seed_stream.integers(2**62))
    found: dict[str, Measurement] = {}
    larger = rows.canonical().take(np.sort(drawn))
    place = np.argsort(np.argsort(drawn))
    for most in sorted({_size(table[name], size) for name in wanted}, reverse=True):
        if most < size:
            halves = _halves(most, np.random.default_rng([more, most]))
        sample = _Sample(rows=larger if most == size else larger.take(np.sort(place[:most])), halves=halves)
        members = [table[name] for name in wanted if _size(table[name], size) == most]
        found |= {m.metric: m for m in _measure_sample(members, sample, n)}
    return tuple(found[name] for name in wanted)


def _size(row: MeasureRow, size: int) -> int:
    return size if row.card.at_most is None else min(size, row.card.at_most)


def _halves(size: int, stream: np.random.Generator) -> tuple[IntArray, ...]:
    halves = tuple(np.sort(stream.permutation(size)[: size // 2]).astype(np.int64) for _ in range(HALVES))
    return halves if size >= _LEAST_FOR_INTERVAL else ()


_Values = dict[str, float | None]


def _whole_values(measures: Iterable[MeasureRow], part: Rows) -> _Values:
    """Return the measures of one part; the part and all that it keeps are gone before the next one is made."""
    values: _Values = {}
    for row in measures:
        assert row.whole is not None
        try:
            values[row.name] = row.whole(part)
        except Unmeasurable:
            values[row.name] = None
    return values


def _measure_sample(measures: list[MeasureRow], sample: _Sample, n: int) -> list[Measurement]:
    """Take measures of one draw: every one of all rows first, then of its halves, then of its parts by length."""
    rows = sample.rows
    first = [_value(row, rows, n) for row in measures]
    known = [row for row, m in zip(measures, first, strict=True) if m.value is not None]
    together = [row for row in known if row.whole is not None and not row.card.of_run]
    drawn = {row.name for row in together}
    halves = [_whole_values(together, rows.take(half)) for half in sample.halves] if together else []
    slopes: dict[str, float | None] = {}
    for side in sorted({row.card.side for row in together}):
        of_side = [row for row in together if row.card.side == side]
        words = rows.words(side)
        parts = strata(words)
        lengths = [float(words[part].mean()) for part in parts]
        values = [_whole_values(of_side, rows.take(part)) for part in parts]
        slopes |= {row.name: slope_of_strata(lengths, [v[row.name] for v in values]) for row in of_side}
    done = []
    for row, m in zip(measures, first, strict=True):
        if row.name in drawn and m.value is not None:
            low, high = half_interval(row.metric, m.value, [half[row.name] for half in halves])
            if row.bounds is not None and sample.halves:
                low, high = row.bounds(rows)
            m = replace(m, low=low, high=high, length_slope=slopes.get(row.name))
            m = _at_length(row, m, rows, rows.words(row.card.side))
        done.append(m)
    return done


def _value(row: MeasureRow, rows: Rows, n: int) -> Measurement:
    """Return one measure of the rows; of a mean with everything that belongs to it."""
    size = len(rows)
    try:
        if size < min(n, row.card.at_most or n) and not row.card.size_free and not row.card.of_run:
            raise Unmeasurable(f"there are {size} rows and {n} were asked for; this measure depends on their number")
        if row.each is not None:
            return _mean(row, rows, row.each(rows))
        assert row.whole is not None
        value = row.whole(rows)
    except Unmeasurable as refusal:
        return _nothing(row, size, str(refusal))
    if not math.isfinite(value):
        return _nothing(row, size, "its value is not a finite number")
    return Measurement(metric=row.name, axis=row.card.axis, value=value, n=size)


def _mean(row: MeasureRow, rows: Rows, values: FloatArray) -> Measurement:
    there = ~np.isnan(values)
    known = values[there]
    if not len(known):
        return _nothing(row, len(rows), "no row has a value")
    if not np.isfinite(known).all():
        return _nothing(row, len(rows), "a value of single rows is not a finite number")
    if row.card.scored and len(known) >= _LEAST_FOR_CONSTANT and float(np.ptp(known)) == 0.0:
        same = f"all {len(known)} rows got the same score {known[0]:.6g}, so the scorer did not look at them"
        return _nothing(row, len(rows), same)
    value, low, high = mean_interval(row.metric, known)
    # The value is of these rows alone, and so is the length it starts from.
    words = rows.words(row.card.side)[there]
    slope = slope_of_means(words, known) if len(known) >= _LEAST_FOR_INTERVAL else None
    found = Measurement(
        metric=row.name, axis=row.card.axis, value=value, n=len(rows), low=low, high=high, length_slope=slope,
        note="" if there.all() else f"{len(known)} of {len(rows)} rows have a value",
    )  # fmt: skip
    return _at_length(row, found, rows, words)


def _nothing(row: MeasureRow, size: int, reason: str) -> Measurement:
    return Measurement(metric=row.name, axis=row.card.axis, value=None, n=size, reason=reason)


def _at_length(row: MeasureRow, m: Measurement, rows: Rows, words: FloatArray) -> Measurement:
    """Return the measurement with its value moved from the mean of ``words``, those of the rows behind the value."""
    reference = rows.around.words.get(row.card.side)
    if reference is None or m.value is None or m.length_slope is None:
        return m
    gap = reference - float(words.mean())
    moved = at_length(m.value, m.length_slope, gap, additive=row.each is not None)
    return replace(m, at_length=clip(row.metric, moved))
