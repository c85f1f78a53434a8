"""Measures of diversity."""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from qdcbench.measures.cards import MeasureRow, cards, together
from qdcbench.measures.diversity import coverage
from qdcbench.measures.diversity.compression import compression_ratio
from qdcbench.measures.diversity.distance import mean_cosine_distance
from qdcbench.measures.diversity.distinct import distinct, ngram_diversity, unique_rows
from qdcbench.measures.diversity.vendi import vendi
from qdcbench.measures.rows import Rows, Side

__all__ = ["measures", "measures_of_vectors"]

_ORDERS = {"0.1": 0.1, "1": 1.0, "2": 2.0, "inf": inf}


def _coverage() -> list[MeasureRow]:
    card = cards("diversity", "coverage.toml")
    functions: dict[str, Callable[[Rows], float]] = {
        "pair_coverage": coverage.pair_coverage,
        "pair_entropy": coverage.pair_entropy,
        "effective_pairs": coverage.effective_pairs,
        "operations_seen": coverage.operations_seen,
        "effective_operations": coverage.effective_operations,
    }
    return [together(card[name], name, whole) for name, whole in functions.items()]


def _words(side: Side) -> list[MeasureRow]:
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


def measures_of_vectors(encoder: str) -> list[MeasureRow]:
    """Return the measures of the prompts' embeddings by one encoder."""
    card = cards("diversity", "vectors.toml")

    def of(family: str, name: str, whole: Callable[..., float], **words: object) -> MeasureRow:
        return together(card[family], f"{name}[{encoder}]", partial(whole, encoder=encoder), encoder=encoder, **words)

    return [
        of("mean_cosine_distance", "mean_cosine_distance", mean_cosine_distance),
        *(of("vendi", f"vendi_q{name}", partial(vendi, q=q), order=name) for name, q in _ORDERS.items()),
    ]


def measures(encoders: Sequence[str]) -> list[MeasureRow]:
    """Return the measures of diversity, those of vectors once an encoder."""
    return [
        *_coverage(),
        *(row for encoder in encoders for row in measures_of_vectors(encoder)),
        *_words("prompt"),
        *_words("completion"),
    ]
