"""The measures of diversity that read unit vectors of rows: embeddings of a text, gradients of a model."""

from collections.abc import Callable, Iterable
from functools import partial
from math import inf

from qdcbench.measures.cards import Card, MeasureRow, cards, per_row, together
from qdcbench.measures.diversity.base import facility_location, gain
from qdcbench.measures.diversity.between import between_generators, between_over_within
from qdcbench.measures.diversity.dcscore import dcscore
from qdcbench.measures.diversity.distance import mean_cosine_distance
from qdcbench.measures.diversity.gradients import g_vendi
from qdcbench.measures.diversity.neighbours import NEIGHBOURS, knn_distance
from qdcbench.measures.diversity.novelsum import novelsum, novelsum_self
from qdcbench.measures.diversity.partition import (
    partition_coverage,
    partition_entropy,
    partition_tail_mass,
    stratum_tail_mass,
)
from qdcbench.measures.diversity.vendi import vendi
from qdcbench.measures.rows import FloatArray, Side

__all__ = ["measures", "measures_of_known"]

_ORDERS = {"0.1": 0.1, "1": 1.0, "2": 2.0, "inf": inf}
_SMALL_TAU = 0.1
"""At a twentieth or less nearly every row of natural questions is told from all others, so the value is about n."""


def measures(encoder: str) -> list[MeasureRow]:
    """Return the measures of embeddings by one encoder: all of the prompts, the main ones of the completions too."""
    return [*_of_side(encoder, "prompt", _ORDERS), *_of_prompts(encoder), *_of_side(encoder, "completion", ["1"])]


def measures_of_known() -> list[MeasureRow]:
    """Return the measures that need no encoder: of gradients, and of strata whose frequency the reference tells."""
    card = cards("diversity", "vectors.toml")
    return [
        together(card["g_vendi"], "g_vendi", g_vendi),
        per_row(card["stratum_tail_mass"], "stratum_tail_mass", stratum_tail_mass),
    ]


def _of_side(encoder: str, side: Side, orders: Iterable[str]) -> list[MeasureRow]:
    card = cards("diversity", "vectors.toml")
    end = f"[{encoder}]" if side == "prompt" else f"[{encoder}]:{side}"

    def of(family: str, name: str, whole: Callable[..., float], **words: object) -> MeasureRow:
        taken = partial(whole, encoder=encoder, side=side)
        return together(card[family], name + end, taken, encoder=encoder, side=side, **words)

    return [
        of("mean_cosine_distance", "mean_cosine_distance", mean_cosine_distance),
        *(of("vendi", f"vendi_q{order}", partial(vendi, q=_ORDERS[order]), order=order) for order in orders),
        *(of("knn_distance", f"knn_distance_k{k}", partial(knn_distance, k=k), k=k) for k in (1, NEIGHBOURS)),
        of("between_generators", "between_generators", between_generators),
        of("between_over_within", "between_over_within", between_over_within),
    ]


def _of_prompts(encoder: str) -> list[MeasureRow]:
    card, small = cards("diversity", "vectors.toml"), f"dcscore_tau{_SMALL_TAU}"
    wholes: dict[str, tuple[Card, Callable[..., float]]] = {
        "novelsum": (card["novelsum"], novelsum),
        "novelsum_self": (card["novelsum_self"], novelsum_self),
        "dcscore": (card["dcscore"], partial(dcscore, tau=1.0)),
        small: (card["dcscore_tau"], partial(dcscore, tau=_SMALL_TAU)),
        "facility_location": (card["facility_location"], facility_location),
        "partition_entropy": (card["partition_entropy"], partition_entropy),
        "partition_coverage": (card["partition_coverage"], partition_coverage),
    }
    eachs: dict[str, Callable[..., FloatArray]] = {"gain": gain, "partition_tail_mass": partition_tail_mass}
    end, words = f"[{encoder}]", {"encoder": encoder, "side": "prompt", "tau": _SMALL_TAU}
    return [
        *(together(own, name + end, partial(f, encoder=encoder), **words) for name, (own, f) in wholes.items()),
        *(per_row(card[name], name + end, partial(f, encoder=encoder), **words) for name, f in eachs.items()),
    ]
