"""Time the measures beside the packages people use: ``python tests/perf/measure_speed.py [ROWS]``.

Prints a table of seconds and ratios. Not run by the tests. Needs vendi-score and sentence-transformers.
"""

import random
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from qdcbench.measures import METRICS, Rows, measure_rows
from qdcbench.measures.diversity.distance import cosine_distance
from qdcbench.measures.diversity.vendi import spectrum, vendi_of_spectrum
from qdcbench.measures.encoders.hashing import hashed_ngrams
from qdcbench.measures.encoders.minilm import minilm, minilm_folder

WORDS = (
    "reverse the list of numbers then add one write a poem about rivers explain why kings sleep in two sentences "
    "translate into Latin please"
).split()


def texts_of(n: int) -> list[str]:
    """Return n texts of 3 to 40 words."""
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 40))) for _ in range(n)]


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the shortest of some runs."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def show(name: str, ours: float, theirs: float | None = None, other: str = "") -> None:
    """Print one line of the table."""
    beside = f"{theirs:9.3f}  {theirs / ours:7.1f}x  {other}" if theirs is not None else ""
    sys.stdout.write(f"{name:56}{ours:9.3f}  {beside}\n")
    sys.stdout.flush()


def unit_vectors(n: int, d: int = 384) -> np.ndarray:
    """Return n random unit vectors."""
    vectors = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def encoders(n: int) -> None:
    """Compare the encoders with sentence-transformers as it comes."""
    from sentence_transformers import SentenceTransformer

    texts = texts_of(n)
    minilm(texts[:2])
    model = SentenceTransformer(str(minilm_folder()), device="cpu")
    model.encode(texts[:2])
    theirs = seconds(lambda: model.encode(texts))
    show(f"minilm, {n} texts", seconds(lambda: minilm(texts)), theirs, "sentence-transformers encode()")
    show(f"hashed n-grams, {n} texts", seconds(lambda: hashed_ngrams(texts)), theirs, "the same")


def vendi() -> None:
    """Compare Vendi q = 1 with its authors' package, and show the size that only the Gram form reaches."""
    from vendi_score import vendi as package

    small, large = unit_vectors(2000), unit_vectors(50_000)
    theirs = seconds(lambda: package.score_K(small @ small.T))
    show(
        "Vendi q=1, 2000 x 384",
        seconds(lambda: vendi_of_spectrum(spectrum(small), 1.0), 3),
        theirs,
        "vendi-score score_K",
    )
    theirs = seconds(lambda: package.score_dual(large))
    show(
        "Vendi q=1, 50000 x 384",
        seconds(lambda: vendi_of_spectrum(spectrum(large), 1.0)),
        theirs,
        "vendi-score score_dual",
    )
    pairs = seconds(lambda: 1 - (small @ small.T).sum() / len(small) ** 2)
    show("mean cosine distance, 2000 x 384", seconds(lambda: cosine_distance(small), 3), pairs, "all pairs")
    show("mean cosine distance, 50000 x 384", seconds(lambda: cosine_distance(large)))


def whole(n: int) -> None:
    """Time all measures with their intervals."""
    texts = tuple(texts_of(n))
    for label, names in (
        ("lexical, both sides", [m for m in METRICS if "[" not in m]),
        ("minilm", [m for m in METRICS if "[minilm]" in m]),
        ("hashed", [m for m in METRICS if "[hashed]" in m]),
    ):
        rows = Rows(prompts=texts, completions=texts)
        stream = np.random.default_rng(0)
        taken = seconds(lambda r=rows, s=stream, k=names: measure_rows(r, n=n, seed_stream=s, names=k))
        show(f"measures with intervals, {label}, {n} rows", taken)


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    sys.stdout.write(f"{f'{torch.get_num_threads()} threads':56}{'seconds':>9}  {'theirs':>9}  {'ratio':>8}\n")
    encoders(n)
    vendi()
    whole(n)


if __name__ == "__main__":
    main()
