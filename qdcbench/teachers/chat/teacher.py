"""A chat teacher: any OpenAI-compatible server, asked concurrently, retried, counted, its answers recorded."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock
from typing import Any
from weakref import finalize

from qdcbench.api import Reply, Request
from qdcbench.errors import TeacherError
from qdcbench.records import TeacherSpec
from qdcbench.teachers.account import Access, Order, Rates
from qdcbench.teachers.canonical import canonical_request, request_key
from qdcbench.teachers.chat.endpoint import Endpoint, endpoint_of, read_key, request_body
from qdcbench.teachers.chat.job import Group, Job
from qdcbench.teachers.chat.wire import Wire
from qdcbench.teachers.faults import in_vain
from qdcbench.teachers.ledger.group_commit import open_account
from qdcbench.teachers.meter import bound_of, json_bytes
from qdcbench.teachers.prices import price_of

__all__ = ["ChatTeacher", "chat_teacher"]


def chat_teacher(spec: TeacherSpec, access: Access) -> "ChatTeacher":
    """Return the teacher of an ``openai`` spec; nothing is opened or sent yet.

    Raises:
        ConfigError: no address, a wrong option, or a named key variable that is not set (none is needed to replay).
    """
    endpoint = endpoint_of(spec)
    return ChatTeacher(spec, access, endpoint, "" if access.replay_only else read_key(endpoint, spec))


class ChatTeacher:
    """Fulfils ``qdcbench.api.Teacher`` and `Submitting` over HTTP; safe to call from several threads.

    The key is read from the environment once, sent as a header, and appears in no record, repr or error.
    """

    simulated = False

    def __init__(self, spec: TeacherSpec, access: Access, endpoint: Endpoint, key: str) -> None:
        """See `chat_teacher`."""
        self.spec = spec
        self.access = access
        self.endpoint = endpoint
        self._key = key
        # The address may come from the environment, and answers of two servers must not be mixed up.
        # Only the checked form of it, without a slash at the end, names the server.
        self._identity: Mapping[str, Any] = replace(
            spec, options={**spec.options, "base_url": endpoint.base_url}
        ).identity
        self._extra_bytes = json_bytes(endpoint.extra_body)
        self._price = price_of(spec)
        self._opening = Lock()
        self._open_wire: Wire | None = None
        self._group = Group()

    def __repr__(self) -> str:
        return f"ChatTeacher({self.endpoint.label})"

    def __reduce__(self) -> tuple[Any, tuple[TeacherSpec, Access]]:
        # The key travels to another process in the environment, never in a pickle.
        return (chat_teacher, (self.spec, self.access))

    def submit(self, request: Request, seed: int) -> "Future[Reply]":
        """Begin to answer and return at once; an answer that is recorded is there already.

        The future raises CapReached, NotRecorded or another TeacherError (a `PartlyAnswered` where attempts were
        made): no usable answer after all retries, or none possible. What was submitted before and is not under way
        then fails with the same sentence.
        """
        if self._group.reason is not None:
            self._group = Group()
        return self._submit(request, seed, self._group)

    def halt(self) -> None:
        """Send nothing more of what was submitted; what is under way is still awaited, the rest fails."""
        group, self._group = self._group, Group()
        if self._open_wire is not None and self._open_wire.pid == os.getpid():
            reason = TeacherError(f"{self.endpoint.label} was told to stop before this was sent")
            self._open_wire.halt(group, reason)

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests, at most ``concurrency`` at a time over all threads; replies in the same order.

        Raises:
            TeacherError: a request has no usable answer after all retries, or can never have one. It is a
                `PartlyAnswered`: no further request is started, those under way are awaited and handed over.
            NotRecorded: only recorded answers may be used and one is missing.
        """
        group = Group()
        futures: list[Future[Reply]] = []
        try:
            for request in requests:
                futures.append(self._submit(request, seed, group))
            errors = [error for error in (future.exception() for future in futures) if error is not None]
        except BaseException:
            if self._open_wire is not None:
                self._open_wire.halt(group, TeacherError(f"{self.endpoint.label} was interrupted"))
            raise
        if errors:
            raise in_vain(
                group.reason or TeacherError(str(errors[0])),
                [None if future.exception() else future.result() for future in futures],
                lost_calls=sum(getattr(error, "lost_calls", 0) for error in errors),
                lost_tokens=sum(getattr(error, "lost_tokens", 0) for error in errors),
            )
        return [future.result() for future in futures]

    def close(self) -> None:
        """Close connections and ledger; a later request opens new ones.

        What waits ends at once; answers under way have a few seconds to arrive and be recorded (`CLOSING_GRACE`).
        """
        wire, self._open_wire = self._open_wire, None
        if wire is not None:
            wire.close()

    def _submit(self, request: Request, seed: int, group: Group) -> "Future[Reply]":
        wire = self._wire()
        canonical = canonical_request(self._identity, request, seed)
        key = request_key(canonical)
        recorded = wire.account.find(key)
        if recorded is not None:
            found: Future[Reply] = Future()
            found.set_result(recorded)
            return found
        bound = bound_of(request)
        order = Order(
            key=key, request=canonical, intent=request.intent, teacher=self.spec.name, price=self._price,
            prompt_tokens=bound.prompt_tokens + self._extra_bytes, completion_tokens=bound.completion_tokens,
        )  # fmt: skip
        body = request_body(self.endpoint, request, canonical["seed"])
        job = Job(request=request, body=body, order=order, seed=seed, group=group)
        wire.put(job)
        return job.future

    def _wire(self) -> Wire:
        with self._opening:
            # Threads and open files do not survive a fork, so a child process opens its own.
            if self._open_wire is None or self._open_wire.pid != os.getpid():
                at = self.endpoint
                rates = Rates(
                    endpoint=at.base_url, concurrency=at.concurrency, requests_per_minute=at.requests_per_minute,
                    tokens_per_minute=at.tokens_per_minute,
                )  # fmt: skip
                self._open_wire = Wire(at, self._key, open_account(self.access, rates))
                finalize(self, self._open_wire.close)
            return self._open_wire
