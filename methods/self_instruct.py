"""Self-Instruct: grow a pool of prompts by showing a few of it and asking for more, keeping only new ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from qdcbench.api import Component, Cost, Example, GenerationContext, NoveltyFilter, method

from ._replies import answer_each, each, in_flight, numbered, unanswered

IDLE_CALLS = 250  # without a single new prompt, and the method ends by itself
Parents = tuple[str, ...]
_UNSEEABLE = re.compile(r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.IGNORECASE)

FIDELITY = (
    Component(name="6 human and 2 made exemplars", state="present", note="shuffled; more human ones at the start"),
    Component(name="up to 8 new prompts a call", state="present"),
    Component(name="prompt filters in order", state="present", note="length, keywords, how it begins, ROUGE-L"),
    Component(name="a batch of calls sees one pool", state="changed", note="a call sees all rows but those under way"),
    Component(name="answer filters", state="changed", note="one answer a prompt, so none can conflict"),
    Component(name="classification check", state="absent", note="a prompt holds its input: no label to write first"),
    Component(name="input generation", state="absent", note="a prompt holds its input"),
    Component(name="decoding", state="changed", note="temperatures kept; no top_p, no presence penalty"),
    Component(name="truncated last item dropped", state="absent", note="it meets the other filters"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)


@dataclass(frozen=True)
class Params:
    """Exemplars shown, prompts asked for, similarity above which a prompt is old."""

    human: int = 6
    made: int = 2
    wanted: int = 8
    threshold: float = 0.7
    temperature: float = 0.7


def _unfit(prompt: str) -> str:
    """Why a prompt fails a filter that needs no pool, or an empty text."""
    size = len(prompt.split())
    if size <= 3 or size > 150:
        return "length"
    if _UNSEEABLE.search(prompt):
        return "keyword"
    if prompt.startswith("Write a program"):
        return "asks for a program"
    if not prompt[0].isalnum():
        return "starts with punctuation"
    return "" if prompt[0].isascii() else "starts with a foreign letter"


def _shown(ctx: GenerationContext, pool: list[Example], params: Params) -> list[Example]:
    made = ctx.rng.sample(pool, min(params.made, len(pool)))
    lacking = params.human + params.made - len(made)
    shown = made + ctx.rng.sample(ctx.seed_examples, min(lacking, len(ctx.seed_examples)))
    ctx.rng.shuffle(shown)
    return shown


def _replies(ctx: GenerationContext, pool: list[Example], params: Params) -> Iterator[tuple[list[Example], str]]:
    """Call after call, what was shown of the pool as it was then and the reply."""
    shared = {"description": ctx.description, "count": params.wanted}
    yield from each(
        ctx.teacher, "propose", (_shown(ctx, pool, params) for _ in count()),
        lambda shown: shared | {"exemplars": [shot.prompt for shot in shown]},
        ahead=in_flight(ctx, 16 * params.wanted), temperature=params.temperature, max_tokens=1024,
    )  # fmt: skip


def _new(ctx: GenerationContext, pool: list[Example], params: Params) -> Iterator[tuple[str, Parents]]:
    """Proposed prompts that pass the filters, until none of many calls brought one."""
    novelty = NoveltyFilter(params.threshold)
    for seed in ctx.seed_examples:
        novelty.add(seed.prompt)
    idle = 0
    for shown, text in _replies(ctx, pool, params):
        idle += 1
        prompts, parents = numbered(text)[: params.wanted], tuple(shot.id for shot in shown)
        if not prompts:
            ctx.reject(" ".join(text.split())[:500], "no list in the reply", parents=parents)
        novelty.expect(prompts)
        for prompt in prompts:
            if reason := _unfit(prompt) or ("" if novelty.is_new(prompt) else "ROUGE-L"):
                ctx.reject(prompt, reason, parents=parents)
            else:
                idle = 0
                novelty.add(prompt)
                yield prompt, parents
        if idle >= IDLE_CALLS:
            return


@method(
    name="self_instruct", version=3, reference="arXiv:2212.10560", params=Params, fidelity=FIDELITY,
    summary="Show a few prompts of a growing pool, ask for more, keep those that are new by ROUGE-L.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 0.34, "answer": 1.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered new prompts until nothing new is found any more."""
    pool: list[Example] = []
    new = _new(ctx, pool, params)
    for (prompt, parents), completion in answer_each(ctx, new, lambda item: item[0], ahead=in_flight(ctx, 16)):
        if reason := unanswered(prompt, completion) or ("ends in a colon" if completion.endswith(":") else ""):
            ctx.reject(prompt, reason, completion=completion, parents=parents)
        else:
            pool.append(Example(prompt=prompt, completion=completion, parents=parents))
            yield pool[-1]
