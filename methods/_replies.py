"""How methods read a teacher's text, and the one way in which all of them have prompts answered."""

import re
from collections.abc import Sequence

from qdcbench.api import GenerationContext

__all__ = ["BATCH", "PATIENCE", "answers", "first_item", "numbered", "says_yes", "unanswered"]

BATCH = 32
"""Requests sent at once where order does not matter."""
PATIENCE = 50
"""Batches without a single accepted row after which a method ends by itself."""
SHOWN = 3
"""Seed examples that an answerer sees."""

_ITEM = re.compile(r"^\s*\d+\s*[.)]\s+(.*\S)\s*$")
_LABEL = re.compile(r"^\s*answer\s*:\s*", re.IGNORECASE)


def numbered(text: str) -> list[str]:
    """Return the items of a numbered list, one a line; what stands around the list is left out."""
    return [found[1] for line in text.splitlines() if (found := _ITEM.match(line))]


def first_item(text: str) -> str:
    """Return the first item of a list, or the whole text where there is no list."""
    items = numbered(text)
    return items[0] if items else " ".join(text.split())


def says_yes(text: str) -> bool:
    """Whether a reply begins with yes."""
    return text.strip().lower().startswith("yes")


def answers(ctx: GenerationContext, prompts: Sequence[str], max_tokens: int = 300) -> list[str]:
    """Have every prompt answered, greedily and after the same examples, so that methods differ in prompts alone."""
    shown = list(ctx.seed_examples[:SHOWN])
    materials = [{"description": ctx.description, "examples": shown, "prompt": prompt} for prompt in prompts]
    texts = ctx.answerer.ask_many("answer", materials, temperature=0.0, max_tokens=max_tokens)
    return [_LABEL.sub("", text).strip() for text in texts]


def unanswered(prompt: str, completion: str) -> str:
    """Return why a reply is no answer at all, or an empty text."""
    if not completion:
        return "empty answer"
    if completion == prompt:
        return "answer repeats the prompt"
    return ""
