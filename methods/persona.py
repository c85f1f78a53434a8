"""Persona Hub: find people in the seed examples and in one another, and ask what each would want done."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from qdcbench.api import Component, Example, GenerationContext, method

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


@dataclass(frozen=True)
class Person:
    """A persona and the id of the seed example it goes back to."""

    text: str
    seed: str

    @property
    def words(self) -> frozenset[str]:
        """The set of words."""
        return frozenset(re.findall(r"[a-z]+", self.text.lower()))


def _distinct(people: list[Person], limit: float) -> list[Person]:
    """Keep each person whose words overlap with no kept one beyond the limit."""
    kept: list[Person] = []
    for person in people:
        if all(len(person.words & old.words) <= limit * len(person.words | old.words) for old in kept):
            kept.append(person)
    return kept


def _people(ctx: GenerationContext, params: Params) -> list[Person]:
    """People found in the seed examples, then people near to people, until there are enough."""
    seeds = ctx.rng.sample(ctx.seed_examples, min(params.n_personas, len(ctx.seed_examples)))
    asked = [{"text": seed.prompt, "count": 1} for seed in seeds]
    texts = ctx.teacher.ask_many("persona", asked, prompt="text_to_persona", temperature=params.temperature)
    people = [Person(first_item(text), seed.id) for seed, text in zip(seeds, texts, strict=True)]
    people = _distinct(people, params.overlap)
    for _ in range(ROUNDS):
        near = ctx.rng.sample(people, min(len(people), params.n_personas - len(people)))
        asked = [{"persona": person.text, "count": 3} for person in near]
        texts = ctx.teacher.ask_many("persona", asked, prompt="persona_to_persona", temperature=params.temperature)
        for person, text in zip(near, texts, strict=True):
            people += [Person(item, person.seed) for item in numbered(text)]
        people = _distinct(people, params.overlap)[: params.n_personas]
    return people


def _materials(
    ctx: GenerationContext, people: list[Person], group: list[Person], params: Params
) -> list[dict[str, object]]:
    first: dict[str, str] = {}
    for person in people:
        first.setdefault(person.seed, person.text)
    materials: list[dict[str, object]] = []
    for person in group:
        material: dict[str, object] = {"description": ctx.description, "persona": person.text, "count": 1}
        if params.mode != "zero_shot":
            known = [seed for seed in ctx.seed_examples if params.mode == "few_shot" or seed.id in first]
            shots = ctx.rng.sample(known, min(params.shots, len(known)))
            material["exemplars"] = [shot.prompt for shot in shots]
            if params.mode == "persona_few_shot":
                material["people"] = [first[shot.id] for shot in shots]
        materials.append(material)
    return materials


@method(
    name="persona",
    version=1,
    summary="Make many personas and ask what each of them would want done.",
    reference="arXiv:2406.20094",
    params=Params,
    fidelity=FIDELITY,
    intents=("persona", "propose", "answer"),
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield one answered prompt a persona, pass after pass."""
    people = _people(ctx, params)
    idle = 0
    while people and idle < PATIENCE:
        turns = iter(ctx.rng.sample(people, len(people)))
        while group := list(islice(turns, BATCH)):
            idle += 1
            materials = _materials(ctx, people, group, params)
            texts = ctx.teacher.ask_many("propose", materials, prompt=params.mode, temperature=params.temperature)
            prompts = [first_item(text) for text in texts]
            for person, prompt, completion in zip(group, prompts, answers(ctx, prompts), strict=True):
                parents, lineage = (person.seed,), {"persona": person.text}
                if reason := unanswered(prompt, completion):
                    ctx.reject(prompt, reason, completion=completion, parents=parents, lineage=lineage)
                    continue
                idle = 0
                yield Example(prompt=prompt, completion=completion, parents=parents, lineage=lineage)
