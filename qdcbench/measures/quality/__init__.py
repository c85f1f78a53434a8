"""Measures of quality."""

from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.quality.checked import checkable, confirmed
from qdcbench.measures.rows import FloatArray, Rows

__all__ = ["measures"]


def _numbers(column: str) -> "partial[FloatArray]":
    return partial(_values, column=column)


def _values(rows: Rows, column: str) -> FloatArray:
    return rows.numbers(column)


def measures() -> list[MeasureRow]:
    """Return the measures of quality."""
    card = cards("quality", "checked.toml")
    judged = cards("quality", "judged.toml")
    return [
        per_row(card["verified_share"], "verified_share", confirmed),
        per_row(card["checkable_share"], "checkable_share", checkable),
        per_row(judged["judge_score"], "judge_score", _numbers("judge_score")),
    ]
