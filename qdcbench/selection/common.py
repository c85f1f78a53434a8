"""The common filter: the same few rules for the rows of every method, whatever its own filter was."""

from collections.abc import Sequence

from qdcbench.novelty import NoveltyFilter
from qdcbench.records import Example
from qdcbench.selection.normal import normal_prompt

__all__ = ["LONGEST", "NEAREST", "SHORTEST", "common_reasons"]

NEAREST = 0.7
"""ROUGE-L F1 to a kept row above which a prompt is a near-duplicate; the threshold of Self-Instruct."""

SHORTEST = 3
"""Words of a prompt at least; assumed."""

LONGEST = 150
"""Words of a prompt at most; the limit of Self-Instruct."""


def common_reasons(rows: Sequence[Example]) -> list[str]:
    """Return for each row why the common filter drops it, in a few words; an empty text where it keeps the row.

    Rows are looked at in their order: of two that are alike the first stays.
    """
    reasons: list[str] = []
    kept: set[str] = set()
    novelty = NoveltyFilter(NEAREST)
    for row in rows:
        prompt = normal_prompt(row.prompt)
        reason = _unfit(row) or ("exact duplicate" if prompt in kept else "")
        if not reason and not novelty.is_new(row.prompt):
            reason = "near-duplicate"
        if not reason:
            kept.add(prompt)
            novelty.add(row.prompt)
        reasons.append(reason)
    return reasons


def _unfit(row: Example) -> str:
    """Why a row is dropped whatever the others are."""
    if not row.prompt.strip() or not row.completion.strip():
        return "empty"
    if not SHORTEST <= len(row.prompt.split()) <= LONGEST:
        return "length"
    return "completion repeats the prompt" if normal_prompt(row.completion) == normal_prompt(row.prompt) else ""
