"""Tree-Instruct: see a prompt as a tree of meaning, add a set number of nodes, and write the tree as a prompt again."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._replies import answer_each, each, first_item, in_flight, unanswered

IDLE_ROWS = 1000  # without an accepted one beyond those under way, and the method ends by itself

FIDELITY = (
    Component(name="prompt seen as a semantic tree", state="present", note="by the teacher, within the one rewriting"),
    Component(name="3, 6 or 10 nodes added", state="present", note="the dial nodes; 3 by default, our choice"),
    Component(name="no filter of rewritings", state="present", note="only one that equals its seed is dropped"),
    Component(name="start from a pool of prompts", state="changed", note="from the seed examples, in turn"),
    Component(name="temperature", state="changed", note="1.0, assumed; answers greedy, as for most methods here"),
    Component(name="gains of 13, 20 and 26 %", state="absent",
              note="known from a secondary source alone; here rows, not training tokens, are matched by default"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How much is added."""

    nodes: int = dial(3, "nodes added to a prompt's semantic tree; the paper has 3, 6 and 10", "complexity+")
    temperature: float = dial(1.0, "temperature of the rewriting")


def _rewritten(ctx: GenerationContext, params: Params, ahead: int) -> Iterator[tuple[Example, str]]:
    """Each seed example in turn, again and again, and a prompt with more nodes."""
    shared = {"description": ctx.description, "operator": "add_nodes", "nodes": params.nodes}
    for seed, text in each(
        ctx.teacher, "evolve", cycle(ctx.seed_examples), lambda seed: shared | {"prompt": seed.prompt},
        template="add_nodes", ahead=ahead, temperature=params.temperature,
    ):  # fmt: skip
        yield seed, first_item(text)


@method(
    name="tree_instruct", version=1, reference="arXiv:2308.05696", params=Params, fidelity=FIDELITY,
    summary="Add a set number of nodes to the semantic tree of each seed prompt, to make it more complex.",
    intents=("evolve", "answer"), cost=Cost(calls={"evolve": 1.0, "answer": 1.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rewritten seed prompts with their answers, until nothing comes of it any more."""
    ahead, idle = in_flight(ctx, 32), 0
    rewritten = _rewritten(ctx, params, ahead)
    for (seed, prompt), completion in answer_each(ctx, rewritten, lambda item: item[1], ahead=ahead, max_tokens=512):
        idle += 1
        lineage = {"operator": "add_nodes", "nodes": str(params.nodes)}
        reason = "unchanged" if prompt == seed.prompt else unanswered(prompt, completion)
        if reason:
            ctx.reject(prompt, reason, completion=completion, parents=(seed.id,), lineage=lineage)
            if idle > IDLE_ROWS:
                return
        else:
            idle = 0
            yield Example(prompt=prompt, completion=completion, parents=(seed.id,), lineage=lineage)
