"""Quality of single rows as one number a row; the measure is its mean."""

import numpy as np

from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["checkable", "judge_scores", "verified"]


def _checks(rows: Rows) -> tuple[bool | None, ...]:
    if not rows.correct:
        raise Unmeasurable("no row was checked by a verifier")
    return rows.correct


def verified(rows: Rows) -> FloatArray:
    """Return 1 for a right answer and 0 for a wrong one, for each row that the verifier can tell about.

    Read it beside `checkable`: rows that no verifier understands are left out, not counted as wrong.

    Raises:
        Unmeasurable: the verifier can tell about no row, or there is none.
    """
    known = [c for c in _checks(rows) if c is not None]
    if not known:
        raise Unmeasurable("the verifier could tell about no row")
    return np.asarray(known, dtype=np.float64)


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
