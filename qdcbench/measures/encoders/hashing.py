"""Hashed n-grams: unit vectors of texts by signed feature hashing, with no model and no download."""

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

__all__ = ["HASHED_WIDTH", "hashed_ngrams"]

HASHED_WIDTH = 384
_ORDERS = (3, 4, 5)
_CHUNK = 4096
_WORD = re.compile(r"\w+")
_WORD_WEIGHT = 2.0
"""A word counts twice as much as one of its letter n-grams."""

Codes = npt.NDArray[np.uint64]


def _mix(values: Codes) -> Codes:
    """Spread the bits of each number: the finaliser of SplitMix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _letters(texts: Sequence[str]) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Return the code points of all texts, each between two spaces, and the row of each."""
    padded = [f" {text} " for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    return codes, np.repeat(np.arange(len(texts)), [len(text) for text in padded])


def _add(vectors: npt.NDArray[np.float64], row: npt.NDArray[np.int64], hashes: Codes, weight: float) -> None:
    """Add plus or minus ``weight`` in one column for each hash: low bits choose the column, the top bit the sign."""
    column = (hashes % np.uint64(HASHED_WIDTH)).astype(np.int64)
    signs = np.where(hashes >> np.uint64(63), weight, -weight)
    flat = np.bincount(row * HASHED_WIDTH + column, weights=signs, minlength=vectors.size)
    vectors += flat.reshape(vectors.shape)


def _word_hashes(words: Sequence[str], known: dict[str, int]) -> Codes:
    for word in words:
        if word not in known:
            known[word] = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return np.asarray([known[word] for word in words], dtype=np.uint64)


def _chunk(texts: Sequence[str], known: dict[str, int]) -> npt.NDArray[np.float32]:
    folded = [" ".join(text.casefold().split()) for text in texts]
    vectors = np.zeros((len(texts), HASHED_WIDTH))
    letters, row = _letters(folded)
    rolling = letters
    for order in range(2, max(_ORDERS) + 1):
        # Wraps around on purpose: arithmetic modulo 2^64 is the hash.
        rolling = _mix(rolling[:-1] * np.uint64(0x9E3779B97F4A7C15) + letters[order - 1 :] + np.uint64(order))
        if order in _ORDERS:
            first = row[: len(rolling)]
            inside = first == row[order - 1 :]
            _add(vectors, first[inside], rolling[inside], 1.0)
    words = [_WORD.findall(text) for text in folded]
    word_row = np.repeat(np.arange(len(texts)), [len(found) for found in words])
    _add(vectors, word_row, _word_hashes([word for found in words for word in found], known), _WORD_WEIGHT)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # A text without a feature (an empty one) still needs a direction.
    vectors[lengths[:, 0] == 0, 0] = 1.0
    return (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)


def hashed_ngrams(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return unit vectors (n, 384): signed counts of words and of letter 3- to 5-grams, case and spacing folded.

    Knows nothing of meaning: two texts are near when they share words or parts of words. The same on every
    machine. Weinberger et al. 2009, arXiv:0902.2206.
    """
    known: dict[str, int] = {}
    vectors = np.empty((len(texts), HASHED_WIDTH), dtype=np.float32)
    for start in range(0, len(texts), _CHUNK):
        vectors[start : start + _CHUNK] = _chunk(texts[start : start + _CHUNK], known)
    return vectors
