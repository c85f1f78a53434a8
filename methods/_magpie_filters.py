"""What Magpie drops once a row is made: by words, by a judge, by nearness to kept rows, by length of answer."""

import re
from collections.abc import Iterator

from qdcbench.api import BudgetExhausted, CosineFilter, Example, GenerationContext

from ._replies import each, unanswered

__all__ = ["Row", "distinct", "judged", "kept", "longest", "worded"]

IDLE_ROWS = 1000  # dropped one after the other, and the stream ends
BLOCK, LONGEST = 20, 6  # 30 %
_NUMBER = re.compile(r"(?:rating|score|^)\W*(\d+)", re.IGNORECASE)
Row = tuple[Example, str]
"""A row and what is against it, empty for nothing."""


def kept(ctx: GenerationContext, rows: Iterator[Row]) -> Iterator[Example]:
    """Rows with nothing against them; the others are logged, and very many of those in a row end the stream."""
    idle = 0
    for row, reason in rows:
        idle = idle + 1 if reason else 0
        if not reason:
            yield row
            continue
        ctx.reject(row.prompt, reason, completion=row.completion)
        if idle > IDLE_ROWS:
            return


def worded(prompt: str, completion: str, least: int, most: int) -> Row:
    """Return the row with what its words say against it; ``least`` and ``most`` count words."""
    sizes = len(prompt.split()), len(completion.split())
    reason = unanswered(prompt, completion)
    if not reason and (sizes[0] < least or max(sizes) > most):
        reason = "length"
    if not reason and completion.endswith(":"):
        reason = "trailing colon"
    return Example(prompt=prompt, completion=completion), reason


def judged(ctx: GenerationContext, rows: Iterator[Example], question: str, least: int, ahead: int) -> Iterator[Row]:
    """Hold against rows a number from the judge below ``least``; where any number will do, nobody is asked."""
    if least <= 1:
        yield from ((row, "") for row in rows)
        return
    shared = {"description": ctx.description, "question": question}
    for row, text in each(
        ctx.judge, "judge", rows, lambda row: shared | {"prompt": row.prompt, "completion": row.completion},
        template=question, ahead=ahead, temperature=0.0, max_tokens=64,
    ):  # fmt: skip
        number = _NUMBER.search(text)
        yield row, "" if number and int(number[1]) >= least else f"low {question}"


def distinct(ctx: GenerationContext, rows: Iterator[Example], distance: float, ahead: int) -> Iterator[Row]:
    """Hold against rows that the meaning of their prompt is no further than ``distance`` from an earlier row's.

    ``ahead`` rows are encoded at once, which is faster.
    """
    near = CosineFilter(1 - distance)
    for block in _blocks(rows, ahead):
        new = near.admit(ctx.embed([row.prompt for row in block])) if distance else [True] * len(block)
        yield from ((row, "" if is_new else "near-duplicate") for row, is_new in zip(block, new, strict=True))


def longest(rows: Iterator[Example]) -> Iterator[Row]:
    """Block after block, hold against rows that theirs is not among the longest answers."""
    for block in _blocks(rows, BLOCK):
        yield from _chosen(block)


def _blocks(rows: Iterator[Example], size: int) -> Iterator[list[Example]]:
    """Cut a stream into blocks; what is there when the budget ends is a block too."""
    block: list[Example] = []
    try:
        for row in rows:
            block.append(row)
            if len(block) == size:
                yield block
                block = []
    except BudgetExhausted:
        yield block
        raise
    if block:
        yield block


def _chosen(block: list[Example]) -> list[Row]:
    by_length = sorted(range(len(block)), key=lambda place: -len(block[place].completion))
    best = by_length[: LONGEST * len(block) // BLOCK]
    return [(row, "" if place in best else "not among the longest") for place, row in enumerate(block)]
