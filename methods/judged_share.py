"""Judged share: a fixed pool of attempts, of which the judge's or the verifier's preferred share stays."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Cost, Example, GenerationContext, PluginError, dial, method

from ._judging import Question, score_to
from ._pool import judged_pool
from ._shares import share_of

BY = ("judge", "verifier")


@dataclass(frozen=True)
class Params:
    """How strict the choice is, and whose it is."""

    strictness: float = dial(1.0, "how often the share that stays is halved; 0: all stay", "quality+ diversity-")
    by: str = dial("judge", "'judge': its rating from 1 to 5; 'verifier': right rows before others")


@method(
    name="judged_share", version=1, reference="none", params=Params, role="control",
    summary="Of a fixed pool of few-shot rows the share that a judge, or the verifier, prefers; ties by lot.",
    intents=("propose", "answer", "judge"), cost=Cost(calls={"propose": 2.2, "answer": 2.1, "judge": 2.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the share that stays, in the pool's order; the pool is that of `random_share`, as many rows as wanted."""
    if params.by not in BY:
        raise PluginError(f"judged_share: by is {params.by!r}; known: {', '.join(BY)}")
    asks = [Question(name="rating", read=score_to(5))] if params.by == "judge" else []
    pool = judged_pool(ctx, ctx.remaining, asks)
    worth = pool.scores["rating"] if asks else [float(ctx.verify(row).correct is True) for row in pool.rows]
    yield from share_of(ctx, pool, params.strictness, worth)
