"""One role of a teacher as a method sees it: rendered, counted, capped."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from qdcbench.api import INTENTS, Reply, Request, Teacher
from qdcbench.canon import digest
from qdcbench.errors import BudgetExhausted, PluginError, RecordError, did_you_mean
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.meter import Meter, Reservation, most_tokens
from qdcbench.teachers.prompts import PromptBook, plain_messages

__all__ = ["Meter", "MeteredRole"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ask:
    """What all questions of one ``ask_many`` share."""

    intent: str
    template: str
    temperature: float
    max_tokens: int


class MeteredRole:
    """Fulfils ``qdcbench.api.Asker`` over any teacher, charging one meter.

    Equal questions of a role are told apart by ``Request.sample``, their number among the equal ones, so the
    replies depend on the questions and the seed and not on time or threads.
    """

    def __init__(self, teacher: Teacher, meter: Meter, prompts: PromptBook, *, seed: int) -> None:
        self._teacher = teacher
        self._meter = meter
        self._prompts = prompts
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self._lock = Lock()

    def ask(
        self, intent: str, *, template: str = "", temperature: float = 1.0, max_tokens: int = 512, **material: Any
    ) -> str:
        """Ask one question and return the text.

        Raises:
            BudgetExhausted: no room for the answer's upper bound; nothing was asked.
            PluginError: unknown intent, no such prompt, or material that does not fit.
            TeacherError: no usable answer.
        """
        shared = _Ask(intent=intent, template=template, temperature=temperature, max_tokens=max_tokens)
        return self._ask_all(shared, [material])[0]

    def ask_many(
        self,
        intent: str,
        materials: Sequence[Mapping[str, Any]],
        *,
        template: str = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
    ) -> list[str]:
        """Ask many questions at once; the texts come back in order, all of them or none.

        As many as the budget has room for are asked together; what they leave unspent makes room for the rest.

        Raises:
            BudgetExhausted: not all fitted. Those asked are charged, their texts are in its ``answers``.
            PluginError: unknown intent, no such prompt, or material that does not fit; nothing was asked.
            TeacherError: no usable answer to one of them; the others are charged.
        """
        return self._ask_all(
            _Ask(intent=intent, template=template, temperature=temperature, max_tokens=max_tokens), materials
        )

    def _ask_all(self, shared: _Ask, materials: Sequence[Mapping[str, Any]]) -> list[str]:
        requests = self._numbered([self._request(shared, material) for material in materials])
        texts: list[str] = []
        while len(texts) < len(requests):
            try:
                held = self._reserve(requests[len(texts) :])
            except BudgetExhausted as end:
                raise BudgetExhausted(end.limit, texts) from None
            texts += self._answered(requests[len(texts) : len(texts) + len(held)], held)
        return texts

    def _request(self, shared: _Ask, material: Mapping[str, Any]) -> Request:
        if shared.intent not in INTENTS:
            raise PluginError(f"there is no intent {shared.intent!r}; {did_you_mean(shared.intent, INTENTS)}")
        name = shared.template or shared.intent
        # A scripted teacher reads the material; without a prompt the messages only make its token counts real.
        plain = self._teacher.simulated and name not in self._prompts.sections
        messages = plain_messages(shared.intent, material) if plain else self._prompts.render(name, material)
        return Request(
            intent=shared.intent,
            material=dict(material),
            messages=messages,
            temperature=shared.temperature,
            max_tokens=shared.max_tokens,
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

    def _reserve(self, requests: Sequence[Request]) -> list[Reservation]:
        held: list[Reservation] = []
        for request in requests:
            try:
                held.append(self._meter.reserve(most_tokens(request), wait=not held))
            except BudgetExhausted:
                if not held:
                    raise
                break
        return held

    def _answered(self, requests: Sequence[Request], held: Sequence[Reservation]) -> list[str]:
        replies: Sequence[Reply | None] = ()
        try:
            replies = self._teacher.complete(requests, self._seed)
        except PartlyAnswered as error:
            replies = error.replies
            self._meter.write_off(error.lost_calls, error.lost_tokens)
            raise
        finally:
            # Whatever happened, what was paid for is charged and the rest of the room is given back.
            padded = [*replies, *[None] * len(held)][: len(held)]
            for request, reservation, reply in zip(requests, held, padded, strict=True):
                if reply is None:
                    self._meter.release(reservation)
                else:
                    self._meter.settle(reservation, request.intent, reply)
        if len(replies) != len(requests):
            raise PluginError(
                f"the teacher gave {len(replies)} replies to {len(requests)} requests; complete() must answer each once"
            )
        return [reply.text for reply in replies if reply is not None]
