"""Random share: the pool of `judged_share`, of which a random share stays: the null of every choice by merit."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Cost, Example, GenerationContext, dial, method

from ._pool import judged_pool
from ._shares import share_of


@dataclass(frozen=True)
class Params:
    """How small the share is."""

    strictness: float = dial(1.0, "how often the share that stays is halved; 0: all stay")


@method(
    name="random_share", version=1, reference="none", params=Params, role="control",
    summary="Of the fixed pool of judged_share a share that is drawn by lot.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 2.2, "answer": 2.1}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the share that stays, in the pool's order."""
    pool = judged_pool(ctx, ctx.remaining, [])
    yield from share_of(ctx, pool, params.strictness, [0.0] * len(pool.rows))
