"""Simula's scenarios: topics drawn from taxonomies, prompts written for them, what failed repaired."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from qdcbench.api import Example, GenerationContext

from ._replies import each, first_item, in_flight, numbered
from ._topics import drawn

__all__ = ["Draft", "Recipe", "Scenarios"]

IDLE_DRAFTS = 1000  # beyond those under way without an accepted row, and the method ends by itself
STAGES = 8  # streams between a node set and a row, each with questions under way
CRITIQUES = {
    "requirements": "It does not meet all of these at once.",
    "double critic": "No answer to it could be confirmed; it may be unclear, contradictory or impossible.",
}
"""Why a draft is dropped, where that can be repaired, and what the repairer is told."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How drafts are made: taxonomies drawn from (0: all), scenarios, share made harder, which critics, temperature."""

    combined: int
    scenarios: int
    complexify: float
    requirements: bool
    repair: bool
    temperature: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A prompt, the topics it is about, and the operators that made it."""

    prompt: str
    topics: tuple[str, ...]
    operators: tuple[str, ...]

    def material(self, ctx: GenerationContext) -> dict[str, Any]:
        """Return what a question about it holds."""
        return {"description": ctx.description, "prompt": self.prompt, "topics": list(self.topics)}

    @property
    def lineage(self) -> dict[str, str]:
        """What a row says of where it comes from."""
        return {"topic": " | ".join(self.topics), "operator": "+".join(self.operators)}


class Scenarios:
    """Scenarios of one run, and what its streams share: taxonomies, drafts to repair, drafts since the last row."""

    def __init__(self, ctx: GenerationContext, taxonomies: list[list[str]], recipe: Recipe) -> None:
        """``taxonomies`` are the leaves of each factor."""
        self.ctx = ctx
        self.recipe = recipe
        self.ahead = in_flight(ctx, 64)
        self.taxonomies = taxonomies
        self._failed: list[tuple[Draft, str]] = []
        self._idle = 0

    def accept(self, draft: Draft, completion: str) -> Example:
        """Return the row; the run is getting on."""
        self._idle = 0
        return Example(prompt=draft.prompt, completion=completion, lineage=draft.lineage)

    def drop(self, draft: Draft, reason: str, completion: str = "") -> None:
        """Log a draft that failed; it comes back once where it can be repaired."""
        self.ctx.reject(draft.prompt, reason, completion=completion, lineage=draft.lineage)
        if self.recipe.repair and reason in CRITIQUES and "repair" not in draft.operators:
            self._failed.append((draft, CRITIQUES[reason]))

    def written(self) -> Iterator[Draft]:
        """One of the scenarios written for each node set, and before it what was repaired meanwhile."""
        ctx, count = self.ctx, self.recipe.scenarios
        shared = {"description": ctx.description, "count": count}
        for topics, text in each(
            ctx.teacher, "propose", self._node_sets(), lambda topics: shared | {"topics": list(topics)},
            ahead=self.ahead, temperature=self.recipe.temperature,
        ):  # fmt: skip
            yield from self._repaired()
            prompt = ctx.rng.choice(numbered(text)[:count] or [first_item(text)])
            yield Draft(prompt=prompt, topics=topics, operators=("propose",))

    def _repaired(self) -> Iterator[Draft]:
        """All that failed since the last time, each written anew after what was said against it."""
        failed, self._failed = self._failed, []
        texts = self.ctx.teacher.ask_many(
            "evolve", [draft.material(self.ctx) | {"operator": "repair", "critique": said} for draft, said in failed],
            template="repair", temperature=self.recipe.temperature,
        )  # fmt: skip
        for (draft, _), text in zip(failed, texts, strict=True):
            yield replace(draft, prompt=first_item(text), operators=("repair",))

    def _node_sets(self) -> Iterator[tuple[str, ...]]:
        """A leaf of each taxonomy of a combination; combinations of one size are equally likely, and so are leaves."""
        rng, size = self.ctx.rng, self.recipe.combined or len(self.taxonomies)
        while self._idle < IDLE_DRAFTS + STAGES * self.ahead:
            self._idle += 1
            yield tuple(rng.choice(leaves) for leaves in drawn(rng, self.taxonomies, size))
