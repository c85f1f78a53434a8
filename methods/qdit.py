"""QDIT: choose greedily from a pool by a weighted sum of a row's quality and of how well the choice covers the pool."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._greedy import Goal, choose
from ._judging import Question, score_to
from ._pool import judged_pool, share_kept

FIDELITY = (
    Component(name="pool", state="changed", note="rows of few_shot instead of finished data sets"),
    Component(name="(1 - alpha) quality + alpha facility location", state="present", note="greedy, with lazy bounds"),
    Component(name="scales of the two terms", state="changed", note="assumed: quality from 0 to 1, cosines summed as"
              " they are"),
    Component(name="quality", state="changed", note="the judge's rating of 1 to 5; the paper's is unknown to us"),
    Component(name="embedding", state="changed", note="the suite's encoder, of prompts; the paper's is unknown to us"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How many rows are drawn for one that is kept, and the weight of diversity."""

    factor: float = dial(3.0, "rows drawn for one that is kept", "quality+ diversity+ cost+")
    alpha: float = dial(0.7, "weight of covering the pool, 0 to 1; the rest is quality's", "diversity+ quality-")


@method(
    name="qdit", version=1, reference="arXiv:2311.14736", params=Params, fidelity=FIDELITY,
    summary="Choose from a few-shot pool greedily by quality and facility location, weighed by alpha.",
    intents=("propose", "answer", "judge"), cost=Cost(calls={"propose": 3.3, "answer": 3.1, "judge": 3.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the greedy choice, in the order of choosing."""
    pool = judged_pool(ctx, round(params.factor * ctx.remaining), [Question(name="rating", read=score_to(5))])
    worth = [(1 - params.alpha) * (rating - 1) / 4 for rating in pool.scores["rating"]]
    vectors = ctx.embed([row.prompt for row in pool.rows])
    chosen = choose(vectors, share_kept(ctx, pool, params.factor), Goal(worth=worth, cover=params.alpha))
    yield from pool.given(ctx, chosen, {})
