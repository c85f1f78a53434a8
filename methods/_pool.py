"""Pools of the shared baseline's rows, each of them judged, and what becomes of those that a method does not choose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from qdcbench.api import BudgetExhausted, Example, GenerationContext

from ._few_shot import FewShot, drop, few_shot_rows
from ._judging import Judged, Question, judged

__all__ = ["Pool", "judged_pool", "share_kept"]

STYLE = FewShot(most=16)
"""Few under way, since a row that the end of the budget meets between two questions was paid for in vain."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Rows that every question let pass, and their scores by question, in the order in which they came.

    ``drawn`` counts all answered rows, ``ended`` is the budget's end where that came first.
    """

    rows: tuple[Example, ...]
    scores: Mapping[str, tuple[float, ...]]
    drawn: int
    ended: BudgetExhausted | None

    def given(self, ctx: GenerationContext, chosen: Sequence[int], why: Mapping[int, str]) -> Iterator[Example]:
        """Reject what was not chosen, then yield what was; at last end as the budget did.

        ``why`` has the reasons of those rejected for another than that others were preferred.
        """
        kept = set(chosen)
        for place, row in enumerate(self.rows):
            if place not in kept:
                drop(ctx, row, why.get(place, "others preferred"))
        yield from (self.rows[place] for place in chosen)
        if self.ended is not None:
            raise self.ended


def judged_pool(ctx: GenerationContext, size: int, questions: Sequence[Question]) -> Pool:
    """Draw ``size`` rows of the shared baseline, asking the questions of each as soon as it is there.

    So a budget that ends early leaves a smaller pool whose every row has all its scores, never rows without.
    """
    drawn: list[Example] = []
    found: list[Judged] = []
    ended = None

    def rows() -> Iterator[Judged]:
        for row in islice(few_shot_rows(ctx, STYLE), size):
            drawn.append(row)
            yield row, {}

    stream = rows()
    for question in questions:
        stream = judged(ctx, stream, question, STYLE.ahead(ctx))
    try:
        found.extend(stream)
    except BudgetExhausted as end:
        ended = end
    scores = {question.name: tuple(scored[question.name] for _, scored in found) for question in questions}
    return Pool(rows=tuple(row for row, _ in found), scores=scores, drawn=len(drawn), ended=ended)


def share_kept(ctx: GenerationContext, pool: Pool, factor: float) -> int:
    """Return how many rows to keep: one in ``factor`` of those drawn, so an early end leaves the choice as strict."""
    return min(ctx.remaining, max(1, round(pool.drawn / factor)))
