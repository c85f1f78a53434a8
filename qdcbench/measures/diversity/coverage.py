"""Diversity of the structure, exact where the task knows what each prompt is made of."""

import math
from collections import Counter
from collections.abc import Iterable

from qdcbench.measures.rows import Rows, Unmeasurable
from qdcbench.records import Structure

__all__ = ["effective_operations", "effective_pairs", "operations_seen", "pair_coverage", "pair_entropy"]


def _structures(rows: Rows) -> list[Structure]:
    known = [s for s in rows.column("structure") if s is not None]
    if not known:
        raise Unmeasurable("the task knows no structure of any prompt")
    return known


def _pairs(rows: Rows) -> Counter[str]:
    counts = Counter(pair for structure in _structures(rows) for pair in structure.pairs)
    if not counts:
        raise Unmeasurable("no prompt has two operations, so there is no pair")
    return counts


def _entropy(counts: Iterable[int]) -> float:
    values = sorted(counts)
    total = sum(values)
    return max(0.0, -math.fsum(c / total * math.log(c / total) for c in values))


def pair_coverage(rows: Rows) -> float:
    """Return the share of the ordered pairs of operations that exist which some prompt has, in [0, 1].

    Rows whose prompt the task cannot parse hit nothing.

    Raises:
        Unmeasurable: the task does not say how many pairs exist, or more occur than that.
    """
    universe = rows.around.pair_universe
    if not universe:
        raise Unmeasurable("the task does not say how many pairs of operations exist")
    if not len(rows):
        raise Unmeasurable("there is no row")
    hit = len({pair for s in rows.known.structure or () if s is not None for pair in s.pairs})
    if hit > universe:
        raise Unmeasurable(f"{hit} pairs of operations occur where the task says that {universe} exist")
    return hit / universe


def pair_entropy(rows: Rows) -> float:
    """Return the entropy of the ordered pairs over all their occurrences, in nats."""
    return _entropy(_pairs(rows).values())


def effective_pairs(rows: Rows) -> float:
    """Return the exponential of `pair_entropy`: as many equally frequent pairs would spread the same."""
    return math.exp(pair_entropy(rows))


def operations_seen(rows: Rows) -> float:
    """Return how many different operations occur."""
    return float(len({part for s in _structures(rows) for part in s.parts}))


def effective_operations(rows: Rows) -> float:
    """Return the exponential of the entropy of single operations over all their occurrences."""
    counts = Counter(part for s in _structures(rows) for part in s.parts)
    if not counts:
        raise Unmeasurable("no prompt has an operation")
    return math.exp(_entropy(counts.values()))
