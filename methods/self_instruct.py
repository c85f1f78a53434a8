"""Self-Instruct: grow a pool of instructions by showing a few of it and asking for more; write instances of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._replies import each, in_flight, numbered, says_yes
from ._self_instruct_pool import Pool, sifted

IDLE_CALLS = 250  # without a single new instruction, and the method ends by itself
Proposal = tuple[str, tuple[str, ...]]  # an instruction and the ids of what was shown

FIDELITY = (
    Component(name="6 human and 2 made shown, up to 8 asked for", state="present", note="shuffled; human ones fill up"),
    Component(name="instruction filters in order", state="present", note="length, keywords, how it begins, ROUGE-L"),
    Component(name="classification check", state="present", note="few-shot, greedy, 3 tokens; the judge is asked"),
    Component(name="input first; label first for classification", state="present"),
    Component(name="instance filters, 5 kept", state="present", note="at random, after the filters (order assumed)"),
    Component(name="pool", state="changed", note="a call sees no rows under way; ROUGE-L sees all that passed it"),
    Component(name="one model does all", state="changed", note="the answerer shared by all methods writes instances"),
    Component(name="decoding", state="changed", note="no presence penalty; 350 tokens also for classification"),
    Component(name="cut replies", state="changed", note="known only by a last instance without output"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)


@dataclass(frozen=True)
class Params:
    """How instructions are proposed, which of them are new, and how instances are written."""

    human: int = dial(6, "human-written instructions shown", "diversity+")
    made: int = dial(2, "own instructions shown", "diversity-")
    wanted: int = dial(8, "instructions asked for in a call", "cost-")
    threshold: float = dial(0.7, "ROUGE-L to any other above which an instruction is old", "diversity- cost-")
    label_first: bool = dial(True, "whether classification tasks get a label before an input", "diversity+ cost+")
    instances: int = dial(5, "instances kept of an instruction, at most", "cost-")
    temperature: float = dial(0.7, "temperature of the proposals")
    top_p: float = dial(0.5, "nucleus of the proposals")


def _new(ctx: GenerationContext, pool: Pool, params: Params) -> Iterator[Proposal]:
    """Proposed instructions that pass the filters, until none of many calls brought one."""
    idle = 0
    for shown, text in each(
        ctx.teacher, "propose", (pool.draw(params.made, params.human, ctx.rng) for _ in count()),
        lambda shown: {"description": ctx.description, "count": params.wanted, "exemplars": [old for old, _ in shown]},
        ahead=in_flight(ctx, 16 * params.wanted), temperature=params.temperature, top_p=params.top_p, max_tokens=1024,
    ):  # fmt: skip
        idle, parents = idle + 1, tuple(row for _, row in shown)
        if not (found := numbered(text)[: params.wanted]):
            ctx.reject(" ".join(text.split())[:500], "no list in the reply", parents=parents)
        for instruction in found:
            if reason := pool.refuse(instruction):
                ctx.reject(instruction, reason, parents=parents)
            else:
                idle = 0
                yield instruction, parents
        if idle >= IDLE_CALLS:
            return


def _formed(ctx: GenerationContext, new: Iterator[Proposal], params: Params) -> Iterator[tuple[Proposal, str]]:
    """Proposals, each with the form in which its instances are to be written."""
    if not params.label_first:
        return ((proposal, "instances") for proposal in new)
    checked = each(
        ctx.judge, "classify", new,
        lambda proposal: {"description": ctx.description, "question": "classification", "prompt": proposal[0]},
        template="classification", ahead=in_flight(ctx, 32), temperature=0.0, max_tokens=3,
    )  # fmt: skip
    return ((proposal, "labels" if says_yes(text) else "instances") for proposal, text in checked)


@method(
    name="self_instruct", version=4, reference="arXiv:2212.10560", params=Params, fidelity=FIDELITY,
    summary="Show a few of a growing pool of instructions, ask for new ones, write inputs and outputs for them.",
    intents=("propose", "classify", "answer"), cost=Cost(calls={"propose": 0.3, "classify": 1.0, "answer": 1.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield the instances of new instructions until nothing new is found any more."""
    pool = Pool(ctx.seed_examples, params.threshold)
    shared = {"description": ctx.description, "examples": list(ctx.seed_examples[:3])}
    for ((instruction, parents), form), text in each(
        ctx.answerer, "answer", _formed(ctx, _new(ctx, pool, params), params),
        lambda item: shared | {"prompt": item[0][0], "form": item[1]}, template=lambda asked: str(asked["form"]),
        ahead=in_flight(ctx, 32), temperature=0.0, max_tokens=350,
    ):  # fmt: skip
        for (given, output), reason in sifted(instruction, text, params.instances, ctx.rng):
            prompt, lineage = f"{instruction}\n{given}".strip(), {"form": form}
            if reason:
                ctx.reject(prompt, reason, completion=output, parents=parents, lineage=lineage)
                continue
            row = Example(prompt=prompt, completion=output, parents=parents, lineage=lineage)
            pool.join(instruction, row.id)
            yield row
