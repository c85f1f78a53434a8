"""The measures of diversity that read unit vectors of rows: embeddings of a text, gradients of a model."""

from collections.abc import Callable
from functools import partial
from math import inf

from qdcbench.measures.cards import MeasureRow, cards, together
from qdcbench.measures.diversity.distance import mean_cosine_distance
from qdcbench.measures.diversity.vendi import vendi

__all__ = ["measures"]

_ORDERS = {"0.1": 0.1, "1": 1.0, "2": 2.0, "inf": inf}


def measures(encoder: str) -> list[MeasureRow]:
    """Return the measures of the prompts' embeddings by one encoder."""
    card = cards("diversity", "vectors.toml")

    def of(family: str, name: str, whole: Callable[..., float], **words: object) -> MeasureRow:
        return together(card[family], f"{name}[{encoder}]", partial(whole, encoder=encoder), encoder=encoder, **words)

    return [
        of("mean_cosine_distance", "mean_cosine_distance", mean_cosine_distance),
        *(of("vendi", f"vendi_q{name}", partial(vendi, q=q), order=name) for name, q in _ORDERS.items()),
    ]
