"""The measures of quality that a model or a judge gave to single rows."""

from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.rows import Rows

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of quality by scorers."""
    card = cards("quality", "scored.toml")
    return [per_row(card["judge_score"], "judge_score", partial(Rows.numbers, name="judge_score"))]
