"""Self-Instruct: grow a pool of prompts by showing a few of it and asking for more, keeping only new ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Example, GenerationContext, NoveltyFilter, method

from ._replies import PATIENCE, answers, numbered, unanswered

_UNSEEABLE = re.compile(r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.IGNORECASE)

FIDELITY = (
    Component(name="6 human and 2 made exemplars", state="present", note="shuffled; more human ones at the start"),
    Component(name="up to 8 new prompts a call", state="present"),
    Component(name="prompt filters in order", state="present", note="length, keywords, how it begins, ROUGE-L"),
    Component(name="answer filters", state="changed", note="one answer a prompt, so none can conflict"),
    Component(name="classification check", state="absent", note="a prompt holds its input: no label to write first"),
    Component(name="input generation", state="absent", note="a prompt holds its input"),
    Component(name="decoding", state="changed", note="temperatures kept; no top_p, no presence penalty"),
    Component(name="truncated last item dropped", state="absent", note="it meets the other filters"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)


@dataclass(frozen=True)
class Params:
    """Exemplars shown, prompts asked for, similarity above which a prompt is old, calls before the pool is updated."""

    human: int = 6
    made: int = 2
    wanted: int = 8
    threshold: float = 0.7
    temperature: float = 0.7
    calls: int = 5


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


def _candidates(ctx: GenerationContext, pool: list[Example], params: Params) -> Iterator[tuple[str, tuple[str, ...]]]:
    """New prompts, each with the ids of what was shown."""
    shots = [_shown(ctx, pool, params) for _ in range(params.calls)]
    materials = [
        {"description": ctx.description, "exemplars": [shot.prompt for shot in shown], "count": params.wanted}
        for shown in shots
    ]
    texts = ctx.teacher.ask_many("propose", materials, temperature=params.temperature, max_tokens=1024)
    for shown, text in zip(shots, texts, strict=True):
        parents = tuple(shot.id for shot in shown)
        prompts = numbered(text)[: params.wanted]
        if not prompts:
            ctx.reject(" ".join(text.split())[:500], "no list in the reply", parents=parents)
        for prompt in prompts:
            yield prompt, parents


@method(
    name="self_instruct", version=2, reference="arXiv:2212.10560", params=Params, fidelity=FIDELITY,
    summary="Show a few prompts of a growing pool, ask for more, keep those that are new by ROUGE-L.",
    intents=("propose", "answer"),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered new prompts until nothing new is found any more."""
    pool: list[Example] = []
    novelty = NoveltyFilter(params.threshold)
    for seed in ctx.seed_examples:
        novelty.add(seed.prompt)
    idle = 0
    while idle < PATIENCE:
        idle += 1
        kept = []
        candidates = list(_candidates(ctx, pool, params))
        novelty.expect(prompt for prompt, _ in candidates)
        for prompt, parents in candidates:
            reason = _unfit(prompt) or ("" if novelty.is_new(prompt) else "ROUGE-L")
            if reason:
                ctx.reject(prompt, reason, parents=parents)
                continue
            novelty.add(prompt)
            kept.append((prompt, parents))
        for (prompt, parents), completion in zip(kept, answers(ctx, [p for p, _ in kept]), strict=True):
            reason = unanswered(prompt, completion) or ("ends in a colon" if completion.endswith(":") else "")
            if reason:
                ctx.reject(prompt, reason, completion=completion, parents=parents)
                continue
            idle = 0
            pool.append(Example(prompt=prompt, completion=completion, parents=parents))
            yield pool[-1]
