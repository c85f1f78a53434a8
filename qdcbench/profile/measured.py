"""Profiles: the measurements of every part at one number of rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from qdcbench.errors import ConfigError
from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.encoders import describe, truncated
from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.known import Around, Known
from qdcbench.measures.rows import Rows, Side, Unmeasurable
from qdcbench.measures.table import table_of
from qdcbench.profile.close import CLOSE_MEASURES, looked_closely
from qdcbench.profile.parts import MOST_SPARE, Part, ends, printable, read_parts, rows_beside
from qdcbench.profile.request import Request, Watch
from qdcbench.profile.scoring import loaded, scored
from qdcbench.records import Measurement
from qdcbench.seeds import array_stream

__all__ = ["SIDES", "Profile", "Profiles", "take_profiles"]

_BASE_ROWS = 5_000
_OWN_NEIGHBOUR = (
    "a row that stands in it too is nearest to itself, so novelsum, facility_location and partition_coverage are not "
    "what they are beside other rows"
)
SIDES: tuple[Side, ...] = ("prompt", "completion")


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One part and its measurements, in the order of the table."""

    part: Part
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Profiles:
    """Every part's profile, the measures taken, and sentences that hold for all of them."""

    request: Request
    each: tuple[Profile, ...]
    table: Mapping[str, MeasureRow]
    around: Around
    notes: tuple[str, ...]

    @property
    def encoder_name(self) -> str:
        """The encoder and how many word pieces of a text it reads."""
        return describe(self.request.encoder)


def _chosen(request: Request) -> dict[str, MeasureRow]:
    table = table_of((request.encoder,))
    if not request.measures:
        return dict(table)
    forms = [
        re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in given)) for given in request.measures
    ]
    found = {name: row for name, row in table.items() if any(form.fullmatch(name) for form in forms)}
    if not found:
        raise ConfigError(f"--measures {' '.join(request.measures)} names no measure; see qdcbench list measures")
    return found


def _around(parts: Sequence[Part], request: Request, watch: Watch) -> tuple[Around, list[str]]:
    """Return what all parts are compared with, and what to say about it."""
    files = [part.rows for part in parts if not part.group]
    words = {
        side: float(np.mean([rows.words(side).mean() for rows in files])) for side in ("prompt", "completion", "both")
    }
    notes = [f"twins stand at the mean over the files of log(1 + words): {_shown(words)}"]
    reference = base = None
    if request.reference:
        reference = rows_beside(request.reference, MOST_SPARE, request, watch)
        notes.append(f"reference: {len(reference)} rows of {printable(request.reference)}")
        measured = {text for rows in files for text in rows.prompts}
        shared = sum(text in measured for text in reference.prompts)
        if shared:
            notes.append(f"careful: {shared} prompts of the reference are measured too; {_OWN_NEIGHBOUR}")
    elif len(ends(parts)) > 1:
        reference, apart = _pooled(ends(parts), request)
        which = (
            "none of them measured"
            if apart
            else f"all of them measured too, for some column has no others; {_OWN_NEIGHBOUR}"
        )
        notes.append(f"reference: {len(reference)} rows, as many of each of {len(ends(parts))} columns, {which}")
    if request.base:
        base = rows_beside(request.base, _BASE_ROWS, request, watch)
        notes.append(f"base: {len(base)} rows of {printable(request.base)}")
    nodes = tuple(sorted({node for part in parts for node in part.source.nodes}))
    if nodes:
        notes.append(f"taxonomy: the {len(nodes)} nodes that some row of the files was aimed at, and those above them")
    return Around(reference=reference, base=base, words=words, taxonomy=nodes), notes


def _shown(words: Mapping[str, float]) -> str:
    return ", ".join(f"{side} {value:.3f}" for side, value in words.items())


def _pooled(parts: Sequence[Part], request: Request) -> tuple[Rows, bool]:
    """Return as many rows of each part, the reference's number together, and whether none of them is measured.

    A measured row is nearest to itself, so others are taken where all parts have enough of them.
    """
    stream = array_stream(request.seed, "measure_reference", {"columns": len(parts)})
    share = max(1, MOST_SPARE // len(parts))
    apart = all(len(part.spare) >= share for part in parts)
    pools = [part.spare if apart else part.rows for part in parts]
    share = min(share, *(len(rows) for rows in pools))
    taken = [rows.take(np.sort(stream.permutation(len(rows))[:share]).astype(np.int64)) for rows in pools]
    strata = [rows.known.stratum or (None,) * len(rows) for rows in taken]
    rows = Rows(
        prompts=tuple(chain.from_iterable(rows.prompts for rows in taken)),
        completions=tuple(chain.from_iterable(rows.completions for rows in taken)),
        known=Known(stratum=tuple(chain.from_iterable(strata)) if request.group_by else None),
    )
    return rows, apart


def _embedded(part: Part, table: Mapping[str, MeasureRow], request: Request, watch: Watch) -> Part:
    """Embed the sides that some measure reads, so that all that is taken of the part shares the vectors.

    Returns the part with what to say about texts that the encoder does not read to their end.
    """
    ours = {name: row.card.at_most for name, row in table.items() if f"[{request.encoder}]" in name}
    most = max((len(part.rows) if most is None else most for most in ours.values()), default=0)
    rows, whole = part.rows, len(part.rows) <= most
    if not whole:
        # Then the instrument draws the rows that are embedded; texts are counted in a draw of the same size.
        stream = array_stream(request.seed, "measure_cut", {"n": most})
        rows = rows.take(np.sort(stream.permutation(len(rows))[:most]).astype(np.int64))
    said: list[str] = []
    for side in SIDES:
        if not any(name.endswith(":completion") == (side == "completion") for name in ours):
            continue
        if whole:
            watch.step(f"{part.label}: embedding {len(rows)} {side}s with {request.encoder}")
            rows.embeddings(request.encoder, side)
        cut = truncated(request.encoder, rows.texts(side))
        if cut:
            drawn = f"{len(rows)} {side}s" if whole else f"{len(rows)} {side}s, drawn of {len(part.rows)},"
            said.append(f"{cut} of {drawn} are longer than {describe(request.encoder)} reads")
    return replace(part, notes=(*part.notes, *said))


class _Pace:
    """Tells how much of the rows that all measures will look at they have looked at.

    A measure of rows together is taken of all, of ten halves and of ten tenths: seven times the rows.
    """

    def __init__(self, table: Mapping[str, MeasureRow], size: int, watch: Watch) -> None:
        self.done, self.watch = 0, watch
        sizes = {name: min(size, row.card.at_most or size) for name, row in table.items()}
        self.whole = sum(sizes[name] * (1 if row.each is not None else 7) for name, row in table.items())
        self.table = {name: self._ticking(row) for name, row in table.items()}

    def _ticking(self, row: MeasureRow) -> MeasureRow:
        return replace(row, each=row.each and self._then(row.each, 0), whole=row.whole and self._then(row.whole, 6))

    def _then(self, function: Callable[[Rows], Any], more: int) -> Callable[[Rows], Any]:
        def told(rows: Rows) -> Any:
            self.watch.at(self.done, self.whole, "")
            try:
                return function(rows)
            except Unmeasurable:
                # Then nobody asks for its halves and tenths.
                self.whole -= more * len(rows)
                raise
            finally:
                self.done += len(rows)

        return told


def _measured(part: Part, table: Mapping[str, MeasureRow], request: Request, watch: Watch) -> Profile:
    part = _embedded(part, table, request, watch)
    watch.step(f"{part.label}: measuring {len(part.rows)} rows")
    draws = array_stream(request.seed, "measure", {"n": part.asked})
    pace = _Pace(table, len(part.rows), watch)
    close = part.close
    names = [name for name in table if close is None or name not in CLOSE_MEASURES]
    taken = {
        m.metric: m for m in measure_rows(part.rows, n=part.asked, names=names, table=pace.table, seed_stream=draws)
    }
    if close is not None:
        # Of their own number of rows, which stands in the name: what was seen of 200 rows is no value of 5,000.
        n = min(part.asked, request.close.rows)
        draws = array_stream(request.seed, "measure_close_draws", {"n": n})
        names = [name for name in table if name in CLOSE_MEASURES]
        taken |= {m.metric: m for m in measure_rows(close, n=n, names=names, table=table, seed_stream=draws)}
    return Profile(part=part, measurements=tuple(taken[name] for name in table))


def _universe(parts: Sequence[Part]) -> int | None:
    """Return how many different tags all columns have; of one column alone its own would say nothing."""
    columns = [part.close.known.tags or () for part in ends(parts) if part.close is not None]
    if len(columns) < 2:
        return None
    return len({tag for column in columns for tags in column for tag in tags or ()}) or None


def take_profiles(request: Request, watch: Watch) -> Profiles:
    """Read and measure every file and group.

    Raises:
        ConfigError: an option is wrong.
        DataError: a file cannot be read, or what was asked to look at the rows is not there.
    """
    describe(request.encoder)  # before a large file is read: it is the option most often misspelt
    table = _chosen(request)
    parts = read_parts(request, watch)
    around, notes = _around(parts, request, watch)
    try:
        parts = scored(parts, request, watch)
        named = around.reference if request.reference else None
        parts, said = looked_closely(parts, request, named, tuple(table), watch)
    finally:
        loaded.cache_clear()
    around = replace(around, tag_universe=_universe(parts))
    notes += said
    for part in parts:
        part.rows.around = around
        if part.close is not None:
            part.close.around = around
    each = tuple(_measured(part, table, request, watch) for part in parts)
    return Profiles(request=request, each=each, table=table, around=around, notes=tuple(notes))
