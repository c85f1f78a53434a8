"""Simula: draw topics from taxonomies, write scenarios for them, make a share harder, keep what critics pass."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._replies import each, says_yes
from ._simula_drafts import Made, answered
from ._simula_scenarios import Recipe, Scenarios
from ._taxonomies import Growth, grown

FIDELITY = (
    Component(name="factors of variation, accepted or rejected", state="present"),
    Component(name="taxonomies, breadth first, best of N", state="present", note="lists joined; also for the factors"),
    Component(name="critic of topics", state="changed", note="adds and removes; merges equal labels alone, edits none"),
    Component(name="plan for each level", state="absent", note="optional in the paper"),
    Component(name="weighted, compatible combinations", state="changed", note="all of one size, at equal weights"),
    Component(name="global diversity: a node of each taxonomy", state="present", note="uniform leaves: assumed"),
    Component(name="local diversity: several scenarios", state="present", note="one chosen at random: assumed"),
    Component(name="a scenario becomes a row", state="changed", note="it is the prompt; the shared answerer answers"),
    Component(name="complexified share", state="present", note="0.5, independent of the rest"),
    Component(name="requirement critique", state="changed", note="of the scenario, before it is complexified"),
    Component(name="double critic", state="present", note="yes to correct and no to incorrect, asked apart"),
    Component(name="reject or repair", state="present", note="rejects by default; a repaired prompt is checked once"),
    Component(name="13-gram deduplication", state="changed", note="prompts, before answers; suite decontaminates"),
    Component(name="no seeds", state="changed", note="the shared answerer sees three seed examples"),
)
_UNCRITICAL = {"requirements": False, "double_critic": False}
ARMS: dict[str, dict[str, Any]] = {
    "baseline": {"depth": 1, "scenarios": 1} | _UNCRITICAL,
    "local": {"depth": 1} | _UNCRITICAL,
    "global": {"scenarios": 1} | _UNCRITICAL,
    "local_global": _UNCRITICAL,
    "full": {},
}


@dataclass(frozen=True)
class Params:
    """An arm of the paper's ablation and a dial for each part; an arm takes parts away from what the dials say."""

    arm: Literal["baseline", "local", "global", "local_global", "full"] = dial("full", "arm of the paper's ablation")
    depth: int = dial(2, "levels below the factors; 1 is the paper's baseline, 0 no taxonomy", "diversity+ cost+")
    proposals: int = dial(2, "lists joined at each topic, best of N", "diversity+ cost+")
    critic_of_topics: bool = dial(True, "whether a critic mends each level", "diversity+ cost+")
    combined: int = dial(0, "taxonomies that one row draws from; 0 for all")
    scenarios: int = dial(3, "scenarios written for a node set, one of which is chosen", "diversity+ cost+")
    complexify: float = dial(0.5, "share of scenarios made harder", "complexity+ cost+")
    requirements: bool = dial(True, "whether a scenario is held against its topics", "quality+ cost+")
    double_critic: bool = dial(True, "whether an answer must be correct and not incorrect", "quality+ cost+")
    repair: bool = dial(False, "whether what a critic rejects is repaired and checked once more", "cost+")
    temperature: float = dial(1.0, "temperature of all that the teacher writes")


def _judged(ctx: GenerationContext, made: Iterator[Made], ahead: int) -> Iterator[tuple[Made, bool]]:
    """Ask of every row whether it is correct and, apart, whether it is incorrect; only yes and no together pass."""

    def material(row: Made, question: str) -> dict[str, str]:
        return {"description": ctx.description, "question": question, "prompt": row[0].prompt, "completion": row[1]}

    options: dict[str, Any] = {"ahead": ahead, "temperature": 0.0}
    first = each(ctx.judge, "judge", made, lambda row: material(row, "correct"), template="correct", **options)
    both = each(ctx.judge, "judge", first, lambda row: material(row[0], "incorrect"), template="incorrect", **options)
    for (row, correct), incorrect in both:
        yield row, says_yes(correct) and incorrect.strip().lower().startswith("no")


@method(
    name="simula", version=1, reference="arXiv:2603.29791", params=Params, fidelity=FIDELITY,
    summary="Draw topics from grown taxonomies, write, complicate a share, keep what critics pass.",
    intents=("expand", "classify", "propose", "evolve", "answer", "judge"),
    cost=Cost(calls={"propose": 2.4, "evolve": 0.7, "classify": 2.4, "answer": 1.4, "judge": 2.7}, setup_calls=190),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rows for as long as they are wanted, or until nothing passes any more."""
    params = replace(params, **ARMS[params.arm])
    growth = Growth(params.depth, params.proposals, params.critic_of_topics, params.temperature)
    recipe = Recipe(
        params.combined, params.scenarios, params.complexify, params.requirements, params.repair, params.temperature
    )
    scenarios = Scenarios(ctx, grown(ctx, growth), recipe)
    made = answered(scenarios)
    judged = _judged(ctx, made, scenarios.ahead) if params.double_critic else ((row, True) for row in made)
    for (draft, completion), passed in judged:
        if passed:
            yield scenarios.accept(draft, completion)
        else:
            scenarios.drop(draft, "double critic", completion)
