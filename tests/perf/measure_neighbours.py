"""Cases of the table of speeds: measures of all pairs of unit vectors beside scikit-learn and plain formulas."""

import numpy as np
from cases import Case

from qdcbench.measures import Rows
from qdcbench.measures.diversity.base import mean_of_best
from qdcbench.measures.diversity.dcscore import dcscore
from qdcbench.measures.diversity.neighbours import knn_distance
from qdcbench.measures.diversity.novelsum import densities, novelsum_self
from qdcbench.measures.diversity.pairs import Vectors
from qdcbench.measures.diversity.partition import fitted

__all__ = ["cases"]

ENCODER = "hashed"
TAU = 0.1
POOL = 1000
"""Rows that stand for a reference: the first of those given."""
CAP = 5000
"""Rows that the cards of NovelSum and DCScore allow."""


def capped(rows: Rows) -> Rows:
    """Return as many of the rows as the cards allow."""
    return rows.take(np.arange(min(CAP, len(rows))))


def sklearn_neighbours(rows: Rows) -> float:
    """Return the mean cosine distance to the ten nearest others as scikit-learn finds them."""
    from sklearn.neighbors import NearestNeighbors

    vectors = rows.embeddings(ENCODER)
    k = min(10, len(rows) - 1)
    found, _ = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(vectors).kneighbors()
    return float(found.mean())


def our_neighbours(rows: Rows) -> float:
    """Return the same by us."""
    return knn_distance(rows, ENCODER, min(10, len(rows) - 1))


def our_novelsum(rows: Rows) -> float:
    """Return NovelSum with the density of the rows themselves."""
    return novelsum_self(capped(rows), ENCODER)


def plain_novelsum(rows: Rows) -> float:
    """Return the same from the whole matrix of distances, sorted by argsort."""
    vectors = capped(rows).embeddings(ENCODER)
    far = np.maximum(1.0 - vectors @ vectors.T, 0.0)
    np.fill_diagonal(far, np.inf)
    order = far.argsort(axis=1)[:, :-1]
    rising = np.take_along_axis(far, order, axis=1)
    density = densities(rising[:, :10])
    weight = 1.0 / np.arange(1, len(vectors))
    return float(((rising * np.sqrt(density)[order]) @ weight).sum())


def our_dcscore(rows: Rows) -> float:
    """Return DCScore at a small temperature."""
    return dcscore(capped(rows), ENCODER, TAU)


def plain_dcscore(rows: Rows) -> float:
    """Return the same as the sum of the diagonal of the whole softmax."""
    from scipy.special import softmax

    vectors = capped(rows).embeddings(ENCODER)
    return float(np.trace(softmax((vectors @ vectors.T) / TAU, axis=1), dtype=np.float64))


def pool_and_others(rows: Rows) -> tuple[Vectors, Vectors]:
    """Return the vectors of a pool, half of few rows, and of the other rows."""
    vectors = rows.embeddings(ENCODER)
    size = min(POOL, len(vectors) // 2)
    return vectors[:size], vectors[size:]


def our_facility(rows: Rows) -> float:
    """Return facility location."""
    return mean_of_best(*pool_and_others(rows))


def plain_facility(rows: Rows) -> float:
    """Return the same from the whole matrix of cosines."""
    pool, others = pool_and_others(rows)
    return float((pool @ others.T).max(axis=1).mean(dtype=np.float64))


def our_inertia(rows: Rows) -> float:
    """Return the mean squared distance of the pool to the centres of our k-means."""
    vectors = rows.embeddings(ENCODER)[:POOL]
    clusters = fitted(vectors, max(2, len(vectors) // 10))
    apart = (vectors - clusters.centres[clusters.of(vectors)]).astype(np.float64)
    return float((apart**2).sum(axis=1).mean())


def sklearn_inertia(rows: Rows) -> float:
    """Return the same of scikit-learn's."""
    from sklearn.cluster import KMeans

    vectors = rows.embeddings(ENCODER)[:POOL]
    return float(KMeans(max(2, len(vectors) // 10), n_init=1, random_state=0).fit(vectors).inertia_ / len(vectors))


def cases() -> list[Case]:
    """Return the cases, each timed with the embedding of the prompts, which both sides need."""
    return [
        Case("k-NN distance, k=10", "scikit-learn NearestNeighbors", our_neighbours, sklearn_neighbours, 50_000, 1e-5),
        Case(f"NovelSum, own density, {CAP} rows at most", "plain formula", our_novelsum, plain_novelsum, 50_000, 1e-4),
        Case(f"DCScore, tau={TAU}, {CAP} rows at most", "plain formula", our_dcscore, plain_dcscore, 50_000, 1e-4),
        Case(f"facility location, pool {POOL}", "plain formula", our_facility, plain_facility, 50_000, 1e-5),
        # Two local optima: they are as good as each other, not equal.
        Case(f"k-means of {POOL} rows", "scikit-learn KMeans", our_inertia, sklearn_inertia, 50_000, 0.03),
    ]
