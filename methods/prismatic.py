"""Prismatic synthesis: cluster rows by what a small model would learn from them, and grow where clusters are small."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from qdcbench.api import Component, Cost, DataError, Example, GenerationContext, dial, method

from ._clusters import clusters
from ._few_shot import FewShot, drop, new_prompts
from ._replies import SHOWN, each, in_flight, unanswered

IDLE_ROUNDS = 50  # without an accepted row, and the method ends by itself

FIDELITY = (
    Component(name="seed pool", state="changed", note="the seed examples, which are no rows of ours"),
    Component(name="gradient embedding", state="changed", note="of the task's small base, not of a model of 0.5B"),
    Component(name="k-means, k of 1 % of the pool", state="changed", note="at least 20: of the two clusters that a pool"
              " of hundreds would have, half is no sparse region"),
    Component(name="only rows in the smallest k/2 clusters", state="present", note="by the row's first answer"),
    Component(name="majority vote", state="present", note="three answers of which two agree, word for word"),
    Component(name="rounds", state="present", note="clusters are computed anew; how many rows a round asks is assumed"),
    Component(name="exemplars from sparse clusters", state="changed", note="assumed; prompts alone"),
    Component(name="exact copies dropped", state="changed", note="assumed; also copies of seed examples"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """Clusters, what is shown, and the vote."""

    clusters: float = dial(0.01, "clusters by rows of the pool", "diversity+ cost+")
    fewest: int = dial(20, "clusters at least (assumed)", "diversity+ cost+")
    sparse: float = dial(0.5, "share of the clusters, the smallest, in which a new row must land", "diversity- cost-")
    shown: int = dial(3, "rows of sparse clusters shown")
    votes: int = dial(3, "answers to each prompt that landed there", "cost+")
    agree: int = dial(2, "answers that must be equal", "quality+ cost+")
    temperature: float = dial(1.0, "temperature of the one who writes prompts", "diversity+")
    heat: float = dial(0.7, "temperature of the answers that vote (assumed)")


def _answered(ctx: GenerationContext, rows: Iterable[Example], params: Params) -> Iterator[Example]:
    """The rows, each with an answer drawn anew."""
    shared: dict[str, Any] = {"description": ctx.description, "examples": list(ctx.seed_examples[:SHOWN])}
    options: dict[str, Any] = {"ahead": in_flight(ctx, 16), "temperature": params.heat, "max_tokens": 300}
    for row, text in each(ctx.answerer, "answer", rows, lambda row: shared | {"prompt": row.prompt}, **options):
        yield replace(row, completion=" ".join(text.split()).removeprefix("Answer:").strip())


def _drafts(ctx: GenerationContext, near: Sequence[Example], known: set[str], params: Params) -> list[Example]:
    """New prompts of one round, each with a first answer."""
    shown = [ctx.rng.sample(near, min(params.shown, len(near))) for _ in range(in_flight(ctx, 8))]
    drafts = new_prompts(ctx, shown, known, FewShot(temperature=params.temperature))
    return list(_answered(ctx, drafts, params))


def _voted(ctx: GenerationContext, rows: Sequence[Example], params: Params) -> Iterator[tuple[Example, str]]:
    """The rows with the answer that most give, and why a row falls, or an empty text."""
    more = _answered(ctx, [row for row in rows for _ in range(params.votes - 1)], params)
    for row in rows:
        ballots = Counter([row.completion, *(other.completion for other in islice(more, params.votes - 1))])
        ((winner, times),) = ballots.most_common(1)
        lost = "" if times >= params.agree else "no majority"
        yield replace(row, completion=winner), lost or unanswered(row.prompt, winner)


@method(
    name="prismatic", version=1, reference="arXiv:2505.20161", params=Params, fidelity=FIDELITY,
    summary="Cluster rows by their gradients in a small model, keep new ones in sparse clusters that win a vote.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 5.0, "answer": 7.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rows round after round; the pool starts from the seed examples and grows by every row kept."""
    import numpy as np

    pool, idle = list(ctx.seed_examples), 0
    if not pool:
        raise DataError("prismatic starts from a task's seed examples and this task has none; take another method")
    known, vectors = {row.prompt for row in pool}, ctx.gradients(pool)
    while idle < IDLE_ROUNDS:
        found = clusters(vectors, max(params.fewest, round(params.clusters * len(pool))), ctx.rng.getrandbits(63))
        sparse = found.smallest(max(1, int(params.sparse * len(found.centres))))
        near = [row for row, place in zip(pool, found.labels.tolist(), strict=True) if place in sparse]
        drafts, landed, new = _drafts(ctx, near, known, params), list[Example](), list[Example]()
        for draft, place in zip(drafts, found.nearest(ctx.gradients(drafts)).tolist(), strict=True):
            if place in sparse:
                landed.append(draft)
            else:
                drop(ctx, draft, "dense cluster")
        for row, lost in _voted(ctx, landed, params):
            if lost:
                drop(ctx, row, lost)
            else:
                new.append(row)
                yield row
        idle = 0 if new else idle + 1
        pool, vectors = [*pool, *new], np.concatenate([vectors, ctx.gradients(new)])
