"""Which methods select with the tool that a measure is taken with: beside such a measure they are flagged.

A method that kept the rows which an encoder calls different scores well where the same encoder measures difference,
whatever the rows are worth. What a method uses is read from its source, so a new method is flagged without a word
from its author. A flag says that a method may have selected on the measure; one too many does less harm than one too
few.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from qdcbench.api import MethodPlugin
from qdcbench.measures.cards import MeasureRow
from qdcbench.registry import Entry, Registry, _siblings
from qdcbench.report.inputs import inputs_of

__all__ = ["TOOLS", "measures_selected_on", "selected_by", "tools_of"]

TOOLS: Mapping[str, str] = {
    "embed": "vectors of texts by MiniLM",
    "gradients": "gradients of rows in the task's small base model",
    "verify": "the task's verifier",
    "judge": "the judge's ratings",
    "overlap": "words that texts share",
    "proxy": "a small learner trained on rows",
}
"""What a method can select with and a measure can be taken with."""

_METHODS_ENCODER = "minilm"
"""What `GenerationContext.embed` gives; a measure by another encoder sees something else."""

_OVERLAP_FILTERS = frozenset({"NoveltyFilter", "MinHashFilter"})


def tools_of(entry: Entry[MethodPlugin]) -> tuple[str, ...]:
    """Return the names of `TOOLS` that a method selects with, in their order.

    Controls select nothing: they are made by the truth. A judge counts where the method asks it to judge, not where it
    classifies.
    """
    if entry.plugin.role == "control":
        return ()
    used = _used(entry.path, entry.sha256)
    return tuple(tool for tool in used if tool != "judge" or "judge" in entry.plugin.intents)


@cache
def _used(path: Path, sha256: str) -> tuple[str, ...]:
    """Return the tools that a method's file and its siblings use; read once for each of their digests."""
    found = set(inputs_of(path)) & set(TOOLS)
    if any(_mentions(file) & _OVERLAP_FILTERS for file in (path, *_siblings(path))):
        found.add("overlap")
    return tuple(tool for tool in TOOLS if tool in found)


def _mentions(path: Path) -> frozenset[str]:
    """Return the names that a file's code uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def selected_by(row: MeasureRow, registry: Registry) -> tuple[str, ...]:
    """Return the methods that select with the tool of a measure, by name; empty where it has none."""
    return tuple(sorted(name for name, entry in registry.methods.items() if _selects_on(row, tools_of(entry))))


def measures_selected_on(entry: Entry[MethodPlugin]) -> tuple[str, ...]:
    """Return the measures whose tool a method selects with, in the order of the table of measures."""
    from qdcbench.measures.table import METRICS

    tools = tools_of(entry)
    return tuple(name for name, row in METRICS.items() if _selects_on(row, tools))


def _selects_on(row: MeasureRow, tools: tuple[str, ...]) -> bool:
    """Whether one of the tools is the measure's; vectors count where they are of the measure's encoder."""
    tool = row.card.tool
    return bool(tool) and tool in tools and (tool != "embed" or f"[{_METHODS_ENCODER}]" in row.name)
