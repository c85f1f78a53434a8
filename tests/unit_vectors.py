"""Unit vectors to measure, and rows that have given ones."""

import numpy as np
import numpy.typing as npt

from qdcbench.measures import Rows
from qdcbench.measures.known import Around, Known

Vectors = npt.NDArray[np.float32]


def scaled(vectors: npt.NDArray[np.float64]) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def unit(n: int, d: int, seed: int, lean: float = 0.5) -> Vectors:
    return scaled(np.random.default_rng(seed).normal(size=(n, d)) + lean)


def clump(centre: int, n: int, d: int = 50, spread: float = 0.05, seed: int = 0) -> Vectors:
    return scaled(spread * np.random.default_rng([seed, centre]).normal(size=(n, d)) + np.eye(d)[centre])


def basis(n: int, d: int = 64) -> Vectors:
    return np.eye(d, dtype=np.float32)[:n]


def rows_with(vectors: Vectors, known: Known | None = None, around: Around | None = None) -> Rows:
    """Return rows of different texts whose embeddings by "hashed" are taken to be these, on both sides."""
    texts = tuple(f"{i:06}" for i in range(len(vectors)))
    rows = Rows(prompts=texts, completions=texts, known=known, around=around)
    for side in ("prompt", "completion"):
        rows.shared(("embeddings", "hashed", side), lambda: vectors)
    return rows
