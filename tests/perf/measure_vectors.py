"""Cases of the table of speeds: encoders beside sentence-transformers, Vendi beside its authors' package."""

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from cases import Case

from qdcbench.measures import METRICS, Rows, measure_rows
from qdcbench.measures.diversity.distance import cosine_distance, mean_cosine_distance
from qdcbench.measures.diversity.vendi import vendi
from qdcbench.measures.encoders.hashing import hashed_ngrams
from qdcbench.measures.encoders.minilm import minilm, minilm_folder

__all__ = ["cases"]

ENCODER = "hashed"
COMPARED = 1_000
"""Rows on which every vector is compared."""


@cache
def package_model():
    """Return MiniLM as sentence-transformers loads it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(minilm_folder()), device="cpu")


def encoded_by_package(rows: Rows) -> npt.NDArray[np.float32]:
    """Return the vectors of all prompts by the default `encode`."""
    return package_model().encode(list(rows.prompts), show_progress_bar=False)


def least_cosine(rows: Rows) -> float:
    """Return the least cosine of our vector of a prompt to the package's."""
    few = rows.take(np.arange(min(COMPARED, len(rows))))
    both = minilm(few.prompts).astype(np.float64) * encoded_by_package(few)
    return float(both.sum(axis=1).min())


def package_vendi(rows: Rows, q: float) -> float:
    """Return the Vendi score by its authors' package; from the kernel where q is not 1, as their low-rank path asks."""
    from vendi_score import vendi as package

    vectors = rows.embeddings(ENCODER)
    if q == 1:
        return float(package.score_dual(vectors, normalize=False))
    kernel = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    return float(package.score_K(kernel, q="inf" if math.isinf(q) else q))


def plain_distance(rows: Rows) -> float:
    """Return the mean cosine distance of all pairs from the whole matrix of cosines."""
    vectors = rows.embeddings(ENCODER)
    cosines = vectors @ vectors.T
    n = len(vectors)
    return float(1 - (cosines.sum(dtype=np.float64) - np.trace(cosines, dtype=np.float64)) / (n * (n - 1)))


def instrument(rows: Rows) -> float:
    """Return Vendi of order 1 as the instrument takes it: with all orders, intervals and slopes of length."""
    names = [name for name in METRICS if name.startswith("vendi_q") and name.endswith(f"[{ENCODER}]")]
    found = measure_rows(rows, n=len(rows), seed_stream=np.random.default_rng(0), names=names)
    return next(m.value for m in found if m.metric == f"vendi_q1[{ENCODER}]") or math.nan


def cases() -> list[Case]:
    """Return the cases, all on prompts."""
    default, pairs = "sentence-transformers encode()", "plain formula"
    return [
        Case(
            "minilm, to mean cosine distance",
            default,
            lambda rows: cosine_distance(minilm(rows.prompts)),
            lambda rows: cosine_distance(encoded_by_package(rows)),
            50_000,
            1e-3,
        ),
        Case(f"minilm, least cosine, {COMPARED} rows at most", default, least_cosine, None, 0, 0.0),
        Case(
            "hashed, to mean cosine distance",
            "nothing",
            lambda rows: cosine_distance(hashed_ngrams(rows.prompts)),
            None,
            0,
            0.0,
        ),
        Case(
            "Vendi q=1",
            "vendi-score score_dual",
            lambda rows: vendi(rows, ENCODER, 1.0),
            lambda rows: package_vendi(rows, 1.0),
            50_000,
            1e-5,
        ),
        Case(
            "Vendi q=2",
            "vendi-score score_K",
            lambda rows: vendi(rows, ENCODER, 2.0),
            lambda rows: package_vendi(rows, 2.0),
            5_000,
            # The package takes vectors of float32 for unit ones; ours divides by the trace.
            1e-6,
        ),
        Case("Vendi, all orders, with intervals", "nothing", instrument, None, 0, 0.0),
        Case(
            "mean cosine distance",
            pairs,
            lambda rows: mean_cosine_distance(rows, ENCODER),
            plain_distance,
            20_000,
            1e-5,
        ),
    ]
