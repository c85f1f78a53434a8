"""Diversity as places in a taxonomy: what a generator aimed at, what a classifier says it got, and their gap."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np

from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["Placed", "leaf_coverage", "level_coverage", "level_ratios", "taxonomy_drift"]

Placed = Literal["aimed", "assigned"]
"""Whose word is taken for a row's node."""

_SEPARATOR = "/"


def _with_parents(nodes: Sequence[str]) -> set[str]:
    """Return the nodes and all nodes above them."""
    paths = (node.strip(_SEPARATOR).split(_SEPARATOR) for node in nodes)
    return {path for parts in paths for path in accumulate(parts, lambda a, b: f"{a}{_SEPARATOR}{b}") if path}


def _taxonomy(rows: Rows) -> set[str]:
    nodes: set[str] = rows.shared("taxonomy", lambda: _with_parents(rows.around.taxonomy))
    if not nodes:
        raise Unmeasurable("nobody gave the taxonomy that the rows' nodes belong to")
    return nodes


def _hit(rows: Rows, placed: Placed) -> set[str]:
    """Return the taxonomy's nodes that some row is at or below; a node that the taxonomy lacks hits nothing."""
    column: Sequence[str | None] = rows.column(placed)
    return _taxonomy(rows) & _with_parents([node for node in set(column) if node])


def level_ratios(rows: Rows, placed: Placed) -> tuple[float, ...]:
    """Return the share of nodes that some row hits, for each level of the taxonomy from the top, in [0, 1].

    Raises:
        Unmeasurable: there is no taxonomy, or no row has a node.
    """
    everything, hit = _taxonomy(rows), _hit(rows, placed)
    levels: dict[int, list[bool]] = {}
    for node in everything:
        levels.setdefault(node.count(_SEPARATOR), []).append(node in hit)
    return tuple(sum(levels[level]) / len(levels[level]) for level in sorted(levels))


def level_coverage(rows: Rows, placed: Placed) -> float:
    """Return the mean of `level_ratios`, in [0, 1]."""
    ratios = level_ratios(rows, placed)
    return math.fsum(ratios) / len(ratios)


def leaf_coverage(rows: Rows, placed: Placed) -> float:
    """Return the share of the taxonomy's nodes without children that some row hits, in [0, 1].

    Raises:
        Unmeasurable: there is no taxonomy, or no row has a node.
    """
    everything, hit = _taxonomy(rows), _hit(rows, placed)
    leaves = everything - {node.rpartition(_SEPARATOR)[0] for node in everything}
    return len(leaves & hit) / len(leaves)


def taxonomy_drift(rows: Rows) -> FloatArray:
    """Return 1 for each row that is assigned another node than it was aimed at, 0 for others, NaN where not aimed.

    A node below the one aimed at is no drift; a row that the classifier can place nowhere is.

    Raises:
        Unmeasurable: no row was aimed, or nobody placed the rows.
    """
    aims, places = rows.column("aimed"), rows.column("assigned")
    if not any(aims):
        raise Unmeasurable("no row says what node of a taxonomy it was aimed at")
    return np.asarray(
        [float(not _within(place, aim)) if aim else math.nan for aim, place in zip(aims, places, strict=True)],
        dtype=np.float64,
    )


def _within(place: str | None, aim: str) -> bool:
    return place is not None and f"{place.strip(_SEPARATOR)}/".startswith(f"{aim.strip(_SEPARATOR)}/")
