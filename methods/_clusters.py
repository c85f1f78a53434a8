"""Clusters of unit vectors by k-means, the same for the same seed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Clusters", "clusters"]

STEPS = 20  # of Lloyd's, unless nothing moves any more


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Centres (k, d) and, for each vector that was clustered, the number of its centre."""

    centres: "NDArray[np.float32]"
    labels: "NDArray[np.int64]"

    def nearest(self, vectors: "NDArray[np.float32]") -> "NDArray[np.int64]":
        """Return the number of the centre nearest to each of the vectors (n, d), the first of equals."""
        distances = (self.centres**2).sum(axis=1) - 2 * vectors @ self.centres.T
        found: NDArray[np.int64] = distances.argmin(axis=1)
        return found

    def smallest(self, count: int) -> set[int]:
        """Return the numbers of the ``count`` clusters with the fewest vectors, the first of equals."""
        import numpy as np

        sizes = np.bincount(self.labels, minlength=len(self.centres))
        return set(np.argsort(sizes, kind="stable")[:count].tolist())


def _spread(vectors: "NDArray[np.float32]", count: int, rng: "np.random.Generator") -> "NDArray[np.float32]":
    """Vectors to start from, each drawn with a chance that grows with its distance to those before (k-means++)."""
    import numpy as np

    places = [int(rng.integers(len(vectors)))]
    distances = np.full(len(vectors), np.inf)
    for _ in range(count - 1):
        last = ((vectors - vectors[places[-1]]) ** 2).sum(axis=1, dtype=np.float64)
        distances = np.minimum(distances, last)
        total = distances.sum()
        # Where all that is left equals a centre, any of it will do.
        places.append(int(rng.choice(len(vectors), p=distances / total if total > 0 else None)))
    return vectors[places]


def clusters(vectors: "NDArray[np.float32]", count: int, seed: int) -> Clusters:
    """Cluster unit vectors (n, d) around ``count`` centres, or n where there are fewer; a centre may lose all of its.

    Arthur & Vassilvitskii 2007 for the start, Lloyd 1982 for the steps.
    """
    import numpy as np

    count = min(count, len(vectors))
    found = Clusters(
        centres=_spread(vectors, count, np.random.default_rng(seed)), labels=np.zeros(len(vectors), dtype=np.int64)
    )
    for step in range(STEPS):
        labels = found.nearest(vectors)
        if step and np.array_equal(labels, found.labels):
            break
        centres = found.centres.copy()
        for place in np.unique(labels):
            centres[place] = vectors[labels == place].mean(axis=0)
        found = Clusters(centres=centres, labels=labels)
    return found
