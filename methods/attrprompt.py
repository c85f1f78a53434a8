"""AttrPrompt: list attributes of the data and their values, and draw one value of each into every prompt."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._replies import answer_each, each, first_item, in_flight, unanswered
from ._topics import Path, children, drawn, first_level, sound

IDLE_PROMPTS = 500  # without an accepted one, and the method ends by itself

FIDELITY = (
    Component(name="attribute values drawn into each prompt", state="present", note="one of each attribute, uniform"),
    Component(name="attributes and values", state="changed", note="listed by the teacher, values checked by the judge"),
    Component(name="class in the prompt", state="absent", note="the tasks here have open answers and no classes"),
    Component(name="plain prompts to compare with", state="changed", note="attributes = 0, also without a class"),
    Component(name="same performance at 5 % of the query cost", state="absent", note="a downstream claim: not checked"),
    Component(name="decoding", state="changed", note="temperature 1 (assumed; only the abstract was read)"),
    Component(name="answers", state="changed", note="greedy, by the answerer shared by all methods"),
)


@dataclass(frozen=True)
class Params:
    """How much of what tasks can differ in is drawn from."""

    attributes: int = dial(4, "attributes of which each prompt gets a value; 0: plain prompts", "diversity+")
    values: int = dial(12, "values of an attribute to draw from", "diversity+")
    temperature: float = dial(1.0, "temperature of all that the teacher lists and writes")


def _attributes(ctx: GenerationContext, params: Params) -> list[list[Path]]:
    """The values of each attribute that has sound ones, each value with its attribute before it."""
    if not params.attributes:
        return []
    named = first_level(ctx, temperature=params.temperature)
    listed = children(ctx, named, template="values", temperature=params.temperature)
    groups = [drawn(ctx.rng, [path for path in listed if path[:-1] == name], params.values) for name in named]
    kept = set(sound(ctx, [path for group in groups for path in group]))
    found = [values for group in groups if (values := [path for path in group if path in kept])]
    return drawn(ctx.rng, found, params.attributes)


@method(
    name="attrprompt", version=1, reference="arXiv:2306.15895", params=Params, fidelity=FIDELITY,
    summary="List the attributes of tasks and their values, and ask for a task with a value of each.",
    intents=("expand", "classify", "propose", "answer"),
    cost=Cost(calls={"propose": 1.0, "answer": 1.0}, setup_calls=27),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered prompts for as long as they are wanted; none where attributes are wanted and none was listed."""
    groups, ahead, idle = _attributes(ctx, params), in_flight(ctx, 16), 0
    if params.attributes and not groups:
        return
    shared = {"description": ctx.description, "count": 1}
    written = each(
        ctx.teacher, "propose", ([ctx.rng.choice(values) for values in groups] for _ in count()),
        lambda chosen: shared | {"topics": [path[-1] for path in chosen], "attributes": [*map(": ".join, chosen)]},
        template="propose" if groups else "plain", ahead=ahead, temperature=params.temperature,
    )  # fmt: skip
    prompts = ((chosen, first_item(text)) for chosen, text in written)
    for (chosen, prompt), completion in answer_each(ctx, prompts, lambda item: item[1], ahead=ahead):
        lineage = {path[0]: path[-1] for path in chosen}
        reason = unanswered(prompt, completion) if prompt else "no task in the reply"
        if not reason:
            idle = 0
            yield Example(prompt=prompt, completion=completion, lineage=lineage)
            continue
        idle += 1
        ctx.reject(prompt, reason, completion=completion, lineage=lineage)
        if idle >= IDLE_PROMPTS:
            return
