"""ReST-EM: sample answers, keep the right ones, train on them, and sample again from what was trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._problems import FIDELITY_OF_PROBLEMS, Draws, Problems, new_rows, samples, trained
from ._replies import in_flight

FIDELITY = (
    Component(name="E-step: 32 or 64 samples, verified", state="changed", note="4 by default; a dial"),
    Component(name="at most 10 kept a problem", state="present", note="the first ones (which ones is assumed)"),
    Component(name="temperature 0.7, top-k 40", state="changed", note="top_p 0.95 in place of top-k"),
    Component(name="M-step: train on what was kept", state="changed", note="the task's tiny base model is trained"),
    Component(name="each M-step restarts from the base", state="present", note="a dial"),
    Component(name="three iterations", state="changed", note="2 by default; a dial"),
    Component(name="data set of the last iteration", state="present",
              note="the probe's training is the last M-step; rows of earlier ones are logged as rejected"),
    Component(name="a model improves itself", state="changed",
              note="from the second iteration on; the answerer makes the first, unless first says base"),
    Component(name="copies of a kept answer", state="changed", note="dropped: short answers are often equal; a dial"),
    *FIDELITY_OF_PROBLEMS,
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How a problem is sampled, how often training and sampling take turns, and who samples."""

    samples: int = dial(4, "answers drawn for a problem in each iteration; the paper has 32 and 64", "cost+")
    cap: int = dial(10, "answers kept of a problem in each iteration, at most")
    iterations: int = dial(2, "times that answers are sampled; the paper has 3")
    restart: bool = dial(True, "whether each training starts from the base and not from the one before")
    first: Literal["answerer", "base"] = dial("answerer", "who samples in the first iteration")
    distinct: bool = dial(True, "whether copies of an answer that is kept are dropped", "diversity+")
    temperature: float = dial(0.7, "temperature of the answers")
    top_p: float = dial(0.95, "nucleus of the answers")
    seed_problems: bool = dial(True, "whether seed examples are problems too", "cost+")


@method(
    name="rest_em", version=1, reference="arXiv:2312.06585", params=Params, fidelity=FIDELITY,
    summary="Sample answers, keep those a verifier calls right, train a small model on them, and let it sample next.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 2.0, "answer": 4.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield what the last iteration keeps; the ones before go over as many problems as rows are wanted."""
    problems, share = Problems(ctx, seeds=params.seed_problems), in_flight(ctx, 8)
    proxy = ctx.proxy([]) if params.first == "base" else None
    for number in range(1, params.iterations + 1):
        draws = Draws(
            samples=params.samples, cap=params.cap, temperature=params.temperature, top_p=params.top_p,
            distinct=params.distinct, lineage={"iteration": str(number)},
        )  # fmt: skip
        # A proxy's answers are free and quick in large batches: so many problems ahead, each with all its samples.
        policy, ahead = (ctx.answerer, share) if proxy is None else (proxy, share * params.samples)
        if number == params.iterations:
            yield from new_rows(ctx, samples(ctx, policy, problems, draws, ahead))
        else:
            rows = samples(ctx, policy, islice(problems, ctx.remaining), draws, ahead)
            proxy = trained(ctx, rows, None if params.restart else proxy)
