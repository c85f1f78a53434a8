"""Problems whose answers a verifier can check, and what methods that improve themselves do with answers to them.

A problem is an `Example` whose completion is the right answer where that is known, and empty where it is not.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any

from qdcbench.api import Asker, BudgetExhausted, Component, Example, GenerationContext

from ._few_shot import FewShot, drop, new_prompts
from ._replies import SHOWN, each, unanswered

__all__ = [
    "FIDELITY_OF_PROBLEMS",
    "Draws",
    "Problems",
    "attempt",
    "kept_rows",
    "material_for",
    "samples",
    "trained",
]

FIDELITY_OF_PROBLEMS = (
    Component(
        name="problems with right answers",
        state="changed",
        note="seed examples and few-shot proposals, with a verdict by the verifier; without any it ends by itself",
    ),
    Component(
        name="seeds in the training set",
        state="absent",
        note="a right answer that makes a row the seed example itself trains a proxy and is no row",
    ),
)
"""What every method that starts from problems says of them."""
IDLE_CALLS = 250
"""Prompts in a row on which the verifier has no verdict after which no more problems are looked for."""
IDLE_PROBLEMS = 250
"""Problems in a row without a single kept answer after which answering ends."""
_LABEL = re.compile(r"^\s*answer\s*:\s*", re.IGNORECASE)


class Problems:
    """The problems of a run: the seed examples if wanted, then proposals, where the verifier has a verdict on them.

    They are drawn when first read; every reading starts from the first one. Where the budget ended the proposals, a
    reading ends in BudgetExhausted after the problems that are there.
    """

    def __init__(self, ctx: GenerationContext, *, seeds: bool) -> None:
        self._drawn: list[Example] = []
        self._source = _checkable(ctx, chain(ctx.seed_examples if seeds else (), _proposed(ctx)))
        self._limit = ""

    def __iter__(self) -> Iterator[Example]:
        for place in count():
            if place == len(self._drawn):
                if self._limit:
                    raise BudgetExhausted(self._limit)
                try:
                    self._drawn.append(next(self._source))
                except StopIteration:
                    return
                except BudgetExhausted as end:
                    self._limit = end.limit
                    raise
            yield self._drawn[place]


def _proposed(ctx: GenerationContext) -> Iterator[Example]:
    """New prompts of the few-shot baseline, asked for as it does, so that its questions are asked once."""
    seeds, style = ctx.seed_examples, FewShot()
    shown = (ctx.shared_rng.sample(seeds, min(style.shown, len(seeds))) for _ in count())
    return new_prompts(ctx, shown, {seed.prompt for seed in seeds}, style)


def _checkable(ctx: GenerationContext, problems: Iterable[Example]) -> Iterator[Example]:
    idle = 0
    for problem in problems:
        # Whether there will be a verdict can be seen before anything is spent on answers.
        if ctx.verify(Example(prompt=problem.prompt, completion="")).correct is not None:
            idle = 0
            yield problem
        else:
            idle += 1
            drop(ctx, problem, "no verdict")
        if idle >= IDLE_CALLS:
            return


def material_for(ctx: GenerationContext, problem: Example) -> dict[str, Any]:
    """What an answerer is shown of a problem: the same as for every method."""
    return {"description": ctx.description, "examples": list(ctx.seed_examples[:SHOWN]), "prompt": problem.prompt}


def attempt(ctx: GenerationContext, problem: Example, text: str, noise: float = 0.0) -> tuple[Example, str]:
    """Return a reply to a problem as a row, and why the verifier does not let it pass, or an empty text.

    With the probability ``noise`` its verdict is turned round.
    """
    parents = (problem.id,) if problem.completion else problem.parents
    row = Example(prompt=problem.prompt, completion=_LABEL.sub("", text).strip(), parents=parents)
    if reason := unanswered(row.prompt, row.completion):
        return row, reason
    correct = ctx.verify(row).correct
    if correct is None:
        return row, "no verdict"
    flipped = noise > 0 and ctx.rng.random() < noise
    return row, "" if correct != flipped else "wrong answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """Answers drawn of a problem, how many are kept and whether copies may be, verifier noise, lineage of a row."""

    samples: int
    cap: int
    temperature: float
    top_p: float = 1.0
    distinct: bool = True
    noise: float = 0.0
    lineage: Mapping[str, str] = field(default_factory=dict)


def samples(
    ctx: GenerationContext, asker: Asker, problems: Iterable[Example], draws: Draws, ahead: int
) -> Iterator[Example]:
    """Draw answers to each problem and yield those kept: verified, then distinct, then the first up to the cap."""
    asked = (problem for problem in problems for _ in range(draws.samples))
    options: dict[str, Any] = {"ahead": ahead, "temperature": draws.temperature, "top_p": draws.top_p}
    current, kept, idle = Example(prompt="", completion=""), [""], 0
    for problem, text in each(
        asker, "answer", asked, lambda problem: material_for(ctx, problem), max_tokens=300, **options
    ):
        if problem is not current:
            current, kept, idle = problem, [], 0 if kept else idle + 1
            if idle >= IDLE_PROBLEMS:
                return
        row, reason = attempt(ctx, problem, text, draws.noise)
        row, same = replace(row, lineage=draws.lineage), " ".join(row.completion.split())
        if not reason and draws.distinct and same in kept:
            reason = "same answer again"
        if reason or len(kept) >= draws.cap:
            drop(ctx, row, reason or "over the cap of its problem")
        else:
            kept.append(same)
            yield row


def kept_rows(
    ctx: GenerationContext, tried: Iterable[tuple[Example, str]], lineage: Mapping[str, str]
) -> Iterator[Example]:
    """Yield the rows that have no reason against them, with more ``lineage``, until none of many was kept."""
    idle = 0
    for row, reason in tried:
        row, idle = replace(row, lineage={**row.lineage, **lineage}), idle + 1
        if reason:
            drop(ctx, row, reason)
        else:
            idle = 0
            yield row
        if idle >= IDLE_PROBLEMS:
            return


def new_rows(ctx: GenerationContext, rows: Iterable[Example]) -> Iterator[Example]:
    """Yield the rows that are not seed examples over again, as no method mixes these into its data set."""
    seeds = {(seed.prompt, " ".join(seed.completion.split())) for seed in ctx.seed_examples}
    for row in rows:
        if (row.prompt, " ".join(row.completion.split())) in seeds:
            drop(ctx, row, "is a seed example")
        else:
            yield row


def trained(ctx: GenerationContext, rows: Iterator[Example], after: Asker | None = None) -> Asker:
    """Return a proxy that learned from all rows of a round, which are logged as of that round and no more.

    Where the budget ended the round, it learns from what is there: what a proxy answers costs nothing, so the next
    round can go on with the problems that are known.
    """
    kept: list[Example] = []
    try:
        for row in rows:
            kept.append(row)
            drop(ctx, row, "only trains the next round")
    except BudgetExhausted:
        pass
    return ctx.proxy(kept, after=after)
