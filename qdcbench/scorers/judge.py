"""A judge's ratings of single rows: one number, or several criteria in one reply."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from qdcbench.api import Asker, Example
from qdcbench.teachers.prompts import PromptBook

__all__ = [
    "COMPLEXITY",
    "QUALITY",
    "RATING",
    "RUBRIC",
    "Criterion",
    "Numbers",
    "Ratings",
    "Rubric",
    "Scale",
    "judge_prompts",
    "rate",
    "rate_by_rubric",
]

Numbers = tuple[float | None, ...]
"""One number a row, None where the reply could not be read."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_LABELLED = re.compile(r"\b(?:rating|score)\b\W*(\d+(?:\.\d+)?)", re.IGNORECASE)


@cache
def judge_prompts() -> PromptBook:
    """Return the prompts of all scorers that ask a judge."""
    return PromptBook.load(Path(str(resources.files("qdcbench.scorers") / "judge.toml")), "judge")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """A question with one number as its answer.

    ``question`` is what a scripted judge reads, ``section`` the prompt that a chat judge reads.
    """

    question: str
    section: str
    lowest: int
    highest: int

    def read(self, reply: str) -> float | None:
        """Return the rating of a reply, None where there is none on the scale.

        A number after "rating" or "score" counts before any other, the last of these; else the first number does.
        """
        labelled = _LABELLED.findall(reply)
        plain = _NUMBER.search(reply)
        text = labelled[-1] if labelled else plain[0] if plain else ""
        number = float(text) if text else None
        return number if number is not None and self.lowest <= number <= self.highest else None


RATING = Scale(question="rating", section="judge", lowest=1, highest=5)
"""Prompt and completion together, from useless to excellent."""

QUALITY = Scale(question="quality", section="quality", lowest=1, highest=6)
"""The completion, on the scale of DEITA's scorers."""

COMPLEXITY = Scale(question="complexity", section="complexity", lowest=1, highest=6)
"""The prompt alone, on the scale of DEITA's scorers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratings:
    """Ratings of n rows, and how many replies could not be read."""

    column: Numbers
    unread: int


def rate(judge: Asker, rows: Sequence[Example], scale: Scale = RATING) -> Ratings:
    """Ask for one number about each row by itself, greedily.

    Raises:
        BudgetExhausted: the judge's budget has no room for all rows.
        TeacherError: the judge gave no usable answer after all retries.
    """
    materials = [{"question": scale.question, "prompt": row.prompt, "completion": row.completion} for row in rows]
    replies = judge.ask_many("judge", materials, template=scale.section, temperature=0.0, max_tokens=16)
    column = tuple(scale.read(reply) for reply in replies)
    return Ratings(column=column, unread=column.count(None))


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One thing to judge: a name of one word, and what it means as a sentence."""

    name: str
    meaning: str


RUBRIC = (
    Criterion(name="sense", meaning="the task makes sense and can be done as it stands"),
    Criterion(name="correctness", meaning="everything the answer says is right"),
    Criterion(name="completeness", meaning="the answer does all that the task asks for"),
    Criterion(name="economy", meaning="the answer has nothing in it that the task does not ask for"),
)
"""What a row is judged by unless a caller says otherwise; our own choice."""

_POINTS = Scale(question="rubric", section="rubric", lowest=1, highest=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rubric:
    """``column`` is each row's mean over the criteria, ``each`` the points by criterion; both 1 to 5."""

    column: Numbers
    each: Mapping[str, Numbers]
    unread: int


def rate_by_rubric(judge: Asker, rows: Sequence[Example], criteria: Sequence[Criterion] = RUBRIC) -> Rubric:
    """Ask for points by several criteria in one reply; one that lacks a criterion is not read at all.

    A scripted judge knows no rubric.

    Raises:
        BudgetExhausted: the judge's budget has no room for all rows.
        PluginError: the judge is scripted.
        TeacherError: the judge gave no usable answer after all retries.
    """
    shared = {
        "question": _POINTS.question,
        "criteria": [f"{criterion.name}: {criterion.meaning}" for criterion in criteria],
    }
    materials = [{**shared, "prompt": row.prompt, "completion": row.completion} for row in rows]
    room = 16 * (len(criteria) + 1)
    replies = judge.ask_many("judge", materials, template=_POINTS.section, temperature=0.0, max_tokens=room)
    points = [_points(reply, criteria) for reply in replies]
    return Rubric(
        column=tuple(None if found is None else sum(found) / len(found) for found in points),
        each={
            criterion.name: tuple(None if found is None else found[place] for found in points)
            for place, criterion in enumerate(criteria)
        },
        unread=points.count(None),
    )


def _points(reply: str, criteria: Sequence[Criterion]) -> list[float] | None:
    """Return the points of every criterion, None where one is missing."""
    found: list[float] = []
    for criterion in criteria:
        line = re.search(rf"\b{re.escape(criterion.name)}\b[^\w\n]*(\d+(?:\.\d+)?)", reply, re.IGNORECASE)
        number = _POINTS.read(line[1]) if line else None
        if number is None:
            return None
        found.append(number)
    return found
