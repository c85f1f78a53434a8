"""A bench for one method: a context as the harness gives it, a teacher whose replies a test writes, what was asked."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import qdcbench.methods
from qdcbench.tasks.list_edits import ListEdits

from qdcbench.api import BudgetExhausted, Check, Example, MethodPlugin, Reply, Request, Structure
from qdcbench.measures.encoders.hashing import hashed_ngrams
from qdcbench.records import Budget
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook

TASK = ListEdits()
ROLES = ("teacher", "answerer", "judge")
PROMPTS = Path(next(iter(qdcbench.methods.__path__))) / "prompts"


def plugin(name: str) -> MethodPlugin:
    found = importlib.import_module(f"qdcbench.methods.{name}").generate
    assert isinstance(found, MethodPlugin)
    return found


@dataclass(frozen=True)
class Asked:
    """One question as a teacher saw it."""

    role: str
    intent: str
    material: Mapping[str, Any]
    messages: tuple[tuple[str, str], ...]
    temperature: float
    max_tokens: int

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.messages)


class FixedTeacher:
    """Replies what the test's function says, and remembers every question in the order it came.

    It is no simulation to the harness: every prompt is rendered from the method's file, as for a chat model.
    """

    simulated = False

    def __init__(self, reply: Callable[[Request], str]) -> None:
        self.reply = reply
        self.asked: list[Asked] = []

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        replies = []
        for request in requests:
            self.asked.append(
                Asked(
                    ROLES[seed % 10], request.intent, request.material, request.messages, request.temperature,
                    request.max_tokens,
                )
            )  # fmt: skip
            replies.append(Reply(text=self.reply(request), prompt_tokens=10, completion_tokens=5))
        return replies

    def of(self, intent: str, role: str = "") -> list[Asked]:
        """Only the questions of one intent (and role)."""
        return [asked for asked in self.asked if asked.intent == intent and role in ("", asked.role)]


@dataclass
class Context:
    """A plain GenerationContext that keeps what was rejected. Vectors are hashed n-grams, unless a test puts others."""

    name: str
    teacher: Any
    answerer: Any
    judge: Any
    remaining: int
    seed_examples: tuple[Example, ...]
    rng: Random
    shared_rng: Random
    meter: Meter
    members: tuple[str, ...] = ("one",)
    description: str = TASK.description
    rejected: list[tuple[Example, str]] = field(default_factory=list)
    embed: Callable[[Sequence[str]], Any] = hashed_ngrams

    def reject(self, prompt, reason, *, completion="", parents=(), lineage=None) -> None:
        row = Example(prompt=prompt, completion=completion, parents=tuple(parents), lineage=lineage or {})
        self.rejected.append((row, reason))

    def verify(self, example: Example) -> Check:
        return TASK.verify(example)

    def structure(self, prompt: str) -> Structure | None:
        return TASK.structure(prompt)

    def reference_rows(self, n: int) -> list[Example]:
        return list(TASK.reference_rows(Random(5), n))

    def gradients(self, rows: Sequence[Example]) -> Any:
        from qdcbench.probes.gradients import row_gradients
        from qdcbench.probes.start import base_of

        return row_gradients(base_of(TASK), [(row.prompt, row.completion) for row in rows])

    def proxy(self, rows: Sequence[Example], *, after: Any = None) -> Any:
        from qdcbench.probes.start import base_of
        from qdcbench.stages.proxy import PROXY_RECIPE, train_proxy

        pairs = [(row.prompt, row.completion) for row in rows]
        return train_proxy(base_of(TASK), pairs, after=after, recipe=PROXY_RECIPE, seed=1)


def context(
    name: str, teacher: Any, n: int = 200, tokens: int = 10**8, seed: int = 0, seeds: Sequence[Example] | None = None
) -> Context:
    """A context for the method ``name`` under a budget of tokens; ``seeds`` replaces the task's seed examples."""
    meter = Meter(Budget(name="test", examples=n, teacher_tokens=tokens, teacher_calls=None))
    path = PROMPTS / f"{name}.toml"
    book = PromptBook.load(path if path.is_file() else None, name)
    desk = Desk(teacher, meter, name)
    roles = [MeteredRole(desk, book, seed=seed * 10 + place) for place in range(3)]
    examples = tuple(TASK.seed_examples(Random(seed))) if seeds is None else tuple(seeds)
    return Context(
        name, *roles, remaining=n, seed_examples=examples, rng=Random(seed), shared_rng=Random(seed + 1000), meter=meter
    )


def run(ctx: Context, **params: Any) -> list[Example]:
    """Rows as the harness takes them: as many as wanted, or until the budget is spent."""
    found = plugin(ctx.name)
    rows: list[Example] = []
    try:
        rows.extend(islice(found.generate(ctx, found.params(**params)), ctx.remaining))
    except BudgetExhausted:
        pass
    return rows


def made(name: str, profile: str = "strong", n: int = 400, **params: Any) -> tuple[list[Example], Context]:
    """Rows of a method on list_edits' scripted teacher, and the context they were made in."""
    ctx = context(name, TASK.scripted_teacher(profile), n)
    return run(ctx, **params), ctx


@cache
def made_once(name: str, profile: str = "strong", n: int = 400) -> tuple[list[Example], Context]:
    """The same with the method's defaults, made once for all tests of a process."""
    return made(name, profile, n)
