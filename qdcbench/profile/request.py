"""What is asked of a profile, and who is told how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from qdcbench.errors import ConfigError
from qdcbench.fields import FieldMap

__all__ = ["LONGEST", "Quiet", "Request", "Watch"]

LONGEST = 32_000
"""Characters of a text that are measured: a text of a megabyte among others would take most of the time."""


class Watch(Protocol):
    """Is told what is being done."""

    def step(self, what: str) -> None:
        """Note that something new begins."""
        ...

    def at(self, done: float, whole: float | None, unit: str) -> None:
        """Note how much of it is done, of how much where that is known."""
        ...


class Quiet:
    """Tells nobody."""

    def step(self, what: str) -> None:
        """Do nothing."""

    def at(self, done: float, whole: float | None, unit: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Which files to profile and how.

    ``files``, ``base`` and ``reference`` are sources as in `qdcbench.readers.read_columns`. ``gold`` and ``group_by``
    name fields, dotted where they stand inside of another. ``scorers`` maps model, reward, rater or parser to the
    name or folder of what looks at the rows. ``measures`` are patterns in which only ``*`` and ``?`` are special.
    """

    files: tuple[str, ...]
    sample: int = 5000
    own_size: bool = False
    encoder: str = "minilm"
    fields: FieldMap | None = None
    seed: int = 0
    gold: str = ""
    group_by: str = ""
    base: str = ""
    reference: str = ""
    scorers: Mapping[str, str] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    longest: int = LONGEST

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one is out of range.
        """
        if self.sample < 2:
            raise ConfigError(f"--sample must be at least 2, not {self.sample}")
        if self.longest < 1:
            raise ConfigError(f"--longest must be at least 1, not {self.longest}")
