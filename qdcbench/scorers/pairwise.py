"""A judge's choice between a row's completion and another answer to the same prompt, asked in both orders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qdcbench.api import Asker, Example
from qdcbench.errors import DataError
from qdcbench.scorers.judge import Numbers

__all__ = ["Compared", "compare"]

_VERDICT = re.compile(r"\b(first|second|tie|tied)\b", re.IGNORECASE)
_FOR_FIRST = {"first": 1.0, "second": 0.0, "tie": 0.5, "tied": 0.5}


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """What became of n rows.

    ``column`` is 1 where the completion was preferred in both orders, 0 where the other answer was, 0.5 where both
    verdicts are a tie or the two differ; None where a reply could not be read. ``consistency`` is the share of rows
    with the same verdict in both orders, ``first_share`` the share of verdicts other than a tie for what stood
    first, .5 without a bias of position; each None where nothing was read.
    """

    column: Numbers
    consistency: float | None
    first_share: float | None
    unread: int


def compare(judge: Asker, rows: Sequence[Example], others: Sequence[str]) -> Compared:
    """Compare each row's completion with the other answer at the same place; equal texts tie without a question.

    A scripted judge compares nothing.

    Raises:
        DataError: there are not as many other answers as rows.
        BudgetExhausted: the judge's budget has no room for all rows.
        PluginError: the judge is scripted.
        TeacherError: the judge gave no usable answer after all retries.
    """
    if len(rows) != len(others):
        raise DataError(f"there are {len(others)} other answers for {len(rows)} rows; give one for each row")
    asked = [place for place, (row, other) in enumerate(zip(rows, others, strict=True)) if row.completion != other]
    materials = [
        {"question": "compare", "prompt": rows[place].prompt, "first": first, "second": second}
        for place in asked
        for first, second in _orders(rows[place].completion, others[place])
    ]
    replies = judge.ask_many("judge", materials, template="compare", temperature=0.0, max_tokens=64)
    verdicts = [_for_first(reply) for reply in replies]
    column: list[float | None] = [0.5] * len(rows)
    consistent: list[bool] = []
    for place, forward, backward in zip(asked, verdicts[::2], verdicts[1::2], strict=True):
        if forward is None or backward is None:
            column[place] = None
            continue
        consistent.append(forward == 1 - backward)
        column[place] = forward if consistent[-1] else 0.5
    decided = [verdict for verdict in verdicts if verdict in (0.0, 1.0)]
    return Compared(
        column=tuple(column),
        consistency=sum(consistent) / len(consistent) if consistent else None,
        first_share=decided.count(1.0) / len(decided) if decided else None,
        unread=column.count(None),
    )


def _orders(completion: str, other: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (completion, other), (other, completion)


def _for_first(reply: str) -> float | None:
    """Return 1 where a reply prefers what stood first, 0 for the second, 0.5 for a tie, None where it is unclear."""
    words = {word.lower() for word in _VERDICT.findall(reply)}
    return _FOR_FIRST[words.pop()] if len(words) == 1 else None
