"""Quality as a check says it of single rows: right or wrong, by a verifier, a reference answer or a majority."""

from collections.abc import Sequence

import numpy as np

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["checkable", "confirmed", "measures"]


def confirmed(rows: Rows, column: str = "correct") -> FloatArray:
    """Return 1 for each row that a check confirms and 0 for every other.

    A row it cannot tell about is not confirmed: otherwise a method whose prompts nobody can parse would look
    perfect. `checkable` says how many those are.

    Raises:
        Unmeasurable: the check can tell about no row, or there was none.
    """
    checks: Sequence[bool | None] = rows.column(column)
    if all(check is None for check in checks):
        raise Unmeasurable("the check could tell about no row")
    return np.asarray([check is True for check in checks], dtype=np.float64)


def checkable(rows: Rows, column: str = "correct") -> FloatArray:
    """Return 1 for each row that a check can tell about and 0 for the others.

    Raises:
        Unmeasurable: there was no check.
    """
    return np.asarray([check is not None for check in rows.column(column)], dtype=np.float64)


def measures() -> list[MeasureRow]:
    """Return the measures of quality by checks."""
    card = cards("quality", "checked.toml")
    return [
        per_row(card["verified_share"], "verified_share", confirmed),
        per_row(card["checkable_share"], "checkable_share", checkable),
    ]
