"""Persona Hub: find people in the seed examples and in one another, and ask what each would want done."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Literal

from qdcbench.api import Component, Cost, Example, GenerationContext, method

from ._replies import BATCH, PATIENCE, answers, first_item, numbered, unanswered

ROUNDS = 6

FIDELITY = (
    Component(name="text-to-persona", state="changed", note="from the seed examples instead of web text"),
    Component(name="persona-to-persona", state="present", note="up to six rounds of people in a close relation"),
    Component(name="word deduplication of personas", state="changed", note="exact overlap of word sets, not MinHash"),
    Component(name="embedding deduplication of personas", state="absent", note="a method loads no model"),
    Component(name="three prompting modes", state="present", note="one of them by mode"),
    Component(name="one prompt a persona", state="changed", note="used again when there are fewer than rows"),
    Component(name="answers", state="changed", note="greedy and unfiltered, as for every method here"),
)


@dataclass(frozen=True)
class Params:
    """Number of personas, how they are used, demonstrations, and the word overlap above which two are the same."""

    n_personas: int = 200
    mode: Literal["zero_shot", "few_shot", "persona_few_shot"] = "zero_shot"
    shots: int = 3
    overlap: float = 0.9
    temperature: float = 0.7


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", text.lower()))


def _join(people: dict[str, str], text: str, seed: str, params: Params) -> None:
    """Add a persona, with the seed example it goes back to, unless there are enough or it is like one of them."""
    words = _words(text)
    if words and len(people) < params.n_personas:
        if all(len(words & _words(old)) <= params.overlap * len(words | _words(old)) for old in people):
            people[text] = seed


def _people(ctx: GenerationContext, params: Params) -> dict[str, str]:
    """People found in the seed examples, then people near to people, until there are enough."""
    people: dict[str, str] = {}
    seeds = ctx.rng.sample(ctx.seed_examples, min(params.n_personas, len(ctx.seed_examples)))
    asked: list[dict[str, object]] = [{"text": seed.prompt, "count": 1} for seed in seeds]
    texts = ctx.teacher.ask_many("persona", asked, template="text_to_persona", temperature=params.temperature)
    for seed, text in zip(seeds, texts, strict=True):
        _join(people, first_item(text), seed.id, params)
    for _ in range(ROUNDS):
        near = ctx.rng.sample(list(people), min(len(people), params.n_personas - len(people)))
        asked = [{"persona": person, "count": 3} for person in near]
        texts = ctx.teacher.ask_many("persona", asked, template="persona_to_persona", temperature=params.temperature)
        for person, text in zip(near, texts, strict=True):
            for item in numbered(text):
                _join(people, item, people[person], params)
    return people


def _material(ctx: GenerationContext, person: str, found: dict[str, str], params: Params) -> dict[str, object]:
    """What is asked of one persona; ``found`` holds the first persona of each seed example."""
    material: dict[str, object] = {"description": ctx.description, "persona": person, "count": 1}
    if params.mode != "zero_shot":
        known = [seed for seed in ctx.seed_examples if params.mode == "few_shot" or seed.id in found]
        shots = ctx.rng.sample(known, min(params.shots, len(known)))
        material["exemplars"] = [shot.prompt for shot in shots]
        if params.mode == "persona_few_shot":
            material["people"] = [found[shot.id] for shot in shots]
    return material


@method(
    name="persona", version=1, reference="arXiv:2406.20094", params=Params, fidelity=FIDELITY,
    summary="Make many personas and ask what each of them would want done.",
    intents=("persona", "propose", "answer"), cost=Cost(calls={"propose": 1.0, "answer": 1.0}, setup_calls=200),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield one answered prompt a persona, pass after pass."""
    people = _people(ctx, params)
    found = {seed: text for text, seed in reversed(people.items())}
    idle = 0
    while people and idle < PATIENCE:
        turns = iter(ctx.rng.sample(list(people), len(people)))
        while group := list(islice(turns, BATCH)):
            idle += 1
            materials = [_material(ctx, person, found, params) for person in group]
            texts = ctx.teacher.ask_many("propose", materials, template=params.mode, temperature=params.temperature)
            prompts = [first_item(text) for text in texts]
            for person, prompt, completion in zip(group, prompts, answers(ctx, prompts), strict=True):
                parents, lineage = (people[person],), {"persona": person}
                if reason := unanswered(prompt, completion):
                    ctx.reject(prompt, reason, completion=completion, parents=parents, lineage=lineage)
                    continue
                idle = 0
                yield Example(prompt=prompt, completion=completion, parents=parents, lineage=lineage)
