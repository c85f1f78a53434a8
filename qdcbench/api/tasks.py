"""What makes a class a task."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from qdcbench.api.asking import Teacher
from qdcbench.errors import PluginError
from qdcbench.records import Check, Example, Structure

__all__ = ["HeldOut", "Task", "task"]


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
