"""The rows of the shared reference corpus that others are compared with."""

import numpy as np

from qdcbench.measures.rows import Rows, Unmeasurable

__all__ = ["POOL", "reference_pool"]

POOL = 5_000
"""Rows of a reference that are looked at, so that what compares with all of them is linear in the rows (assumed)."""


def reference_pool(rows: Rows) -> Rows:
    """Return the reference of the rows, or the same 5,000 of a larger one in whatever order it came; kept with it.

    Raises:
        Unmeasurable: there is no reference, or it is empty.
    """
    reference = rows.around.reference
    if reference is None or not len(reference):
        raise Unmeasurable("there is no reference corpus to compare the rows with")

    def drawn() -> Rows:
        if len(reference) <= POOL:
            return reference
        chosen = np.random.default_rng(0).permutation(len(reference))[:POOL]
        return reference.canonical().take(np.sort(chosen).astype(np.int64))

    return reference.shared("pool", drawn)
