"""LAB, the skill flows: many questions in the style of each leaf of examples, judged, answered and judged again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._lab_flows import Flow, listed
from ._replies import answer_each, each, first_item, in_flight, numbered, says_yes, unanswered

IDLE_CALLS = 250  # without a single new question, and the method ends by itself
Question = tuple[str, tuple[str, ...], dict[str, str]]  # a prompt, ids of the leaf it came from, and its lineage
_SCORE = re.compile(r"(?:^\s*|score\s*:\s*)([1-3])\b", re.IGNORECASE)

FIDELITY = (
    Component(name="taxonomy of skills", state="changed", note="leaves are cut from the seed examples"),
    Component(name="three to five examples a leaf", state="present", note="nearest by shared words (assumed)"),
    Component(name="30 questions a call, in the style of the leaf", state="present"),
    Component(name="exact-duplicate drop", state="present"),
    Component(name="binary judge of questions", state="present"),
    Component(name="answers", state="changed", note="greedy and after three seed examples, as for every method here"),
    Component(name="pair judge, 1 to 3, two or more kept", state="present", note="the bound is a dial"),
    Component(name="the teacher judges itself", state="changed", note="the judge of the suite, often the same model"),
    Component(name="grounded: 10 contexts, 3 questions each", state="changed", note="a question holds its context"),
    Component(name="knowledge flow", state="absent", note="there are no documents"),
    Component(name="facility-location subset", state="absent", note="a later step; selection is the suite's"),
    Component(name="tuning in phases with replay", state="absent", note="training is the suite's"),
)


@dataclass(frozen=True)
class Params:
    """Which flow, how much it asks for in one call, and how strict its last judge is."""

    flow: Literal["freeform", "grounded"] = dial("freeform", "whether contexts are written before the questions")
    questions: int = dial(30, "questions asked for in one call of the free-form flow", "cost-")
    contexts: int = dial(10, "contexts asked for in one call of the grounded flow", "cost-")
    about: int = dial(3, "questions asked for about one context", "cost-")
    leaf: int = dial(5, "seed examples of one leaf, at most")
    at_least: int = dial(2, "points of three that an answer needs", "quality+ cost+")
    temperature: float = dial(0.7, "temperature of contexts and questions; assumed for the free-form flow")


def _new(ctx: GenerationContext, params: Params) -> Iterator[Question]:
    """Questions that no reply held before, until none of many calls brought one."""
    seen, idle = set[str](), 0
    counts = (params.about, params.contexts) if params.flow == "grounded" else (params.questions, 0)
    flow = Flow(*counts, params.leaf, params.temperature)
    for text, parents, lineage in listed(ctx, flow):
        idle, found = idle + 1, numbered(text)[: flow.questions]
        if not found:
            ctx.reject(first_item(text)[:500], "no list in the reply", parents=parents, lineage=lineage)
        for prompt in found:
            if prompt in seen:
                ctx.reject(prompt, "exact duplicate", parents=parents, lineage=lineage)
                continue
            idle = 0
            seen.add(prompt)
            yield prompt, parents, lineage
        if idle >= IDLE_CALLS:
            return


def _fit(ctx: GenerationContext, ahead: int, params: Params) -> Iterator[Question]:
    """New questions that the first judge takes for tasks of the kind described."""
    shared = {"description": ctx.description, "question": "task"}
    for (prompt, parents, lineage), text in each(
        ctx.judge, "classify", _new(ctx, params), lambda question: shared | {"prompt": question[0]},
        template="task", ahead=ahead, temperature=0.0, max_tokens=64,
    ):  # fmt: skip
        if says_yes(text):
            yield prompt, parents, lineage
        else:
            ctx.reject(prompt, "judge of questions", parents=parents, lineage=lineage)


@method(
    name="lab", version=1, reference="arXiv:2403.01081", params=Params, fidelity=FIDELITY,
    summary="Ask for many questions in the style of a few examples, keep those that two judges let pass.",
    intents=("propose", "classify", "answer", "judge"),
    cost=Cost(calls={"propose": 0.04, "classify": 1.2, "answer": 1.1, "judge": 1.1}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered questions that got enough points, until nothing new is found any more."""
    ahead, shared = in_flight(ctx, 32), {"description": ctx.description, "question": "pair"}
    answered = answer_each(ctx, _fit(ctx, ahead, params), lambda question: question[0], ahead=ahead)
    for ((prompt, parents, lineage), completion), text in each(
        ctx.judge, "judge", answered, lambda item: shared | {"prompt": item[0][0], "completion": item[1]},
        template="pair", ahead=ahead, temperature=0.0, max_tokens=64,
    ):  # fmt: skip
        score = _SCORE.search(text)
        low = "no score in the reply" if not score else "low score" if int(score[1]) < params.at_least else ""
        if reason := unanswered(prompt, completion) or low:
            ctx.reject(prompt, reason, completion=completion, parents=parents, lineage=lineage)
        else:
            yield Example(prompt=prompt, completion=completion, parents=parents, lineage=lineage)
