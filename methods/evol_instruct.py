"""Evol-Instruct: rewrite prompts round after round, mostly deeper and now and then sideways, dropping failures."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._evol_instruct_rules import eliminated
from ._replies import answer_each, each, in_flight
from ._rows import flaw, kept

IN_DEPTH = ("add_constraint", "deepen", "concretize", "more_steps", "complicate_input")

FIDELITY = (
    Component(name="five in-depth operators, one in-breadth", state="present", note="equal chances: 1/6 each"),
    Component(name="demonstrations of complicated inputs", state="present", note="XML, a table of SQL, JSON, code"),
    Component(name="four rounds", state="changed", note="many lineages side by side, so that any number of rows mixes"),
    Component(name="four elimination rules", state="present", note="the list of stopwords is assumed"),
    Component(name="failed items return to the pool", state="present", note="and are rewritten again next round"),
    Component(name="three calls a rewriting", state="present", note="all made, also where the first rule drops it"),
    Component(name="the authors' script", state="present", note="flavour = released: 1 round, 5 operators, no rules"),
    Component(name="answers at temperature 1", state="changed", note="greedy, as for every method here"),
    Component(name="start from 52k prompts", state="changed", note="from the seed examples in turn, again and again"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)


@dataclass(frozen=True)
class Params:
    """Which of the two published forms, and the dials of the paper's; the released form sets the next three itself."""

    flavour: Literal["paper", "released"] = dial("paper", "the paper's form, or that of the authors' script")
    rounds: int = dial(4, "rewritings of a prompt, one after another", "complexity+")
    in_breadth: float = dial(1 / 6, "share of in-breadth rewritings", "diversity+ complexity-")
    eliminate: bool = dial(True, "whether failures are dropped by the four rules", "quality+ cost+")
    temperature: float = dial(1.0, "temperature of the rewritings")


Trial = tuple[int, Example, dict[str, str]]  # the place of a lineage in the pool, its prompt, operator and round
Made = tuple[tuple[Trial, str], str]  # a trial, the prompt that came of it, and whether it is the same task again


def _trials(ctx: GenerationContext, pool: list[Example], params: Params) -> Iterator[Trial]:
    """Take the lineages in turn, round after round; each begins anew from a seed example after its last."""
    operators = IN_DEPTH if params.flavour == "paper" else IN_DEPTH[:-1]
    seeds = (seed for _ in count() for seed in ctx.rng.sample(ctx.seed_examples, len(ctx.seed_examples)))
    for number in count():
        for place in range(len(pool)):
            if number % params.rounds == 0:
                pool[place] = next(seeds)
            operator = "breadth" if ctx.rng.random() < params.in_breadth else ctx.rng.choice(operators)
            yield place, pool[place], {"operator": operator, "round": str(number % params.rounds + 1)}


def _made(ctx: GenerationContext, trials: Iterator[Trial], params: Params, ahead: int) -> Iterator[Made]:
    """Rewrite, and ask of each rewriting whether it is the same task again: one stream behind another."""
    shared = {"description": ctx.description}
    rewritten = each(
        ctx.teacher, "evolve", trials,
        lambda trial: shared | {"operator": trial[2]["operator"], "prompt": trial[1].prompt},
        template=lambda material: str(material["operator"]), ahead=ahead, temperature=params.temperature,
    )  # fmt: skip
    prompts = ((trial, text.strip()) for trial, text in rewritten)
    if not params.eliminate:
        return ((item, "") for item in prompts)
    return each(
        ctx.judge, "classify", prompts,
        lambda item: shared | {"question": "equal", "prompt": item[0][1].prompt, "other": item[1]},
        template="equal", ahead=ahead, temperature=0.0,
    )  # fmt: skip


def _judged(ctx: GenerationContext, params: Params) -> Iterator[tuple[Example, str]]:
    """Every rewriting with its answer and why it failed; a lineage goes on from the last prompt that did not fail."""
    # A lineage's next round must not be asked for before its last one came back through all three streams.
    ahead = in_flight(ctx, 32)
    pool = [ctx.seed_examples[0]] * (3 * ahead + 1)
    made = _made(ctx, _trials(ctx, pool, params), params, ahead)
    answered = answer_each(ctx, made, lambda item: item[0][1], ahead=ahead, max_tokens=512)
    for (((place, parent, lineage), prompt), equal), completion in answered:
        row = Example(prompt=prompt, completion=completion, parents=(parent.id,), lineage=lineage)
        reason = eliminated(prompt, completion, equal) if params.eliminate else ""
        if not (reason := reason or flaw(row)):
            pool[place] = row
        yield row, reason


@method(
    name="evol_instruct", version=3, reference="arXiv:2304.12244", params=Params, fidelity=FIDELITY,
    summary="Rewrite prompts in rounds to be deeper or different, and drop what failed.",
    intents=("evolve", "classify", "answer"), cost=Cost(calls={"evolve": 1.1, "classify": 1.1, "answer": 1.1}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rewritten prompts; many lineages go through the rounds side by side, so any number of rows mixes them."""
    if params.flavour == "released":
        params = replace(params, rounds=1, in_breadth=1 / 5, eliminate=False)
    yield from kept(ctx, _judged(ctx, params) if params.rounds > 0 else ())
