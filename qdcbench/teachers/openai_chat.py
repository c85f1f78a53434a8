"""A chat teacher: any OpenAI-compatible server, asked concurrently, retried, counted."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event as ThreadEvent
from threading import Lock, Thread, current_thread
from typing import Any
from weakref import finalize

import httpx2

from qdcbench.api import Reply, Request
from qdcbench.canon import digest
from qdcbench.errors import did_you_mean
from qdcbench.records import TeacherSpec
from qdcbench.teachers.endpoint import BadAnswer, Endpoint, endpoint_of, read_answer, read_key, request_body
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.retry import LONGEST_WAIT, Fault, backoff_seconds, retry_after, worth_retrying

__all__ = ["ChatTeacher", "chat_teacher"]

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a server, and to list its models for an error sentence."""

LONGEST_QUOTE = 300
"""Characters of a server's own words in an error sentence."""


def chat_teacher(spec: TeacherSpec) -> "ChatTeacher":
    """Return the teacher of an ``openai`` spec; nothing is sent yet.

    Raises:
        ConfigError: no address, a wrong option, or a named key variable that is not set.
    """
    endpoint = endpoint_of(spec)
    return ChatTeacher(spec, endpoint, read_key(endpoint, spec))


class _Wire:
    """One event loop in one background thread, with one pool of persistent connections."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        self.pid = os.getpid()
        self.answered = False
        self.not_before = 0.0
        self.slots = asyncio.Semaphore(endpoint.concurrency)
        # A pool a little larger than the slots, so that a slot never waits for a connection.
        size = endpoint.concurrency + 2
        self.client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx2.Limits(max_connections=size, max_keepalive_connections=size),
            timeout=httpx2.Timeout(endpoint.timeout, connect=min(CONNECT_TIMEOUT, endpoint.timeout)),
            trust_env=not endpoint.local,
        )
        self._end = asyncio.Event()
        self._ready = ThreadEvent()
        self._thread = Thread(target=lambda: asyncio.run(self._live()), name="qdcbench-chat-teacher", daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ready.set()
        async with self.client:
            await self._end.wait()

    def close(self) -> None:
        """End the thread and its connections; requests under way are cancelled."""
        if self.pid != os.getpid() or self.loop.is_closed():
            return
        self.loop.call_soon_threadsafe(self._end.set)
        # The garbage collector may close a wire from any thread, its own included.
        if current_thread() is not self._thread:
            self._thread.join()


@dataclass(kw_only=True, slots=True)
class _Batch:
    """State shared by the requests of one `complete`: the first final failure stops the others."""

    seed: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    sentence: str = ""
    lost_calls: int = 0
    lost_tokens: int = 0


class ChatTeacher:
    """Fulfils ``qdcbench.api.Teacher`` over HTTP; safe to call from several threads.

    The key is read from the environment once, sent as a header, and appears in no record, repr or error.
    """

    simulated = False

    def __init__(self, spec: TeacherSpec, endpoint: Endpoint, key: str) -> None:
        """See `chat_teacher`."""
        self.spec = spec
        self.endpoint = endpoint
        self._key = key
        self._opening = Lock()
        self._open_wire: _Wire | None = None

    def __repr__(self) -> str:
        return f"ChatTeacher({self.endpoint.label})"

    def __reduce__(self) -> tuple[Any, tuple[TeacherSpec]]:
        # The key travels to another process in the environment, never in a pickle.
        return (chat_teacher, (self.spec,))

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests, at most ``concurrency`` at a time over all threads; replies in the same order.

        Raises:
            TeacherError: a request has no usable answer after all retries, or can never have one. It is a
                `PartlyAnswered`: no further request is started, those under way are awaited and handed over.
        """
        if not requests:
            return []
        wire = self._wire()
        future = asyncio.run_coroutine_threadsafe(self._answer_all(wire, list(requests), seed), wire.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close all connections; a later `complete` opens new ones."""
        wire, self._open_wire = self._open_wire, None
        if wire is not None:
            wire.close()

    def _wire(self) -> _Wire:
        with self._opening:
            # Threads do not survive a fork, so a child process opens its own.
            if self._open_wire is None or self._open_wire.pid != os.getpid():
                self._open_wire = _Wire(self.endpoint, self._key)
                finalize(self, self._open_wire.close)
            return self._open_wire

    async def _answer_all(self, wire: _Wire, requests: Sequence[Request], seed: int) -> list[Reply]:
        batch = _Batch(seed=seed)

        async def answer(request: Request) -> Reply | None:
            async with wire.slots:
                await _sleep(wire.not_before - wire.loop.time(), batch)
                return None if batch.stop.is_set() else await self._answer(wire, request, batch)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(request)) for request in requests]
        replies = [task.result() for task in tasks]
        if batch.sentence:
            sentence = f"{self.endpoint.label} gave no usable answer{batch.sentence}"
            raise PartlyAnswered(sentence, replies, lost_calls=batch.lost_calls, lost_tokens=batch.lost_tokens)
        return [reply for reply in replies if reply is not None]

    async def _answer(self, wire: _Wire, request: Request, batch: _Batch) -> Reply | None:
        """Ask until there is an answer; None when the batch has failed, by this request or another."""
        body = request_body(self.endpoint, request, batch.seed)
        key = digest([request.messages, request.sample])
        attempt, discarded = 1, 0
        while not isinstance(outcome := await self._attempt(wire, request, body), Reply):
            discarded += outcome.tokens
            if not outcome.retry or attempt > self.endpoint.retries:
                tried = f" in {attempt} attempts; the last time, " if attempt > 1 else ": "
                batch.sentence = batch.sentence or tried + outcome.sentence
                batch.stop.set()
            else:
                # What a server asks of one request it asks of all.
                wire.not_before = max(wire.not_before, wire.loop.time() + outcome.wait)
                wait = backoff_seconds(self.endpoint.backoff, attempt, batch.seed, key)
                await _sleep(max(wait, wire.not_before - wire.loop.time()), batch)
            if batch.stop.is_set():
                batch.lost_calls += attempt
                batch.lost_tokens += discarded
                return None
            attempt += 1
        wire.answered = True
        return replace(outcome, attempts=attempt, discarded_tokens=discarded)

    async def _attempt(self, wire: _Wire, request: Request, body: bytes) -> Reply | Fault:
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                response = await wire.client.post(
                    f"{self.endpoint.base_url}/chat/completions",
                    content=body,
                    headers={"Content-Type": "application/json"},
                )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            # Before its first answer a server that cannot be reached is misconfigured; after it, restarting.
            reason = self._quote(str(error)) or type(error).__name__
            sentence = f"it cannot be reached ({reason}); start the server or correct base_url"
            return Fault(sentence=sentence, retry=wire.answered)
        except (TimeoutError, httpx2.TimeoutException):
            limit = f"{self.endpoint.timeout:g} s"
            return Fault(sentence=f"no answer came within {limit}; raise timeout or lower concurrency", retry=True)
        except httpx2.HTTPError as error:
            reason = self._quote(str(error)) or type(error).__name__
            return Fault(sentence=f"the connection broke ({reason}); see the server's log", retry=True)
        if response.status_code != 200:
            return await self._refused(wire, response)
        try:
            return read_answer(response.content, request)
        except BadAnswer as error:
            said = self._words_of(response)
            sentence = f"{error} ({said})" if said else f"{error}; check base_url and the server's log"
            return Fault(sentence=sentence, retry=True, tokens=error.tokens)

    async def _refused(self, wire: _Wire, response: httpx2.Response) -> Fault:
        status, name, said = response.status_code, self.endpoint.api_key_env, self._words_of(response)
        told = f"status {status}" + (f" ({said})" if said else "")
        if worth_retrying(status):
            wait = retry_after(response.headers)
            if wait > LONGEST_WAIT:
                sentence = f"{told} and asks to wait {wait:.0f} s, so its quota is spent; run again later"
                return Fault(sentence=sentence, retry=False)
            advice = "see the server's log" if status == 500 else "lower concurrency or run again later"
            return Fault(sentence=f"{told}; {advice}", retry=True, wait=wait)
        if status == 401:
            # The server's words are left out: some quote the key they refuse.
            advice = f"replace the key in the variable {name}" if self._key else f"export the key as {name}"
            return Fault(sentence=f"status 401, the key is missing or wrong; {advice}", retry=False)
        if status == 403:
            return Fault(sentence=f"{told}; the key in {name} may not use this model", retry=False)
        if status in {400, 404}:
            told += f"; {await self._model_advice(wire)}"
        elif 300 <= status < 400:
            told += "; that is a redirect, put the final address into base_url"
        return Fault(sentence=told, retry=False)

    async def _model_advice(self, wire: _Wire) -> str:
        """Return a clause on the model's name, from the server's own list where it has one."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                response = await wire.client.get(f"{self.endpoint.base_url}/models")
            names = [str(model["id"]) for model in response.json()["data"]]
        except (TimeoutError, httpx2.HTTPError, ValueError, KeyError, TypeError):
            return "check base_url (it usually ends in /v1) and the model's name"
        if not names or self.endpoint.model in names:
            return "check the options of the teacher"
        advice = self._quote(did_you_mean(self.endpoint.model, names))
        return f"the server does not list the model {self.endpoint.model!r}, {advice}"

    def _words_of(self, response: httpx2.Response) -> str:
        """Return what the server says in its error body, in one line and not too long."""
        try:
            body = json.loads(response.content.decode("utf-8"))
        except (ValueError, RecursionError):
            return self._quote(response.content.decode("utf-8", "replace"))
        for name in ("error", "detail", "message"):
            if isinstance(body, Mapping) and body.get(name):
                body = body[name]
        return self._quote(body) if isinstance(body, str) else ""

    def _quote(self, words: str) -> str:
        """Return foreign words in one line, not too long, and without the key."""
        line = " ".join((words.replace(self._key, "[key]") if self._key else words).split())
        return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + "..."


async def _sleep(seconds: float, batch: _Batch) -> None:
    """Sleep, or wake at once when the batch has failed."""
    if seconds > 0:
        try:
            await asyncio.wait_for(batch.stop.wait(), seconds)
        except TimeoutError:
            return
