"""A page for one method: its idea, inputs, cost, dials, fidelity, prompts, and what an edition found."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from qdcbench.canon import round_float
from qdcbench.records import Analysis, ArmSummary, Interval, RunRecord
from qdcbench.report.cost import dollars
from qdcbench.report.markup import Html, join, tag
from qdcbench.report.method_data import GroupProfile, IntentCost, intent_costs, profiles
from qdcbench.report.points import AXES, DISTANCES
from qdcbench.report.text import (
    MISSING,
    big_number,
    decimals_for,
    gaps,
    group_title,
    interval_text,
    number,
    percent,
    title_of,
)

__all__ = ["method_body"]

Info = Mapping[str, Any]
_ARROWS = {"up": "↑", "down": "↓"}
_COUNTS = ("rows", "accepted", "tokens a row", "datasets")


def method_body(analysis: Analysis, records: Sequence[RunRecord], info: Info) -> Html:
    """Return the page's body. ``info`` is what `qdcbench.report.methods.method_info` says; all of it is escaped."""
    sections = (
        ("Idea", _idea(info)),
        ("Profile", _profile(analysis, records, info)),
        ("Cost of a row", _cost(analysis, records, info)),
        ("Dials", _dials(info)),
        ("Fidelity", _fidelity(info)),
        ("Prompts", _prompts(info)),
    )
    return join(
        _header(analysis, info),
        tag("main", [tag("section", tag("h2", title), content) for title, content in sections]),
        tag(
            "footer",
            tag("p", f"Edition {analysis.edition}, from records with digest {analysis.inputs_sha256}."),
            class_="foot",
        ),
    )


def _header(analysis: Analysis, info: Info) -> Html:
    title = tag("h1", tag("bdi", str(info["name"])), " ", tag("span", f"version {info['version']}", class_="edition"))
    back = tag("a", "← leaderboard of ", tag("bdi", analysis.edition), href="../index.html", id="back")
    role = "" if info["role"] == "method" else tag("span", str(info["role"]), class_="badge")
    return tag(
        "header",
        tag("div", tag("p", back), title, tag("p", tag("bdi", str(info["summary"])), " ", role), class_="brand"),
        tag("button", "Theme: auto", type="button", id="theme", class_="quiet"),
        class_="top",
    )


def _facts(rows: Sequence[tuple[str, Html | str]]) -> Html:
    return tag("dl", [(tag("dt", key), tag("dd", value)) for key, value in rows], class_="pairs")


def _idea(info: Info) -> Html:
    link = str(info["link"])
    words = tag("bdi", str(info["reference"]))
    reference = tag("a", words, href=link, rel="noopener noreferrer") if link else words
    paragraphs = [tag("p", tag("bdi", " ".join(part.split()))) for part in re.split(r"\n\s*\n", str(info["idea"]))]
    takes = [tag("li", tag("code", name), " ", words) for name, words in info["inputs"]]
    return join(
        paragraphs,
        _facts(
            [
                ("reference", reference),
                ("intents asked", ", ".join(info["intents"]) or "asks no teacher"),
                ("takes", tag("ul", takes, class_="takes") if takes else "nothing"),
            ]
        ),
    )


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[Html | str]], class_: str = "", caption: Html | str = ""
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
            tag("caption", caption) if caption else None,
            tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
            tag("tbody", lines),
            class_=f"plain effects {class_}".strip(),
        ),
        class_="scroll",
    )


def _profile(analysis: Analysis, records: Sequence[RunRecord], info: Info) -> Html:
    found = profiles(analysis, str(info["name"]))
    shown = {run_id for profile in found for arm in profile.arms for run_id in arm.run_ids}
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
    missing = gaps([value for profile in found for row in profile.values for value in row.values()])
    foot = tag("p", f"Where a number has no interval: {missing}.", class_="note") if missing else None
    return join(lead, note, [_group(analysis, profile) for profile in found], foot)


def _group(analysis: Analysis, profile: GroupProfile) -> Html:
    names = [title_of(analysis, analysis.primary.get(axis, "not declared")) for axis in AXES]
    decimals = {key: decimals_for(row[key] for row in profile.values) for key in (*AXES, *DISTANCES)}
    rows = [
        [
            tag("bdi", arm.arm),
            *(_marked(value, decimals[key], profile.ends[key], key) for key, value in values.items()),
            *_counts(arm),
        ]
        for arm, values in zip(profile.arms, profile.values, strict=True)
    ]
    return _table(["arm", *names, "ID", "OOD", *_COUNTS], rows, "profile", _caption(profile.group, profile.simulated))


def _caption(group: str, simulated: bool) -> Html:
    badge = tag("span", "simulated", class_="badge simulated") if simulated else None
    return join(tag("bdi", group_title(group)), " ", badge)


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


def _cost(analysis: Analysis, records: Sequence[RunRecord], info: Info) -> Html:
    cost, method = info["cost"], str(info["name"])
    if not info["intents"]:
        return tag("p", "It asks no teacher.")
    said: list[tuple[str, Html | str]] = []
    if cost is not None:
        calls = ", ".join(f"{intent} {calls:g}" for intent, calls in cost["calls"].items())
        said.append(("declared calls a row", calls or "none"))
        said.append(("declared set-up calls", f"{cost['setup_calls']:g}"))
    priced = [arm for profile in profiles(analysis, method) for arm in profile.arms if arm.row_money.point is not None]
    said += [(f"US dollars a row, {arm.arm}", dollars(arm.row_money.point)) for arm in priced]
    declared: Mapping[str, float] = cost["calls"] if cost is not None else {}
    tables = [_costs(lines, declared) for lines in _by_group(intent_costs(analysis, records, method))]
    lead = tag("p", "For one accepted row, all calls counted: rejected ones and judges' too.", class_="lead")
    return join(lead, _facts(said), tables or tag("p", "No complete run in this edition.", class_="note"))


def _by_group(lines: Sequence[IntentCost]) -> list[list[IntentCost]]:
    """Return the lines of each group apart: simulated rows never share a table with those of a language model."""
    return [[line for line in lines if line.group == group] for group in dict.fromkeys(line.group for line in lines)]


def _costs(lines: Sequence[IntentCost], declared: Mapping[str, float]) -> Html:
    decimals = decimals_for([line.tokens for line in lines])
    rows = [
        [
            "" if place and lines[place - 1].arm == line.arm else tag("bdi", line.arm), line.intent,
            f"{declared[line.intent]:g}" if line.intent in declared else MISSING,
            interval_text(line.calls), interval_text(line.tokens, decimals),
        ]
        for place, line in enumerate(lines)
    ]  # fmt: skip
    heads = ["arm", "intent", "calls declared", "calls measured", "tokens measured"]
    return _table(heads, rows, "words costs", _caption(lines[0].group, lines[0].simulated))


def _dials(info: Info) -> Html:
    if not info["dials"]:
        return tag("p", "It has none.")
    rows = [
        [
            tag("code", dial["name"]), tag("code", json.dumps(dial["default"], ensure_ascii=False)),
            tag("bdi", dial["does"] or "not said"),
            join(*(tag("span", f"{axis} {_ARROWS[way]}", class_=f"axis {axis}") for axis, way in dial["moves"]))
            or "none that its paper names",
        ]
        for dial in info["dials"]
    ]  # fmt: skip
    lead = tag("p", "The axes that a dial is meant to move, and which way when it goes up.", class_="lead")
    return join(lead, _table(["dial", "default", "what it does", "meant to move"], rows, "words"))


def _fidelity(info: Info) -> Html:
    if not info["fidelity"]:
        return tag("p", "No fidelity manifest.", class_="note")
    states = {"present", "changed", "absent"}
    items = [
        tag(
            "li",
            tag("span", row["state"], class_="badge"),
            " ",
            tag("bdi", row["name"]),
            tag("span", ": ", tag("bdi", row["note"]), class_="note") if row["note"] else None,
            class_=f"state {row['state'] if row['state'] in states else 'other'}",
        )
        for row in info["fidelity"]
    ]
    return join(
        tag("p", "Each component of the paper: present, changed (how) or absent (why).", class_="lead"),
        tag("ul", items, class_="manifest"),
    )


def _prompts(info: Info) -> Html:
    sections, revisions = info["prompts"]["sections"], info["prompts"]["revisions"]
    if not sections:
        return tag("p", "It has no prompts of its own.", class_="note")
    rounds = "not said" if revisions is None else str(revisions)
    blocks = [
        tag(
            "details",
            tag(
                "summary",
                tag("code", section["name"]),
                " ",
                tag("span", f"sha256 {section['sha256'][:16]}", class_="note"),
                " ",
                tag("span", "of the shared file", class_="badge") if section["shared"] else None,
            ),
            [(tag("h5", role), tag("pre", tag("bdi", text))) for role, text in section["texts"].items()],
        )
        for section in sections
    ]
    return join(_facts([("rounds of revision", rounds)]), tag("div", blocks, class_="methods"))
