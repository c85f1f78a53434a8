"""Taxonomies of what data may be about: factors of variation, each grown level by level under a critic."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from qdcbench.api import GenerationContext

from ._replies import numbered
from ._topics import Path, children, sound

__all__ = ["Growth", "grown"]


@dataclass(frozen=True, slots=True)
class Growth:
    """Levels below the factors, lists joined at each topic, whether a critic mends what was found, temperature."""

    depth: int
    proposals: int
    critic: bool
    temperature: float


def grown(ctx: GenerationContext, growth: Growth) -> list[list[str]]:
    """Return the leaves of each factor's taxonomy; no taxonomy at all where the depth is 0."""
    if growth.depth < 1:
        return []
    # A factor is accepted or rejected whether or not there is a critic of what lies below it.
    level = sound(ctx, _listed(ctx, [()], growth))
    leaves: dict[Path, None] = dict.fromkeys(level)
    for _ in range(growth.depth):
        level = _below(ctx, level, growth)
        for path in level:
            leaves.pop(path[:-1], None)
            leaves[path] = None
    by_factor: defaultdict[str, list[str]] = defaultdict(list)
    for path in leaves:
        by_factor[path[0]].append(path[-1])
    return list(by_factor.values())


def _listed(ctx: GenerationContext, paths: list[Path], growth: Growth) -> list[Path]:
    """What several lists name right below each path, joined."""
    asked = [path for path in paths for _ in range(growth.proposals)]
    return _merged(children(ctx, asked, temperature=growth.temperature))


def _below(ctx: GenerationContext, paths: list[Path], growth: Growth) -> list[Path]:
    """The next level: what several lists name, what a critic of them adds, less what is not sound."""
    found = _listed(ctx, paths, growth)
    if not growth.critic:
        return found
    proposed: defaultdict[Path, list[str]] = defaultdict(list)
    for path in found:
        proposed[path[:-1]].append(path[-1])
    asked = [
        {"description": ctx.description, "path": list(path), "proposed": labels} for path, labels in proposed.items()
    ]
    texts = ctx.teacher.ask_many("expand", asked, template="critic", temperature=growth.temperature)
    added = ((*path, label) for path, text in zip(proposed, texts, strict=True) for label in numbered(text))
    return sound(ctx, _merged([*found, *added]))


def _merged(paths: Iterable[Path]) -> list[Path]:
    """Each path once: labels that differ in case and marks alone are the same."""
    first: dict[tuple[str, ...], Path] = {}
    for path in paths:
        first.setdefault((*path[:-1], " ".join(re.findall(r"\w+", path[-1].lower()))), path)
    return list(first.values())
