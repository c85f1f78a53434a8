"""Every error that QDCBench raises on purpose.

QdcError                 one sentence for the user: what is wrong, where, what to do
├── ConfigError          a suite, a parameter or a command-line value is wrong
├── PluginError          a method, task or teacher cannot be loaded or broke its contract
├── RecordError          a record file is malformed, from the future, or not comparable
├── DataError            an input data file cannot be read or holds nothing usable
├── TeacherError         an endpoint refused, timed out or answered nonsense after every retry
├── StoreError           the disk refused: full, read-only, permission
└── BudgetExhausted      a hard cap was reached; ends a method, never a run
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BudgetExhausted",
    "ConfigError",
    "DataError",
    "PluginError",
    "QdcError",
    "RecordError",
    "StoreError",
    "TeacherError",
    "did_you_mean",
]


class QdcError(Exception):
    """An error whose message is one sentence a user can act on."""


class ConfigError(QdcError):
    """A suite file, a parameter or a command-line value is wrong."""


class PluginError(QdcError):
    """A plugin cannot be loaded or broke its contract."""


class RecordError(QdcError):
    """A record is malformed, newer than this version, or cannot be compared."""


class DataError(QdcError):
    """A data file cannot be read or holds no usable row."""


class TeacherError(QdcError):
    """A teacher gave no usable answer after all retries."""


class StoreError(QdcError):
    """A file could not be written or read."""


class BudgetExhausted(QdcError):
    """A hard cap was reached; ``limit`` names which one.

    ``answers`` are the texts that the same ``ask_many`` paid for before the cap, the first of its questions in
    order: a method that asks in batches can use them and stop.
    """

    def __init__(self, limit: str, answers: Iterable[str] = ()) -> None:
        super().__init__(f"the budget's limit on {limit} is reached")
        self.limit = limit
        self.answers = tuple(answers)

    def __reduce__(self) -> tuple[type["BudgetExhausted"], tuple[str, tuple[str, ...]]]:
        return (BudgetExhausted, (self.limit, self.answers))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a clause that names the nearest known names, or lists all of them when none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.55)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    return "known: " + (", ".join(names) if names else "none")
