"""STaR: answer problems, keep the right answers, give the failures a hint, train on what was kept, and begin again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from qdcbench.api import Asker, BudgetExhausted, Component, Cost, Example, GenerationContext, dial, method

from ._problems import FIDELITY_OF_PROBLEMS, Problems, attempt, kept_rows, material_for, new_rows, trained
from ._replies import each, in_flight

FIDELITY = (
    Component(name="few-shot greedy answers, kept if right", state="present"),
    Component(name="rationales", state="changed", note="an answer is what the task asks for, without its reasons"),
    Component(name="failures answered again with a hint", state="changed",
              note="where the right answer is known: seed examples; the answerer is asked, as a proxy reads no hint"),
    Component(name="each loop trains the original base", state="changed", note="the task's tiny base model is trained"),
    Component(name="a model improves itself", state="changed",
              note="from the second loop on; the answerer makes the first. learner = answerer: one loop, no training"),
    Component(name="data set of the last loop", state="present",
              note="the probe's training is the last one; rows of earlier loops are logged as rejected"),
    *FIDELITY_OF_PROBLEMS,
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How often the loop is run, who answers after the first one, and whether failures get a hint."""

    loops: int = dial(2, "times that the problems are answered")
    learner: Literal["answerer", "proxy"] = dial("proxy", "who answers after the first loop")
    rationalize: bool = dial(True, "whether failures are answered again with the right answer as a hint", "complexity+")
    temperature: float = dial(0.0, "temperature of the answers; the paper's are greedy", "quality-")
    seed_problems: bool = dial(True, "whether seed examples are problems too", "cost+")


def _hinted(ctx: GenerationContext, failed: list[Example], ahead: int) -> Iterator[tuple[Example, str]]:
    """Failures answered again after a hint, each with why it is still not kept, or an empty text.

    Where the budget has no room for hints any more, the loop goes on without them: a proxy's answers cost nothing.
    """
    hints = [material_for(ctx, problem) | {"hint": problem.completion} for problem in failed]
    options: dict[str, Any] = {"template": "rationalize", "ahead": ahead, "temperature": 0.0, "max_tokens": 300}
    texts = ctx.answerer.ask_each("answer", hints, **options)
    try:
        for problem, text in zip(failed, texts, strict=True):
            row, reason = attempt(ctx, problem, text)
            yield replace(row, lineage={"operator": "rationalize"}), reason and f"{reason} after the hint"
    except BudgetExhausted:
        return


def _tried(
    ctx: GenerationContext, asker: Asker, problems: Iterable[Example], params: Params, ahead: int
) -> Iterator[tuple[Example, str]]:
    """Answers to problem after problem, each with why it is not kept; failures come again, a few at a time."""
    failed: list[Example] = []
    options: dict[str, Any] = {"ahead": ahead, "temperature": params.temperature, "max_tokens": 300}
    for problem, text in each(asker, "answer", problems, lambda problem: material_for(ctx, problem), **options):
        row, reason = attempt(ctx, problem, text)
        yield replace(row, lineage={"operator": "answer"}), reason
        if reason and problem.completion and params.rationalize:
            failed.append(problem)
        if len(failed) == ahead or not problem.completion:
            yield from _hinted(ctx, failed, ahead)
            failed.clear()
    yield from _hinted(ctx, failed, ahead)


@method(
    name="star", version=1, reference="arXiv:2203.14465", params=Params, fidelity=FIDELITY,
    summary="Answer problems, keep right answers, give failures a hint, train a small model on what was kept, repeat.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 2.0, "answer": 1.5}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield what the last loop keeps; the ones before go over as many problems as rows are wanted."""
    problems, ahead, learner = Problems(ctx, seeds=params.seed_problems), in_flight(ctx, 8), ctx.answerer
    loops = params.loops if params.learner == "proxy" else 1
    for loop in range(1, loops):
        tried = _tried(ctx, learner, islice(problems, ctx.remaining), params, ahead)
        learner = trained(ctx, kept_rows(ctx, tried, {"loop": str(loop)}))
    tried = _tried(ctx, learner, problems, params, ahead)
    yield from new_rows(ctx, kept_rows(ctx, tried, {"loop": str(loops)}))
