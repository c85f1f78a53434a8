"""What a method is handed: seed examples, three metered roles, its generator, and a log of every attempt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from qdcbench.api import Asker, Check, Example, PluginError, Program, ProgramRun, Task
from qdcbench.records import Attempt, Structure
from qdcbench.teachers.desk import Desk

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["AttemptLog", "Context", "Given", "Tools"]


class AttemptLog:
    """Collects attempts in order and charges each with what was spent since the one before.

    With ``name_writers`` the lineage says which teacher wrote the text: for several that act as one.
    """

    def __init__(self, desk: Desk, *, name_writers: bool = False) -> None:
        self.attempts: list[Attempt] = []
        self._desk = desk
        self._name_writers = name_writers
        self._calls = 0
        self._tokens = 0

    def add(self, example: Example, reason: str) -> None:
        """Log one attempt; an empty ``reason`` means accepted."""
        usage = self._desk.meter.usage()
        origin = self._desk.origin(example)
        lineage = dict(example.lineage)
        if self._name_writers and origin.writer:
            lineage["teacher"] = origin.writer
        self._desk.know(example)
        self.attempts.append(
            Attempt(
                index=len(self.attempts),
                accepted=not reason,
                reason=reason,
                prompt=example.prompt,
                completion=example.completion,
                parents=example.parents,
                lineage=lineage,
                calls=usage.calls - self._calls,
                tokens=usage.tokens - self._tokens,
                asked=origin.calls,
            )
        )
        self._calls, self._tokens = usage.calls, usage.tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What a method may use beside its teachers: functions of the harness, each loaded when it is first called.

    ``references`` is None for all but controls.
    """

    references: Callable[[int], Sequence[Example]] | None
    program: Callable[[Program], ProgramRun]
    embed: Callable[[Sequence[str]], "npt.NDArray[np.float32]"]
    gradients: Callable[[Sequence[Example]], "npt.NDArray[np.float32]"]
    proxy: Callable[[Sequence[Example], Asker | None], Asker]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a run hands to its method as data."""

    seed_examples: tuple[Example, ...]
    remaining: int
    members: tuple[str, ...]
    rng: Random
    shared_rng: Random


class Context:
    """The one implementation of ``qdcbench.api.GenerationContext``."""

    def __init__(self, task: Task, roles: Mapping[str, Asker], log: AttemptLog, given: Given, tools: Tools) -> None:
        self.seed_examples = given.seed_examples
        self.description = task.description
        self.teacher = roles["teacher"]
        self.answerer = roles["answerer"]
        self.judge = roles["judge"]
        self.rng = given.rng
        self.shared_rng = given.shared_rng
        self.remaining = given.remaining
        self.members = given.members
        self._task = task
        self._log = log
        self._tools = tools

    def reject(
        self, prompt: str, reason: str, *, completion: str = "", parents: Sequence[str] = (),
        lineage: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Log a candidate that the method's own filter dropped."""
        if not reason:
            raise PluginError("reject() needs a reason, a few words that name the filter")
        self._log.add(
            Example(prompt=prompt, completion=completion, parents=tuple(parents), lineage=lineage or {}), reason
        )

    def verify(self, example: Example) -> Check:
        """Ask the task's verifier."""
        return self._task.verify(example)

    def structure(self, prompt: str) -> Structure | None:
        """Return what the task knows of a prompt; only a control may ask."""
        if self._tools.references is None:
            raise PluginError("structure() is for controls; a method must not see what its rows are measured by")
        return self._task.structure(prompt)

    def reference_rows(self, n: int) -> list[Example]:
        """First ``n`` rows of the repetition's reference rows; only a control may ask."""
        if self._tools.references is None:
            raise PluginError("reference_rows() is for controls; a method must not see right-answered rows")
        return list(self._tools.references(n))

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return unit vectors (n, d) of texts."""
        return self._tools.embed(texts)

    def gradients(self, rows: Sequence[Example]) -> "npt.NDArray[np.float32]":
        """Return unit vectors (n, d): each row's projected gradient in the task's small base model."""
        return self._tools.gradients(rows)

    def proxy(self, rows: Sequence[Example], *, after: Asker | None = None) -> Asker:
        """Train the task's small base model on rows, from the base or from an earlier proxy."""
        return self._tools.proxy(rows, after)

    def run_program(self, program: Program) -> ProgramRun:
        """Run a foreign program beside the gateway."""
        return self._tools.program(program)
