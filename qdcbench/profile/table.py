"""The table of all measurements as HTML, parts side by side."""

from collections.abc import Sequence
from itertools import groupby

from qdcbench.measures.instrument import full_name
from qdcbench.profile.measured import Profile, Profiles
from qdcbench.profile.plots import interval_mark
from qdcbench.profile.terminal import notes
from qdcbench.records import Measurement
from qdcbench.report.markup import Html, tag

__all__ = ["table_section"]


def _cell(measurement: Measurement, low: float, high: float) -> Html:
    if measurement.value is None:
        return tag("td", tag("span", "–", class_="point", title=measurement.reason))
    interval = twin = None
    if measurement.low is not None and measurement.high is not None:
        interval = tag("span", f"{measurement.low:.3g} to {measurement.high:.3g}", class_="ci")
    if measurement.length_slope is not None:
        moved = "–" if measurement.at_length is None else f"{measurement.at_length:.4g}"
        twin = tag("span", f"at shared length {moved}, slope {measurement.length_slope:+.2g}", class_="ci twin")
    point = tag("span", f"{measurement.value:.4g}", class_="point")
    return tag("td", point, interval_mark(measurement, low, high), interval, twin, class_="value")


def _row(profiles: Profiles, taken: Sequence[Measurement]) -> Html:
    row = profiles.table[taken[0].metric]
    known = [m for m in taken if m.value is not None]
    ends = [end for m in known for end in (m.value, m.low, m.high) if end is not None]
    names = dict.fromkeys(full_name(m) for m in known)
    less = None if row.metric.higher_is_better else tag("span", "higher is less", class_="badge")
    head = tag(
        "th",
        [tag("code", name, class_="name") for name in names], less,
        tag("span", f"{row.metric.unit}; {row.card.summary}", class_="ci why"), scope="row", class_="arm",
    )  # fmt: skip
    return tag("tr", head, *(_cell(m, min(ends), max(ends)) for m in taken), class_="row")


def table_section(profiles: Profiles) -> Html:
    """Return the profile table; below it why what is missing is missing."""
    each = profiles.each
    side_by_side = list(zip(*(profile.measurements for profile in each), strict=True))
    taken = [row for row in side_by_side if any(m.value is not None for m in row)]
    heads = [tag("th", _head(profile), scope="col") for profile in each]
    bodies = [
        tag("tbody", tag("tr", tag("th", tag("span", axis), colspan=len(each) + 1, scope="rowgroup"),
                         class_=f"divider {axis}"), *(_row(profiles, row) for row in rows), class_=axis)
        for axis, rows in groupby(taken, key=lambda row: row[0].axis)
    ]  # fmt: skip
    table = tag("table", tag("thead", tag("tr", tag("th", "measure", class_="arm"), *heads)), *bodies, class_="board")
    absent = [note for note in notes(profiles) if note.startswith("not measured")]
    missing = tag("details", tag("summary", f"What was not measured ({len(absent)} reasons)"),
                  tag("ul", *(tag("li", note) for note in absent)), class_="note") if absent else None  # fmt: skip
    lead = (
        "A name holds what its number cannot be compared without: the encoder and the word pieces it reads in "
        "brackets, the rows it was taken on after @. Bars are 95 % intervals; a line reaches over all "
        "parts' values of its row."
    )
    choose = tag(
        "label", tag("input", type="checkbox", id="twins"), "show values moved to a shared length", class_="check"
    )
    return tag(
        "section", tag("h2", "Profile"), tag("p", lead, class_="lead"), tag("div", choose, class_="checks-row"),
        tag("div", table, class_="scroll", tabindex=0), missing, id="profile",
    )  # fmt: skip


def _head(profile: Profile) -> list[Html]:
    return [tag("bdi", profile.part.label), tag("span", f"{len(profile.part.rows):,} rows", class_="ci")]
