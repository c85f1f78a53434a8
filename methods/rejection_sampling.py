"""Rejection sampling (RFT): sample several answers to each problem and keep the different right ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._problems import FIDELITY_OF_PROBLEMS, Draws, Problems, new_rows, samples
from ._replies import in_flight

FIDELITY = (
    Component(name="several samples a problem", state="present", note="number and temperature are assumed"),
    Component(name="right answers only", state="present", note="by the task's verifier"),
    Component(name="distinct answers only", state="changed",
              note="different texts, not different orders of equations; a task of short answers keeps one a problem"),
    *FIDELITY_OF_PROBLEMS,
    Component(name="seed examples as problems", state="changed",
              note="a dial, off: where one answer alone is right, they give nothing but seed examples back"),
    Component(name="samples of several models pooled", state="absent", note="one answerer, as for every method here"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How often a problem is answered, what is kept, and how far the verifier can be trusted."""

    samples: int = dial(4, "answers drawn for a problem", "cost+")
    cap: int = dial(4, "different right answers kept of a problem, at most", "cost-")
    temperature: float = dial(0.7, "temperature of the answers")
    seed_problems: bool = dial(
        False, "whether seed examples are problems too; needed where the verifier knows no other answers", "cost+"
    )
    verifier_noise: float = dial(0.0, "probability that a verdict is turned round", "quality-")


@method(
    name="rejection_sampling", version=1, reference="arXiv:2308.01825", params=Params, fidelity=FIDELITY,
    summary="Sample several answers to each problem and keep the different ones that a verifier calls right.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 1.2, "answer": 4.3}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield right answers to one problem after another."""
    draws = Draws(samples=params.samples, cap=params.cap, temperature=params.temperature, noise=params.verifier_noise)
    problems = Problems(ctx, seeds=params.seed_problems)
    yield from new_rows(ctx, samples(ctx, ctx.answerer, problems, draws, in_flight(ctx, 8)))
