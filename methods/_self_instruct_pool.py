"""Self-Instruct's pool: what is shown of it, which instructions it refuses, which instances of them are kept."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from qdcbench.api import Example, NoveltyFilter

__all__ = ["Instance", "Pool", "instances", "sifted"]

_UNSEEABLE = re.compile(r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.IGNORECASE)
_BULLET = r"[ \t]*(?:\d+[.)][ \t]*)?[-*#>]*[ \t]*"
_FIELD = re.compile(
    rf"^(?:{_BULLET}example\b.*\n)?{_BULLET}(input|output|class label)\b[ \t\d*]*:\**", re.IGNORECASE | re.MULTILINE
)
_NO_INPUT = re.compile(r"\W*(?:none|no ?input)?\W*", re.IGNORECASE)


def _unfit(instruction: str) -> str:
    """Why an instruction fails a filter that needs no pool, or an empty text."""
    size = len(instruction.split())
    if size <= 3 or size > 150:
        return "length"
    if _UNSEEABLE.search(instruction):
        return "keyword"
    if instruction.startswith("Write a program"):
        return "asks for a program"
    if not instruction[0].isalnum():
        return "starts with punctuation"
    return "" if instruction[0].isascii() else "starts with a foreign letter"


class Pool:
    """Human-written instructions, and those made since of which a row was kept, each with the id of a row."""

    def __init__(self, seeds: Sequence[Example], threshold: float) -> None:
        """Take the examples that are there from the start, and the ROUGE-L above which an instruction is old."""
        self._human = [(seed.prompt, seed.id) for seed in seeds]
        self._made: list[tuple[str, str]] = []
        self._novelty = NoveltyFilter(threshold)
        for seed in seeds:
            self._novelty.add(seed.prompt)

    def draw(self, made: int, human: int, rng: Random) -> list[tuple[str, str]]:
        """Return instructions with ids, shuffled; human-written ones fill up where too few are made."""
        drawn = rng.sample(self._made, min(made, len(self._made)))
        drawn += rng.sample(self._human, min(made + human - len(drawn), len(self._human)))
        rng.shuffle(drawn)
        return drawn

    def refuse(self, instruction: str) -> str:
        """Return why an instruction is dropped, by the paper's filters in order; with an empty text it is old from now.

        So two that are alike and under way together do not both pass.
        """
        if reason := _unfit(instruction):
            return reason
        if not self._novelty.is_new(instruction):
            return "ROUGE-L"
        self._novelty.add(instruction)
        return ""

    def join(self, instruction: str, row: str) -> None:
        """Let an instruction be shown from now on; ``row`` is the id of an example that has it."""
        # Rows of one instruction come one after another, and it is shown no more often for having many.
        if not self._made or self._made[-1][0] != instruction:
            self._made.append((instruction, row))


class Instance(NamedTuple):
    """One input, empty where the instruction holds all it works on, and its output."""

    input: str
    output: str


def instances(text: str) -> list[Instance]:
    """Return the instances of a reply, whichever of input and output it writes first.

    A field met again begins the next instance; a field that is lacking is empty.
    """
    parts = _FIELD.split(text)
    found: list[dict[str, str]] = []
    for label, value in zip(parts[1::2], parts[2::2], strict=True):
        name = "input" if label.lower() == "input" else "output"
        if not found or name in found[-1]:
            found.append({})
        found[-1][name] = value.strip()
    return [Instance(_given(fields.get("input", "")), fields.get("output", "")) for fields in found]


def _given(text: str) -> str:
    return "" if _NO_INPUT.fullmatch(text) else text


def _flaw(instruction: str, instance: Instance) -> str:
    """Why one instance is dropped by itself, or an empty text."""
    if not instance.output:
        return "empty output"
    if instance.output in (instance.input, instruction):
        return "input equals output"
    return "output ends in a colon" if instance.output.endswith(":") else ""


def sifted(instruction: str, text: str, most: int, rng: Random) -> Iterator[tuple[Instance, str]]:
    """Pair each instance of a reply with why it is dropped, empty for those kept, at most ``most`` drawn at random."""
    found = instances(text)
    if not found:
        yield Instance("", text.strip()), "no instance in the reply"
    flaws = [_flaw(instruction, instance) for instance in found]
    sound = dict.fromkeys(instance for instance, flaw in zip(found, flaws, strict=True) if not flaw)
    outputs: dict[str, set[str]] = defaultdict(set)
    for instance in sound:
        outputs[instance.input].add(instance.output)
    conflict = any(given and len(several) > 1 for given, several in outputs.items())
    kept = set(sound) if len(sound) <= most else set(rng.sample(list(sound), most))
    for instance, flaw in zip(found, flaws, strict=True):
        if flaw or conflict:
            yield instance, flaw or "conflicting outputs"
        elif instance in sound:
            # The first of several equal ones is the one that stays.
            del sound[instance]
            yield instance, "" if instance in kept else "more instances than are kept"
        else:
            yield instance, "duplicate instance"
