"""TarGEN up to what a task is written from: domains listed once, instance seeds in each, labels drawn uniformly."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from qdcbench.api import GenerationContext

from ._replies import each, first_item, in_flight, numbered
from ._topics import Path, children, drawn, first_level

__all__ = ["Plan", "Sources", "planned"]


@dataclass(frozen=True)
class Sources:
    """Labels (none: the kinds that the teacher lists), domains kept, instance seeds a call, temperature."""

    labels: tuple[str, ...]
    domains: int
    seeds: int
    temperature: float


class Plan(NamedTuple):
    """What a task is to be written from."""

    domain: Path
    seed: str
    label: str


def planned(ctx: GenerationContext, sources: Sources) -> Iterator[Plan]:
    """Yield instance seeds with labels, pass after pass over the domains; nothing where no domain is listed.

    A domain is a value of a way in which tasks differ; without labels, a label is a value of another way.
    """
    ways = first_level(ctx, temperature=sources.temperature)
    kinds = children(ctx, ways, template="values", temperature=sources.temperature)
    domains = drawn(ctx.rng, kinds, sources.domains)
    passes = count() if domains else ()
    turns = (domain for _ in passes for domain in ctx.rng.sample(domains, len(domains)))
    shared = {"description": ctx.description, "count": sources.seeds}
    for domain, text in each(
        ctx.teacher, "propose", turns, lambda domain: shared | {"topics": [domain[-1]]},
        template="seeds", ahead=in_flight(ctx, 16 * sources.seeds), temperature=sources.temperature,
    ):  # fmt: skip
        others = [path[-1] for path in kinds if path[0] != domain[0]] or [path[-1] for path in kinds]
        # A reply without a list is one seed, so that every call leads to a task that can count as a failure.
        for seed in numbered(text)[: sources.seeds] or [first_item(text)]:
            yield Plan(domain, seed, ctx.rng.choice(sources.labels or others))
