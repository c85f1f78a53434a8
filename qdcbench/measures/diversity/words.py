"""The measures of diversity that read the words of one side."""

from collections.abc import Callable
from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, together
from qdcbench.measures.diversity.compression import compression_ratio
from qdcbench.measures.diversity.distinct import distinct, ngram_diversity, unique_rows
from qdcbench.measures.rows import Side

__all__ = ["measures"]


def measures(side: Side) -> list[MeasureRow]:
    """Return the measures of the words of one side."""
    card = cards("diversity", "words.toml")
    end = "" if side == "prompt" else f":{side}"

    def of(family: str, name: str, whole: Callable[..., float], **words: object) -> MeasureRow:
        return together(card[family], name + end, partial(whole, side=side), side=side, **words)

    return [
        *(of("distinct", f"distinct_{k}", partial(distinct, order=k), order=k) for k in (1, 2, 3)),
        of("ngram_diversity", "ngram_diversity", ngram_diversity),
        of("unique_rows", "unique_rows", unique_rows),
        of("compression_ratio", "compression_ratio", compression_ratio),
    ]
