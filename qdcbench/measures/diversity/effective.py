"""Effective semantic diversity: different meanings among the rows that are right."""

from collections import Counter

from qdcbench.measures.rows import Rows, Unmeasurable

__all__ = ["effective_fixed", "effective_pairwise"]


def _meanings(rows: Rows) -> Counter[str]:
    """Count the meanings of the valid rows; a row counts as valid when a check confirms it and its meaning is known.

    Raises:
        Unmeasurable: no row was checked, or nothing is known of any meaning.
    """
    checks, meanings = rows.column("correct"), rows.column("meaning")
    if all(check is None for check in checks):
        raise Unmeasurable("the check could tell about no row")
    if all(meaning is None for meaning in meanings):
        raise Unmeasurable("nothing says which rows mean the same")
    found = zip(checks, meanings, strict=True)
    return Counter(meaning for check, meaning in found if check is True and meaning is not None)


def effective_fixed(rows: Rows) -> float:
    """Return the different meanings among valid rows over all n rows, in [0, 1]."""
    return len(_meanings(rows)) / len(rows)


def effective_pairwise(rows: Rows) -> float:
    """Return the share of all pairs of rows whose two rows are valid and differ in meaning, in [0, 1].

    Raises:
        Unmeasurable: there are fewer than two rows, or the validity or meaning of all is unknown.
    """
    n, counts = len(rows), _meanings(rows)
    if n < 2:
        raise Unmeasurable("there are fewer than two rows, so there is no pair")
    valid = counts.total()
    different = valid * (valid - 1) - sum(count * (count - 1) for count in counts.values())
    return different / (n * (n - 1))
