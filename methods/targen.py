"""TarGEN: domains, short texts in each, from each text a task under a drawn label, and a second look at the label."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._replies import answer_each, each, first_item, in_flight, unanswered
from ._targen_seeds import Plan, Sources, planned

IDLE_INSTANCES = 500  # without an accepted one, and the method ends by itself

FIDELITY = (
    Component(name="domains", state="present", note="listed once a run; the released code lists them for each sample"),
    Component(name="instance seeds, short texts in a domain", state="present", note="each is used once"),
    Component(name="label drawn uniformly", state="changed", note="without labels: a kind that the teacher lists"),
    Component(name="task description and few format demos", state="present", note="seed examples are the demos"),
    Component(name="self-correction of the label", state="changed", note="of the answer, in tasks without labels"),
    Component(name="retries", state="absent", note="what fails is dropped; the released code may retry for ever"),
    Component(name="choice tasks", state="absent", note="no choices here, so no second choice taken for the first"),
    Component(name="decoding", state="changed", note="temperature 1, labels at 0 (assumed; not known to us)"),
)


@dataclass(frozen=True)
class Params:
    """What is drawn from, and whether labels get a second look."""

    labels: tuple[str, ...] = dial((), "labels to write tasks for, each the answer to its tasks; none: kinds, listed")
    domains: int = dial(16, "domains kept", "diversity+")
    seeds: int = dial(8, "instance seeds asked for in one call", "cost-")
    demos: int = dial(3, "seed examples shown for their format")
    correct: bool = dial(True, "whether the answerer has a second look at each label", "quality+ cost+")
    temperature: float = dial(1.0, "temperature of all that the teacher lists and writes")


def _written(ctx: GenerationContext, ahead: int, params: Params) -> Iterator[tuple[Plan, str]]:
    """Tasks from instance seeds and labels."""
    sources = Sources(params.labels, params.domains, params.seeds, params.temperature)
    shared = {
        "description": ctx.description, "count": 1,
        "demos": [example.prompt for example in ctx.seed_examples[: params.demos]],
    }  # fmt: skip
    for plan, text in each(
        ctx.teacher, "propose", planned(ctx, sources),
        lambda plan: shared | {
            "exemplars": [plan.seed], "label": plan.label, "topics": [plan.domain[-1], plan.label],
        },
        template="labelled" if params.labels else "kind", ahead=ahead, temperature=params.temperature,
    ):  # fmt: skip
        yield plan, first_item(text)


def _corrected(
    ctx: GenerationContext, drafts: Iterator[tuple[tuple[Plan, str], str]], ahead: int
) -> Iterator[tuple[tuple[Plan, str], str, str]]:
    """Tasks with the label they had and the one that the answerer gives them at a second look."""
    shared = {"description": ctx.description, "examples": list(ctx.seed_examples[:3])}
    for (item, draft), text in each(
        ctx.answerer, "answer", drafts, lambda made: shared | {"prompt": made[0][1], "draft": made[1]},
        template="correct", ahead=ahead, temperature=0.0, max_tokens=300,
    ):  # fmt: skip
        yield item, draft, text.strip()


@method(
    name="targen", version=1, reference="arXiv:2310.17876", params=Params, fidelity=FIDELITY,
    summary="Write tasks from short texts in many domains under labels drawn evenly, and correct the labels.",
    intents=("expand", "propose", "answer"), cost=Cost(calls={"propose": 1.15, "answer": 2.0}, setup_calls=5),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield tasks with their labels for as long as they are wanted."""
    ahead, idle = in_flight(ctx, 24), 0
    written = _written(ctx, ahead, params)
    drafts = (
        ((item, item[0].label) for item in written)
        if params.labels
        else answer_each(ctx, written, lambda item: item[1], ahead=ahead)
    )
    made = _corrected(ctx, drafts, ahead) if params.correct else ((item, draft, draft) for item, draft in drafts)
    for (plan, prompt), draft, completion in made:
        lineage = {"domain": " > ".join(plan.domain), "instance_seed": plan.seed, "label": plan.label}
        lineage["relabelled"] = "no" if completion == draft else "yes"
        reason = unanswered(prompt, completion) if prompt else "no task in the reply"
        if not reason:
            idle = 0
            yield Example(prompt=prompt, completion=completion, lineage=lineage)
            continue
        idle += 1
        ctx.reject(prompt, reason, completion=completion, lineage=lineage)
        if idle >= IDLE_INSTANCES:
            return
