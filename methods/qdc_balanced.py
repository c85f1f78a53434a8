"""QDC balanced, our own proposal: a bar for quality, equal shares for complexity, coverage for diversity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._greedy import Goal, choose
from ._judging import Question, clears, score_to
from ._pool import judged_pool, share_kept

FIDELITY = (
    Component(name="pool", state="present", note="rows of few_shot, drawn alike for all methods that select"),
    Component(name="quality as a bar", state="present", note="called right and, asked apart, not called wrong; a rank"
              " would go on to prefer the usual row, since judges do"),
    Component(name="complexity in equal shares", state="present", note="bins of equal width over the scores found; to"
              " prefer the hard would prefer what the answerer gets wrong"),
    Component(name="diversity by coverage", state="present", note="facility location; farthest rows first would seek"
              " outliers, where errors gather"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """A switch for each axis, and how many rows are drawn for one that is kept."""

    factor: float = dial(3.0, "rows drawn for one that is kept", "diversity+ cost+")
    bar: bool = dial(True, "drops what two questions do not clear", "quality+ cost+")
    strata: int = dial(3, "bins of complexity that get equal shares; 1: none", "complexity+ diversity+ cost+")
    cover: bool = dial(True, "chooses by facility location; else the first rows", "diversity+")


def _questions(params: Params) -> list[Question]:
    """The bar first: what it drops is asked no more."""
    asked = []
    if params.bar:
        asked.append(Question(name="correct", read=clears("yes"), reason="not called right"))
        asked.append(Question(name="incorrect", read=clears("no"), reason="called wrong"))
    if params.strata > 1:
        asked.append(Question(name="complexity", read=score_to(6)))
    return asked


def _bins(scores: Sequence[float], strata: int) -> list[int]:
    """The bin of each score, of ``strata`` that are equally wide from the lowest score to the highest."""
    low, width = min(scores, default=0.0), max(scores, default=0.0) - min(scores, default=0.0)
    return [min(strata - 1, int((score - low) / width * strata)) if width else 0 for score in scores]


def _shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many to take of each stratum: equally many, but for what a small one cannot fill, up to ``count`` in all."""
    shares = [0] * len(sizes)
    while (left := min(count, sum(sizes)) - sum(shares)) > 0:
        open_strata = [place for place, size in enumerate(sizes) if shares[place] < size]
        for place in open_strata[:left]:
            shares[place] += 1
    return shares


@method(
    name="qdc_balanced", version=1, reference="none", params=Params, fidelity=FIDELITY,
    summary="Drop what two critics do not clear, then fill strata of complexity equally, by coverage within the pool.",
    intents=("propose", "answer", "judge"), cost=Cost(calls={"propose": 3.3, "answer": 3.1, "judge": 7.5}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the chosen rows, in the order of choosing.

    Each axis is given the form in which more of it does least harm to the others: quality is a bar and no ranking,
    complexity an equal share and no preference, diversity the coverage of what is left. Whether that pays is open.
    """
    pool = judged_pool(ctx, round(params.factor * ctx.remaining), _questions(params))
    strata = _bins(pool.scores.get("complexity", [0.0] * len(pool.rows)), max(1, params.strata))
    kept = share_kept(ctx, pool, params.factor)
    room = _shares([strata.count(place) for place in range(max(1, params.strata))], kept)
    vectors = ctx.embed([row.prompt for row in pool.rows])
    goal = Goal(worth=[0.0] * len(pool.rows), cover=float(params.cover), groups=strata, room=room)
    yield from pool.given(ctx, choose(vectors, kept, goal), {})
