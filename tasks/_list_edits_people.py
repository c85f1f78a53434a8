"""The people and topics a scripted teacher of list_edits knows: occupations, settings, and factors of variation.

Public names: `OCCUPATIONS`, `SETTINGS`, `FACTORS`, `CHAINS`, `SIZES`, `UNSOUND`, `Topic`, `describe_person`,
`context_of`, `topic_children`, `understood`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from ._list_edits_grammar import OPERATIONS, parse
from ._list_edits_words import PHRASINGS

__all__ = [
    "CHAINS",
    "FACTORS",
    "OCCUPATIONS",
    "SETTINGS",
    "SIZES",
    "UNSOUND",
    "Topic",
    "context_of",
    "describe_person",
    "topic_children",
    "understood",
]

OCCUPATIONS: tuple[str, ...] = (
    "baker", "shopkeeper", "bus driver", "games referee", "gardener", "librarian", "bookkeeper", "schoolteacher",
    "train guard", "cook", "student", "weather observer", "nurse", "football fan", "postal worker", "stamp collector",
    "farmer", "harbour master", "musician", "museum guide", "pilot", "chess player", "painter", "mountain guide",
)  # fmt: skip
"""One occupation for each context, in the order of the contexts."""

SETTINGS: tuple[str, ...] = (
    "prices in a bakery", "a shop till", "a bus route", "a score sheet", "seeds in pots", "shelves of a library",
    "a plain request for the new list", "a puzzle for a class", "work on a train", "a kitchen", "a small exercise",
    "a weather diary", "doses in a hospital", "the time before a match", "parcels in a post office", "a stamp album",
    "eggs on a farm", "boats in a harbour", "beats of a tune", "tickets of a museum", "a radio call of a pilot",
    "an evening of chess", "colours of a painter", "a mountain trail",
)  # fmt: skip
"""What a teacher calls each context when it lists settings, in the order of the contexts."""

FACTORS: tuple[str, ...] = ("kinds of edit", "settings", "number of edits", "length of the list")
CHAINS: tuple[str, ...] = ("one edit", "two edits", "three edits", "four edits")
SIZES: tuple[str, ...] = ("three digits", "four digits", "five digits", "six digits", "seven digits")
UNSOUND: tuple[str, ...] = (
    "sentence length", "square roots", "spelling mistakes", "the colour of the digits", "famous dates",
    "rounding to the nearest ten", "prime numbers", "the mood of the reader",
)  # fmt: skip
"""Children that no prompt of this task can have."""

_TRAITS = ("careful", "retired", "young", "busy", "curious", "patient", "cheerful", "thrifty", "quiet", "proud",
           "tired", "self-taught", "meticulous", "talkative", "forgetful")  # fmt: skip
_PLACES = ("from a small town", "in a big city", "by the sea", "near the border", "in the old quarter", "on an island",
           "from the north", "in a mining valley", "at the edge of a forest", "in a new suburb")  # fmt: skip
_HABITS = (
    "keeps every record by hand", "teaches two apprentices", "writes short notes to the neighbours",
    "likes to check numbers twice", "is learning to use a computer", "plans each week on Sunday",
    "talks about work at dinner", "hates to waste time", "answers letters the same day", "trades tips with old friends",
    "saves for a long journey", "reads the news aloud",
)  # fmt: skip

_OCCUPATION = re.compile("|".join(sorted(OCCUPATIONS, key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic asks for; None or empty where it says nothing."""

    operations: tuple[str, ...] = ()
    context: int | None = None
    depth: int | None = None
    length: int | None = None


def describe_person(rng: Random, context: int) -> str:
    """Return one sentence about a person whose occupation goes with the context."""
    trait = rng.choice(_TRAITS)
    article = "An" if trait[0] in "aeiou" else "A"
    return f"{article} {trait} {OCCUPATIONS[context]} {rng.choice(_PLACES)} who {rng.choice(_HABITS)}."


def context_of(person: str) -> int | None:
    """Return the context of the occupation named in a description, None where it names none."""
    found = _OCCUPATION.search(person.lower())
    return OCCUPATIONS.index(found[0]) if found else None


def topic_children(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return every sound child of a topic, the most general topic being the empty path."""
    if not path:
        return FACTORS
    if path[0] == FACTORS[0]:
        if len(path) == 1:
            return tuple(PHRASINGS[op][0] for op in OPERATIONS)
        chain = understood(path[-1])
        if chain is None or len(chain.operations) != len(path) - 1:
            return ()
        last = chain.operations[-1]
        return tuple(f"{path[-1]}, then {PHRASINGS[op][0]}" for op in OPERATIONS if op != last)
    known = {FACTORS[1]: SETTINGS, FACTORS[2]: CHAINS, FACTORS[3]: SIZES}
    return known.get(path[0], ()) if len(path) == 1 else ()


@lru_cache(maxsize=4096)
def understood(label: str) -> Topic | None:
    """Return what a topic's label asks for, None where it means nothing in this task."""
    if label in FACTORS:
        return Topic()
    if label in SETTINGS:
        return Topic(context=SETTINGS.index(label))
    if label in CHAINS:
        return Topic(depth=CHAINS.index(label) + 1)
    if label in SIZES:
        return Topic(length=SIZES.index(label) + 3)
    program = parse(f"{label} and give the new list: 1")
    return None if program is None else Topic(operations=tuple(step.op for step in program.steps))
