"""One role of a teacher as a method sees it: rendered, counted, capped."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from qdcbench.api import AHEAD, INTENTS, PluginError, Request
from qdcbench.canon import digest
from qdcbench.errors import BudgetExhausted, RecordError, did_you_mean
from qdcbench.teachers.desk import Desk, Question
from qdcbench.teachers.prompts import PromptBook, plain_messages

__all__ = ["MeteredRole"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ask:
    """What all questions of one ``ask_many`` share."""

    intent: str
    template: str | Callable[[Mapping[str, Any]], str]
    temperature: float
    max_tokens: int
    top_p: float
    stop: tuple[str, ...]

    def section(self, material: Mapping[str, Any]) -> str:
        """Name the section of the prompt file that renders this material."""
        named = self.template if isinstance(self.template, str) else self.template(material)
        return named or self.intent


class MeteredRole:
    """Fulfils ``qdcbench.api.Asker`` at the desk of a run.

    Equal questions of a role are told apart by ``Request.sample``, their number among the equal ones, so the
    replies depend on the questions and the seed and not on time or threads.
    """

    def __init__(self, desk: Desk, prompts: PromptBook, *, seed: int, name: str = "teacher") -> None:
        self._desk = desk
        self._prompts = prompts
        self._seed = seed
        self._name = name
        self._asked: Counter[str] = Counter()
        self._lock = Lock()

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

        Raises:
            BudgetExhausted: no room for the answer's upper bound; nothing was asked.
            PluginError: unknown intent, no such prompt, or material that does not fit.
            TeacherError: no usable answer.
        """
        shared = _Ask(
            intent=intent, template=template, temperature=temperature, max_tokens=max_tokens, top_p=top_p,
            stop=tuple(stop),
        )  # fmt: skip
        return self._ask_all(shared, [material])[0]

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
        """Ask many questions at once; the texts come back in order, all of them or none.

        As many as the budget has room for are under way together; what each leaves unspent makes room for the rest.

        Raises:
            BudgetExhausted: not all fitted. Those asked are charged, their texts are in its ``answers``.
            PluginError: unknown intent, no such prompt, or material that does not fit; nothing was asked.
            TeacherError: no usable answer to one of them; the others are charged.
        """
        shared = _Ask(
            intent=intent, template=template, temperature=temperature, max_tokens=max_tokens, top_p=top_p,
            stop=tuple(stop),
        )  # fmt: skip
        return self._ask_all(shared, materials)

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
        """Ask a stream of questions, up to ``ahead`` at once; yield the texts in order.

        Raises:
            BudgetExhausted: the budget ended, here or where ``materials`` asks; all texts paid for were yielded before.
            PluginError: as for `ask_many`, or ``ahead`` is below 1.
            TeacherError: no usable answer to one of them; the others are charged.
        """
        if ahead < 1:
            raise PluginError(f"ask_each of {intent!r}: ahead is {ahead} and must be at least 1")
        shared = _Ask(
            intent=intent, template=template, temperature=temperature, max_tokens=max_tokens, top_p=top_p,
            stop=tuple(stop),
        )  # fmt: skip
        window: deque[Question] = deque()
        source: Iterator[Mapping[str, Any]] | None = iter(materials)
        end: BudgetExhausted | None = None
        while True:
            while source is not None and len(window) < ahead:
                try:
                    question = self._questions(shared, [next(source)])[0]
                    self._desk.submit(question)
                except StopIteration:
                    source = None
                except BudgetExhausted as error:
                    source, end = None, error
                else:
                    window.append(question)
            if not window:
                break
            yield self._desk.collect(window.popleft())
        if end is not None:
            raise BudgetExhausted(end.limit)

    def _ask_all(self, shared: _Ask, materials: Sequence[Mapping[str, Any]]) -> list[str]:
        questions = self._questions(shared, materials)
        for place, question in enumerate(questions):
            try:
                self._desk.submit(question)
            except BudgetExhausted as end:
                raise BudgetExhausted(end.limit, [self._desk.collect(paid) for paid in questions[:place]]) from None
        return [self._desk.collect(question) for question in questions]

    def _questions(self, shared: _Ask, materials: Sequence[Mapping[str, Any]]) -> list[Question]:
        requests = self._numbered([self._request(shared, material) for material in materials])
        return [
            Question(role=self._name, request=request, seed=self._seed, template=shared.section(request.material))
            for request in requests
        ]

    def _request(self, shared: _Ask, material: Mapping[str, Any]) -> Request:
        if shared.intent not in INTENTS:
            raise PluginError(f"there is no intent {shared.intent!r}; {did_you_mean(shared.intent, INTENTS)}")
        name = shared.section(material)
        # A scripted teacher reads the material; without a prompt the messages only make its token counts real.
        plain = self._desk.teacher.simulated and name not in self._prompts.sections
        messages = plain_messages(shared.intent, material) if plain else self._prompts.render(name, material)
        return Request(
            intent=shared.intent,
            material=dict(material),
            messages=messages,
            temperature=shared.temperature,
            top_p=shared.top_p,
            max_tokens=shared.max_tokens,
            stop=shared.stop,
        )

    def _numbered(self, requests: Sequence[Request]) -> list[Request]:
        keys = []
        for request in requests:
            try:
                keys.append(digest(request))
            except RecordError as error:
                raise PluginError(f"the material of a request {request.intent!r} cannot be written: {error}") from None
        numbered = []
        with self._lock:
            for key, request in zip(keys, requests, strict=True):
                numbered.append(replace(request, sample=self._asked[key]))
                self._asked[key] += 1
        return numbered
