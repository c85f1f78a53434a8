"""What is asked of a profile, and who is told how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from qdcbench.errors import ConfigError
from qdcbench.fields import FieldMap
from qdcbench.records import TeacherSpec

__all__ = ["LONGEST", "Close", "Quiet", "Request", "Watch"]

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
class Close:
    """What looks at ``rows`` rows of each column only, since each one costs.

    ``judge`` and ``tagger`` are language models that are asked; the judge gives tags too where there is no tagger.
    ``gradients`` and ``samples``, the answers to each prompt for its fail rate, are the reference model's.
    ``answers`` is a file that keeps what was answered, so that the same question is paid for once.
    """

    rows: int = 200
    judge: TeacherSpec | None = None
    tagger: TeacherSpec | None = None
    gradients: bool = False
    samples: int = 0
    answers: Path | None = None

    @property
    def wanted(self) -> bool:
        """Whether anything looks closely."""
        return self.judge is not None or self.tagger is not None or self.gradients or self.samples > 0

    def __post_init__(self) -> None:
        """Check the numbers and who is asked.

        Raises:
            ConfigError: a number is out of range, or somebody is no language model.
        """
        if self.rows < 2:
            raise ConfigError(f"--judged must be at least 2, not {self.rows}")
        if self.samples < 0:
            raise ConfigError(f"--fail-rate must be at least 0, not {self.samples}")
        for option, spec in (("judge", self.judge), ("tagger", self.tagger)):
            if spec is not None and any(member.kind == "scripted" for member in spec.each):
                raise ConfigError(
                    f"--{option} {spec.name} knows the prompts of its own task alone; name a language model, such as "
                    "openai:my-model"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Which files to profile and how.

    ``files``, ``base`` and ``reference`` are sources as in `qdcbench.readers.read_columns`. ``gold`` and ``group_by``
    name fields, dotted where they stand inside of another, and so does ``aimed``, the field with the node of a taxonomy
    (``a/b/c``) that a row was aimed at. ``scorers`` maps model, reward, rater or parser to the
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
    aimed: str = ""
    close: Close = field(default_factory=Close)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one is out of range, or an option needs another.
        """
        if (self.close.gradients or self.close.samples) and "model" not in self.scorers:
            raise ConfigError("--gradients and --fail-rate are a model's; name one with --model")
        if self.close.samples and not self.gold:
            raise ConfigError("--fail-rate needs right answers to compare with; name their field with --gold")
        if self.sample < 2:
            raise ConfigError(f"--sample must be at least 2, not {self.sample}")
        if self.longest < 1:
            raise ConfigError(f"--longest must be at least 1, not {self.longest}")
