"""Evol-Instruct: rewrite prompts round after round, mostly deeper and now and then sideways, dropping failures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Example, GenerationContext, method

from ._replies import BATCH, PATIENCE, answers, first_item, says_yes, unanswered

IN_DEPTH = ("add_constraint", "deepen", "concretize", "more_steps", "complicate_input")
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


Trial = tuple[Example, str, str]
"""What was rewritten, by which operator, into what."""


def _rewritten(ctx: GenerationContext, pool: list[Example], params: Params) -> list[Trial]:
    """Rewrite every item by an operator of its own; items of one operator are asked for together."""
    chosen = ["breadth" if ctx.rng.random() < params.in_breadth else ctx.rng.choice(IN_DEPTH) for _ in pool]
    texts: dict[int, str] = {}
    for operator in (*IN_DEPTH, "breadth"):
        places = [place for place, name in enumerate(chosen) if name == operator]
        materials = [
            {"description": ctx.description, "operator": operator, "prompt": pool[place].prompt} for place in places
        ]
        replies = ctx.teacher.ask_many("evolve", materials, template=operator, temperature=params.temperature)
        texts.update(zip(places, replies, strict=True))
    return [(item, chosen[place], first_item(texts[place])) for place, item in enumerate(pool)]


def _no_gain(ctx: GenerationContext, trials: list[Trial]) -> list[bool]:
    """Ask for each rewriting whether it is the same task again."""
    materials = [{"question": "equal", "prompt": item.prompt, "other": text} for item, _, text in trials]
    return [says_yes(text) for text in ctx.judge.ask_many("classify", materials, template="equal", temperature=0.0)]


def _no_answer(completion: str) -> str:
    """Why an answer shows that its prompt cannot be answered, or an empty text."""
    if "sorry" in completion.lower() and len(completion.split()) < 80:
        return "answer says sorry"
    words = re.findall(r"\w+", completion.lower())
    return "" if any(word not in _STOPWORDS for word in words) else "answer has no content"


def _reasons(ctx: GenerationContext, trials: list[Trial], completions: list[str], params: Params) -> list[str]:
    reasons = [unanswered(text, completion) for (_, _, text), completion in zip(trials, completions, strict=True)]
    if not params.eliminate:
        return reasons
    equal = _no_gain(ctx, trials)
    for place, (_, _, text) in enumerate(trials):
        leak = "shows scaffold words" if _SCAFFOLD.search(text) else ""
        gain = "no information gain" if equal[place] else ""
        reasons[place] = reasons[place] or gain or _no_answer(completions[place]) or leak
    return reasons


@method(
    name="evol_instruct", version=1, reference="arXiv:2304.12244", params=Params, fidelity=FIDELITY,
    summary="Rewrite prompts in rounds to be deeper or different, and drop what failed.",
    intents=("evolve", "classify", "answer"),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rewritten prompts; a batch of lineages goes through all rounds, so that any number of rows mixes them."""
    idle = 0
    while idle < PATIENCE and params.rounds > 0:
        pool = ctx.rng.sample(ctx.seed_examples, min(BATCH, len(ctx.seed_examples)))
        for number in range(1, params.rounds + 1):
            idle += 1
            trials = _rewritten(ctx, pool, params)
            completions = answers(ctx, [text for _, _, text in trials], max_tokens=512)
            reasons = _reasons(ctx, trials, completions, params)
            for place, (item, operator, text) in enumerate(trials):
                lineage = {"operator": operator, "round": str(number)}
                if reasons[place]:
                    ctx.reject(text, reasons[place], completion=completions[place], parents=(item.id,), lineage=lineage)
                    continue
                idle = 0
                pool[place] = Example(prompt=text, completion=completions[place], parents=(item.id,), lineage=lineage)
                yield pool[place]
