"""How methods read a teacher's text, and the one way in which all of them have prompts answered."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from qdcbench.api import AHEAD, Asker, GenerationContext

__all__ = [
    "answer_each",
    "first_item",
    "in_flight",
    "numbered",
    "says_yes",
    "unanswered",
]

T = TypeVar("T")

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


def in_flight(ctx: GenerationContext, share: int) -> int:
    """Return how many questions of one kind to have under way: at most one for every ``share`` rows wanted.

    What is under way when the last row is made was asked in vain, so a small data set must keep it small.
    """
    return min(AHEAD, max(1, ctx.remaining // share))


def each(
    asker: Asker, intent: str, items: Iterable[T], material: Callable[[T], Mapping[str, Any]], **options: Any
) -> Iterator[tuple[T, str]]:
    """Ask about a stream of items, as `Asker.ask_each` does, and pair each with its reply."""
    asked: deque[T] = deque()

    def materials() -> Iterator[Mapping[str, Any]]:
        for item in items:
            asked.append(item)
            yield material(item)

    for text in asker.ask_each(intent, materials(), **options):
        yield asked.popleft(), text


def answer_each(
    ctx: GenerationContext, items: Iterable[T], prompt: Callable[[T], str], *, ahead: int, max_tokens: int = 300,
    temperature: float = 0.0,
) -> Iterator[tuple[T, str]]:  # fmt: skip
    """Have a stream of prompts answered, after the same examples for all methods; pair each item with its answer.

    Greedily, unless a method is about sampling: so that methods differ in their prompts alone.
    """
    shared = {"description": ctx.description, "examples": list(ctx.seed_examples[:SHOWN])}
    options: dict[str, Any] = {"ahead": ahead, "temperature": temperature, "max_tokens": max_tokens}
    for item, text in each(ctx.answerer, "answer", items, lambda item: shared | {"prompt": prompt(item)}, **options):
        yield item, _LABEL.sub("", text).strip()


def unanswered(prompt: str, completion: str) -> str:
    """Return why a reply is no answer at all, or an empty text."""
    if not completion:
        return "empty answer"
    if completion == prompt:
        return "answer repeats the prompt"
    return ""
