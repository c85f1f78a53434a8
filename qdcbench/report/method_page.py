"""A page for one method: its idea, inputs, cost, dials, fidelity, prompts, and what an edition found."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from qdcbench.records import Analysis, RunRecord
from qdcbench.report.cost import dollars
from qdcbench.report.markup import Html, join, tag
from qdcbench.report.method_data import IntentCost, intent_costs, profiles
from qdcbench.report.method_profile import caption, profile, table
from qdcbench.report.text import (
    MISSING,
    decimals_for,
    interval_text,
)

__all__ = ["method_body"]

Info = Mapping[str, Any]
_ARROWS = {"up": "↑", "down": "↓"}


def method_body(analysis: Analysis, records: Sequence[RunRecord], info: Info) -> Html:
    """Return the page's body. ``info`` is what `qdcbench.report.methods.method_info` says; all of it is escaped."""
    sections = (
        ("Idea", _idea(info)),
        ("Profile", profile(analysis, records, info)),
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
                ("selects with", ", ".join(words for _, words in info["selects_with"]) or "no measure's tool"),
                *_care(info),
            ]
        ),
    )


def _care(info: Info) -> list[tuple[str, Html | str]]:
    """Measures taken with a tool that the method selects with: there it does well whatever its rows are worth."""
    names = list(info["selects_on"])
    words = "taken with a tool that this method selects with, so they say less about its rows than about others'"
    shown = join([(", " if place else "", tag("code", name)) for place, name in enumerate(names)])
    return [("measures to read with care", join(shown, tag("span", f": {words}.", class_="note")))] if names else []


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
    return table(heads, rows, "words costs", caption(lines[0].group, lines[0].simulated))


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
    return join(lead, table(["dial", "default", "what it does", "meant to move"], rows, "words"))


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
