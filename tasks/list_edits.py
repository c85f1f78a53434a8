"""list_edits: plain-English instructions to edit a short list of digits, everything about which is known exactly."""

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Literal

from qdcbench.api import Check, Example, HeldOut, PluginError, Structure, Teacher, task

from ._list_edits_grammar import OPERATIONS, PAIRS, Program, answer, depth, pairs, parse, problem, render
from ._list_edits_profiles import PROFILES
from ._list_edits_sets import (
    DEEP_DEPTHS,
    EVAL_SETS,
    LENGTHS,
    LONG_LENGTHS,
    SEED_DEPTHS,
    draw_oracle,
    draw_seed,
    held_out,
)
from ._list_edits_teacher import ScriptedTeacher
from ._list_edits_words import PHRASINGS

__all__ = ["ListEdits"]

SEED_EXAMPLES = 100


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


_SUMMARIES = {
    "id": f"the seed distribution: chains of {_span(SEED_DEPTHS)} edits, lists of {_span(LENGTHS)} digits",
    "ood_pairs": "ordered pairs of edits that no seed example has",
    "ood_depth": f"chains of {_span(DEEP_DEPTHS)} edits, deeper than any seed example",
    "ood_surface": "phrasings and contexts that no seed example has",
    "ood_length": f"lists of {_span(LONG_LENGTHS)} digits, longer than any seed example",
}

_ORDERED = frozenset(PAIRS)


def _example(program: Program) -> Example:
    return Example(prompt=render(program), completion=answer(program))


@cache
def _items(name: str) -> tuple[Example, ...]:
    return tuple(_example(program) for program in held_out(name))


@task
class ListEdits:
    """Chains of twelve kinds of edit; right answers by execution."""

    name = "list_edits"
    version = 1
    summary = "Plain-English instructions to edit a short list of digits, in chains of a few edits."
    reference = "none; embedded"
    description = (
        "Short instructions in plain English to edit a list of digits. A prompt is one line: the instruction, perhaps "
        "with a few words of setting, then a colon, then the digits, with spaces between them. An instruction "
        "chains one or more edits with words such as 'then'. The edits are: "
        + "; ".join(PHRASINGS[op][0] for op in OPERATIONS)
        + ". Numbers stay digits: when an edit makes a number of two digits, only its last digit is kept. A list never "
        "becomes empty: a single number is not dropped. The answer is the edited list and nothing else: digits "
        "with spaces between them."
    )

    def seed_examples(self, rng: Random) -> Sequence[Example]:
        """Return 100 right-answered examples of the seed distribution, no problem twice."""
        found: dict[object, Example] = {}
        while len(found) < SEED_EXAMPLES:
            program = draw_seed(rng)
            found.setdefault(problem(program), _example(program))
        return tuple(found.values())

    def verify(self, example: Example) -> Check:
        """Execute the prompt and compare; a prompt outside the grammar cannot be checked."""
        program = parse(example.prompt)
        if program is None:
            return Check(correct=None, reason="the prompt is not an instruction this task can execute")
        wanted = answer(program)
        if " ".join(example.completion.split()) == wanted:
            return Check(correct=True)
        return Check(correct=False, reason=f"the right answer is {wanted}")

    def structure(self, prompt: str) -> Structure | None:
        """Return depth, operations and ordered pairs; an operation right after itself is no pair."""
        program = parse(prompt)
        if program is None:
            return None
        return Structure(
            depth=depth(program),
            parts=tuple(step.op for step in program.steps),
            pairs=tuple(f"{first}>{second}" for first, second in pairs(program) if (first, second) in _ORDERED),
        )

    def pair_universe(self) -> int | None:
        """Return 132, the ordered pairs of two different operations."""
        return len(PAIRS)

    def held_out(self) -> Sequence[HeldOut]:
        """Return the in-distribution set and four sets that each leave the seed distribution in one way."""
        return tuple(
            HeldOut(name=name, distance=_distance(name), summary=_SUMMARIES[name], items=_items(name))
            for name in EVAL_SETS
        )

    def reference_rows(self, rng: Random, n: int) -> Sequence[Example]:
        """Return right-answered rows uniform over the grammar, held-out problems left out."""
        return tuple(_example(draw_oracle(rng)) for _ in range(n))

    def scripted_teacher(self, profile: str) -> Teacher:
        """Return the offline teacher of a profile.

        Raises:
            PluginError: there is no such profile.
        """
        if profile not in PROFILES:
            raise PluginError(f"list_edits has no teacher profile {profile!r}; known: {', '.join(sorted(PROFILES))}")
        return ScriptedTeacher(PROFILES[profile])


def _distance(name: str) -> Literal["id", "ood"]:
    return "id" if name == "id" else "ood"
