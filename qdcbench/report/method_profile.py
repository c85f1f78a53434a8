"""What an edition found about one method: a table for each group, a mark for each number."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdcbench.canon import round_float
from qdcbench.records import Analysis, ArmSummary, Interval, RunRecord
from qdcbench.report.markup import Html, join, tag
from qdcbench.report.method_data import GroupProfile, profiles
from qdcbench.report.points import AXES, DISTANCES
from qdcbench.report.text import big_number, decimals_for, gaps, group_title, interval_text, number, percent, title_of

__all__ = ["caption", "profile", "table"]

Info = Mapping[str, Any]
_COUNTS = ("rows", "accepted", "tokens a row", "datasets")


def table(
    heads: Sequence[Html | str], rows: Sequence[Sequence[Html | str]], class_: str = "", title: Html | str = ""
) -> Html:
    """Return a table in a box that scrolls; the first cell of a row is its head."""
    lines = [
        tag("tr", tag("th", row[0], scope="row"), [tag("td", cell, class_="number") for cell in row[1:]])
        for row in rows
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", title) if title else None,
            tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
            tag("tbody", lines),
            class_=f"plain effects {class_}".strip(),
        ),
        class_="scroll",
    )


def caption(group: str, simulated: bool) -> Html:
    """Return a group's name, flagged where no language model wrote its data."""
    badge = tag("span", "simulated", class_="badge simulated") if simulated else None
    return join(tag("bdi", group_title(group)), " ", badge)


def profile(analysis: Analysis, records: Sequence[RunRecord], info: Info) -> Html:
    """Return the method's arms in each group, with a note where they are of another version than the page tells of."""
    found = profiles(analysis, str(info["name"]))
    shown = {run_id for own in found for arm in own.arms for run_id in arm.run_ids}
    versions = sorted({record.spec.method_version for record in records if record.run_id in shown})
    lead = tag(
        "p",
        "Means over generated datasets with 95 % intervals; a mark lies between the least and the greatest of all arms "
        "of the same table of the leaderboard.",
        class_="lead",
    )
    told = " and ".join(map(str, versions))
    older = f"These numbers are of version {told}; this page tells what version {info['version']} does."
    note = tag("p", older, class_="banner warn") if versions != [info["version"]] and versions else None
    missing = gaps([value for own in found for row in own.values for value in row.values()])
    foot = tag("p", f"Where a number has no interval: {missing}.", class_="note") if missing else None
    return join(lead, note, [_group(analysis, own, info) for own in found], foot)


def _group(analysis: Analysis, own: GroupProfile, info: Info) -> Html:
    names = [_measure_head(analysis, analysis.primary.get(axis, "not declared"), info) for axis in AXES]
    decimals = {key: decimals_for(row[key] for row in own.values) for key in (*AXES, *DISTANCES)}
    rows = [
        [
            tag("bdi", arm.arm),
            *(_marked(value, decimals[key], own.ends[key], key) for key, value in values.items()),
            *_counts(arm),
        ]
        for arm, values in zip(own.arms, own.values, strict=True)
    ]
    return table(["arm", *names, "ID", "OOD", *_COUNTS], rows, "profile", caption(own.group, own.simulated))


def _measure_head(analysis: Analysis, measure: str, info: Info) -> Html:
    """A measure's title, flagged where the method selects on it."""
    flag = tag(
        "span", "selects on it", class_="badge simulated", title="taken with a tool that this method selects with"
    )
    return join(title_of(analysis, measure), [" ", flag] if measure in info["selects_on"] else None)


def _marked(value: Interval, decimals: int, ends: tuple[float, float], key: str) -> Html:
    """A point, its interval or why there is no point below, and where it lies between the ends."""
    _, bracket, bounds = interval_text(value, decimals).partition(" ")
    return join(
        tag("span", number(value.point, decimals), class_="point"),
        tag("span", bounds, class_="ci") if bracket else None,
        tag("span", value.reason, class_="ci why") if value.point is None else None,
        _track(value, ends, key),
    )


def _track(value: Interval, ends: tuple[float, float], key: str) -> Html | None:
    width = ends[1] - ends[0]
    if value.point is None or width <= 0:
        return None

    def at(number: float) -> float:
        return round_float(100 * (number - ends[0]) / width, 4)

    bar = None
    if value.low is not None and value.high is not None:
        bar = tag(
            "rect", x=at(value.low), y=3, width=round_float(at(value.high) - at(value.low), 4), height=3, class_="reach"
        )
    return tag(
        "svg",
        tag("rect", x=0, y=4, width=100, height=1, class_="base"),
        bar,
        tag("rect", x=at(value.point) - 1, y=1, width=2, height=7, class_="spot"),
        viewBox="-1 0 102 9",
        preserveAspectRatio="none",
        aria_hidden="true",
        class_=f"mark {key}",
    )


def _counts(arm: ArmSummary) -> list[str]:
    return [
        big_number(arm.selected_rows.point), percent(arm.accepted_share.point), big_number(arm.row_tokens.point),
        f"{arm.complete}/{arm.promised}",
    ]  # fmt: skip
