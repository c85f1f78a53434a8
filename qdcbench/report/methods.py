"""All that a plugin says about a method, as plain JSON: for the pages and for ``qdcbench list methods``."""

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from qdcbench.api import MethodPlugin
from qdcbench.canon import digest, plain
from qdcbench.registry import Entry, Registry, default_params
from qdcbench.report.inputs import INPUTS, inputs_of
from qdcbench.report.selected import TOOLS, measures_selected_on, tools_of
from qdcbench.teachers.prompts import PromptBook, section_texts

__all__ = ["method_info", "methods_info", "reference_link"]

Json = dict[str, Any]
_MOVE = re.compile(r"([a-z]+)([+-])")
_DIRECTIONS = {"+": "up", "-": "down"}


def methods_info(registry: Registry) -> dict[str, Json]:
    """Map each method's name to what its plugin says, plain JSON values."""
    return {entry.name: method_info(entry) for entry in sorted(registry.methods.values(), key=lambda e: e.name)}


def method_info(entry: Entry[MethodPlugin]) -> Json:
    """Return what one plugin says.

    ``name``, ``version``, ``role``, ``summary``, ``idea`` (the file's docstring), ``reference`` and its ``link``,
    ``intents``, ``inputs`` (name and words), ``selects_with`` (tools, name and words), ``selects_on``
    (measures taken with such a tool), ``cost`` (None or calls a row by intent, set-up calls, tokens a call),
    ``params`` (defaults), ``dials`` (name, default, does, moves), ``fidelity``, ``prompts`` (revisions and sections).
    """
    plugin = entry.plugin
    found: Json = plain(
        {
            "name": entry.name,
            "version": plugin.version,
            "role": plugin.role,
            "summary": plugin.summary,
            "idea": _docstring(entry),
            "reference": plugin.reference,
            "link": reference_link(plugin.reference),
            "intents": plugin.intents,
            "inputs": [[name, INPUTS[name]] for name in inputs_of(entry.path)],
            "selects_with": [[name, TOOLS[name]] for name in tools_of(entry)],
            "selects_on": measures_selected_on(entry),
            "cost": plugin.cost,
            "params": default_params(plugin),
            "dials": _dials(plugin),
            "fidelity": plugin.fidelity,
            "prompts": _prompts(entry),
        }
    )
    return found


def reference_link(reference: str) -> str:
    """Return the address of a reference: an arXiv number's, or the https address that it is; else an empty text."""
    number = re.search(r"arXiv:\s*(\d{4}\.\d{4,5})", reference, re.IGNORECASE)
    if number:
        return f"https://arxiv.org/abs/{number[1]}"
    return reference if re.fullmatch(r"https://[^\s\"'<>]+", reference) else ""


def _docstring(entry: Entry[MethodPlugin]) -> str:
    return ast.get_docstring(ast.parse(entry.path.read_text(encoding="utf-8"))) or ""


def _dials(plugin: MethodPlugin) -> list[Json]:
    defaults: Mapping[str, Any] = default_params(plugin)
    return [
        {
            "name": f.name,
            "default": defaults[f.name],
            "does": str(f.metadata.get("does", "")),
            "moves": [[axis, _DIRECTIONS[sign]] for axis, sign in _MOVE.findall(str(f.metadata.get("moves", "")))],
        }
        for f in fields(plugin.params)
    ]


def _prompts(entry: Entry[MethodPlugin]) -> Json:
    book = PromptBook.load(entry.prompts, entry.name)
    own = tomllib.loads(entry.prompts.read_text(encoding="utf-8")) if entry.prompts else {}
    return {
        "revisions": book.revisions,
        "sections": [
            {
                "name": name,
                "shared": name not in own,
                "sha256": digest(section_texts(section)),
                "texts": section_texts(section),
            }
            for name, section in sorted(book.sections.items())
        ],
    }
