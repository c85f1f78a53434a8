"""The desk of one run: its questions are reserved and sent in the order they are asked, and settled in that order."""

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Protocol, cast

from qdcbench.api import Example, PluginError, Reply, Request, Teacher
from qdcbench.errors import BudgetExhausted, TeacherError
from qdcbench.records import Call
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.meter import Bound, Meter, bound_of

__all__ = ["Desk", "Origin", "Question", "Submitting"]

_POLL = 0.02
"""Seconds between two looks at a meter that a foreign program waits for."""

_BATCH = 64

_MARK = re.compile(r"^\s*(?:\d+\s*[.)]|[-*]|answer\s*:)\s*", re.IGNORECASE)


class Submitting(Protocol):
    """A teacher that starts to answer at once; one without ``submit`` is asked in batches when an answer is needed."""

    simulated: bool

    def submit(self, request: Request, seed: int) -> "Future[Reply]":
        """Begin to answer; the future raises TeacherError, a `PartlyAnswered` where calls were sent in vain."""
        ...

    def halt(self) -> None:
        """Send nothing more of what was submitted; what is under way is still awaited, the rest fails."""
        ...


@dataclass(kw_only=True, slots=True, eq=False)
class Question:
    """One question on its way: who asks what, the room it holds, and, once settled, the reply or why there is none."""

    role: str
    request: Request
    seed: int
    template: str = ""
    bound: Bound = field(init=False)
    future: "Future[Reply] | None" = None
    reply: Reply | None = None
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.bound = bound_of(self.request)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The numbers of the calls that wrote an example's texts or were asked about them, and the writer's name.

    The writer is the teacher of the completion, else of the prompt; empty when no answer holds either.
    """

    calls: tuple[int, ...]
    writer: str


class Desk:
    """Shared by all roles of a run. What is charged, and when, depends on questions and replies, never on timing.

    A question is reserved when it is asked. Where the budget has no room, the oldest open ones are settled first,
    one by one, until there is. ``calls`` is the run's ledger, in the order of asking.
    """

    def __init__(self, teacher: Teacher, meter: Meter, name: str) -> None:
        """``name`` is what the ledger calls a teacher that does not name itself."""
        self.teacher = teacher
        self.meter = meter
        self.calls: list[Call] = []
        self._name = name
        self._open: deque[Question] = deque()
        self._known: dict[str, str] = {}
        self._lines: dict[str, int] = {}
        self._said: list[frozenset[str]] = []
        self._about: defaultdict[str, list[int]] = defaultdict(list)
        self._lock = Lock()
        # Enough for a teacher in this process to fill its batches with what a foreign program asks at once.
        self._threads = ThreadPoolExecutor(_BATCH, thread_name_prefix="qdcbench-desk")

    def submit(self, question: Question) -> None:
        """Reserve room and send.

        Raises:
            BudgetExhausted: the budget can have no room; nothing was sent.
            TeacherError: an older question that had to be settled first has no answer.
        """
        while not self.meter.reserve(question.bound):
            if self._open:
                self._settle_oldest()
            elif limit := self.meter.limit(question.bound):  # a program holds the room: that is not waited for
                raise BudgetExhausted(limit)
        if hasattr(self.teacher, "submit"):
            question.future = cast(Submitting, self.teacher).submit(question.request, question.seed)
        self._open.append(question)

    def collect(self, question: Question) -> str:
        """Settle everything up to this question and return its text; TeacherError when one of them has no answer."""
        while question.reply is None:
            if question.error is not None:
                raise question.error
            self._settle_oldest()
        return question.reply.text

    def finish(self) -> None:
        """Settle what was asked and never collected."""
        while self._open:
            self._settle_oldest()

    def close(self) -> None:
        """Let the teacher go: its connections, its file."""
        if hasattr(self.teacher, "close"):
            self.teacher.close()
        self._threads.shutdown(wait=False)

    async def answer(self, question: Question, wait: Callable[[], bool] = lambda: True) -> Reply:
        """Ask one question out of order, for a program that runs beside us; may be called from many tasks.

        ``wait`` is asked before each further look at a meter whose room other questions hold.

        Raises:
            BudgetExhausted: the budget can have no room, or ``wait`` said no.
            TeacherError: no usable answer.
        """
        while not self.meter.reserve(question.bound):
            if not wait() and (limit := self.meter.limit(question.bound)):
                raise BudgetExhausted(limit)
            await asyncio.sleep(_POLL)
        try:
            if hasattr(self.teacher, "submit"):
                future = cast(Submitting, self.teacher).submit(question.request, question.seed)
                reply = await asyncio.wrap_future(future)
            else:
                loop = asyncio.get_running_loop()
                ask = partial(self.teacher.complete, [question.request], question.seed)
                reply = (await loop.run_in_executor(self._threads, ask))[0]
        except BaseException as error:
            self._lose(question, error)
            raise
        self._settle(question, reply)
        return reply

    def know(self, example: Example) -> None:
        """Remember an example, so that a question that holds its prompt names it among its parents."""
        self._known[example.prompt] = example.id

    def origin(self, example: Example) -> "Origin":
        """Return the calls behind an example that was just made, and who wrote it.

        Found by the texts themselves: a line of an answer that is the prompt or the completion, a question that
        holds the prompt. A text that a method rewrote after it was answered is not found.
        """
        prompt, completion = _plain(example.prompt), _plain(example.completion)
        with self._lock:
            about = self._about.pop(example.prompt, [])
            # Short answers are often equal: the one to this very prompt goes before the latest.
            answered = next((n for n in reversed(about) if completion in self._said[n]), self._lines.get(completion))
            wrote = [n for n in (answered, self._lines.get(prompt)) if n is not None]
            return Origin(calls=tuple(sorted({*about, *wrote})), writer=self.calls[wrote[0]].teacher if wrote else "")

    def drop(self) -> None:
        """Send nothing more, settle what is answered by now and give the rest of the room back; waits for nobody."""
        if hasattr(self.teacher, "halt"):
            cast(Submitting, self.teacher).halt()
        while self._open:
            question = self._open.popleft()
            if question.future is None or not question.future.done():
                self._lose(question, _given_up())
            else:
                self._close(question)

    def _settle_oldest(self) -> None:
        question = self._open[0]
        try:
            if question.future is None:
                self._complete(question.seed)
            assert question.future is not None
            reply = question.future.result()
        except TeacherError:
            self._abandon()
            raise
        except BaseException:  # a broken teacher, or a clock that rang: nobody is waited for
            self.drop()
            raise
        self._open.popleft()
        self._settle(question, reply)

    def _complete(self, seed: int) -> None:
        """Have a teacher that answers in batches answer all that wait with this seed."""
        batch = [question for question in self._open if question.future is None and question.seed == seed]
        lost: TeacherError | None = None
        replies: Sequence[Reply | None]
        try:
            replies = self.teacher.complete([question.request for question in batch], seed)
        except PartlyAnswered as error:
            lost, replies = error, [*error.replies, *[None] * len(batch)][: len(batch)]
        if len(replies) != len(batch):
            raise PluginError(
                f"the teacher gave {len(replies)} replies to {len(batch)} requests; complete() must answer each once"
            )
        for question, reply in zip(batch, replies, strict=True):
            question.future = Future()
            if reply is not None:
                question.future.set_result(reply)
            else:
                question.future.set_exception(lost or TeacherError("the teacher gave no reply"))
                lost = TeacherError(str(lost))  # what was sent in vain is written off once

    def _abandon(self) -> None:
        """After a failure: settle what else was paid for and give the rest of the room back."""
        if hasattr(self.teacher, "halt"):
            cast(Submitting, self.teacher).halt()
        while self._open:
            question = self._open.popleft()
            if question.future is None:
                self._lose(question, _given_up())
            else:
                self._close(question)

    def _close(self, question: Question) -> None:
        """Settle a question whatever came of it."""
        assert question.future is not None
        error = question.future.exception()
        if error is None:
            self._settle(question, question.future.result())
        else:
            self._lose(question, error)

    def _lose(self, question: Question, error: BaseException) -> None:
        self.meter.release(question.bound)
        question.error = error if isinstance(error, Exception) else _given_up()
        if isinstance(error, PartlyAnswered):
            self.meter.write_off(error.lost_calls, error.lost_tokens)

    def _settle(self, question: Question, reply: Reply) -> None:
        request = question.request
        cost = self.meter.settle(question.bound, request.intent, reply)
        with self._lock:
            number = len(self.calls)
            self.calls.append(
                Call(
                    number=number,
                    role=question.role,
                    intent=request.intent,
                    template=question.template,
                    teacher=reply.teacher or self._name,
                    key=reply.key,
                    sample=request.sample,
                    prompt_tokens=reply.prompt_tokens,
                    completion_tokens=reply.completion_tokens,
                    estimated=reply.usage_estimated,
                    cost=cost,
                    finish_reason=reply.finish_reason,
                    attempts=reply.attempts,
                    discarded_tokens=reply.discarded_tokens,
                    seconds=reply.seconds,
                    cached=reply.cached,
                    parents=tuple(self._parents(request.material)),
                )
            )
            self._index(number, request.material, reply.text)
        question.reply = reply

    def _parents(self, material: Mapping[str, Any]) -> list[str]:
        found: dict[str, None] = {}
        for value in material.values():
            for item in value if isinstance(value, list | tuple) else (value,):
                if isinstance(item, Example):
                    found[item.id] = None
                elif isinstance(item, str) and item in self._known:
                    found[self._known[item]] = None
        return list(found)

    def _index(self, number: int, material: Mapping[str, Any], text: str) -> None:
        said = frozenset(_plain(line) for line in (text, *text.splitlines())) - {""}
        self._said.append(said)
        self._lines.update(dict.fromkeys(said, number))
        asked = material.get("prompt")
        if isinstance(asked, str):
            self._about[asked].append(number)


def _given_up() -> TeacherError:
    return TeacherError("the question was given up because the run ended or another question failed before it")


def _plain(line: str) -> str:
    """Return a line without list number, label and spare spaces."""
    return " ".join(_MARK.sub("", line).split())
