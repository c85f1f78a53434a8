"""What passes between a method and a teacher: a request, a reply, and the role that asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["AHEAD", "INTENTS", "SETUP_INTENTS", "Asker", "Reply", "Request", "Teacher"]

INTENTS = ("propose", "evolve", "answer", "judge", "persona", "expand", "classify", "chat")
"""What a request may ask for. A scripted teacher understands all but ``chat``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question to a teacher.

    ``intent`` and ``material`` are what a scripted teacher reads; ``messages`` (role, text) is the same
    material rendered by the method's template, what a chat model reads; a single message of the role ``raw`` is
    plain text for the model to continue. ``stop`` are texts at which the answer ends. ``extra`` holds further fields
    of an OpenAI-compatible body, as a foreign program sent them. ``sample`` tells repeated equal requests apart.
    """

    intent: str
    material: Mapping[str, Any]
    messages: tuple[tuple[str, str], ...]
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A teacher's text and what it cost in tokens.

    ``attempts`` counts the requests it took; ``discarded_tokens`` are those a server reported for unusable
    answers before this one; ``usage_estimated`` is true where the server reported no tokens. ``teacher`` names who
    wrote it where several teachers act as one. ``key`` finds the texts in the request cache; ``seconds`` is how long
    the answer took when it was asked; ``cached`` is true where it came from the cache.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str = "stop"
    attempts: int = 1
    discarded_tokens: int = 0
    usage_estimated: bool = False
    teacher: str = ""
    key: str = ""
    seconds: float = 0.0
    cached: bool = False


class Teacher(Protocol):
    """Answers requests; order of replies is the order of requests."""

    simulated: bool

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests, concurrently where the teacher can.

        Raises:
            TeacherError: no usable answer after all retries.
        """
        ...


AHEAD = 256
"""Questions in flight, where a method does not say otherwise."""

SETUP_INTENTS = ("persona", "expand")
"""Intents that make material for questions and no example: their cost is a method's set-up."""


class Asker(Protocol):
    """One role of a teacher (writer, answerer, judge) as a method sees it: metered, seeded, capped."""

    def ask(
        self,
        intent: str,
        *,
        template: str = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
        **material: Any,
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
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> list[str]:
        """Ask many questions at once; the texts come back in order. Use this wherever order does not matter."""
        ...

    def ask_each(
        self,
        intent: str,
        materials: Iterable[Mapping[str, Any]],
        *,
        ahead: int = AHEAD,
        template: str | Callable[[Mapping[str, Any]], str] = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Ask a stream of questions, up to ``ahead`` of them at once; the texts come one by one, in order.

        ``materials`` is drawn lazily: the question number k is made after the text number k - ``ahead`` was used, so
        it may depend on everything yielded until then, and on nothing else, however fast the teacher is. All that
        was asked is charged, used or not; so keep ``ahead`` below what is still wanted. ``template`` may be a function
        that names the section for each material.
        """
        ...
