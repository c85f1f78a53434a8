"""What makes a function a method, and what the harness hands to it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from qdcbench.api.asking import INTENTS, Asker
from qdcbench.errors import PluginError
from qdcbench.records import Check, Example, Structure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Component", "Cost", "GenerationContext", "MethodPlugin", "Program", "ProgramRun", "dial", "method"]

D = TypeVar("D")


def dial(default: D, does: str, moves: str = "") -> D:
    """Declare a field of a method's ``Params``: its default, what it does, and the axes it is meant to move.

    ``moves`` names axes with a sign for the direction when the dial goes up, such as ``"diversity+ quality-"``;
    axes are quality, diversity, complexity and cost. Empty: none that its paper names.
    """
    metadata = {"does": does, "moves": moves}
    if isinstance(default, dict | list):
        return field(default_factory=lambda: copy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A foreign program that makes rows: its command, where it runs, the file it writes.

    ``argv`` is started without a shell. In its items ``{output}``, ``{seeds}``, ``{examples}``, ``{seed}`` and
    ``{model}`` stand for the file to write, a JSONL file of the seed examples, the examples wanted, a 31-bit seed
    and the teacher's name. A copy of ``folder`` is the working folder (empty: a fresh one), ``output`` the file's name
    in it. ``env`` are variables to set, in which also ``{base_url}`` and ``{key}`` stand for the endpoint and its key;
    ``pass_env`` names variables it may inherit. It gets no other of ours.
    """

    argv: tuple[str, ...]
    folder: str = ""
    output: str = "rows.jsonl"
    env: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramRun:
    """What became of a program: the file it wrote (perhaps in part) and the limit that ended it, empty for none."""

    output: Path
    ended_by: str


class GenerationContext(Protocol):
    """What the harness hands to a method."""

    seed_examples: tuple[Example, ...]
    description: str
    teacher: Asker
    answerer: Asker
    judge: Asker
    rng: Random
    """The run's own stream."""
    shared_rng: Random
    """A stream that starts alike for every method of a repetition: what is drawn from it is paired."""
    remaining: int
    """Rows to aim for: the examples wanted, or fewer where the budget ends before by the method's declared cost."""
    members: tuple[str, ...]
    """Teachers that act as one, a single name where there is one: material ``member`` says which is asked."""

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

    def structure(self, prompt: str) -> Structure | None:
        """What the task knows of a prompt, as the measures see it, None where nothing. Controls only."""
        ...

    def reference_rows(self, n: int) -> list[Example]:
        """Rows uniform over the task's grammar with right answers, the same for every control. Controls only."""
        ...

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return unit vectors (n, d) of texts by the suite's encoder, all-MiniLM-L6-v2 in float32."""
        ...

    def gradients(self, rows: Sequence[Example]) -> "npt.NDArray[np.float32]":
        """Return unit vectors (n, d): each row's projected gradient in the task's small base model."""
        ...

    def proxy(self, rows: Sequence[Example], *, after: Asker | None = None) -> Asker:
        """Train the task's small base model on rows and return it as one who answers; no rows leave it as it is.

        Training starts from the base, or from ``after``, an earlier proxy. Its answers cost no teacher tokens.
        """
        ...

    def run_program(self, program: Program) -> ProgramRun:
        """Run a foreign program beside an OpenAI-compatible endpoint of ours that meters, caps, caches and seeds it.

        The program is killed when the budget or the clock ends; what it wrote until then is kept.

        Raises:
            PluginError: it cannot be started, or failed by itself.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One component of a paper's method, and how far the plugin follows it."""

    name: str
    state: Literal["present", "changed", "absent"]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a method says it needs, for a forecast before anything was measured.

    ``calls`` are calls per accepted row by intent, ``setup_calls`` those before the first row;
    ``prompt_tokens`` and ``completion_tokens`` are means a call.
    """

    calls: Mapping[str, float]
    setup_calls: float = 0.0
    prompt_tokens: float = 300.0
    completion_tokens: float = 150.0


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
    cost: Cost | None
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
    cost: Cost | None = None,
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
        cost: what a row needs by its own account, for a forecast.
        role: ``control`` methods may call ``reference_rows`` and ``structure`` and stay out of rankings.

    Raises:
        PluginError: ``params`` is no frozen dataclass, or an intent is unknown.
    """
    if not is_dataclass(params) or not getattr(params, "__dataclass_params__").frozen:  # noqa: B009
        raise PluginError(f"method {name!r}: params must be a frozen dataclass whose fields all have defaults")
    unknown = sorted({*intents, *(cost.calls if cost else ())} - set(INTENTS))
    if unknown:
        raise PluginError(f"method {name!r}: unknown intents {unknown}; known: {', '.join(INTENTS)}")

    def mark(function: Callable[[GenerationContext, P], Iterator[Example]]) -> MethodPlugin:
        return MethodPlugin(
            name=name, version=version, summary=summary, reference=reference, role=role, params=params,
            fidelity=tuple(fidelity), intents=tuple(intents), cost=cost,
            generate=function,
        )  # fmt: skip

    return mark
