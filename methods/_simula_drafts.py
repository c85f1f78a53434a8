"""Simula's rows before the last critics: scenarios checked, a share made harder, answered."""

from collections.abc import Iterator
from dataclasses import replace

from qdcbench.api import MinHashFilter

from ._replies import answer_each, each, first_item, says_yes, unanswered
from ._simula_scenarios import Draft, Scenarios

__all__ = ["Made", "answered"]

NEAR, RUN = 0.8, 13  # Jaccard similarity of the runs of so many words in two prompts
Made = tuple[Draft, str]
"""A draft and its completion."""


def answered(scenarios: Scenarios) -> Iterator[Made]:
    """Drafts with answers."""
    for draft, completion in answer_each(
        scenarios.ctx, _drafts(scenarios), lambda draft: draft.prompt, ahead=scenarios.ahead
    ):
        if reason := unanswered(draft.prompt, completion):
            scenarios.drop(draft, reason, completion)
        else:
            yield draft, completion


def _drafts(scenarios: Scenarios) -> Iterator[Draft]:
    """Drafts ready to be answered, a share of them made harder, none a near-copy of another."""
    plain, harder = _met(scenarios), _complexified(scenarios)
    seen = MinHashFilter(NEAR, ngram=RUN)
    while True:
        # Two streams, so that a small share of harder ones does not hold the plain ones up.
        stream = harder if scenarios.ctx.rng.random() < scenarios.recipe.complexify else plain
        draft = next(stream, None)
        if draft is None:
            return
        if seen.admit([draft.prompt])[0]:
            yield draft
        else:
            scenarios.drop(draft, "near-copy")


def _met(scenarios: Scenarios) -> Iterator[Draft]:
    """Scenarios that meet all of their topics, by the judge's word."""
    if not (scenarios.recipe.requirements and scenarios.taxonomies):
        yield from scenarios.written()
        return
    ctx = scenarios.ctx
    for draft, text in each(
        ctx.judge, "classify", scenarios.written(), lambda draft: draft.material(ctx) | {"question": "requirements"},
        template="requirements", ahead=scenarios.ahead, temperature=0.0, max_tokens=64,
    ):  # fmt: skip
        if says_yes(text):
            yield draft
        else:
            scenarios.drop(draft, "requirements")


def _complexified(scenarios: Scenarios) -> Iterator[Draft]:
    """Scenarios that met their topics, made harder."""
    ctx = scenarios.ctx
    for draft, text in each(
        ctx.teacher, "evolve", _met(scenarios), lambda draft: draft.material(ctx) | {"operator": "deepen"},
        template="complexify", ahead=scenarios.ahead, temperature=scenarios.recipe.temperature,
    ):  # fmt: skip
        yield replace(draft, prompt=first_item(text), operators=(*draft.operators, "complexify"))
