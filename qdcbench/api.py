"""All that a plugin may import: records of rows, the two decorators, and what the harness hands over.

A method is a generator function; a task is a class with a few verbs; a teacher answers requests. A plugin
imports nothing else of QDCBench, and importing this module loads neither torch nor lm-eval nor pandas.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from qdcbench.errors import BudgetExhausted, DataError, PluginError, TeacherError
from qdcbench.novelty import NoveltyFilter
from qdcbench.records import Check, Example, Structure

if TYPE_CHECKING:
    from qdcbench.readers import ReadResult

__all__ = [
    "INTENTS",
    "Asker",
    "BudgetExhausted",
    "Check",
    "Component",
    "DataError",
    "Example",
    "GenerationContext",
    "HeldOut",
    "MethodPlugin",
    "NoveltyFilter",
    "PluginError",
    "Reply",
    "Request",
    "Structure",
    "Task",
    "Teacher",
    "TeacherError",
    "method",
    "read_examples",
    "task",
]

INTENTS = ("propose", "evolve", "answer", "judge", "persona", "expand", "classify", "chat")
"""What a request may ask for. A scripted teacher understands all but ``chat``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question to a teacher.

    ``intent`` and ``material`` are what a scripted teacher reads; ``messages`` (role, text) is the same
    material rendered by the method's template, what a chat model reads. ``sample`` tells repeated equal
    requests apart.
    """

    intent: str
    material: Mapping[str, Any]
    messages: tuple[tuple[str, str], ...]
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    sample: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A teacher's text and what it cost in tokens.

    ``attempts`` counts the requests it took; ``discarded_tokens`` are those a server reported for unusable
    answers before this one; ``usage_estimated`` is true where the server reported no tokens.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str = "stop"
    attempts: int = 1
    discarded_tokens: int = 0
    usage_estimated: bool = False


class Teacher(Protocol):
    """Answers requests; order of replies is the order of requests."""

    simulated: bool

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests, concurrently where the teacher can.

        Raises:
            TeacherError: no usable answer after all retries.
        """
        ...


class Asker(Protocol):
    """One role of a teacher (writer, answerer, judge) as a method sees it: metered, seeded, capped."""

    def ask(
        self, intent: str, *, template: str = "", temperature: float = 1.0, max_tokens: int = 512, **material: Any
    ) -> str:
        """Ask one question and return the text.

        ``template`` names the section of the method's prompt file that renders ``material`` (default: the
        intent's name). Raises BudgetExhausted, which a method need not catch.
        """
        ...

    def ask_many(
        self,
        intent: str,
        materials: Sequence[Mapping[str, Any]],
        *,
        template: str = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
    ) -> list[str]:
        """Ask many questions at once; the texts come back in order. Use this wherever order does not matter."""
        ...


class GenerationContext(Protocol):
    """What the harness hands to a method."""

    seed_examples: tuple[Example, ...]
    description: str
    teacher: Asker
    answerer: Asker
    judge: Asker
    rng: Random
    remaining: int
    """Examples still wanted at the start."""

    def reject(
        self,
        prompt: str,
        reason: str,
        *,
        completion: str = "",
        parents: Sequence[str] = (),
        lineage: Mapping[str, str] | None = None,
    ) -> None:
        """Log a candidate that the method's own filter dropped."""
        ...

    def verify(self, example: Example) -> Check:
        """Ask the task's verifier. Only for methods whose paper has one, and for controls."""
        ...

    def reference_rows(self, n: int) -> list[Example]:
        """Rows uniform over the task's grammar with right answers, the same for every control. Controls only."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One component of a paper's method, and how far the plugin follows it."""

    name: str
    state: Literal["present", "changed", "absent"]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodPlugin:
    """A registered method."""

    name: str
    version: int
    summary: str
    reference: str
    role: Literal["method", "control", "imported"]
    params: type[Any]
    fidelity: tuple[Component, ...]
    intents: tuple[str, ...]
    generate: Callable[[GenerationContext, Any], Iterator[Example]]


P = TypeVar("P")


def method(
    *,
    name: str,
    version: int,
    summary: str,
    reference: str,
    params: type[P],
    fidelity: Iterable[Component] = (),
    intents: Iterable[str] = (),
    role: Literal["method", "control", "imported"] = "method",
) -> Callable[[Callable[[GenerationContext, P], Iterator[Example]]], MethodPlugin]:
    """Mark a generator function as a method.

    Args:
        name: the file's name without ``.py``.
        version: raised whenever the same parameters could give other data.
        summary: one sentence for ``qdcbench list`` and the leaderboard.
        reference: paper or "none".
        params: frozen dataclass whose every field has a default.
        fidelity: the paper's components, present, changed or absent.
        intents: what it asks of a teacher, so that a teacher that cannot is refused before the run.
        role: ``control`` methods may call ``reference_rows`` and stay out of rankings.

    Raises:
        PluginError: ``params`` is no frozen dataclass, or an intent is unknown.
    """
    if not is_dataclass(params) or not getattr(params, "__dataclass_params__").frozen:  # noqa: B009
        raise PluginError(f"method {name!r}: params must be a frozen dataclass whose fields all have defaults")
    unknown = sorted(set(intents) - set(INTENTS))
    if unknown:
        raise PluginError(f"method {name!r}: unknown intents {unknown}; known: {', '.join(INTENTS)}")

    def mark(function: Callable[[GenerationContext, P], Iterator[Example]]) -> MethodPlugin:
        return MethodPlugin(
            name=name, version=version, summary=summary, reference=reference, role=role, params=params,
            fidelity=tuple(fidelity), intents=tuple(intents), generate=function,
        )  # fmt: skip

    return mark


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """One held-out set of a task: ``distance`` is ``id`` or ``ood``; items are prompt and right answer."""

    name: str
    distance: Literal["id", "ood"]
    summary: str
    items: Sequence[Example] = field(repr=False)


@runtime_checkable
class Task(Protocol):
    """Seed examples a method may see, a verifier, and held-out sets none of which a method can reach."""

    name: str
    version: int
    summary: str
    reference: str
    description: str
    """What a method is told about the wanted data."""

    def seed_examples(self, rng: Random) -> Sequence[Example]:
        """Examples that every method gets, the same for all of a repetition."""
        ...

    def verify(self, example: Example) -> Check:
        """Say whether the completion is a right answer to the prompt."""
        ...

    def structure(self, prompt: str) -> Structure | None:
        """Return what is exactly known about a prompt, None where the task knows nothing or cannot parse it."""
        ...

    def pair_universe(self) -> int | None:
        """Number of ordered pairs of parts that exist, None where unknown."""
        ...

    def held_out(self) -> Sequence[HeldOut]:
        """The evaluation sets, the same in every run."""
        ...

    def reference_rows(self, rng: Random, n: int) -> Sequence[Example]:
        """Right-answered rows uniform over the task's grammar (for controls); DataError where there is none."""
        ...

    def scripted_teacher(self, profile: str) -> Teacher:
        """The task's offline teacher; PluginError with a sentence where there is none."""
        ...


T = TypeVar("T", bound=type[Any])


def task(cls: T) -> T:
    """Mark a class as a task plugin; it is built without arguments.

    Raises:
        PluginError: a verb or a class attribute of the contract is missing.
    """
    wanted = ("name", "version", "summary", "reference", "description", "seed_examples", "verify", "structure",
              "pair_universe", "held_out", "reference_rows", "scripted_teacher")  # fmt: skip
    missing = [name for name in wanted if not hasattr(cls, name)]
    if missing:
        raise PluginError(f"task class {cls.__name__} lacks {', '.join(missing)}")
    cls.__qdcbench_task__ = True
    return cls


def read_examples(source: str | Path, limit: int | None = None) -> "ReadResult":
    """Read examples from a data file or a data set; see `qdcbench.readers`.

    Raises:
        DataError: the file cannot be read or holds no usable row.
    """
    # Imported here so that a plugin that reads no file loads no reader.
    from qdcbench.readers import read_examples as read

    return read(source, limit=limit)
