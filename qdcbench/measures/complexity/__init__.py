"""Measures of complexity."""

from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.complexity.counts import depths, word_counts
from qdcbench.measures.rows import FloatArray, Rows

__all__ = ["measures"]


def _values(rows: Rows, column: str) -> FloatArray:
    return rows.numbers(column)


def measures() -> list[MeasureRow]:
    """Return the measures of complexity."""
    card = cards("complexity", "counts.toml")
    model = cards("complexity", "model.toml")
    return [
        per_row(card["mean_depth"], "mean_depth", depths),
        per_row(card["words"], "prompt_words", partial(word_counts, side="prompt"), side="prompt"),
        per_row(card["words"], "completion_words", partial(word_counts, side="completion"), side="completion"),
        per_row(model["answer_nll"], "answer_nll", partial(_values, column="answer_nll")),
    ]
