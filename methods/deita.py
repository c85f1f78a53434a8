"""DEITA: score a pool for complexity and quality, walk it from the best, and skip what is near to a row kept before."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, CosineFilter, Cost, Example, GenerationContext, dial, method

from ._judging import Question, score_to
from ._pool import Pool, judged_pool, share_kept

BLOCK = 512  # rows of the walk whose nearness is looked at together

FIDELITY = (
    Component(name="pool", state="changed", note="rows of few_shot instead of finished data sets"),
    Component(name="complexity and quality of 1 to 6", state="changed", note="the judge's score, no trained scorer's"),
    Component(name="expected value over the scores", state="absent", note="a reply holds one score"),
    Component(name="scores learnt from ranked variants", state="absent", note="each row is scored by itself"),
    Component(name="complexity times quality, best first", state="present", note="ties by order; rows have one turn"),
    Component(name="kept when the nearest kept is below .9", state="present", note="cosine, as in the code"),
    Component(name="a distance as threshold", state="absent", note="the paper prints one, its code takes a cosine"),
    Component(name="embedding", state="changed", note="the suite's encoder, prompt and answer together"),
    Component(name="walk until the budget", state="present", note="fewer rows where the pool has no more that differ"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How many rows are drawn for one that is kept, and the cosine from which two rows are the same."""

    factor: float = dial(3.0, "rows drawn for one that is kept at most", "quality+ complexity+ cost+")
    threshold: float = dial(0.9, "cosine to a kept row above which a row is skipped", "diversity-")


def _walk(ctx: GenerationContext, pool: Pool, count: int, threshold: float) -> tuple[list[int], dict[int, str]]:
    """The places kept, best first, and why others met on the way were not."""
    product = [c * q for c, q in zip(pool.scores["complexity"], pool.scores["quality"], strict=True)]
    order = sorted(range(len(pool.rows)), key=lambda place: -product[place])
    near, kept, why = CosineFilter(threshold), list[int](), dict[int, str]()
    for start in range(0, len(order), BLOCK):
        places = order[start : start + BLOCK]
        texts = [f"{pool.rows[place].prompt}\n{pool.rows[place].completion}" for place in places]
        for place, fits in zip(places, near.admit(ctx.embed(texts)), strict=True):
            if len(kept) == count:
                return kept, why
            if fits:
                kept.append(place)
            else:
                why[place] = "near a better row"
    return kept, why


@method(
    name="deita", version=1, reference="arXiv:2312.15685", params=Params, fidelity=FIDELITY,
    summary="Keep the rows of a few-shot pool with the best complexity times quality that are not near one another.",
    intents=("propose", "answer", "judge"), cost=Cost(calls={"propose": 3.3, "answer": 3.1, "judge": 6.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield what the walk keeps, best first."""
    questions = [Question(name=name, read=score_to(6)) for name in ("complexity", "quality")]
    pool = judged_pool(ctx, round(params.factor * ctx.remaining), questions)
    kept, why = _walk(ctx, pool, share_kept(ctx, pool, params.factor), params.threshold)
    yield from pool.given(ctx, kept, why)
