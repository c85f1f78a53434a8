"""The measures of complexity that need the texts alone, or what the task or a parser knows of them."""

from collections.abc import Callable
from functools import partial

from qdcbench.measures.cards import MeasureRow, cards, per_row
from qdcbench.measures.complexity.counts import depths, token_counts, word_counts
from qdcbench.measures.complexity.size import compressed_size
from qdcbench.measures.complexity.steps import equations, nesting, steps
from qdcbench.measures.rows import FloatArray, Rows, Side

__all__ = ["measures"]


def measures() -> list[MeasureRow]:
    """Return the measures of complexity of texts."""
    card = cards("complexity", "counts.toml")

    def both(name: str, each: Callable[..., FloatArray]) -> list[MeasureRow]:
        sides: tuple[tuple[Side, str], ...] = (("prompt", ""), ("completion", ":completion"))
        return [per_row(card[name], name + end, partial(each, side=side), side=side) for side, end in sides]

    return [
        per_row(card["mean_depth"], "mean_depth", depths),
        per_row(card["words"], "prompt_words", partial(word_counts, side="prompt"), side="prompt"),
        per_row(card["words"], "completion_words", partial(word_counts, side="completion"), side="completion"),
        per_row(card["tokens"], "prompt_tokens", partial(token_counts, side="prompt"), side="prompt"),
        per_row(card["tokens"], "completion_tokens", partial(token_counts, side="completion"), side="completion"),
        *both("steps", steps),
        *both("equations", equations),
        *both("nesting", nesting),
        *both("compressed_size", compressed_size),
        per_row(card["parse_depth"], "parse_depth", partial(Rows.numbers, name="parse_depth")),
    ]
