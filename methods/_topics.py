"""Trees of topics as a teacher lists them: what lies right below a topic, which of it is sound, and a drawn part."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, TypeVar

from qdcbench.api import GenerationContext

from ._replies import numbered, says_yes

__all__ = ["Path", "children", "drawn", "first_level", "sound"]

LISTS = 3
"""Lists of the first level that are joined."""

Path = tuple[str, ...]
"""A topic with all above it, the root left out; the root itself is ()."""

T = TypeVar("T")


def children(ctx: GenerationContext, paths: Sequence[Path], **options: Any) -> list[Path]:
    """Return what the teacher lists right below each path (named twice: asked twice), in its order and each once."""
    materials = [{"description": ctx.description, "path": list(path)} for path in paths]
    texts = ctx.teacher.ask_many("expand", materials, **options)
    listed = ((*path, item) for path, text in zip(paths, texts, strict=True) for item in numbered(text))
    return list(dict.fromkeys(listed))


def first_level(ctx: GenerationContext, **options: Any) -> list[Path]:
    """Return what the teacher lists right below the root, where one poor list would spoil all that follows."""
    return children(ctx, [()] * LISTS, **options)


def sound(ctx: GenerationContext, paths: Iterable[Path]) -> list[Path]:
    """Return the paths whose last topic the judge takes for one that a prompt of the task can be about."""
    asked = list(paths)
    materials = [{"question": "sound", "description": ctx.description, "topic": path[-1]} for path in asked]
    texts = ctx.judge.ask_many("classify", materials, template="sound", temperature=0.0, max_tokens=64)
    return [path for path, text in zip(asked, texts, strict=True) if says_yes(text)]


def drawn(rng: Random, items: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the items, drawn at random and left in their order."""
    places = sorted(rng.sample(range(len(items)), min(most, len(items))))
    return [items[place] for place in places]
