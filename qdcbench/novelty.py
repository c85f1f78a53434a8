"""Whether a text is new to a growing pool, by ROUGE-L over words: exact, and fast on pools of many thousands.

With m and n words 2·LCS is at most m + n less the size of the symmetric difference of the two bags of words. A bag is
kept as a sketch, a string of bits in which every word flips one, so that the bits in which two sketches differ, one XOR
and one count, are never more than that size (the bitmap filter of exact set-similarity joins, arXiv:1711.07295). Only
what a short sketch and then a long one leave in doubt gets its LCS, bit-parallel. No pair above the threshold is ever
left out, so the decisions are those of the plain scan.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qdcbench.errors import ConfigError, DataError

__all__ = ["GrowingRows", "NoveltyFilter"]

_Array = npt.NDArray[Any]

_WORD = re.compile(r"[a-z0-9]+")
_SURROGATES = range(0xD800, 0xE000)
_MOST_CODES = 0x110000 - len(_SURROGATES)
_UNKNOWN = 0
"""Code of a word that the pool does not have: it matches nothing there."""
_BLOCK = 32_768
"""Texts of the pool compared at once: their short sketches stay in a processor's cache."""
_SHORT, _LONG = 128, 1024
"""Bits of the two sketches; they tell apart texts of about a hundred and of about a thousand words."""
_STRIDE = 389
"""Where the second occurrence of a word flips a bit beside the first, and so on; any odd number spreads them."""
_ONES = np.ones(_LONG // 64, np.float32)
_MOST_ROOM = 127
"""Twice this and one more still fit a byte, and hardly a short sketch differs in more bits."""


class GrowingRows:
    """An array that grows a row at a time or by many; its capacity doubles, so that n rows cost O(n) copies."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._array: _Array = np.empty((0, *shape), dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def rows(self) -> _Array:
        """The rows so far, as a view that later growth does not change."""
        return self._array[: self._size]

    def extend(self, rows: _Array) -> None:
        """Put rows at the end."""
        end = self._size + len(rows)
        if end > len(self._array):
            larger = np.empty((max(2 * len(self._array), end, 64), *self._array.shape[1:]), self._array.dtype)
            larger[: self._size] = self.rows
            self._array = larger
        self._array[self._size : end] = rows
        self._size = end


class _Bag(NamedTuple):
    """A text as it is compared.

    ``packed`` has one character a word; ``short`` and ``long`` are the sketches, 64 bits an element; ``room`` is how
    many bits the text alone lets a short sketch differ in.
    """

    packed: str
    short: _Array
    long: _Array
    room: int


class NoveltyFilter:
    """A pool of texts that says whether another is like any of them.

    Words are runs of ASCII letters and digits in lower case, as in the usual ROUGE without stemming. F1 is 2·LCS/(m+n),
    taken as the double nearest to that fraction. A text is new when no F1 against the pool is above the threshold: one
    that is equal to the threshold is still new. A text without words is always new and is not kept.
    """

    def __init__(self, threshold: float) -> None:
        """Take the similarity above which a text is not new.

        Raises:
            ConfigError: the threshold is not between 0 and 1.
        """
        if not 0.0 <= threshold <= 1.0:
            raise ConfigError(f"a novelty threshold is a ROUGE-L F1 from 0 to 1, not {threshold}; change it")
        self.threshold = threshold
        self._codes: dict[str, int] = {}
        self._pool: list[str] = []
        self._lengths = GrowingRows((), np.int64)
        self._rooms = GrowingRows((), np.uint8)
        self._short = tuple(GrowingRows((), np.uint64) for _ in range(_SHORT // 64))
        self._long = GrowingRows((_LONG // 64,), np.uint64)

    def __len__(self) -> int:
        return len(self._pool)

    def similar_to(self, text: str) -> float:
        """Return the highest F1 against the pool, 0 for an empty pool or a text without words; a plain scan."""
        bag = self._bag(text)
        if not bag.packed or not self._pool:
            return 0.0
        return float(self._f1(bag, self._pool, self._lengths.rows).max())

    def is_new(self, text: str) -> bool:
        """Whether no text of the pool is more similar than the threshold."""
        bag = self._bag(text)
        if not bag.packed:
            return True
        for near in self._in_doubt(bag):
            f1 = self._f1(bag, [self._pool[i] for i in near], self._lengths.rows[near])
            if (f1 > self.threshold).any():
                return False
        return True

    def add(self, text: str) -> None:
        """Put a text into the pool.

        Raises:
            DataError: the pool would have more than 1,112,063 different words.
        """
        codes = self._codes
        for word in _WORD.findall(text.lower()):
            if word not in codes:
                code = len(codes) + 1
                if code >= _MOST_CODES:
                    raise DataError(f"a novelty filter tells {_MOST_CODES - 1:,} words apart and this pool has more")
                codes[word] = code if code < _SURROGATES.start else code + len(_SURROGATES)
        bag = self._bag(text)
        if bag.packed:
            self._pool.append(bag.packed)
            self._lengths.extend(np.array([len(bag.packed)]))
            self._rooms.extend(np.array([bag.room]))
            self._long.extend(bag.long[None])
            for column, bits in zip(self._short, bag.short, strict=True):
                column.extend(bits[None])

    def _bag(self, text: str) -> _Bag:
        """Return the text in the pool's codes; the same word always has the same, early words those below 256."""
        words = _WORD.findall(text.lower())
        codes = [self._codes.get(word, _UNKNOWN) for word in words]
        bits, seen = 0, Counter[str]()
        for word, code in zip(words, codes, strict=True):
            # Unknown words are spread as if each were the next one known.
            bits ^= 1 << ((code or len(self._codes) + len(seen)) + _STRIDE * seen[word]) % _LONG
            seen[word] += 1
        long = np.frombuffer(bits.to_bytes(_LONG // 8, "little"), "<u8")
        short = np.bitwise_xor.reduce(long.reshape(-1, _SHORT // 64), axis=0)
        room = min(int((1.0 - self.threshold) * len(words)), _MOST_ROOM)
        return _Bag("".join(map(chr, codes)), short, long, room)

    def _in_doubt(self, bag: _Bag) -> Iterator[_Array]:
        """Positions in the pool, in blocks, that the sketches cannot show to be at or below the threshold."""
        for start in range(0, len(self._pool), _BLOCK):
            block = slice(start, start + _BLOCK)
            differing = _differing([column.rows[block] for column in self._short], bag.short)
            # The symmetric difference is below (1 - t)(m + n), which is below the two rooms and two.
            near = start + np.flatnonzero(differing <= self._rooms.rows[block] + np.uint8(bag.room + 1))
            if not len(near):
                continue
            long = self._long.rows.take(near, axis=0)
            long ^= bag.long
            # A product with ones is the quickest exact sum of so few small numbers.
            differing = np.bitwise_count(long).astype(np.float32) @ _ONES
            both = self._lengths.rows[near] + len(bag.packed)
            # The same division as that of F1, so that rounding leaves out nothing that F1 would not.
            near = near[(both - differing) / both > self.threshold]
            if len(near):
                yield near

    @staticmethod
    def _f1(bag: _Bag, others: Sequence[str], lengths: _Array) -> _Array:
        """F1 of a text with each of others, of which there is at least one."""
        # Imported here so that a plugin that never filters does not load it.
        from rapidfuzz.distance import LCSseq
        from rapidfuzz.process import cdist

        lcs = cdist([bag.packed], others, scorer=LCSseq.similarity, dtype=np.int64, workers=1)[0]
        f1: _Array = 2 * lcs / (lengths + len(bag.packed))
        return f1


def _differing(columns: Sequence[_Array], bits: _Array) -> _Array:
    """Count the bits in which each of some short sketches, one column for 64 bits, differs from one: at most 128."""
    counts: _Array = np.bitwise_count(columns[0] ^ bits[0])
    for column, word in zip(columns[1:], bits[1:], strict=True):
        counts += np.bitwise_count(column ^ word)
    return counts
