"""Near-duplicates of texts by MinHash and of vectors by cosine, each row compared with those let in before it."""

import math
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from qdcbench.errors import ConfigError, DataError
from qdcbench.novelty import GrowingRows

__all__ = ["CosineFilter", "MinHashFilter"]

_Array = npt.NDArray[Any]

_WORD = re.compile(r"\w+")
_SEED = 1
"""Of the hash functions; fixed, so that the same texts give the same decisions in every run."""
_SCHEME = "affine32"
"""How datasketch makes its hash functions; named here so that another default of its does not move a decision."""
_BLOCK = 2048
"""Rows and columns of one product, which then takes 16 MiB."""
_LENGTH_TOLERANCE = 1e-3
"""How far from 1 the length of a unit vector may be (assumed)."""


class MinHashFilter:
    """A pool of texts that lets in what is no near-duplicate of any of it, by sets of word n-grams.

    A signature holds, for each of many hash functions, the least value over the n-grams of a text. The share of the
    functions in which two texts agree estimates the Jaccard similarity of their sets (Broder 1997); a text is a
    near-duplicate when that share is above the threshold. The decisions are those of comparing every pair of
    signatures: the index has one band more than the functions in which near-duplicates may disagree, so that they
    agree in a whole band at least. The lower the threshold, the narrower the bands and the slower the filter.

    Words are runs of letters, digits and underscores of any script, in lower case. A text of fewer than n words has
    one n-gram, all its words; a text without words is always let in and is not kept.
    """

    def __init__(self, threshold: float = 0.9, permutations: int = 128, ngram: int = 1) -> None:
        """Take the estimated Jaccard similarity above which a text is a near-duplicate.

        Raises:
            ConfigError: a threshold outside 0 to 1, fewer than one permutation, or n-grams of less than one word.
        """
        if not 0.0 <= threshold <= 1.0:
            raise ConfigError(f"a threshold on a Jaccard similarity is from 0 to 1, not {threshold}; change it")
        if permutations < 1 or ngram < 1:
            raise ConfigError(
                f"a MinHash filter needs at least one permutation and n-grams of at least one word, not {permutations} "
                f"and {ngram}; change them"
            )
        self.threshold, self.permutations, self.ngram = threshold, permutations, ngram
        self._signatures = GrowingRows((permutations,), np.uint32)
        disagreeing = sum(k / permutations > threshold for k in range(1, permutations + 1))
        self._edges = [permutations * band // disagreeing for band in range(disagreeing)] + [permutations]
        self._bands: list[dict[bytes, list[int]]] = [{} for _ in range(disagreeing)]

    def __len__(self) -> int:
        return len(self._signatures)

    def admit(self, texts: Iterable[str]) -> list[bool]:
        """Return for each text in order whether it is let in; what is let in is kept."""
        admitted = []
        for signature in self._of(texts):
            new = signature is None or not self._has_near(signature)
            if signature is not None and new:
                self._keep(signature)
            admitted.append(new)
        return admitted

    def matches(self, texts: Iterable[str]) -> list[bool]:
        """Return for each text whether it is a near-duplicate of the pool, which stays as it is (decontamination)."""
        return [signature is not None and self._has_near(signature) for signature in self._of(texts)]

    @cached_property
    def _empty(self) -> Any:
        """The signature of no n-gram; its hash functions are drawn once, from a generator of its own."""
        # Imported here because it loads scipy, which a plugin that never filters does not need.
        from datasketch import MinHash

        return MinHash(num_perm=self.permutations, seed=_SEED, scheme=_SCHEME)

    def _shingles(self, text: str) -> list[bytes]:
        words = _WORD.findall(text.lower())
        starts = range(max(1, len(words) - self.ngram + 1)) if words else ()
        grams = (" ".join(words[start : start + self.ngram]) for start in starts)
        return [gram.encode() for gram in dict.fromkeys(grams)]

    def _of(self, texts: Iterable[str]) -> Iterator[_Array | None]:
        """Signatures one after the other, None for a text without words."""
        for text in texts:
            if shingles := self._shingles(text):
                found = self._empty.copy()
                found.update_batch(shingles)
                yield found.hashvalues
            else:
                yield None

    def _keys(self, signature: _Array) -> Iterator[tuple[dict[bytes, list[int]], bytes]]:
        """Each band of the index with the signature's key in it."""
        cuts = (signature[start:end].tobytes() for start, end in pairwise(self._edges))
        return zip(self._bands, cuts, strict=True)

    def _has_near(self, signature: _Array) -> bool:
        sharing = sorted({row for band, key in self._keys(signature) for row in band.get(key, ())})
        if not sharing:
            return False
        agreeing = (self._signatures.rows[sharing] == signature).sum(axis=1)
        return bool((agreeing / self.permutations > self.threshold).any())

    def _keep(self, signature: _Array) -> None:
        for band, key in self._keys(signature):
            band.setdefault(key, []).append(len(self))
        self._signatures.extend(signature[None])


class CosineFilter:
    """A pool of unit vectors that lets in what is near none of it: no cosine with it is above the threshold.

    Every pair is compared, in products of blocks. That is quadratic; but such products run at the full speed of the
    processor, and an index of nearest neighbours would miss some. A cosine is the double nearest to the exact product
    of the two float32 vectors: a product in float32 decides all but the pairs within its error of the threshold, and
    these are computed exactly. So the decisions depend on no library, thread or size of block.
    """

    def __init__(self, threshold: float) -> None:
        """Take the cosine above which a vector is a near-duplicate.

        Raises:
            ConfigError: the threshold is not between -1 and 1.
        """
        if not -1.0 <= threshold <= 1.0:
            raise ConfigError(f"a threshold on a cosine is from -1 to 1, not {threshold}; change it")
        self.threshold = threshold
        self._pool = GrowingRows((0,), np.float32)

    def __len__(self) -> int:
        return len(self._pool)

    def admit(self, vectors: npt.NDArray[np.float32]) -> list[bool]:
        """Return for each row of unit vectors (n, d) in order whether it is let in; what is let in is kept.

        Raises:
            DataError: not a matrix, another width than the pool's, or a row whose length is not 1.
        """
        rows = self._checked(vectors)
        if not len(self):
            self._pool = GrowingRows((rows.shape[1],), np.float32)
        return [new for start in range(0, len(rows), _BLOCK) for new in self._admit(rows[start : start + _BLOCK])]

    def _checked(self, vectors: npt.NDArray[np.float32]) -> _Array:
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.ndim != 2:
            raise DataError(f"a cosine filter takes a matrix of a row for each vector, not shape {rows.shape}")
        if len(self) and rows.shape[1] != self._pool.rows.shape[1]:
            raise DataError(
                f"a cosine filter has vectors of width {self._pool.rows.shape[1]} and was given {rows.shape[1]}; "
                "use one encoder for all"
            )
        # Written so that a NaN is refused too.
        wrong = np.flatnonzero(~(np.abs(np.linalg.norm(rows, axis=1) - 1) <= _LENGTH_TOLERANCE))
        if len(wrong):
            raise DataError(f"a cosine filter takes unit vectors and row {wrong[0]} is none; divide it by its length")
        return rows

    def _admit(self, block: _Array) -> list[bool]:
        new = np.arange(len(block))
        for start in range(0, len(self), _BLOCK):
            pool = self._pool.rows[start : start + _BLOCK]
            products = block[new] @ pool.T
            doubtful = np.flatnonzero(products.max(axis=1) > self.threshold - _error(block))
            near = [i for i in doubtful if self._is_near(block[new[i]], pool, products[i])]
            new = np.delete(new, near)
        new = new[self._apart(block[new])]
        self._pool.extend(block[new])
        kept = set(new.tolist())
        return [row in kept for row in range(len(block))]

    def _apart(self, rows: _Array) -> npt.NDArray[np.bool_]:
        """Say for each row in order whether it is near none of those before it of which this is said."""
        products = rows @ rows.T
        apart = np.ones(len(rows), bool)
        doubtful = np.tril(products > self.threshold - _error(rows), -1)
        for i in np.flatnonzero(doubtful.any(axis=1)):
            before = np.flatnonzero(apart[:i])
            apart[i] = not self._is_near(rows[i], rows[before], products[i, before])
        return apart

    def _is_near(self, vector: _Array, others: _Array, products: _Array) -> bool:
        """Whether a vector is near any of others, given its float32 products with them."""
        error = _error(vector)
        if (products > self.threshold + error).any():
            return True
        left = np.flatnonzero(products > self.threshold - error)
        # The product of two float32 is exact in double, and fsum rounds their sum once.
        return any(math.fsum(vector.astype(np.float64) * others[i]) > self.threshold for i in left)


def _error(vectors: _Array) -> float:
    """Return a bound of the error of a float32 product of unit vectors (..., d), in whatever order it is summed."""
    width: int = vectors.shape[-1]
    return width * float(np.finfo(np.float32).eps)
