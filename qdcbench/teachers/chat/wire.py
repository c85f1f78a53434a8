"""The wire of a chat teacher: one event loop in one background thread that sends what is queued and settles it."""

import asyncio
import os
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Thread, current_thread
from typing import Literal

import aiohttp
from yarl import URL

from qdcbench.api import Reply, Request
from qdcbench.errors import TeacherError
from qdcbench.teachers.account import Account, Order, Spent, Ticket
from qdcbench.teachers.chat.endpoint import Endpoint, is_plain
from qdcbench.teachers.chat.refusals import Listener
from qdcbench.teachers.chat.retry import Fault, backoff_seconds
from qdcbench.teachers.chat.session import listed_models, open_session
from qdcbench.teachers.faults import in_vain

__all__ = ["Group", "Job", "Wire"]


@dataclass(slots=True, eq=False)
class Group:
    """Requests that end together: the first final failure, or a halt, ends those that are not under way."""

    reason: Exception | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """One request on its way; ``lost_calls`` and ``lost_tokens`` are its attempts that brought nothing.

    ``stage`` is ``waiting`` before and between attempts, ``sent`` during one, ``settling`` once it is answered.
    """

    request: Request
    body: bytes
    order: Order
    seed: int
    group: Group
    future: "Future[Reply]" = field(default_factory=Future)
    stage: Literal["waiting", "sent", "settling"] = "waiting"
    lost_calls: int = 0
    lost_tokens: int = 0

    def fail(self, reason: Exception) -> None:
        """End it without an answer, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(in_vain(reason, lost_calls=self.lost_calls, lost_tokens=self.lost_tokens))


class Wire:
    """Up to ``concurrency`` workers take jobs from one queue; `put` and `halt` may be called from any thread.

    A wire knows nothing of the teacher that owns it, so that a forgotten teacher can be collected and closes it.
    """

    def __init__(self, endpoint: Endpoint, key: str, account: Account) -> None:
        self.pid = os.getpid()
        self.account = account
        self._endpoint = endpoint
        self._listener = Listener(endpoint=endpoint, key=key)
        self._chat = URL(f"{endpoint.base_url}/chat/completions")
        self._plain = URL(f"{endpoint.base_url}/completions")
        self._queue: deque[Job] = deque()
        self._busy: dict[asyncio.Task[None], Job | None] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._recordings: set[asyncio.Task[None]] = set()
        self._woken = False
        self._closing = False
        self._answered = False
        self._not_before = 0.0
        self._end = asyncio.Event()
        self._started: Future[None] = Future()
        self._thread = Thread(target=self._run, name="qdcbench-chat-teacher", daemon=True)
        self._thread.start()
        self._started.result()

    def put(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)
        # One wake-up serves everything queued until the loop gets to it.
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake)

    def halt(self, group: Group, reason: Exception) -> None:
        """End a group; what is under way is still answered."""
        self._loop.call_soon_threadsafe(self._stop, group, reason)

    def close(self) -> None:
        """End the thread, its connections and the account; requests under way are cancelled and charged as such."""
        if self.pid != os.getpid() or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._end.set)
        # The garbage collector may close a wire from any thread, its own included.
        if current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            self.account.close()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with open_session(self._endpoint, self._listener.key) as self._http:
            self._started.set_result(None)
            await self._end.wait()
            self._closing = True
            for worker in self._busy:
                worker.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)
            await asyncio.gather(*self._recordings)  # answers that were paid for
        closed = TeacherError(f"{self._endpoint.label} was closed before it answered")
        while self._queue:
            self._queue.popleft().fail(closed)

    def _wake(self) -> None:
        self._woken = False
        for _ in range(len(self._queue)):
            if self._idle:
                waiter = self._idle.popleft()
                if not waiter.done():
                    waiter.set_result(None)
            elif len(self._busy) < self._endpoint.concurrency:
                self._busy[asyncio.ensure_future(self._work())] = None
            else:
                break

    async def _work(self) -> None:
        """Serve one job after another: a task for each request would cost more than the bookkeeping of all."""
        me = asyncio.current_task()
        assert me is not None
        while not self._closing:
            if not self._queue:
                waiter = self._loop.create_future()
                self._idle.append(waiter)
                await waiter
                continue
            job = self._queue.popleft()
            if not job.future.set_running_or_notify_cancel():
                continue
            self._busy[me] = job
            try:
                await self._serve(job)
            except asyncio.CancelledError:
                if self._closing:
                    job.fail(TeacherError(f"{self._endpoint.label} was closed before it answered"))
                    raise
                me.uncancel()  # the job's group has ended, the worker goes on
            except Exception as error:
                self._stop(job.group, error)
                job.fail(error)
            self._busy[me] = None

    def _stop(self, group: Group, reason: Exception) -> None:
        group.reason = group.reason or reason
        for worker, job in self._busy.items():
            if job is not None and job.group is group and job.stage == "waiting" and not job.future.done():
                job.fail(group.reason)
                if worker is not asyncio.current_task():
                    # Out of a sleep or a reservation; a ticket it may just have been given goes back.
                    worker.cancel()
        for _ in range(len(self._queue)):  # other threads may put jobs meanwhile
            job = self._queue.popleft()
            if job.group is not group:
                self._queue.append(job)
            elif job.future.set_running_or_notify_cancel():
                job.fail(group.reason)

    async def _serve(self, job: Job) -> None:
        """Attempt it until it has ended, by an answer or by its group's end."""
        while job.stage == "waiting" and not job.future.done():
            if job.group.reason is not None:
                job.fail(job.group.reason)
                return
            while (pause := self._not_before - self._loop.time()) > 0:
                await asyncio.sleep(pause)
            ticket = await self.account.reserve(job.order)
            if isinstance(ticket, Reply):
                self._finish(job, ticket)
            else:
                await self._attempt(job, ticket)

    async def _attempt(self, job: Job, ticket: Ticket) -> None:
        job.stage = "sent"
        start = self._loop.time()
        try:
            outcome = await self._send(job)
        except BaseException:
            await self.account.settle(ticket, _assumed(job.order, "cancelled", self._loop.time() - start), None)
            raise
        seconds = round(self._loop.time() - start, 6)
        if isinstance(outcome, Reply):
            self._answered = True
            job.stage = "settling"
            reply = replace(
                outcome, attempts=job.lost_calls + 1, discarded_tokens=job.lost_tokens, key=job.order.key,
                seconds=seconds,
            )  # fmt: skip
            recording = self._loop.create_task(self._record(job, ticket, reply))
            self._recordings.add(recording)
            recording.add_done_callback(self._recordings.discard)
            # The worker goes on once the recording has begun: one transaction then settles this attempt, which frees
            # its place at the endpoint, and reserves the worker's next.
            await asyncio.sleep(0)
            return
        await self.account.settle(ticket, _charge(job.order, outcome, seconds), None)
        job.lost_calls += 1
        job.lost_tokens += outcome.tokens
        job.stage = "waiting"
        await self._after(job, outcome)

    async def _after(self, job: Job, fault: Fault) -> None:
        """Wait before the next attempt, or end the group where no further one can help."""
        if not fault.retry or job.lost_calls > self._endpoint.retries:
            tried = f" in {job.lost_calls} attempts; the last time, " if job.lost_calls > 1 else ": "
            sentence = f"{self._endpoint.label} gave no usable answer{tried}{fault.sentence}"
            if fault.named and job.group.reason is None:
                sentence += f"; {self._listener.model_advice(await listed_models(self._http, self._endpoint))}"
            self._stop(job.group, TeacherError(sentence))
            return
        # What a server asks of one request it asks of all.
        self._not_before = max(self._not_before, self._loop.time() + fault.wait)
        wait = backoff_seconds(self._endpoint.backoff, job.lost_calls, job.seed, job.order.key)
        job.order = replace(job.order, attempt=job.lost_calls + 1)
        await asyncio.sleep(wait)

    async def _record(self, job: Job, ticket: Ticket, reply: Reply) -> None:
        tokens = reply.prompt_tokens, reply.completion_tokens
        spent = Spent(outcome="answered", prompt_tokens=tokens[0], completion_tokens=tokens[1], seconds=reply.seconds)
        try:
            await self.account.settle(ticket, spent, reply)
        except Exception as error:
            self._stop(job.group, error)
            job.fail(error)
        else:
            job.future.set_result(reply)

    def _finish(self, job: Job, recorded: Reply) -> None:
        """Hand over an answer that somebody else recorded while this job waited."""
        if job.lost_calls:
            attempts, tokens = recorded.attempts + job.lost_calls, recorded.discarded_tokens + job.lost_tokens
            recorded = replace(recorded, attempts=attempts, discarded_tokens=tokens)
        if not job.future.done():
            job.future.set_result(recorded)

    async def _send(self, job: Job) -> Reply | Fault:
        url = self._plain if is_plain(job.request) else self._chat
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                async with self._http.post(url, data=job.body, allow_redirects=False) as response:
                    content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return self._listener.broken(error, answered=self._answered)
        if response.status == 200:
            return self._listener.answer(content, job.request)
        return self._listener.refusal(response.status, response.headers, content)


def _assumed(order: Order, outcome: str, seconds: float) -> Spent:
    """Return the charge where the server may have spent and did not say: the most it can have been."""
    return Spent(
        outcome=outcome, prompt_tokens=order.prompt_tokens, completion_tokens=order.completion_tokens,
        seconds=seconds, assumed=True,
    )  # fmt: skip


def _charge(order: Order, fault: Fault, seconds: float) -> Spent:
    if fault.silent:
        return _assumed(order, fault.outcome, seconds)
    tokens = fault.prompt_tokens, fault.completion_tokens
    return Spent(outcome=fault.outcome, prompt_tokens=tokens[0], completion_tokens=tokens[1], seconds=seconds)
