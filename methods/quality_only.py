"""Quality only: draw a pool of the baseline's rows and keep those that a judge rates best, whatever else they are."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._judging import Question, score_to
from ._pool import judged_pool, share_kept

FIDELITY = (
    Component(name="pool", state="present", note="rows of few_shot, drawn alike for all methods that select"),
    Component(name="rating of every row", state="present", note="1 to 5, one question a row, greedy"),
    Component(name="the best are kept", state="present", note="ties by order; no look at diversity or complexity"),
)


@dataclass(frozen=True)
class Params:
    """How many rows are drawn for one that is kept."""

    factor: float = dial(3.0, "rows drawn for one that is kept", "quality+ diversity- cost+")


@method(
    name="quality_only", version=1, reference="none", params=Params, fidelity=FIDELITY,
    summary="Keep the rows of a few-shot pool that the judge rates best.",
    intents=("propose", "answer", "judge"), cost=Cost(calls={"propose": 3.3, "answer": 3.1, "judge": 3.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the best-rated share of the pool, best first.

    The plainest selection there is, and what a loop of self-improvement with one judge does each round.
    """
    pool = judged_pool(ctx, round(params.factor * ctx.remaining), [Question(name="rating", read=score_to(5))])
    ratings = pool.scores["rating"]
    best = sorted(range(len(pool.rows)), key=lambda place: -ratings[place])
    yield from pool.given(ctx, best[: share_kept(ctx, pool, params.factor)], {})
