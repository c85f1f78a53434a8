"""What the table of speeds compares: one of our measures beside a way that a user would otherwise take."""

from collections.abc import Callable
from dataclasses import dataclass

from qdcbench.measures import Rows

__all__ = ["Case"]

Take = Callable[[Rows], float]


@dataclass(frozen=True)
class Case:
    """One measure by us and by others, of the same rows.

    Both functions get fresh `Rows` without anything computed and must return the measure's value. Neither times
    its imports: the runner calls each once on a few rows first.
    """

    measure: str
    """What is measured, in the words of the table."""
    package: str
    """What the other way is: a package and its function, or "plain formula"."""
    ours: Take
    theirs: Take | None
    """None where nobody else does this."""
    theirs_at_most: int
    """Rows above which the other way is not run, because it would take too long or too much memory."""
    agree: float
    """Largest relative difference of the two values; more is an error of the table."""
