"""Magpie: give an aligned model nothing but the opening of a user's turn, so that it writes the prompt itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Literal

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._magpie_filters import distinct, judged, kept, longest, worded
from ._replies import answer_each, first_item, in_flight

STOPS = {
    "chatml": ("<|im_end|>", "<|endoftext|>"),
    "llama3": ("<|eot_id|>", "<|end_of_text|>"),
    "phi3": ("<|end|>", "<|endoftext|>"),
}

FIDELITY = (
    Component(name="pre-query template alone", state="changed", note="steered by default; steer = false as published"),
    Component(name="T = 1, top_p = 1, stop marks and newline", state="present"),
    Component(name="200 samples a call", state="changed", note="one a call; the harness numbers equal questions"),
    Component(name="greedy answers", state="present", note="by the answerer that all methods share"),
    Component(name="length filter", state="changed", note="limits in words are assumed"),
    Component(name="quality and reward", state="changed", note="one rating of 1 to 5 stands for both; no reward model"),
    Component(name="difficulty", state="changed", note="1 to 6, not five levels; off by default, as in the recipe"),
    Component(name="nearest-neighbour distance", state="changed", note="MiniLM, not mpnet; to earlier kept rows only"),
    Component(name="no trailing colon", state="present"),
    Component(name="longest 30 %", state="changed", note="of every 20 rows; released recipe only: longest = true"),
    Component(name="task category; multi-turn", state="absent", note="one kind of task, one turn"),
)


@dataclass(frozen=True)
class Params:
    """How prompts are drawn out of the model, and what is kept."""

    template: Literal["chatml", "llama3", "phi3"] = dial("chatml", "chat format of the teacher's family")
    steer: bool = dial(True, "whether a system prompt describes the wanted tasks; the paper has none by default")
    temperature: float = dial(1.0, "temperature of the prompts", "diversity+ complexity+ quality-")
    top_p: float = dial(1.0, "nucleus of the prompts", "diversity+ complexity+ quality-")
    least_words: int = dial(3, "words of a prompt, at least")
    most_words: int = dial(500, "words of a prompt or an answer, at most")
    quality: int = dial(4, "rating of 1 to 5 that a row needs; 1 asks for none", "quality+ cost+")
    difficulty: int = dial(1, "score of 1 to 6 that a prompt needs; 1 asks for none", "complexity+ cost+")
    distance: float = dial(0.05, "cosine distance to every kept prompt, at least; 0 for any", "diversity+ cost+")
    longest: bool = dial(False, "whether of every 20 rows the 6 with the longest answers are kept", "cost+")


def _prompts(ctx: GenerationContext, params: Params, ahead: int) -> Iterator[str]:
    """What the model writes where a user would, without end."""
    texts = ctx.teacher.ask_each(
        "propose", repeat({"description": ctx.description, "line_end": "\n"}), ahead=ahead,
        template=params.template + "_steered" * params.steer, temperature=params.temperature, top_p=params.top_p,
        max_tokens=512, stop=(*STOPS[params.template], "\n"),
    )  # fmt: skip
    return map(first_item, texts)


@method(
    name="magpie", version=1, reference="arXiv:2406.08464", params=Params, fidelity=FIDELITY,
    summary="Let the model write a user's turn from its opening alone, answer it, and filter what came of it.",
    intents=("propose", "answer", "judge"), cost=Cost(calls={"propose": 2.0, "answer": 2.0, "judge": 2.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rows that pass every filter, the cheap ones first."""
    ahead = in_flight(ctx, 32)
    asked = answer_each(ctx, _prompts(ctx, params, ahead), str, ahead=ahead, max_tokens=1024)
    rows = kept(ctx, (worded(*turn, params.least_words, params.most_words) for turn in asked))
    rows = kept(ctx, judged(ctx, rows, "rating", params.quality, ahead))
    rows = kept(ctx, judged(ctx, rows, "complexity", params.difficulty, ahead))
    rows = kept(ctx, distinct(ctx, rows, params.distance, ahead))
    return kept(ctx, longest(rows)) if params.longest else rows
