"""The measures of complexity that a model or a judge gave to single rows."""

from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.rows import Rows

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of complexity by scorers."""
    card = cards("complexity", "scored.toml")
    return [per_row(card["answer_nll"], "answer_nll", partial(Rows.numbers, name="answer_nll"))]
