"""How a judge scores the prompts of a batch: together in one reply, or apart where it can see one only."""

import re
from collections.abc import Sequence

from qdcbench.api import Asker, Example
from qdcbench.scorers.judge import COMPLEXITY, rate

__all__ = ["Batch", "apart", "together"]

Batch = tuple[Example, ...]
"""Examples whose prompts are scored in view of each other."""

_LINE = re.compile(r"^[^\w\n]*(?:task[ ])?(\d+)[^\w\n]+(\d+(?:\.\d+)?)\b", re.MULTILINE | re.IGNORECASE)


def together(judge: Asker, batches: Sequence[Batch]) -> list[list[float] | None]:
    """Ask once a batch for a score of every prompt in it; None for a reply that does not score each exactly once.

    Raises:
        PluginError: the judge is scripted: it cannot see several prompts.
    """
    materials = [{"question": "rank", "prompts": [example.prompt for example in batch]} for batch in batches]
    most = max((len(batch) for batch in batches), default=0)
    replies = judge.ask_many("judge", materials, template="rank", temperature=0.0, max_tokens=12 * most + 16)
    return [_scores(reply, len(batch)) for reply, batch in zip(replies, batches, strict=True)]


def _scores(reply: str, size: int) -> list[float] | None:
    lines = [(int(number), float(score)) for number, score in _LINE.findall(reply)]
    if sorted(number for number, _ in lines) != list(range(1, size + 1)):
        return None
    return [score for _, score in sorted(lines)]


def apart(judge: Asker, batches: Sequence[Batch]) -> list[list[float] | None]:
    """Ask for a rating of each prompt by itself, anew for every batch it is in: a weaker stand-in for a ranking."""
    ratings = iter(rate(judge, [example for batch in batches for example in batch], COMPLEXITY).column)
    found: list[list[float] | None] = []
    for batch in batches:
        scores = [next(ratings) for _ in batch]
        known = [score for score in scores if score is not None]
        found.append(known if len(known) == len(scores) else None)
    return found
