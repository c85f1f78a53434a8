"""Metric cards: all that is said and was measured about a measure, for a terminal and for ``docs/measures.md``."""

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence

from qdcbench.measures.behaviour import measured_behaviour
from qdcbench.measures.cards import MeasureRow
from qdcbench.registry import Registry
from qdcbench.report.methods import reference_link
from qdcbench.report.selected import TOOLS, selected_by

__all__ = ["card_facts", "card_text", "cards_page"]

_WIDTH = 100
_SIDES = {"prompt": "prompts", "completion": "completions", "both": "prompts and completions"}
_DIALS = {
    "quality": "right answers",
    "coverage": "kinds of edit and wordings",
    "wording": "wordings alone",
    "copies": "fewer copies",
    "clumps": "less of one clump",
    "depth": "edits a row, growing length",
    "equal_words": "edits a row, equal length with filler",
    "filler": "40 words of filler",
    "lists": "longer lists",
    "n": "10 times the rows",
}
"""What each dial of the validity study turns, as a card says it."""

_LENGTHS = ("filler", "lists", "n")
"""Dials whose change of the value itself is told, in per cent."""


def card_facts(row: MeasureRow, registry: Registry) -> dict[str, str]:
    """Return what a card says, heading by heading; empty texts are left out."""
    card = row.card
    number = "the mean of one number a row" if row.each is not None else "one number for all rows together"
    facts = {
        "axis": card.axis,
        "formula": card.formula,
        "variant": card.variant,
        "source": " ".join(filter(None, (card.reference, reference_link(card.reference)))),
        "direction": f"{'higher' if card.higher_is_better else 'lower'} is more {card.axis}",
        "range": _range(row),
        "reads": f"{_SIDES[card.side]}; {number}",
        "cost": card.cost + (f"; on {card.at_most:,} rows at most" if card.at_most else ""),
        "size": "does not depend on n" if card.size_free else "depends on n: compare at the same n",
        **_measured(row.name),
        "evidence": card.evidence,
        "selected by": _flag(row, registry),
    }
    return {heading: text for heading, text in facts.items() if text}


def _range(row: MeasureRow) -> str:
    low = "no lower end" if row.card.low is None else f"from {row.card.low:g}"
    high = "no upper end" if row.card.high is None else f"to {row.card.high:g}"
    return f"{low}, {high}; {row.card.unit}"


def _flag(row: MeasureRow, registry: Registry) -> str:
    """Say which methods select with the measure's tool."""
    names = selected_by(row, registry)
    if not names:
        return ""
    return f"{', '.join(names)} (each selects with {TOOLS[row.card.tool]}: read their place on this measure with care)"


def _measured(name: str) -> dict[str, str]:
    """Return what the validity study measured, from the table that ships with the package."""
    found = measured_behaviour().get(name)
    if found is None:
        return {"measured": "not in the validity study"}
    if found["reason"]:
        return {"measured": f"no value in the validity study: {found['reason']}"}
    follows = f"rank correlation {found['follows']} with the dial of its axis" if found["follows"] else "not known"
    percent = [f"{_DIALS[dial]} {found[f'{dial}_percent']} %" for dial in _LENGTHS if found[f"{dial}_percent"]]
    return {
        "needs": f"more than texts: of texts alone, {found['needs']}" if found["needs"] else "texts alone",
        "measured": follows + (found["recommended"] and f", recommended as a primary {found['recommended']}"),
        "moved by": _moved(found),
        "length and n": "; ".join(percent) and f"its value changes with {'; '.join(percent)}",
    }


def _moved(found: Mapping[str, str]) -> str:
    """Say which dials move a measure, and on which it has no value."""
    if not any(found[dial] for dial in _DIALS):
        return "it does not move with its own axis, so nothing is compared with that"
    moved = [f"{says} {found[dial]}" for dial, says in _DIALS.items() if found[dial] and found[dial][0] != "("]
    absent = [says for dial, says in _DIALS.items() if not found[dial]]
    return "; ".join(moved) + (f" (no value on: {', '.join(absent)})" if absent else "")


def card_text(row: MeasureRow, registry: Registry) -> str:
    """Return the card as plain text for a terminal."""
    lines = [_wrapped(f"{row.name}: {row.metric.summary}", "", "")]
    for heading, text in card_facts(row, registry).items():
        lines.append(_wrapped(text, f"  {heading:<13}", " " * 15))
    return "\n".join(lines)


def _wrapped(text: str, first: str, other: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=other, break_on_hyphens=False)


_HEAD = """\
# Measures

Made by `qdcbench list measures --cards docs/measures.md`; do not edit. `qdcbench list measures NAME` prints one card,
[validity.md](validity.md) says how the lines *measured*, *moved by* and *length and n* came about: on `list_edits`,
where the truth is known, everything was held fixed but one thing. *Moved by* gives the change of the measure over each
dial as a share of its change over the dial of its own axis (+1.00), above 0 where it sees more of its axis; dials that
are not named did not move it beyond the noise; a percentage in brackets is within it.
"""


def cards_page(rows: Mapping[str, MeasureRow], registry: Registry) -> str:
    """Return all cards as a Markdown page; measures that differ in encoder or side alone share a heading."""
    parts = [_HEAD]
    for axis in ("quality", "diversity", "complexity"):
        parts.append(f"## {axis.capitalize()}\n")
        families: dict[str, list[MeasureRow]] = defaultdict(list)
        for row in rows.values():
            if row.card.axis == axis:
                families[row.name.partition("[")[0].partition(":")[0]].append(row)
        parts += [_family(name, members, registry) for name, members in families.items()]
    return "\n".join(parts)


def _family(name: str, members: Sequence[MeasureRow], registry: Registry) -> str:
    """Return one section: what all members share once, then what each says for itself."""
    facts = [{"what": row.metric.summary} | card_facts(row, registry) for row in members]
    headings = list(dict.fromkeys(heading for one in facts for heading in one))
    shared = [heading for heading in headings if len({one.get(heading, "") for one in facts}) == 1]
    lines = [f"### {name}", "", *(_item(heading, facts[0][heading]) for heading in shared)]
    for row, one in zip(members, facts, strict=True):
        if len(members) > 1:
            lines.append(f"- `{row.name}`")
            lines += [f"  {_item(heading, one[heading])}" for heading in one if heading not in shared]
    return "\n".join([*lines, ""])


def _item(heading: str, text: str) -> str:
    return f"- **{heading}**: {_escaped(text)}"


def _escaped(text: str) -> str:
    """Return text whose signs Markdown leaves as they are."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in text)
