"""Persona Hub: find people in the seed examples and near one another, and ask what each would want done."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress, count
from typing import Literal

from qdcbench.api import Component, CosineFilter, Cost, Example, GenerationContext, MinHashFilter, dial, method

from ._replies import answer_each, each, first_item, in_flight, numbered
from ._rows import flaw, kept

RELATED, SHORTEST = 3, 3  # people asked for near one person, and words of a description; assumed
Person = tuple[str, str]  # a description, and the id of the seed example it goes back to

FIDELITY = (
    Component(name="text-to-persona", state="changed", note="from the seed examples instead of web text"),
    Component(name="persona-to-persona", state="present", note="up to six rounds of people in a close relation"),
    Component(name="deduplication", state="present", note="MinHash (1-grams, 128, .9), then embeddings (cosine .9)"),
    Component(name="heuristic filters", state="changed", note="which ones is unknown; empty and short ones dropped"),
    Component(name="three prompting modes", state="present", note="one of them by mode"),
    Component(name="a billion personas", state="changed", note="n_personas, used in turn when fewer than rows"),
    Component(name="answers", state="changed", note="greedy and unfiltered, as for every method here"),
)


@dataclass(frozen=True)
class Params:
    """How many people, how different from one another, and how prompts are asked of them."""

    n_personas: int = dial(200, "people wanted before the first prompt", "diversity+ cost+")
    expansions: int = dial(6, "rounds of people near to people, at most", "cost+")
    overlap: float = dial(0.9, "Jaccard overlap of words above which two people are the same", "diversity- cost-")
    cosine: float = dial(0.9, "cosine of embeddings above which two people are the same", "diversity- cost-")
    mode: Literal["zero_shot", "few_shot", "persona_few_shot"] = dial("zero_shot", "what is shown beside the person")
    shots: int = dial(3, "seed examples shown in the modes that show some")
    temperature: float = dial(0.7, "temperature of people and prompts")


def _asked(ctx: GenerationContext, kind: str, sources: list[Person], n: int, params: Params) -> list[Person]:
    """People that each source, a text or a person, suggests."""
    materials = [{kind: text, "count": n} for text, _ in sources]
    texts = ctx.teacher.ask_many("persona", materials, template=f"{kind}_to_persona", temperature=params.temperature)
    lists = [numbered(text)[:n] if n > 1 else [first_item(text)] for text in texts]
    return [(text, seed) for (_, seed), found in zip(sources, lists, strict=True) for text in found if text]


def _people(ctx: GenerationContext, inferred: list[Person], params: Params) -> list[Person]:
    """Different people: the inferred ones, then people near to people, asked for no more than are lacking."""
    words, meanings = MinHashFilter(threshold=params.overlap), CosineFilter(params.cosine)

    def different(found: list[Person]) -> list[Person]:
        found = list(compress(found, words.admit([text for text, _ in found])))
        apart = meanings.admit(ctx.embed([text for text, _ in found])) if found else []
        return [person for person, new in zip(found, apart, strict=True) if new and len(person[0].split()) >= SHORTEST]

    people = different(inferred)
    for _ in range(params.expansions):
        questions = -(-max(0, params.n_personas - len(people)) // RELATED)
        near = ctx.rng.sample(people, min(len(people), questions))
        people += different(_asked(ctx, "persona", near, RELATED, params))
    return people[: params.n_personas]


def _material(ctx: GenerationContext, person: str, inferred: dict[str, str], params: Params) -> dict[str, object]:
    """What is asked of one person; the shots of the third mode are those from which a person was inferred."""
    material: dict[str, object] = {"description": ctx.description, "persona": person, "count": 1}
    if params.mode == "zero_shot":
        return material
    known = [seed for seed in ctx.seed_examples if params.mode == "few_shot" or seed.id in inferred]
    shots = ctx.rng.sample(known, min(params.shots, len(known)))
    material["exemplars"] = [shot.prompt for shot in shots]
    if params.mode == "persona_few_shot":
        material["demonstrations"] = [f"{inferred[shot.id]}\nTask: {shot.prompt}" for shot in shots]
    return material


@method(
    name="persona", version=2, reference="arXiv:2406.20094", params=Params, fidelity=FIDELITY,
    summary="Make many personas and ask what each of them would want done.",
    intents=("persona", "propose", "answer"), cost=Cost(calls={"propose": 1.0, "answer": 1.0}, setup_calls=140),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered prompts, one person after another."""
    seeds = ctx.rng.sample(ctx.seed_examples, min(params.n_personas, len(ctx.seed_examples)))
    inferred = _asked(ctx, "text", [(seed.prompt, seed.id) for seed in seeds], 1, params)
    people, own = _people(ctx, inferred, params), {seed: text for text, seed in inferred}
    turns = (person for _ in (count() if people else ()) for person in ctx.rng.sample(people, len(people)))
    ahead = in_flight(ctx, 16)
    proposed = each(
        ctx.teacher, "propose", turns, lambda person: _material(ctx, person[0], own, params),
        template=params.mode, ahead=ahead, temperature=params.temperature,
    )  # fmt: skip
    prompts = ((person, first_item(text)) for person, text in proposed)
    rows = (
        Example(prompt=prompt, completion=completion, parents=(seed,), lineage={"persona": person})
        for ((person, seed), prompt), completion in answer_each(ctx, prompts, lambda item: item[1], ahead=ahead)
    )
    yield from kept(ctx, ((row, flaw(row)) for row in rows))
