"""What a plugin says about a method, as plain text for a terminal."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["method_text"]

_SIGNS = {"up": "+", "down": "-"}
_WIDTH = 100


def method_text(info: Mapping[str, Any]) -> str:
    """Return several lines; ``info`` is what `qdcbench.report.methods.method_info` says."""
    cost = info["cost"]
    calls = "not declared" if cost is None else ", ".join(f"{i} {n:g}" for i, n in cost["calls"].items()) or "none"
    setup = "" if cost is None or not cost["setup_calls"] else f", and {cost['setup_calls']:g} before the first row"
    revisions = info["prompts"]["revisions"]
    blocks = [
        _wrapped(f"{info['name']} (version {info['version']}, {info['role']}): {info['summary']}"),
        "\n".join(_wrapped(" ".join(part.split())) for part in str(info["idea"]).split("\n\n")),
        _block("reference", [" ".join(filter(None, (info["reference"], info["link"])))]),
        _block("intents asked", [", ".join(info["intents"]) or "none: it asks no teacher"]),
        _block("takes", [f"{name}: {words}" for name, words in info["inputs"]] or ["nothing"]),
        _block("selects with", [f"{tool}: {words}" for tool, words in info["selects_with"]] or ["no measure's tool"]),
        _block("measures to read with care", [", ".join(info["selects_on"])]) if info["selects_on"] else "",
        _block("calls a row, declared", [calls + setup]),
        _block("dials", [_dial(dial) for dial in info["dials"]] or ["none"]),
        _block("fidelity", [_component(row) for row in info["fidelity"]] or ["no manifest"]),
        _block(
            f"prompts, rounds of revision: {'not said' if revisions is None else revisions}",
            [_section(section) for section in info["prompts"]["sections"]] or ["none"],
        ),
    ]
    return "\n\n".join(block for block in blocks if block)


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(_wrapped(line, "  ") for line in lines)])


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  " * bool(indent))


def _dial(dial: Mapping[str, Any]) -> str:
    moves = " ".join(f"{axis}{_SIGNS[way]}" for axis, way in dial["moves"])
    says = f"{dial['name']} = {json.dumps(dial['default'], ensure_ascii=False)}: {dial['does'] or 'not said'}"
    return f"{says} [{moves}]" if moves else says


def _component(row: Mapping[str, str]) -> str:
    return f"{row['state']}: {row['name']}" + (f" ({row['note']})" if row["note"] else "")


def _section(section: Mapping[str, Any]) -> str:
    return f"[{section['name']}] {section['sha256'][:16]}" + (" (of the shared file)" if section["shared"] else "")
