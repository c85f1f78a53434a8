"""From files to parts: one a file and one a group, each with rows drawn by the same rule."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

import numpy as np

from qdcbench.errors import ConfigError
from qdcbench.measures.known import Known
from qdcbench.measures.rows import IntArray, Rows
from qdcbench.profile.request import Request, Watch
from qdcbench.readers import Columns, read_columns
from qdcbench.scorers.gold import majority_column, matches
from qdcbench.seeds import array_stream

__all__ = ["MOST_GROUPS", "MOST_SPARE", "Part", "Source", "ends", "printable", "read_parts", "rows_beside"]

MOST_GROUPS = 12
"""Groups of a file that get a column; the rest together are one more."""

_LEAST_GROUP = 200
"""A smaller group does not lower the number of rows of the others: below this there is no twin at a shared length."""

MOST_SPARE = 2_000
"""Rows that stand for the corpus shared by all parts; enough for 100 clusters of 20."""

_LONGEST_LABEL = 60
_NO_GROUP = "(no {})"
_OTHER = "(other)"
_RANDOM_BESIDE = "measure_beside"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What was read of one file: usable rows, the others by reason, the fields used, and what else must be known."""

    path: str
    label: str
    rows: int
    skipped: Mapping[str, int]
    mapping: str
    notes: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    """Nodes of a taxonomy that some row was aimed at, in sorted order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One column of a profile: a file, or a group of its rows.

    ``total`` rows belong to it and ``rows`` are those drawn; ``asked`` is how many were to be drawn. ``spare`` are
    drawn from those left, for a reference in which no measured row stands. ``golds`` are the reference answers of the
    drawn rows, empty where nobody named their field. ``close`` are rows of those drawn that a judge or another costly
    scorer looked at.
    """

    label: str
    source: Source
    group: str
    total: int
    asked: int
    rows: Rows
    spare: Rows
    golds: tuple[str | None, ...] = ()
    close: Rows | None = None
    notes: tuple[str, ...] = ()


def ends(parts: Sequence[Part]) -> list[Part]:
    """Return the groups of the files that have groups, and the files that have none: no row belongs to two of them."""
    grouped = {part.source.path for part in parts if part.group}
    return [part for part in parts if part.group or part.source.path not in grouped]


def printable(text: str) -> str:
    """Return a text on one line that can be written anywhere, also to a terminal, which obeys control characters.

    A file's name may hold bytes that are no UTF-8. Each control character but white space becomes U+FFFD.
    """
    line = " ".join(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").split())
    return "".join("\ufffd" if category(character) == "Cc" else character for character in line)


def _labels(paths: Sequence[str]) -> list[str]:
    """Return each file's name, or its whole path where two share a name."""
    names = [Path(path).name or path for path in paths]
    return [printable(name if names.count(name) == 1 else path) for name, path in zip(names, paths, strict=True)]


def _group_label(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[:_LONGEST_LABEL]}..."


def _read(path: str, request: Request, watch: Watch, beside: Sequence[str] = ()) -> Columns:
    watch.step(f"reading {printable(path)}")
    return read_columns(
        path, request.fields, beside=beside, longest=request.longest, tell=lambda rows: watch.at(rows, None, "rows")
    )  # fmt: skip


def _notes(read: Columns, request: Request) -> tuple[str, ...]:
    notes = list(read.notes)
    if read.cut:
        notes.append(f"{read.cut} texts were longer than {request.longest} characters and were cut there (--longest)")
    for option, name in (("gold", request.gold), ("group-by", request.group_by), ("field aimed", request.aimed)):
        if name and all(value is None for value in read.fields[name]):
            notes.append(f"no row has a field {name} (--{option})")
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class _Table:
    """A file's columns with its rows in an order that no shuffle of the file changes."""

    columns: Columns
    order: IntArray

    @classmethod
    def of(cls, columns: Columns) -> "_Table":
        texts = list(zip(columns.prompts, columns.completions, strict=True))
        beside = list(columns.fields.values())
        order = sorted(range(len(texts)), key=texts.__getitem__)
        if beside:
            order = sorted(order, key=lambda i: (texts[i], [column[i] or "" for column in beside]))
        return cls(columns, np.asarray(order, dtype=np.int64))

    def groups(self, name: str) -> list[tuple[str, IntArray]]:
        """Return each group's rows, the largest first."""
        values = [_NO_GROUP.format(name) if v is None else v for v in self.columns.fields[name]]
        counts = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
        shown = [value for value, _ in counts[: MOST_GROUPS if len(counts) > MOST_GROUPS + 1 else len(counts)]]
        members: dict[str, list[int]] = {value: [] for value in shown}
        rest: list[int] = []
        for i in self.order.tolist():
            members.get(values[i], rest).append(i)
        found = [(value, np.asarray(members[value], dtype=np.int64)) for value in shown]
        return [*found, (_OTHER, np.asarray(rest, dtype=np.int64))] if rest else found


@dataclass(frozen=True, slots=True)
class _Wanted:
    label: str
    source: Source
    group: str
    table: _Table
    members: IntArray


def _common_size(wanted: Sequence[_Wanted], request: Request) -> int:
    files = [len(part.members) for part in wanted if not part.group]
    groups = [len(part.members) for part in wanted if part.group]
    large = [size for size in groups if size >= _LEAST_GROUP] or groups
    return min(request.sample, *files, *large)


def _node(value: str | None) -> str | None:
    """Return the node of a taxonomy that a field holds, without slashes around it."""
    return ((value or "").strip().strip("/")) or None


def _votes(part: _Wanted) -> Mapping[int, bool | None]:
    """Return whether a row agrees with most answers to its prompt, by its place in the part; empty where none repeats.

    All rows vote, drawn or not: in a draw, a prompt with few answers left agrees with itself, so that the share would
    depend on the number of rows.
    """
    prompts, completions = part.table.columns.prompts, part.table.columns.completions
    members = part.members.tolist()
    counts = Counter(prompts[i] for i in members)
    # What was answered once has no majority, and reading its answer would take most of the time.
    several = [place for place, i in enumerate(members) if counts[prompts[i]] > 1]
    asked, answers = ([texts[members[place]] for place in several] for texts in (prompts, completions))
    return dict(zip(several, majority_column(asked, answers), strict=True))


def _drawn(part: _Wanted, n: int, request: Request) -> Part:
    stream = array_stream(request.seed, "measure", {"n": n})
    places = stream.permutation(len(part.members))
    chosen = part.members[np.sort(places[:n])].tolist()
    left = part.members[np.sort(places[n : n + MOST_SPARE])].tolist()
    columns = part.table.columns
    prompts, completions = (tuple(texts[i] for i in chosen) for texts in (columns.prompts, columns.completions))
    notes: list[str] = []
    known: dict[str, tuple[object, ...]] = {}
    golds = tuple(columns.fields[request.gold][i] for i in chosen) if request.gold else ()
    if request.gold and not all(value is None for value in columns.fields[request.gold]):
        found = matches(completions, golds)
        known["gold"] = found.column
        notes.append(found.sentence)
    if request.aimed:
        known["aimed"] = tuple(map(_node, (columns.fields[request.aimed][i] for i in chosen)))
    votes = _votes(part)
    if votes:
        known["majority"] = tuple(map(votes.get, np.sort(places[:n]).tolist()))
    if request.group_by and not part.group:
        values = [columns.fields[request.group_by][i] for i in chosen]
        known["stratum"] = tuple(values)
        known["generator"] = tuple(_NO_GROUP.format(request.group_by) if v is None else v for v in values)
    rows = Rows(prompts=prompts, completions=completions, known=Known(**known))  # type: ignore[arg-type]
    return Part(
        label=part.label, source=part.source, group=part.group, total=len(part.members), asked=n, rows=rows,
        spare=_plain_rows(columns, left, request), golds=golds, notes=tuple(notes),
    )  # fmt: skip


def _plain_rows(columns: Columns, chosen: Sequence[int], request: Request) -> Rows:
    """Return rows that others are compared with, and their groups."""
    strata = columns.fields.get(request.group_by)
    return Rows(
        prompts=tuple(columns.prompts[i] for i in chosen),
        completions=tuple(columns.completions[i] for i in chosen),
        known=Known(stratum=None if strata is None else tuple(strata[i] for i in chosen)),
    )


def read_parts(request: Request, watch: Watch) -> tuple[Part, ...]:
    """Read every file and draw the rows of each part.

    All parts get as many rows as the smallest has, groups of fewer than 200 rows left out of account, because most
    measures depend on the number; with ``own_size`` each gets as many as it has, ``sample`` at most.

    Raises:
        ConfigError: a file is given twice.
        DataError: a file cannot be read or holds no usable row.
    """
    twice = [path for path, count in Counter(request.files).items() if count > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is given twice; give each file once")
    beside = sorted({request.gold, request.group_by, request.aimed} - {""})
    wanted: list[_Wanted] = []
    for path, label in zip(request.files, _labels(request.files), strict=True):
        read = _read(path, request, watch, beside)
        source = Source(
            path=printable(path), label=label, rows=len(read.prompts), skipped=read.skipped, mapping=read.mapping,
            notes=_notes(read, request),
            nodes=tuple(sorted({node for node in map(_node, read.fields.get(request.aimed, ())) if node})),
        )  # fmt: skip
        table = _Table.of(read)
        wanted.append(_Wanted(label, source, "", table, table.order))
        groups = table.groups(request.group_by) if request.group_by else []
        groups = groups if len(groups) > 1 else []
        before = f"{label}: " if len(request.files) > 1 else f"{request.group_by}="
        wanted += [_Wanted(f"{before}{_group_label(name)}", source, name, table, members) for name, members in groups]
    common = _common_size(wanted, request)
    sizes = [min(request.sample, len(part.members)) if request.own_size else common for part in wanted]
    return tuple(_drawn(part, size, request) for part, size in zip(wanted, sizes, strict=True))


def rows_beside(path: str, most: int, request: Request, watch: Watch) -> Rows:
    """Return rows of a file that others are compared with, ``most`` of them at most, drawn by the seed.

    Raises:
        DataError: the file cannot be read or holds no usable row.
    """
    table = _Table.of(_read(path, request, watch, [request.group_by] if request.group_by else ()))
    draw = array_stream(request.seed, _RANDOM_BESIDE, {"n": most}).permutation(len(table.order))[:most]
    return _plain_rows(table.columns, table.order[np.sort(draw)].tolist(), request)
