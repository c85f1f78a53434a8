"""The wire of a chat teacher: one event loop in one background thread that sends what is queued and settles it."""

import asyncio
import os
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from threading import Thread, current_thread

import aiohttp
from yarl import URL

from qdcbench.api import Reply
from qdcbench.errors import TeacherError
from qdcbench.teachers.account import Account, Order, Spent, Ticket
from qdcbench.teachers.chat.endpoint import Endpoint, is_plain
from qdcbench.teachers.chat.job import Group, Job, assumed, charge
from qdcbench.teachers.chat.refusals import Listener
from qdcbench.teachers.chat.retry import Fault, backoff_seconds
from qdcbench.teachers.chat.session import listed_models, open_session
from qdcbench.teachers.ledger.transaction import NOT_SENT

__all__ = ["CLOSING_GRACE", "Wire"]


CLOSING_GRACE = 5.0
"""Seconds that answers under way have to arrive when a wire is closed: a server computes, and bills, them anyway."""


class Wire:
    """Up to ``concurrency`` workers take jobs from one queue; `put` and `halt` may be called from any thread.

    A wire knows nothing of the teacher that owns it, so that a forgotten teacher can be collected and closes it.

    Caps hold as long as no answer costs more than its order's bounds. Where a server reports more prompt tokens than
    an order allowed (a template with a long preamble), every order sent from then on allows for the largest such
    excess seen so far. So a cap can be passed by the excess of what had been sent when the first such answer was
    read, at most ``concurrency`` attempts a process, and again only where a later excess is larger still. Nothing is
    learned of completions: a server that ignores the limit on an answer's tokens is charged what it reports.
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
        self._excess = 0
        self._not_before = 0.0
        self._end = asyncio.Event()
        self._started: Future[None] = Future()
        self._thread = Thread(target=self._run, name="qdcbench-chat-teacher", daemon=True)
        self._thread.start()
        self._started.result()

    def put(self, job: Job) -> None:
        """Queue a job; a wire that was closed fails it."""
        self._queue.append(job)
        # One wake-up serves everything queued until the loop gets to it.
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # another thread has just closed the loop
                self._loop.call_soon_threadsafe(self._wake)
        if self._loop.is_closed():
            self._empty()

    def halt(self, group: Group, reason: Exception) -> None:
        """End a group; what is under way is still answered."""
        self._loop.call_soon_threadsafe(self._stop, group, reason)

    def close(self) -> None:
        """End the thread, its connections and the account.

        Jobs that wait fail at once. Answers under way are recorded if they come within `CLOSING_GRACE`; what is left
        then is cancelled, and charged at its bounds, for nobody says what the server did.
        """
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
            self._empty()
            self.account.close()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with open_session(self._endpoint, self._listener.key) as self._http:
            self._started.set_result(None)
            await self._end.wait()
            await self._wind_up()

    async def _wind_up(self) -> None:
        self._closing = True
        self._empty()
        for group in {job.group for job in self._busy.values() if job is not None}:
            self._stop(group, self._closed())
        for worker, job in self._busy.items():
            if job is None:
                worker.cancel()
        if self._busy:
            _, late = await asyncio.wait(self._busy, timeout=CLOSING_GRACE)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        # Answers that were paid for; what goes wrong with one, its own future says.
        await asyncio.gather(*self._recordings, return_exceptions=True)

    def _closed(self) -> TeacherError:
        return TeacherError(f"{self._endpoint.label} was closed before it answered")

    def _empty(self) -> None:
        """Fail what is queued on a wire that is closed."""
        with suppress(IndexError):  # several threads may empty it at once
            while True:
                job = self._queue.popleft()
                if job.future.set_running_or_notify_cancel():
                    job.fail(self._closed())

    def _wake(self) -> None:
        self._woken = False
        if self._closing:
            self._empty()
            return
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
                    if job.stage != "settling":  # else its answer is being recorded
                        job.fail(self._closed())
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
            ticket = await self.account.reserve(self._allowing(job.order))
            if isinstance(ticket, Reply):
                self._finish(job, ticket)
            elif ticket.order.prompt_tokens < job.order.prompt_tokens + self._excess:
                # A larger excess was seen while it waited, so the room taken is too small.
                await self.account.settle(ticket, Spent(outcome=NOT_SENT), None)
            else:
                await self._attempt(job, ticket)

    def _allowing(self, order: Order) -> Order:
        return replace(order, prompt_tokens=order.prompt_tokens + self._excess) if self._excess else order

    async def _attempt(self, job: Job, ticket: Ticket) -> None:
        job.stage = "sent"
        start = self._loop.time()
        try:
            outcome = await self._send(job)
        except BaseException:
            spent = assumed(ticket.order, "cancelled", self._loop.time() - start)
            await self.account.settle(ticket, spent, None)
            raise
        seconds = round(self._loop.time() - start, 6)
        self._excess = max(self._excess, outcome.prompt_tokens - job.order.prompt_tokens)
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
        await self.account.settle(ticket, charge(ticket.order, outcome, seconds), None)
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
        if job.group.reason is not None:
            return  # it was halted during the attempt
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
            if not job.future.done():
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
        return self._listener.refusal(response.status, response.headers, content, job.request)
