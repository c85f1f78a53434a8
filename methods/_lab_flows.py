"""LAB's two skill flows up to the lists of questions: leaves of a few examples, and contexts where they are wanted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

from qdcbench.api import Example, GenerationContext

from ._replies import each, first_item, in_flight, numbered

__all__ = ["Flow", "Listed", "leaves", "listed"]

Leaf = tuple[Example, ...]


@dataclass(frozen=True)
class Flow:
    """How many questions a call asks for, and how many contexts are asked for first; none: the free-form flow."""

    questions: int
    contexts: int
    leaf: int
    temperature: float


class Listed(NamedTuple):
    """A reply with a list of questions, the ids of its leaf, and its context where there is one."""

    text: str
    parents: tuple[str, ...]
    lineage: dict[str, str]


def leaves(examples: tuple[Example, ...], most: int) -> list[Leaf]:
    """Cut examples into leaves whose sizes differ by one at most, each an example and its nearest by shared words."""
    words = [frozenset(re.findall(r"[a-z]+", example.prompt.lower())) for example in examples]
    rest, found = list(range(len(examples))), []
    for still in range(-(-len(examples) // most), 0, -1):
        first = words[rest[0]]
        # The sort keeps the order of equals, so the first of the rest, which is most like itself, leads its leaf.
        rest.sort(key=lambda place: -len(first & words[place]) / max(1, len(first | words[place])))
        size = -(-len(rest) // still)
        found.append(tuple(examples[place] for place in rest[:size]))
        rest = sorted(rest[size:])
    return found


def listed(ctx: GenerationContext, flow: Flow) -> Iterator[Listed]:
    """Yield lists of questions without end, leaf after leaf in an order drawn once."""
    cut = leaves(ctx.seed_examples, flow.leaf)
    ctx.rng.shuffle(cut)
    first = flow.contexts or flow.questions
    shared = {"description": ctx.description}
    replies = each(
        ctx.teacher, "propose", cycle(cut),
        lambda leaf: shared | {"count": first, "exemplars": [example.prompt for example in leaf]},
        template="contexts" if flow.contexts else "questions", ahead=in_flight(ctx, 16 * first),
        temperature=flow.temperature, max_tokens=2048,
    )  # fmt: skip
    return _about(ctx, replies, flow) if flow.contexts else (Listed(text, _ids(leaf), {}) for leaf, text in replies)


def _ids(leaf: Leaf) -> tuple[str, ...]:
    return tuple(example.id for example in leaf)


def _about(ctx: GenerationContext, replies: Iterator[tuple[Leaf, str]], flow: Flow) -> Iterator[Listed]:
    """Ask a few questions about every context of a list."""
    # A reply without a list counts as one context: a teacher who never lists any must not be asked for ever.
    most = flow.contexts
    contexts = ((leaf, line) for leaf, text in replies for line in numbered(text)[:most] or [first_item(text)])
    shared = {"description": ctx.description, "count": flow.questions}
    for (leaf, line), text in each(
        ctx.teacher, "propose", contexts,
        lambda item: shared | {"exemplars": [item[1]], "leaf": [example.prompt for example in item[0]]},
        template="grounded", ahead=in_flight(ctx, 16 * flow.questions), temperature=flow.temperature, max_tokens=2048,
    ):  # fmt: skip
        yield Listed(text, _ids(leaf), {"context": line})
