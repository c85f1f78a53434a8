"""Rows of several generators: how far apart different ones write, beside how far apart each writes by itself."""

from itertools import combinations

import numpy as np

from qdcbench.measures.diversity.pairs import ROUNDING
from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable

__all__ = ["between_generators", "between_over_within"]


def _sums(rows: Rows, encoder: str, side: Side) -> list[tuple[int, FloatArray, float]]:
    """Return of each generator its number of rows, the sum of their vectors (d,), and of their squared lengths."""
    names = np.asarray(rows.column("generator"))
    vectors = rows.embeddings(encoder, side)
    sums = []
    for name in sorted(set(names.tolist())):
        own = vectors[names == name].astype(np.float64)
        sums.append((len(own), own.sum(axis=0), float(np.einsum("ij,ij->", own, own))))
    if len(sums) < 2:
        raise Unmeasurable("all rows are by one generator, so none are between generators")
    return sums


def _between(sums: list[tuple[int, FloatArray, float]]) -> float:
    cosines = [float(a @ b) / (n * m) for (n, a, _), (m, b, _) in combinations(sums, 2)]
    return min(2.0, max(0.0, 1.0 - float(np.mean(cosines))))


def between_generators(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return the mean cosine distance of two rows by different generators, in [0, 2].

    Low means that the generators write alike. Each pair of generators counts the same. One minus it is the
    similarity that Artificial Hivemind, arXiv:2510.22954, reports, but of answers to the same query; here all rows of
    two generators are compared.

    Raises:
        Unmeasurable: nothing says who wrote the rows, or all are by one generator.
    """
    return _between(_sums(rows, encoder, side))


def between_over_within(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return the mean distance of rows by different generators over that of rows by the same one, 0 or more.

    1 where all generators write the same distribution: then several are no more diverse than one. Generators, and
    pairs of them, count the same however many rows each wrote; one with a single row is left out.

    Raises:
        Unmeasurable: nothing says who wrote the rows, fewer than two generators wrote two rows, or each wrote
            only copies.
    """
    sums = [(n, total, own) for n, total, own in _sums(rows, encoder, side) if n > 1]
    if len(sums) < 2:
        raise Unmeasurable("fewer than two generators wrote two rows, so there is nothing within to compare with")
    within = 1.0 - float(np.mean([(float(total @ total) - own) / (n * (n - 1)) for n, total, own in sums]))
    if within < ROUNDING:
        raise Unmeasurable("the rows by each generator are all alike, so there is no distance within to divide by")
    return _between(sums) / within
