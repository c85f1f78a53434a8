"""The measures of complexity that need the texts alone, or what the task knows of them."""

from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.complexity.counts import depths, word_counts

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of complexity of texts."""
    card = cards("complexity", "counts.toml")
    return [
        per_row(card["mean_depth"], "mean_depth", depths),
        per_row(card["words"], "prompt_words", partial(word_counts, side="prompt"), side="prompt"),
        per_row(card["words"], "completion_words", partial(word_counts, side="completion"), side="completion"),
    ]
