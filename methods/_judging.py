"""What a judge is asked of rows one after another, and how its replies are read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qdcbench.api import Example, GenerationContext

from ._few_shot import drop
from ._replies import each

__all__ = ["Judged", "Question", "clears", "judged", "score_to"]

_NUMBER = re.compile(r"\d+")
Judged = tuple[Example, dict[str, float]]
"""A row and its scores by question."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the judge is asked of every row; ``read`` turns the reply into a score, None drops the row for ``reason``.

    ``name`` is also the section of the prompt file.
    """

    name: str
    read: Callable[[str], float | None]
    reason: str = "no score in the reply"


def score_to(highest: int) -> Callable[[str], float | None]:
    """Return a reader of scores from 1 to ``highest``: the first number of a reply, None where it is no such score."""

    def read(text: str) -> float | None:
        found = _NUMBER.search(text)
        return float(found[0]) if found and 1 <= int(found[0]) <= highest else None

    return read


def clears(verdict: str) -> Callable[[str], float | None]:
    """Return a reader of yes and no that lets only ``verdict`` pass, with the score 1."""
    return lambda text: 1.0 if text.strip().lower().startswith(verdict) else None


def judged(ctx: GenerationContext, rows: Iterator[Judged], question: Question, ahead: int) -> Iterator[Judged]:
    """Yield the rows that a question lets pass, each with one score more."""
    shared = {"description": ctx.description, "question": question.name}
    judgements = each(
        ctx.judge, "judge", rows, lambda item: shared | {"prompt": item[0].prompt, "completion": item[0].completion},
        template=question.name, ahead=ahead, temperature=0.0,
    )  # fmt: skip
    for (row, scores), text in judgements:
        score = question.read(text)
        if score is None:
            drop(ctx, row, question.reason)
        else:
            yield row, scores | {question.name: score}
