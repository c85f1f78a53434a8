"""Counting over simulated editions: a batch of them, and how often each thing happened."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from qdcbench.seeds import array_stream
from qdcbench.stats.operating import Part, Rate, rate

__all__ = ["LEVEL", "Batch", "Tally"]

LEVEL = 0.05
"""Level at which the tests are held to what they promise."""

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Generic[P]):
    """``n`` editions of one kind from number ``first`` on; see `qdcbench.stats.operating.Rate` for the names.

    ``planted`` is what the trial of this part plants, ``source`` the folder of the committed edition.
    """

    part: Part
    design: str
    size: int
    scenario: str
    planted: P
    source: Path
    root_seed: int
    first: int
    n: int

    def stream(self, edition: int) -> np.random.Generator:
        """Return the generator of one edition, the same in whatever batch it is."""
        axes = {"design": self.design, "size": self.size, "scenario": self.scenario, "edition": edition}
        return array_stream(self.root_seed, f"selftest/{self.part}", axes)

    @property
    def editions(self) -> range:
        """Numbers of the editions."""
        return range(self.first, self.first + self.n)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each thing could happen and did, by test, what is counted and the planted effect."""

    hits: Counter[tuple[str, str, float]] = field(default_factory=Counter)
    of: Counter[tuple[str, str, float]] = field(default_factory=Counter)

    def count(self, test: str, what: str, effect: float, happened: bool) -> None:
        """Count one edition."""
        key = (test, what, round(effect, 6))
        self.of[key] += 1
        self.hits[key] += bool(happened)

    def add(self, other: "Tally") -> None:
        """Count what another tally counted."""
        self.hits.update(other.hits)
        self.of.update(other.of)

    def rows(self) -> list[list[str | float]]:
        """Return the counts as JSON rows, in order."""
        return [[*key, self.hits[key], of] for key, of in sorted(self.of.items())]

    @classmethod
    def of_rows(cls, rows: Iterable[list[Any]]) -> "Tally":
        """Return the tally that gave these rows."""
        tally = cls()
        for test, what, effect, hits, of in rows:
            tally.hits[test, what, float(effect)] = hits
            tally.of[test, what, float(effect)] = of
        return tally

    def rates(self, batch: Batch[P]) -> tuple[Rate, ...]:
        """Return the shares; ``batch`` says where they belong."""
        return tuple(
            rate(
                self.hits[key], of, part=batch.part, design=batch.design, size=batch.size, scenario=batch.scenario,
                test=key[0], what=key[1], effect=key[2],
            )
            for key, of in sorted(self.of.items())
        )  # fmt: skip
