"""How methods hand over what they made: rows without a flaw are kept, others are logged with the reason."""

from collections.abc import Iterable, Iterator

from qdcbench.api import Example, GenerationContext

from ._replies import unanswered

__all__ = ["flaw", "kept"]

MOST_IN_VAIN = 1000
"""Rejected candidates in a row after which a method ends by itself."""


def flaw(row: Example) -> str:
    """Return why a row cannot be one at all, or an empty text."""
    return unanswered(row.prompt, row.completion) or ("" if row.prompt.strip() else "empty prompt")


def kept(ctx: GenerationContext, judged: Iterable[tuple[Example, str]]) -> Iterator[Example]:
    """Yield the candidates that have no reason against them and log the others, until too many failed in a row."""
    in_vain = 0
    for row, reason in judged:
        if not reason:
            in_vain = 0
            yield row
            continue
        ctx.reject(row.prompt, reason, completion=row.completion, parents=row.parents, lineage=row.lineage)
        in_vain += 1
        if in_vain > MOST_IN_VAIN:
            return
