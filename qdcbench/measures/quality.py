"""Quality of single rows as one number a row; the measure is its mean."""

import numpy as np

from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["checkable", "judge_scores", "verified"]


def _checks(rows: Rows) -> tuple[bool | None, ...]:
    if not rows.correct:
        raise Unmeasurable("no row was checked by a verifier")
    return rows.correct


def verified(rows: Rows) -> FloatArray:
    """Return 1 for each row whose answer the verifier confirms and 0 for every other.

    A row it cannot tell about is not confirmed: otherwise a method whose prompts nobody can parse would look
    perfect. `checkable` says how many those are.

    Raises:
        Unmeasurable: the verifier can tell about no row, or there is none.
    """
    checks = _checks(rows)
    if all(check is None for check in checks):
        raise Unmeasurable("the verifier could tell about no row")
    return np.asarray([check is True for check in checks], dtype=np.float64)


def checkable(rows: Rows) -> FloatArray:
    """Return 1 for each row that the verifier can tell about and 0 for the others.

    Raises:
        Unmeasurable: there is no verifier.
    """
    return np.asarray([c is not None for c in _checks(rows)], dtype=np.float64)


def judge_scores(rows: Rows) -> FloatArray:
    """Return the judge's score of each row, on the judge's own scale.

    Raises:
        Unmeasurable: there are none.
    """
    if not rows.judge_scores:
        raise Unmeasurable("no judge scored the rows")
    return np.asarray(rows.judge_scores, dtype=np.float64)
