"""How near a text comes to any of a growing pool, by ROUGE-L over words."""

import re

from qdcbench.errors import ConfigError

__all__ = ["NoveltyFilter"]

_WORD = re.compile(r"[a-z0-9]+")
_FIRST = 0x100
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
        self._exact: set[str] = set()

    def __len__(self) -> int:
        return len(self._pool)

    def _packed(self, text: str) -> str:
        """One character a word; the same word always has the same character."""
        codes = self._codes
        for word in (words := _WORD.findall(text.lower())):
            if word not in codes:
                code = _FIRST + len(codes)
                codes[word] = chr(code if code < _SURROGATES.start else code + len(_SURROGATES))
        return "".join(codes[word] for word in words)

    def similar_to(self, text: str) -> float:
        """Return the highest F1 against the pool where it reaches the threshold, else 0; an empty text is like none."""
        # Imported here so that a plugin that never filters does not load it.
        from rapidfuzz import process
        from rapidfuzz.distance import Indel

        packed = self._packed(text)
        if not packed:
            return 0.0
        if packed in self._exact:
            return 1.0
        found = process.extractOne(
            packed, self._pool, scorer=Indel.normalized_similarity, processor=None, score_cutoff=self.threshold
        )
        return 0.0 if found is None else float(found[1])

    def add(self, text: str) -> None:
        """Put a text into the pool."""
        packed = self._packed(text)
        if packed and packed not in self._exact:
            self._exact.add(packed)
            self._pool.append(packed)
