"""Diversity of what rows teach: the effective number of different gradients (G-Vendi)."""

import numpy as np

from qdcbench.measures.diversity.vendi import spectrum, vendi_of_spectrum
from qdcbench.measures.rows import Rows

__all__ = ["g_vendi"]


def g_vendi(rows: Rows) -> float:
    """Return the Vendi score of order 1 of the rows' gradients (n, w), from 1 to min(n, w). arXiv:2505.20161.

    Raises:
        Unmeasurable: no gradients were taken, or all are zero.
    """
    return vendi_of_spectrum(spectrum(np.asarray(rows.column("gradient"), dtype=np.float32)), 1.0)
