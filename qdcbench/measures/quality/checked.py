"""Quality as a check says it of single rows: right or wrong, by a verifier, a reference answer or a majority."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from qdcbench.measures.cards import MeasureRow, cards, per_row, together
from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["agreeing", "checkable", "confirmed", "effective_yield", "measures"]


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


def agreeing(rows: Rows, column: str) -> FloatArray:
    """Return 1 for each row that agrees with a reference or a majority, 0 where it does not, NaN where there is none.

    Unlike a verifier that cannot parse a prompt, a row without a reference says nothing about the method.

    Raises:
        Unmeasurable: no row has anything to agree with.
    """
    checks: Sequence[bool | None] = rows.column(column)
    if all(check is None for check in checks):
        raise Unmeasurable("no row has an answer to compare its completion with")
    return np.asarray([math.nan if check is None else float(check) for check in checks], dtype=np.float64)


def effective_yield(rows: Rows) -> float:
    """Return the attempts that were accepted over all attempts, in [0, 1].

    Raises:
        Unmeasurable: nobody counted the attempts, or there was none.
    """
    attempted, accepted = rows.around.attempted, rows.around.accepted
    if not attempted or accepted is None:
        raise Unmeasurable("nobody counted the attempts behind the rows")
    if not 0 <= accepted <= attempted:
        raise Unmeasurable(f"{accepted} attempts were accepted where {attempted} were made")
    return accepted / attempted


def measures() -> list[MeasureRow]:
    """Return the measures of quality by checks."""
    card = cards("quality", "checked.toml")
    return [
        per_row(card["verified_share"], "verified_share", confirmed),
        per_row(card["checkable_share"], "checkable_share", checkable),
        per_row(card["gold_share"], "gold_share", partial(agreeing, column="gold")),
        per_row(card["majority_share"], "majority_share", partial(agreeing, column="majority")),
        together(card["effective_yield"], "effective_yield", effective_yield),
    ]
