"""The measures of quality that a model or a judge gave to single rows."""

from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.rows import Rows

__all__ = ["measures"]

_COLUMNS = {
    "judge_score": "judge_score",
    "win_share": "win",
    "reward": "reward",
    "rated_quality": "rated_quality",
}
"""Each measure and the column that it is the mean of."""


def measures() -> list[MeasureRow]:
    """Return the measures of quality by scorers."""
    card = cards("quality", "scored.toml")
    return [per_row(card[name], name, partial(Rows.numbers, name=column)) for name, column in _COLUMNS.items()]
