"""How near a text comes to any of a growing pool, by ROUGE-L over words."""

import re
from collections.abc import Iterable, Sequence

from qdcbench.errors import ConfigError

__all__ = ["NoveltyFilter"]

_WORD = re.compile(r"[a-z0-9]+")
_SURROGATES = range(0xD800, 0xE000)


class NoveltyFilter:
    """A pool of texts that knows the highest ROUGE-L F1 of a new text against any of them.

    Words are runs of ASCII letters and digits in lower case, as in the usual ROUGE without stemming. F1 is
    2·LCS/(m+n), which is the normalised Indel similarity of the two word lists; each word becomes one character, so
    that the comparison is bit-parallel.
    """

    def __init__(self, threshold: float) -> None:
        """Take the similarity above which a text is not new.

        Raises:
            ConfigError: the threshold is not between 0 and 1.
        """
        if not 0.0 <= threshold <= 1.0:
            raise ConfigError(f"a novelty threshold is a ROUGE-L F1 from 0 to 1, not {threshold}; change it")
        self.threshold = threshold
        self._codes: dict[str, str] = {}
        self._pool: list[str] = []
        self._known: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._pool)

    def expect(self, texts: Iterable[str]) -> None:
        """Compare several texts with the pool at once, which is faster; `similar_to` then gives the same values."""
        packed = list(dict.fromkeys(self._packed(text) for text in texts))
        values = self._highest(packed, self._pool)
        self._known = {text: (value, len(self._pool)) for text, value in zip(packed, values, strict=True)}

    def similar_to(self, text: str) -> float:
        """Return the highest F1 against the pool, 0 for an empty pool or a text without words."""
        packed = self._packed(text)
        value, start = self._known.get(packed, (0.0, 0))
        return max(value, self._highest([packed], self._pool[start:])[0])

    def is_new(self, text: str) -> bool:
        """Whether no text of the pool is more similar than the threshold."""
        return self.similar_to(text) <= self.threshold

    def add(self, text: str) -> None:
        """Put a text into the pool."""
        packed = self._packed(text)
        if packed:
            self._pool.append(packed)

    def _packed(self, text: str) -> str:
        """One character a word; the same word always has the same character, early words those below 256."""
        codes = self._codes
        words = _WORD.findall(text.lower())
        for word in words:
            if word not in codes:
                code = len(codes) + 1
                codes[word] = chr(code if code < _SURROGATES.start else code + len(_SURROGATES))
        return "".join(codes[word] for word in words)

    @staticmethod
    def _highest(packed: Sequence[str], pool: Sequence[str]) -> list[float]:
        """For each text the highest similarity to any of the pool."""
        if not pool or not packed:
            return [0.0] * len(packed)
        # Imported here so that a plugin that never filters does not load it.
        import numpy as np
        from rapidfuzz.distance import Indel
        from rapidfuzz.process import cdist

        table = cdist(packed, pool, scorer=Indel.normalized_similarity, dtype=np.float64, workers=1)
        return [float(value) if text else 0.0 for text, value in zip(packed, table.max(axis=1), strict=True)]
