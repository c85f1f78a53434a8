"""The shared baseline's stream of rows, on which other methods build.

Everything that is drawn for it comes from `ctx.shared_rng`, so all who use it ask the same questions.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from qdcbench.api import AHEAD, Example, GenerationContext

from ._replies import answer_each, each, first_item, in_flight, unanswered

__all__ = ["FewShot", "drop", "few_shot_rows", "new_prompts"]

IDLE_CALLS = 250  # without a single new prompt or answer, and the stream ends


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """How the stream asks: seed examples shown, section of the prompt file, temperature, most questions under way."""

    shown: int = 3
    template: str = "few_shot"
    temperature: float = 1.0
    most: int = AHEAD

    def ahead(self, ctx: GenerationContext) -> int:
        """Return how many questions of one kind to have under way; what is asked does not depend on it."""
        return min(self.most, in_flight(ctx, 16))


def drop(ctx: GenerationContext, row: Example, reason: str) -> None:
    """Log a row as rejected, with all that is known of it."""
    ctx.reject(row.prompt, reason, completion=row.completion, parents=row.parents, lineage=row.lineage)


def new_prompts(
    ctx: GenerationContext, shown: Iterable[Sequence[Example]], known: set[str], style: FewShot
) -> Iterator[Example]:
    """Yield a prompt, still without an answer, for each group of rows shown, unless it is known; then it is."""
    replies = each(
        ctx.teacher, "propose", shown,
        lambda shots: {"description": ctx.description, "exemplars": [shot.prompt for shot in shots], "count": 1},
        template=style.template, ahead=style.ahead(ctx), temperature=style.temperature,
    )  # fmt: skip
    idle = 0
    for shots, text in replies:
        draft = Example(prompt=first_item(text), completion="", parents=tuple(shot.id for shot in shots))
        idle += 1
        if not draft.prompt or draft.prompt in known:
            drop(ctx, draft, "exact duplicate" if draft.prompt else "empty prompt")
        else:
            idle = 0
            known.add(draft.prompt)
            yield draft
        if idle >= IDLE_CALLS:
            return


def few_shot_rows(ctx: GenerationContext, style: FewShot) -> Iterator[Example]:
    """Yield answered rows of the shared baseline until it brings nothing new any more."""
    seeds, idle, ahead = ctx.seed_examples, 0, style.ahead(ctx)
    shown = (ctx.shared_rng.sample(seeds, min(style.shown, len(seeds))) for _ in count())
    drafts = new_prompts(ctx, shown, {seed.prompt for seed in seeds}, style)
    for draft, completion in answer_each(ctx, drafts, lambda draft: draft.prompt, ahead=ahead):
        row = replace(draft, completion=completion)
        idle += 1
        if reason := unanswered(row.prompt, completion):
            drop(ctx, row, reason)
        else:
            idle = 0
            yield row
        if idle >= IDLE_CALLS:
            return
