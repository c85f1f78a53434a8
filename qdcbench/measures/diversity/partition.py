"""Diversity of the meanings as the spread over groups that a reference fixes, never the rows themselves."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from qdcbench.measures.diversity.pairs import ROUNDING, Vectors, cosine_blocks
from qdcbench.measures.diversity.reference import reference_pool
from qdcbench.measures.rows import FloatArray, IntArray, Rows, Side, Unmeasurable

__all__ = [
    "Clusters",
    "cluster_count",
    "fitted",
    "partition_coverage",
    "partition_entropy",
    "partition_tail_mass",
    "stratum_tail_mass",
    "tail_of",
]

Group = TypeVar("Group", bound=Hashable)

_MOST = 100
_ROWS_EACH = 10
"""Different texts that the reference must have for each cluster (assumed)."""
_ROUNDS = 100
_TAIL = 0.1
"""Share of the reference's rows that its rarest groups may hold together and be its tail (assumed)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clusters:
    """Centres (k, d) of a partition of the reference and how many rows of it each holds, (k,)."""

    centres: Vectors
    sizes: IntArray

    def of(self, vectors: Vectors) -> IntArray:
        """Return the index of the centre nearest to each vector (n, d) by Euclidean distance, (n,)."""
        # |x|^2 is the same for every centre, so x c - |c|^2 / 2 is largest where the distance is least.
        half = np.einsum("ij,ij->i", self.centres, self.centres, dtype=np.float64).astype(np.float32) / 2
        found = [(products - half).argmax(axis=1) for _, products in cosine_blocks(vectors, self.centres)]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def tail(self) -> npt.NDArray[np.bool_]:
        """Return which clusters are the reference's tail, (k,)."""
        rare = tail_of({i: int(size) for i, size in enumerate(self.sizes)})
        return np.asarray([i in rare for i in range(len(self.sizes))])


def tail_of(sizes: Mapping[Group, int]) -> set[Group]:
    """Return the rarest groups that hold a tenth of all rows at most; equally rare ones are in it or out together."""
    room, tail = _TAIL * sum(sizes.values()), set[Group]()
    for size in sorted(set(sizes.values())):
        equal = [name for name, count in sizes.items() if count == size]
        room -= size * len(equal)
        if room < 0:
            break
        tail.update(equal)
    return tail


def cluster_count(different: int) -> int:
    """Return how many clusters a reference of so many different texts gets: one for each ten, at most 100.

    Raises:
        Unmeasurable: there are too few texts for two clusters.
    """
    if different < 2 * _ROWS_EACH:
        raise Unmeasurable(f"clusters need {2 * _ROWS_EACH} different texts in the reference and it has {different}")
    return min(_MOST, different // _ROWS_EACH)


def _seeds(vectors: Vectors, k: int, stream: np.random.Generator) -> Vectors:
    """Return k of the vectors, or all different ones where there are fewer, by greedy k-means++.

    Of a few drawn with a chance that grows with the squared distance to those before, the one that leaves the least.
    """
    chosen = [int(stream.integers(len(vectors)))]
    left = np.maximum(2.0 - 2.0 * (vectors @ vectors[chosen[0]]).astype(np.float64), 0.0)
    left[left < ROUNDING] = 0.0
    while len(chosen) < k and left.any():
        drawn = stream.choice(len(vectors), size=2 + int(math.log(k)), p=left / left.sum())
        after = np.minimum(left[:, None], 2.0 - 2.0 * (vectors @ vectors[drawn].T).astype(np.float64))
        after[after < ROUNDING] = 0.0
        best = int(after.sum(axis=0).argmin())
        chosen.append(int(drawn[best]))
        left = after[:, best]
    return vectors[chosen]


def fitted(vectors: Vectors, k: int) -> Clusters:
    """Return k clusters of unit vectors (m, d) by k-means: greedy k-means++ from a fixed seed, then Lloyd's rounds.

    There are fewer where fewer vectors differ. A centre that loses all its rows stays where it is.

    Raises:
        Unmeasurable: all vectors are equal.
    """
    seeds = _seeds(vectors, k, np.random.default_rng(0))
    if len(seeds) < 2:
        raise Unmeasurable("all texts of the reference have the same vector, so it has no clusters")
    clusters = Clusters(centres=seeds, sizes=np.zeros(len(seeds), dtype=np.int64))
    before = np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        labels = clusters.of(vectors)
        if np.array_equal(labels, before):
            break
        before = labels
        clusters = _moved(clusters, vectors, labels)
    return clusters


def _moved(clusters: Clusters, vectors: Vectors, labels: IntArray) -> Clusters:
    """Put every centre at the mean of its rows."""
    sizes = np.bincount(labels, minlength=len(clusters.centres)).astype(np.int64)
    totals = np.zeros(clusters.centres.shape)
    np.add.at(totals, labels, vectors)
    means = (totals / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    return Clusters(centres=np.where(sizes[:, None] > 0, means, clusters.centres), sizes=sizes)


def _placed(rows: Rows, encoder: str, side: Side) -> tuple[Clusters, IntArray]:
    """Return the reference's clusters, fitted once and kept with it, and the cluster of each row."""
    pool = reference_pool(rows)
    if not len(rows):
        raise Unmeasurable("there is no row")

    def fit() -> Clusters:
        return fitted(pool.embeddings(encoder, side), cluster_count(len(set(pool.texts(side)))))

    clusters = pool.shared(("clusters", encoder, side), fit)
    labels = rows.shared(("placed", encoder, side), lambda: clusters.of(rows.embeddings(encoder, side)))
    return clusters, labels


def partition_entropy(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return the entropy of the rows over the reference's clusters, nats, from 0 to log 100; copies change nothing.

    Raises:
        Unmeasurable: no row, no reference, or one of too few texts.
    """
    clusters, labels = _placed(rows, encoder, side)
    shares = np.bincount(labels, minlength=len(clusters.sizes)) / len(labels)
    shares = shares[shares > 0]
    return max(0.0, -float(np.sum(shares * np.log(shares))))


def partition_coverage(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return the share of the reference's clusters that a row is in, above 0 to 1.

    Raises:
        Unmeasurable: no row, no reference, or one of too few texts.
    """
    clusters, labels = _placed(rows, encoder, side)
    return len(np.unique(labels)) / len(clusters.sizes)


def partition_tail_mass(rows: Rows, encoder: str, side: Side = "prompt") -> FloatArray:
    """Return 1 for each row in a cluster of the reference's tail, else 0, (n,).

    Raises:
        Unmeasurable: no row, no reference, one of too few texts, or one whose clusters are all as large.
    """
    clusters, labels = _placed(rows, encoder, side)
    tail = clusters.tail()
    if not tail.any():
        raise Unmeasurable("no cluster of the reference is rare, so it has no tail")
    return tail[labels].astype(np.float64)


def stratum_tail_mass(rows: Rows) -> FloatArray:
    """Return 1 for each row in a stratum of the reference's tail, else 0, NaN where a row has no stratum, (n,).

    A stratum that the reference does not have is none of its tail.

    Raises:
        Unmeasurable: no field splits the rows or the reference into groups, or none of the reference's is rare.
    """
    strata = rows.column("stratum")
    pool = reference_pool(rows)
    tail = tail_of(Counter(stratum for stratum in pool.column("stratum") if stratum is not None))
    if not tail:
        raise Unmeasurable("no stratum of the reference is rare, so it has no tail")
    return np.asarray([np.nan if s is None else float(s in tail) for s in strata], dtype=np.float64)
