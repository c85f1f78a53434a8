"""Time the novelty and near-duplicate filters: ``python tests/perf/measure_filters.py [--texts FILE.jsonl ...]``.

Prints a table of rows, kept rows, seconds, peak memory of the process and ratios; every measurement is a fresh process,
and those under ten seconds are the median of three. Imports are not timed. Needs rouge-score. Ends with an error when
two ways of the same filter decide a row differently.

Rows: the novelty filter on a stream as long as Self-Instruct's pool; the same filter, the rouge-score package and a
loop over rapidfuzz on one sample; MinHash beside datasketch as its documentation uses it; cosine on random vectors with
near copies. Texts are made from words with Zipf's frequencies, or from the instructions of JSONL files: those
themselves, then chains of their words, each next to one that it follows in the files; a tenth are then copies of an
earlier one with some words exchanged.
"""

import argparse
import json
import multiprocessing
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

THRESHOLD = 0.7
JACCARD = 0.9
COSINE = 0.9
LONGEST = 150
QUICK = 10.0


class Timing(NamedTuple):
    """The decisions of a filter on a stream, seconds, and peak memory of its process in MB."""

    new: list[bool]
    seconds: float
    peak: float


def zipf_texts(n: int) -> list[str]:
    """Return n texts of about ten made-up words."""
    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdfgklmnprstvz" for b in ("a", "ei", "o", "u") for c in range(400)]
    heaps = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    lengths = (min(LONGEST, 4 + int(rng.expovariate(1 / 6))) for _ in range(n))
    return [" ".join(rng.choices(words, cum_weights=heaps, k=length)) for length in lengths]


def chained_texts(files: Sequence[Path], n: int) -> list[str]:
    """Return the instructions of the files and, up to n, chains of their words."""
    texts = [json.loads(line)["instruction"] for file in files for line in file.read_text().splitlines()]
    rng, following = random.Random(0), defaultdict[str, list[str]](list)
    for text in texts:
        for word, after in pairwise(["", *text.split(), ""]):
            following[word].append(after)
    while len(texts) < n:
        chain = [rng.choice(following[""])]
        while chain[-1] and len(chain) < LONGEST:
            chain.append(rng.choice(following[chain[-1]]))
        texts.append(" ".join(chain).strip())
    return texts[:n]


def with_copies(texts: Sequence[str]) -> list[str]:
    """Put in the place of every tenth text or so an earlier one, a third of its words at most exchanged."""
    rng, mixed = random.Random(2), list(texts)
    for i in range(1, len(mixed)):
        if rng.random() < 0.1 and (words := mixed[rng.randrange(i)].split()):
            for _ in range(rng.randint(0, 1 + len(words) // 3)):
                words[rng.randrange(len(words))] = f"x{rng.randrange(1000)}"
            mixed[i] = " ".join(words)
    return mixed


def unit_vectors(n: int, width: int = 384) -> np.ndarray:
    """Return n unit vectors around n/10 centres, a third of them near copies."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(1, n // 10), width)).astype(np.float32)
    noise = rng.choice(np.array([0.1, 0.6, 1.0], np.float32), size=(n, 1))
    vectors = centres[rng.integers(len(centres), size=n)]
    vectors += rng.normal(size=(n, width)).astype(np.float32) * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ours(texts: Sequence[str]) -> list[bool]:
    """Stream the texts through the novelty filter."""
    from qdcbench.novelty import NoveltyFilter

    novelty, new = NoveltyFilter(THRESHOLD), []
    for text in texts:
        new.append(novelty.is_new(text))
        if new[-1]:
            novelty.add(text)
    return new


def rouge_package(texts: Sequence[str]) -> list[bool]:
    """Compare every text with every one kept by the package's own LCS, the words found once a text."""
    from rouge_score.rouge_scorer import _score_lcs
    from rouge_score.tokenize import tokenize

    kept, new = [], []
    for words in (tokenize(text, None) for text in texts):
        # A score may be a tie that its rounding puts above: only what is above by more counts as a copy.
        new.append(all(_score_lcs(other, words).fmeasure <= THRESHOLD + 1e-12 for other in kept))
        if new[-1]:
            kept.append(words)
    return new


def rounded_up(texts: Sequence[str]) -> list[bool]:
    """Say of each text of the sample whether the package's rounding alone would drop it, by the F1 in fractions."""
    from rapidfuzz.distance import LCSseq
    from rouge_score.tokenize import tokenize

    kept, ties = [], []
    for text, new in zip(texts, ours(texts), strict=True):
        words, tied = tokenize(text, None), False
        for other in kept if new else ():
            lcs, both = LCSseq.similarity(words, other), len(words) + len(other)
            if lcs and Fraction(2 * lcs, both) == Fraction(str(THRESHOLD)):
                precision, recall = lcs / len(words), lcs / len(other)
                tied |= 2 * precision * recall / (precision + recall) > THRESHOLD
        ties.append(tied)
        if new:
            kept.append(words)
    return ties


def rapidfuzz_loop(texts: Sequence[str]) -> list[bool]:
    """Compare every text with every one kept, a call a pair."""
    from rapidfuzz.distance import LCSseq
    from rouge_score.tokenize import tokenize

    kept, new = [], []
    for words in (tokenize(text, None) for text in texts):
        new.append(
            all(2 * LCSseq.similarity(words, other) / (len(words) + len(other)) <= THRESHOLD for other in kept if other)
        )
        if new[-1]:
            kept.append(words)
    return new


def minhash(texts: Sequence[str]) -> list[bool]:
    """Let the texts in by MinHash."""
    from qdcbench.duplicates import MinHashFilter

    return MinHashFilter(JACCARD).admit(texts)


def datasketch_lsh(texts: Sequence[str]) -> list[bool]:
    """Do the same with datasketch's index as its documentation shows it: the bands it chooses, no second look."""
    from datasketch import MinHash, MinHashLSH

    index, new = MinHashLSH(threshold=JACCARD, num_perm=128), []
    for i, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        signature.update_batch([word.encode() for word in set(text.lower().split())])
        new.append(not index.query(signature))
        if new[-1]:
            index.insert(i, signature)
    return new


def datasketch_pairs(texts: Sequence[str]) -> list[bool]:
    """Do the same by the estimate of datasketch for every pair, in the order and with the words of ours."""
    import re

    from datasketch import MinHash

    kept, new = [], []
    for text in texts:
        signature = MinHash(num_perm=128, seed=1, scheme="affine32")
        signature.update_batch([word.encode() for word in sorted(set(re.findall(r"\w+", text.lower())))])
        new.append(all(signature.jaccard(other) <= JACCARD for other in kept))
        if new[-1]:
            kept.append(signature)
    return new


def cosine(vectors: np.ndarray) -> list[bool]:
    """Let the vectors in by cosine."""
    from qdcbench.duplicates import CosineFilter

    return CosineFilter(COSINE).admit(vectors)


def once(work: Callable[[Any], Any], rows: Any) -> Timing:
    """Run in this process, which is a fresh one, after a small run that imports what the work needs."""
    work(rows[:2])
    start = time.perf_counter()
    new = work(rows)
    return Timing(new, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def timed(work: Callable[[Any], Any], rows: Any) -> Timing:
    """Run in a fresh process, three times when one takes under ten seconds, and return the median."""
    timings: list[Timing] = []
    while not timings or (len(timings) < 3 and timings[0].seconds < QUICK):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            timings.append(pool.apply(once, (work, rows)))
    return timings[0]._replace(seconds=median(timing.seconds for timing in timings))


def show(name: str, timing: Timing, beside: Timing | None = None) -> None:
    """Print a line of the table; the ratio is to the seconds of ``beside``."""
    ratio = f"{timing.seconds / beside.seconds:9.1f}x" if beside is not None else ""
    line = f"{len(timing.new):9,}{sum(timing.new):9,}{timing.seconds:10.3f}{timing.peak:9.0f}"
    sys.stdout.write(f"{name:48}{line}{ratio}\n")
    sys.stdout.flush()


def differing(one: Timing, two: Timing) -> int:
    """Count the rows that two filters decide differently."""
    return sum(a != b for a, b in zip(one.new, two.new, strict=True))


def novelty(texts: Sequence[str], sample: int) -> None:
    """The stream, then the sample in three ways."""
    show(f"novelty, ROUGE-L > {THRESHOLD}", timed(ours, with_copies(texts)))
    rows = with_copies(random.Random(1).sample(texts, min(sample, len(texts))))
    mine = timed(ours, rows)
    show("novelty, the sample", mine)
    for name, work in (("  rapidfuzz, a call a pair", rapidfuzz_loop), ("  rouge-score", rouge_package)):
        other = timed(work, rows)
        show(name, other, mine)
        if wrong := differing(mine, other):
            sys.exit(f"{name.strip()} decides {wrong} rows of the sample differently; the novelty filter is wrong")
    ties = sum(rounded_up(rows))
    sys.stdout.write(
        f"  decisions identical on all {len(rows):,} rows; an F1 of exactly {THRESHOLD} is not above it, though the\n"
        f"  rounding of rouge-score's F-measure would have it so for {ties} of the rows\n"
    )


def near_copies(texts: Sequence[str], sample: int) -> None:
    """MinHash and what datasketch does."""
    mine = timed(minhash, with_copies(texts))
    show(f"MinHash, 1-grams, 128, > {JACCARD}", mine)
    other = timed(datasketch_lsh, with_copies(texts))
    show("  datasketch's index with its own bands", other, mine)
    rows = with_copies(texts[:sample])
    mine, other = timed(minhash, rows), timed(datasketch_pairs, rows)
    show("MinHash, the sample", mine)
    show("  datasketch, every pair", other, mine)
    if wrong := differing(mine, other):
        sys.exit(f"datasketch decides {wrong} rows of the sample differently; the MinHash filter is wrong")
    sys.stdout.write(f"  decisions identical on all {len(rows):,} rows\n")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, nargs="*", default=[], metavar="FILE", help="JSONL with instructions")
    parser.add_argument("--pool", type=int, default=52_000, help="texts through the novelty filter")
    parser.add_argument("--sample", type=int, default=2_000, help="texts that are compared in every way")
    parser.add_argument("--short", type=int, default=100_000, help="texts through MinHash")
    parser.add_argument("--vectors", type=int, default=100_000, help="vectors of width 384 through cosine")
    sizes = parser.parse_args()

    def made(n: int) -> list[str]:
        return chained_texts(sizes.texts, n) if sizes.texts else zipf_texts(n)

    sys.stdout.write(f"{'':48}{'rows':>9}{'kept':>9}{'seconds':>10}{'MB':>9}{'ratio':>10}\n")
    novelty(made(sizes.pool), sizes.sample)
    near_copies(made(sizes.short), sizes.sample)
    show(f"cosine, width 384, > {COSINE}", timed(cosine, unit_vectors(sizes.vectors)))


if __name__ == "__main__":
    main()
