"""Profiles as a table for a terminal, and the sentences beneath it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from qdcbench.profile.close import CLOSE_MEASURES
from qdcbench.profile.measured import Profile, Profiles
from qdcbench.records import Measurement

__all__ = ["FILE_WIDTH", "NAMES_WIDTH", "TWIN_WIDTH", "UNIT_WIDTH", "notes", "profile_table"]

NAMES_WIDTH = 72
UNIT_WIDTH = 17
FILE_WIDTH = 28
TWIN_WIDTH = 46
"""Characters that the first three columns take, the unit of these, one file, and one file with its twin."""


def _value(measurement: Measurement, twins: bool) -> str:
    if measurement.value is None:
        return "-"
    text = f"{measurement.value:.4g}"
    if measurement.low is not None and measurement.high is not None:
        text += f" [{measurement.low:.3g}, {measurement.high:.3g}]"
    if not twins or measurement.length_slope is None:
        return text
    moved = "" if measurement.at_length is None else f" ~{measurement.at_length:.4g}"
    return f"{text}{moved} ({measurement.length_slope:+.2g})"


def _side_by_side(each: Sequence[Profile]) -> Iterator[tuple[Measurement, ...]]:
    return zip(*(profile.measurements for profile in each), strict=True)


def profile_table(profiles: Profiles, shown: slice, *, boxed: bool, units: bool, twins: bool) -> Table:
    """Return one row a measure that some part has, one column a part of those in ``shown``."""
    each = profiles.each[shown]
    table = Table(box=box.SIMPLE_HEAD if boxed else None, pad_edge=False)
    heads = 3 if units else 2
    for column in ("axis", "measure", "unit")[:heads]:
        table.add_column(column, no_wrap=True)
    for profile in each:
        table.add_column(Text(profile.part.label), justify="right", no_wrap=True)
    table.add_row(*("", "rows measured", "rows")[:heads], *(str(len(p.part.rows)) for p in each))
    last = ""
    for taken in _side_by_side(each):
        if all(measurement.value is None for measurement in taken):
            continue
        metric = profiles.table[taken[0].metric].metric
        named = (metric.axis if metric.axis != last else "", metric.name, metric.unit)[:heads]
        table.add_row(*(Text(cell) for cell in (*named, *(_value(m, twins) for m in taken))))
        last = metric.axis
    return table


def _counted(profile: Profile) -> str:
    part, source = profile.part, profile.part.source
    if part.group:
        return f"{part.label}: {part.total} rows"
    reasons = ", ".join(f"{count} {reason}" for reason, count in source.skipped.items())
    skipped = f"{sum(source.skipped.values())} skipped{f' ({reasons})' if reasons else ''}"
    return f"{part.label}: {source.rows} rows, {skipped}; {source.mapping}"


def notes(profiles: Profiles) -> Iterator[str]:
    """Yield what a reader must know beside the numbers."""
    for profile in profiles.each:
        part = profile.part
        yield _counted(profile)
        yield from (f"{part.label}: {note}" for note in (*(() if part.group else part.source.notes), *part.notes))
    yield from _absent(profiles)
    yield from _on_fewer_rows(profiles)
    yield from profiles.notes
    asked = {profile.part.asked for profile in profiles.each}
    small = [p.part.label for p in profiles.each if len(p.part.rows) < p.part.asked]
    if len(asked) > 1:
        yield "careful: the files were measured at different numbers of rows, and most diversity measures depend on it"
    elif len(profiles.each) > 1 and asked != {profiles.request.sample}:
        yield f"all were measured at {max(asked)} rows, the most that each has (--own-size: more where there is more)"
    if small:
        yield f"fewer rows than that, so without measures that depend on their number: {', '.join(small)}"
    shown = {m.metric for profile in profiles.each for m in profile.measurements if m.value is not None}
    less = [name for name, row in profiles.table.items() if name in shown and not row.metric.higher_is_better]
    except_for = f", except for {', '.join(less)}, where it is less" if less else ""
    yield f"intervals are 95 %; a higher number is more of the axis{except_for}"


def _on_fewer_rows(profiles: Profiles) -> Iterator[str]:
    """Yield which measures were taken on fewer rows than the others, since a number is of its number of rows."""
    fewer: dict[tuple[int, bool], list[str]] = defaultdict(list)
    for taken in _side_by_side(profiles.each):
        ns = {m.n for m, p in zip(taken, profiles.each, strict=True) if m.value is not None and m.n < len(p.part.rows)}
        for n in ns:
            fewer[n, taken[0].metric in CLOSE_MEASURES].append(taken[0].metric)
    for (n, close), names in sorted(fewer.items()):
        yield f"taken on {n} rows, as {'--judged says' if close else 'their cards say'}: {', '.join(names)}"


def _absent(profiles: Profiles) -> Iterator[str]:
    """Yield why measures that no part has are not there, and why one has none that another has."""
    everywhere: dict[str, list[str]] = defaultdict(list)
    somewhere: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for taken in _side_by_side(profiles.each):
        if all(m.value is None for m in taken):
            everywhere[taken[0].reason].append(taken[0].metric)
            continue
        lacking = [(p.part.label, m.reason) for p, m in zip(profiles.each, taken, strict=True) if m.value is None]
        for reason in dict.fromkeys(reason for _, reason in lacking):
            labels = tuple(label for label, why in lacking if why == reason)
            somewhere[labels, reason].append(taken[0].metric)
    for reason, names in everywhere.items():
        yield f"not measured: {', '.join(names)}: {reason}"
    for (labels, reason), names in somewhere.items():
        yield f"not measured of {', '.join(labels)}: {', '.join(names)}: {reason}"
