"""Rows beside a set that is given: how much of a reference they are near to, how far they are from a base."""

import numpy as np

from qdcbench.measures.diversity.neighbours import nearest_distances
from qdcbench.measures.diversity.pairs import Vectors, cosine_blocks
from qdcbench.measures.diversity.reference import reference_pool
from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable

__all__ = ["facility_location", "gain", "mean_of_best"]


def mean_of_best(pool: Vectors, vectors: Vectors) -> float:
    """Return the mean over unit vectors (m, d) of a pool of the largest cosine that one of ``vectors`` (n, d) has."""
    best = [cosines.max(axis=1).astype(np.float64) for _, cosines in cosine_blocks(pool, vectors)]
    return float(np.concatenate(best).mean())


def facility_location(rows: Rows, encoder: str, side: Side = "prompt") -> float:
    """Return how well the rows stand for the reference: the mean over it of the cosine to its nearest row, in [-1, 1].

    Rises with n: more rows can only come nearer. QDIT, see section B of the literature notes.

    Raises:
        Unmeasurable: there is no reference, or no row.
    """
    pool = reference_pool(rows)
    if not len(rows):
        raise Unmeasurable("there is no row")
    mean = mean_of_best(pool.embeddings(encoder, side), rows.embeddings(encoder, side))
    return min(1.0, max(-1.0, mean))


def gain(rows: Rows, encoder: str, side: Side = "prompt") -> FloatArray:
    """Return of each row the squared Euclidean distance to the nearest row of the base set, (n,), in [0, 4].

    Their mean is MetaMath's diversity gain. Of unit vectors the squared distance is twice the cosine distance.

    Raises:
        Unmeasurable: there is no base set, or it is empty.
    """
    base = rows.around.base
    if base is None or not len(base):
        raise Unmeasurable("there is no base set that the rows are added to")
    nearest = nearest_distances(rows.embeddings(encoder, side), 1, base.embeddings(encoder, side))
    return 2.0 * nearest[:, 0].astype(np.float64)
