"""Evol-Instruct: rewrite prompts round after round, mostly deeper and now and then sideways, dropping failures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from qdcbench.api import Component, Cost, Example, GenerationContext, method

from ._replies import answer_each, each, first_item, in_flight, says_yes, unanswered

IN_DEPTH = ("add_constraint", "deepen", "concretize", "more_steps", "complicate_input")
IDLE_TRIALS = 1000  # without an accepted one, and the method ends by itself
_SCAFFOLD = re.compile(r"(given|rewritten|created) prompt|#", re.IGNORECASE)
_STOPWORDS = frozenset(["a", "an", "and", "i", "is", "it", "of", "or", "so", "that", "the", "this", "to", "you"])

FIDELITY = (
    Component(name="five in-depth operators, one in-breadth", state="present", note="equal chances by default"),
    Component(name="four rounds", state="present"),
    Component(name="four elimination rules", state="present", note="the released script has none: eliminate = false"),
    Component(name="failed items return to the pool", state="present"),
    Component(name="answers at temperature 1", state="changed", note="greedy, as for every method here"),
    Component(name="start from 52k prompts", state="changed", note="from seed examples, again and again"),
    Component(name="demonstrations of complicated inputs", state="absent", note="every operator is zero-shot"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)


@dataclass(frozen=True)
class Params:
    """Rounds of rewriting, share of in-breadth, whether failures are dropped."""

    rounds: int = 4
    in_breadth: float = 1 / 6
    eliminate: bool = True
    temperature: float = 1.0


Trial = tuple[int, Example, dict[str, str]]  # the place of a lineage in the pool, its prompt, operator and round
Made = tuple[Trial, Example, bool]  # a trial, what came of it, and whether that is the same task again


def _trials(ctx: GenerationContext, pool: list[Example], params: Params) -> Iterator[Trial]:
    """Take the lineages in turn, round after round; each begins anew from a seed example after its last."""
    for number in count():
        for place in range(len(pool)):
            if number % params.rounds == 0:
                pool[place] = ctx.rng.choice(ctx.seed_examples)
            operator = "breadth" if ctx.rng.random() < params.in_breadth else ctx.rng.choice(IN_DEPTH)
            yield place, pool[place], {"operator": operator, "round": str(number % params.rounds + 1)}


def _made(ctx: GenerationContext, pool: list[Example], params: Params, ahead: int) -> Iterator[Made]:
    """Rewrite, answer, and ask of each rewriting whether it is the same task again: one stream behind another."""
    rewritten = each(
        ctx.teacher, "evolve", _trials(ctx, pool, params),
        lambda trial: {"description": ctx.description, "operator": trial[2]["operator"], "prompt": trial[1].prompt},
        template=lambda material: material["operator"], ahead=ahead, temperature=params.temperature,
    )  # fmt: skip
    prompts = ((trial, first_item(text)) for trial, text in rewritten)
    made = (
        (trial, Example(prompt=prompt, completion=answer, parents=(trial[1].id,), lineage=trial[2]))
        for (trial, prompt), answer in answer_each(ctx, prompts, lambda item: item[1], ahead=ahead, max_tokens=512)
    )
    if not params.eliminate:
        return ((*item, False) for item in made)
    compared = each(
        ctx.judge, "classify", made,
        lambda item: {"question": "equal", "prompt": item[0][1].prompt, "other": item[1].prompt},
        template="equal", ahead=ahead, temperature=0.0,
    )  # fmt: skip
    return ((*item, says_yes(text)) for item, text in compared)


def _no_answer(completion: str) -> str:
    """Why an answer shows that its prompt cannot be answered, or an empty text."""
    if "sorry" in completion.lower() and len(completion.split()) < 80:
        return "answer says sorry"
    words = re.findall(r"\w+", completion.lower())
    return "" if any(word not in _STOPWORDS for word in words) else "answer has no content"


def _reason(example: Example, equal: bool, params: Params) -> str:
    """Why a rewriting is eliminated, or an empty text."""
    reason = unanswered(example.prompt, example.completion)
    if not reason and params.eliminate:
        leak = "shows scaffold words" if _SCAFFOLD.search(example.prompt) else ""
        return "no information gain" if equal else _no_answer(example.completion) or leak
    return reason


@method(
    name="evol_instruct", version=2, reference="arXiv:2304.12244", params=Params, fidelity=FIDELITY,
    summary="Rewrite prompts in rounds to be deeper or different, and drop what failed.",
    intents=("evolve", "classify", "answer"), cost=Cost(calls={"evolve": 1.4, "classify": 1.4, "answer": 1.4}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rewritten prompts; many lineages go through the rounds side by side, so any number of rows mixes them."""
    # A lineage's next round must not be asked for before its last one came back through all three streams.
    ahead, idle = in_flight(ctx, 32), 0
    pool = [ctx.seed_examples[0]] * (3 * ahead + 1)
    for (place, _, _), made, equal in _made(ctx, pool, params, ahead) if params.rounds > 0 else ():
        idle += 1
        if not (reason := _reason(made, equal, params)):
            idle, pool[place] = 0, made
            yield made
        elif idle > IDLE_TRIALS:
            return
        else:
            ctx.reject(made.prompt, reason, completion=made.completion, parents=made.parents, lineage=made.lineage)
