"""The grammar of list_edits: instructions in plain English to edit a short list of digits.

Public names: `OPERATIONS`, `Step`, `Program`, `Problem`, `render`, `parse`, `execute`, `answer`,
`apply`, `depth`, `pairs`, `problem`, `words`, `vocabulary`, `PAIRS`, `SEEN_PAIRS`, `UNSEEN_PAIRS`.
The distributions and the held-out sets over this grammar are in `_list_edits_sets`.

A list holds digits 0 to 9 and never becomes empty: a list of one number loses nothing.

>>> program = parse("Here is a small exercise: reverse the list, then add one to every number: 3 1 4")
>>> program and (answer(program), depth(program), pairs(program))
('5 2 4', 2, (('reverse', 'add_one'),))
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from ._list_edits_words import CONTEXTS, JOINS, PHRASINGS

__all__ = [
    "OPERATIONS",
    "PAIRS",
    "SEEN_PAIRS",
    "UNSEEN_PAIRS",
    "Problem",
    "Program",
    "Step",
    "answer",
    "apply",
    "depth",
    "execute",
    "pairs",
    "parse",
    "problem",
    "render",
    "vocabulary",
    "words",
]

Items = tuple[int, ...]
Pair = tuple[str, str]
Problem = tuple[tuple[str, ...], Items]
"""What is asked, whatever the wording: the operations in order, and the list."""

MAX_DEPTH = 8
"""Longer chains are not understood by `parse`."""


def _swap_ends(items: Items) -> Items:
    return items if len(items) < 2 else (items[-1], *items[1:-1], items[0])


_EFFECTS: dict[str, Callable[[Items], Items]] = {
    "reverse": lambda items: items[::-1],
    "sort_up": lambda items: tuple(sorted(items)),
    "sort_down": lambda items: tuple(sorted(items, reverse=True)),
    "add_one": lambda items: tuple((item + 1) % 10 for item in items),
    "double": lambda items: tuple(item * 2 % 10 for item in items),
    "nines": lambda items: tuple(9 - item for item in items),
    "drop_first": lambda items: items[1:] or items,
    "drop_last": lambda items: items[:-1] or items,
    "swap_ends": _swap_ends,
    "rotate": lambda items: items[1:] + items[:1],
    "repeat_last": lambda items: items + items[-1:],
    "repeat_first": lambda items: items[:1] + items,
}

OPERATIONS: tuple[str, ...] = tuple(_EFFECTS)
"""The twelve operations. Arithmetic drops tens: nine plus one gives zero."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation and the number of the phrasing that says it."""

    op: str
    phrasing: int


@dataclass(frozen=True, slots=True)
class Program:
    """An instruction: its steps, the list it edits, and how it is worded."""

    steps: tuple[Step, ...]
    items: Items
    context: int
    joins: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.steps or not self.items:
            raise ValueError("a program needs at least one step and one item")
        if len(self.joins) != len(self.steps) - 1:
            raise ValueError("a program needs one join between each two steps")


def apply(op: str, items: Sequence[int]) -> Items:
    """The list after one operation."""
    return _EFFECTS[op](tuple(items))


def execute(program: Program) -> Items:
    """The list after all steps."""
    items = program.items
    for step in program.steps:
        items = _EFFECTS[step.op](items)
    return items


def answer(program: Program) -> str:
    """The right completion, such as `5 2 4`."""
    return " ".join(map(str, execute(program)))


def depth(program: Program) -> int:
    """How many operations are composed."""
    return len(program.steps)


def pairs(program: Program) -> tuple[Pair, ...]:
    """Each two operations that follow one another, in order."""
    ops = [step.op for step in program.steps]
    return tuple(itertools.pairwise(ops))


def problem(program: Program) -> Problem:
    """What is asked, whatever the wording."""
    return tuple(step.op for step in program.steps), program.items


def render(program: Program) -> str:
    """The prompt: context, instruction and list in one line."""
    before, after = CONTEXTS[program.context]
    text = PHRASINGS[program.steps[0].op][program.steps[0].phrasing]
    for join, step in zip(program.joins, program.steps[1:], strict=True):
        text += JOINS[join] + PHRASINGS[step.op][step.phrasing]
    text = " ".join(part for part in (before, text, after) if part)
    text = re.sub(r"(^|\. )([a-z])", lambda match: match[1] + match[2].upper(), text)
    return f"{text}: {' '.join(map(str, program.items))}"


_WORD = re.compile(r"[a-z]+|[0-9]+")
_FOREIGN = re.compile(r"[^a-z0-9\s.,:;!?\"'()]")


def words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, punctuation left out."""
    return _WORD.findall(text.lower())


Trie = dict[str, "Trie | int"]
_END = ""


def _trie(phrases: Sequence[str]) -> Trie:
    """Word-by-word lookup from a phrase to its number; the empty word ends a phrase."""
    root: Trie = {}
    for number, phrase in enumerate(phrases):
        node = root
        for word in words(phrase):
            child = node.setdefault(word, {})
            assert isinstance(child, dict)
            node = child
        if _END in node:
            raise ValueError(f"two phrases read alike: {phrase!r}")
        node[_END] = number
    return root


def _longest(trie: Trie, tokens: Sequence[str], start: int) -> tuple[int, int] | None:
    """The number of the longest phrase at a place and where it ends; None if none is there."""
    found: tuple[int, int] | None = None
    node, place = trie, start
    while True:
        number = node.get(_END)
        if isinstance(number, int):
            found = number, place
        child = node.get(tokens[place]) if place < len(tokens) else None
        if not isinstance(child, dict):
            return found
        node, place = child, place + 1


@dataclass(frozen=True, slots=True)
class _Tries:
    """Lookups for the three kinds of phrase."""

    steps: Trie
    joins: Trie
    befores: Trie


_STEPS: tuple[Step, ...] = tuple(
    Step(op, number) for op, phrases in PHRASINGS.items() for number in range(len(phrases))
)
_CONTEXT_NUMBERS: dict[tuple[str, str], int] = {
    (" ".join(words(before)), " ".join(words(after))): number for number, (before, after) in enumerate(CONTEXTS)
}
_BEFORES: tuple[str, ...] = tuple(sorted({before for before, _ in _CONTEXT_NUMBERS}))


@lru_cache(maxsize=1)
def _tries() -> _Tries:
    return _Tries(
        steps=_trie([PHRASINGS[step.op][step.phrasing] for step in _STEPS]),
        joins=_trie(JOINS),
        befores=_trie(_BEFORES),
    )


def _parse_items(tokens: Sequence[str]) -> tuple[Items, int] | None:
    """The digits a prompt ends in and where they begin."""
    start = len(tokens)
    while start and tokens[start - 1].isdigit():
        start -= 1
    digits = tokens[start:]
    if not digits or any(len(digit) > 1 for digit in digits):
        return None
    return tuple(int(digit) for digit in digits), start


def parse(prompt: str) -> Program | None:
    """The program a prompt says, or None; case, spacing and punctuation do not matter."""
    if _FOREIGN.search(prompt.lower()):
        return None
    tokens = words(prompt)
    parsed = _parse_items(tokens)
    if parsed is None:
        return None
    items, end = parsed
    tries = _tries()
    place = (_longest(tries.befores, tokens, 0) or (0, 0))[1]
    before = " ".join(tokens[:place])
    steps: list[Step] = []
    joins: list[int] = []
    while len(steps) < MAX_DEPTH:
        step = _longest(tries.steps, tokens, place)
        if step is None:
            return None
        steps.append(_STEPS[step[0]])
        place = step[1]
        join = _longest(tries.joins, tokens, place)
        if join is None:
            break
        joins.append(join[0])
        place = join[1]
    context = _CONTEXT_NUMBERS.get((before, " ".join(tokens[place:end])))
    if context is None or len(joins) != len(steps) - 1:
        return None
    return Program(steps=tuple(steps), items=items, context=context, joins=tuple(joins))


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Every word and digit a prompt or an answer can hold, in alphabetical order."""
    texts = [phrase for phrases in PHRASINGS.values() for phrase in phrases]
    texts += [side for context in CONTEXTS for side in context] + list(JOINS)
    return tuple(sorted({word for text in texts for word in words(text)} | set("0123456789")))


PAIRS: tuple[Pair, ...] = tuple((first, second) for first in OPERATIONS for second in OPERATIONS if first != second)
"""The 132 ordered pairs of different operations."""


def _draw_seen_pairs() -> frozenset[Pair]:
    """Half of the pairs; each operation comes six times first and six times second."""
    rng = Random("list_edits: seen pairs, version 1")
    ring = list(OPERATIONS)
    rng.shuffle(ring)
    gaps = rng.sample(range(1, len(ring)), k=len(ring) // 2)
    return frozenset((first, ring[(place + gap) % len(ring)]) for place, first in enumerate(ring) for gap in gaps)


SEEN_PAIRS: frozenset[Pair] = _draw_seen_pairs()
UNSEEN_PAIRS: frozenset[Pair] = frozenset(PAIRS) - SEEN_PAIRS
