"""The measures of diversity that read the words of one side."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, together
from qdcbench.measures.diversity.compression import compression_ratio, compression_ratio_gzip
from qdcbench.measures.diversity.distinct import distinct, ngram_diversity, unique_bounds, unique_rows
from qdcbench.measures.diversity.overlap import rouge_l, self_bleu
from qdcbench.measures.diversity.repetition import self_repetition
from qdcbench.measures.diversity.richness import mtld
from qdcbench.measures.diversity.verbs import top_verbs_share, verb_noun_entropy
from qdcbench.measures.rows import Side

__all__ = ["measures"]


def measures(side: Side) -> list[MeasureRow]:
    """Return the measures of the words of one side; a parser's are of the prompts."""
    card = cards("diversity", "words.toml")
    end = "" if side == "prompt" else f":{side}"

    def of(family: str, name: str, whole: Callable[..., float], **words: object) -> MeasureRow:
        return together(card[family], name + end, partial(whole, side=side), side=side, **words)

    texts = [
        *(of("distinct", f"distinct_{k}", partial(distinct, order=k), order=k) for k in (1, 2, 3, 4)),
        of("ngram_diversity", "ngram_diversity", ngram_diversity),
        replace(of("unique_rows", "unique_rows", unique_rows), bounds=partial(unique_bounds, side=side)),
        of("compression_ratio", "compression_ratio", compression_ratio),
        of("compression_ratio_gzip", "compression_ratio_gzip", compression_ratio_gzip),
        of("self_repetition", "self_repetition", self_repetition),
        of("self_bleu", "self_bleu", self_bleu),
        of("rouge_l", "rouge_l", rouge_l),
        of("mtld", "mtld", mtld),
    ]
    parsed = [
        together(card["verb_noun_entropy"], "verb_noun_entropy", verb_noun_entropy),
        together(card["top_verbs_share"], "top_verbs_share", top_verbs_share),
    ]
    return texts + parsed if side == "prompt" else texts
