"""Dialled: rows out of one verified pool, of which one thing or several are turned and all else is held."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, PluginError, dial, method

from ._dials import Setting, chosen, copied, exchanged
from ._dials_pool import dial_pool

FIDELITY = (
    Component(name="answers corrupted", state="present", note="the survey's quality dial: prompts stay as they are"),
    Component(name="clusters thinned", state="present", note="at the same number of rows, depths and words"),
    Component(
        name="stratified by depth", state="changed", note="a mixture of the pool and its third, not thirds alone"
    ),
    Component(name="training words held", state="changed", note="answers' words; prompts' as far as `hold` lets them"),
)


@dataclass(frozen=True)
class Params:
    """What is turned, and the pool it is turned in. The defaults turn nothing."""

    right: float = dial(1.0, "share of rows whose answer is right; others have one another's", "quality+")
    clusters: float = dial(1.0, "share of the pool's clusters that rows may come from", "diversity+")
    fresh: float = dial(1.0, "share of rows that are no copies of others", "diversity+")
    depth: float = dial(
        0.0, "0: the pool's mix of depths; to -1: more and more out of its shallow third; to 1: its deep third",
        "complexity+",
    )  # fmt: skip
    hold: float = dial(
        1.0, "how hard prompts' words are held: most change of a row's log odds with a standard deviation of words"
    )
    factor: float = dial(12.0, "right rows of the pool for one that is taken", "cost+")
    source: str = dial("pool", "'pool': the teacher's few-shot rows that are right; 'reference': the task's own rows")


def _checked(params: Params) -> Params:
    """Return the parameters.

    Raises:
        PluginError: one is out of range.
    """
    ranges = {"right": (0, 1), "clusters": (0, 1), "fresh": (0, 1), "depth": (-1, 1), "hold": (0, 20)}
    for name, (low, high) in ranges.items():
        value = getattr(params, name)
        if not low <= value <= high or (value == 0 and name in {"clusters", "fresh"}):
            raise PluginError(f"dialled: {name} is {value:g}; it must be from {low} to {high}, a share above 0")
    if params.factor < 1:
        raise PluginError(f"dialled: factor is {params.factor:g}; it must be at least 1, a pool row for each row")
    return params


@method(
    name="dialled", version=1, reference="none", params=Params, fidelity=FIDELITY, role="control",
    summary="Rows out of one verified pool, with right answers, clusters, copies and depth turned at will.",
    intents=("propose", "answer"),
    cost=Cost(calls={"propose": 16.0, "answer": 16.0}, prompt_tokens=330.0, completion_tokens=15.0),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the chosen rows in the pool's order, then copies; what was not chosen is no attempt and is not logged."""
    dials = _checked(params)
    pool = dial_pool(ctx, dials.source, dials.factor)
    count = max(1, round(dials.fresh * pool.wanted))
    places = chosen(pool, Setting(dials.clusters, dials.depth, dials.hold), count)
    by_luck = sorted(range(count), key=lambda place: pool.luck[places[place], 1])
    wrong = by_luck[: round((1 - dials.right) * count)]
    rows = exchanged([pool.rows[place] for place in places], wrong, lambda row: ctx.verify(row).correct is False)
    yield from copied(rows, wrong, pool.wanted)
    if pool.ended is not None:
        raise pool.ended
