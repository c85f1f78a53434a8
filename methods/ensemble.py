"""Ensemble: several teachers are asked the same few-shot questions, and each gives an equal share of the rows."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from qdcbench.api import Component, CosineFilter, Cost, Example, GenerationContext, dial, method

from ._few_shot import FewShot, drop
from ._replies import answer_each, each, first_item, unanswered

STYLE = FewShot()
IDLE_CALLS = 250  # without a new prompt, or answers without a row for every member, and the method ends by itself

FIDELITY = (
    Component(name="the same questions to every model", state="changed",
              note="few-shot questions about the task, one reply each; not open-ended queries with 50 answers"),
    Component(name="similarity between and within models", state="changed",
              note="lineage names the member behind every row, so both can be measured; no row is chosen by them"),
    Component(name="temperature 1, top_p 0.9", state="changed", note="top_p 1, as the shared baseline asks"),
    Component(name="equal share of every model", state="present", note="assumed; rows beyond it are rejected"),
    Component(name="near-duplicates dropped", state="changed", note="our addition, off by default; also within one"),
    Component(name="answers", state="changed", note="by the shared answerer, whoever wrote the prompt"),
    Component(name="one teacher", state="changed", note="nothing to mix: the rows are those of few_shot"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How near two prompts may be."""

    near: float = dial(1.0, "cosine of embeddings above which a prompt is dropped as a near-duplicate; 1 is off",
                       "diversity- cost-")  # fmt: skip


def _proposed(ctx: GenerationContext, members: tuple[str, ...]) -> Iterator[Example]:
    """Every question of the few-shot baseline put to each member in turn: prompts, still without answers."""

    def turns() -> Iterator[tuple[list[Example], dict[str, str]]]:
        while True:
            shots = ctx.shared_rng.sample(ctx.seed_examples, min(STYLE.shown, len(ctx.seed_examples)))
            yield from ((shots, {"member": member} if member else {}) for member in members)

    asked = {"description": ctx.description, "count": 1}
    for (shots, lineage), text in each(
        ctx.teacher, "propose", turns(),
        lambda turn: asked | {"exemplars": [shot.prompt for shot in turn[0]]} | turn[1],
        template=STYLE.template, ahead=STYLE.ahead(ctx), temperature=STYLE.temperature,
    ):  # fmt: skip
        parents = tuple(shot.id for shot in shots)
        yield Example(prompt=first_item(text), completion="", parents=parents, lineage=lineage)


def _apart(ctx: GenerationContext, drafts: Iterator[Example], threshold: float) -> Iterator[Example]:
    """Prompts that no seed example and no earlier one, whoever wrote it, equals or is near to."""
    known, admitted, idle = {seed.prompt for seed in ctx.seed_examples}, CosineFilter(threshold), 0
    for draft in drafts:
        idle += 1
        if not draft.prompt or draft.prompt in known:
            drop(ctx, draft, "exact duplicate" if draft.prompt else "empty prompt")
        elif threshold < 1 and not admitted.admit(ctx.embed([draft.prompt]))[0]:
            drop(ctx, draft, "near duplicate")
        else:
            idle = 0
            known.add(draft.prompt)
            yield draft
        if idle >= IDLE_CALLS:
            return


@method(
    name="ensemble", version=1, reference="arXiv:2510.22954", params=Params, fidelity=FIDELITY,
    summary="Ask several teachers the same few-shot questions and take an equal share of rows from each.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 1.1, "answer": 1.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rows in rounds of one from each member; with one teacher, the rows of few_shot."""
    # A lone teacher is asked without its name, so that the questions equal those of few_shot.
    members, idle = ctx.members if len(ctx.members) > 1 else ("",), 0
    waiting: dict[str, deque[Example]] = {member: deque() for member in members}
    drafts = _apart(ctx, _proposed(ctx, members), params.near)
    try:
        for draft, completion in answer_each(ctx, drafts, lambda draft: draft.prompt, ahead=STYLE.ahead(ctx)):
            row, idle = replace(draft, completion=completion), idle + 1
            if reason := unanswered(row.prompt, completion):
                drop(ctx, row, reason)
            else:
                waiting[row.lineage.get("member", "")].append(row)
            while all(waiting.values()):
                idle = 0
                for rows in waiting.values():
                    yield rows.popleft()
            if idle >= IDLE_CALLS:
                return
    finally:
        for row in (row for rows in waiting.values() for row in rows):
            drop(ctx, row, "beyond its member's share")
