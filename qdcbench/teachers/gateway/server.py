"""The gateway: a loopback server whose every call is metered, capped, cached, seeded and logged like a method's own."""

import asyncio
import hmac
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from aiohttp import ClientPayloadError, web
from aiohttp.typedefs import Handler

from qdcbench.api import Reply, Request
from qdcbench.canon import digest
from qdcbench.errors import BudgetExhausted, PluginError, TeacherError
from qdcbench.teachers.account import CapReached, NotRecorded
from qdcbench.teachers.desk import Desk, Question
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.gateway.samples import Samples
from qdcbench.teachers.gateway.streaming import chunks, stream
from qdcbench.teachers.gateway.wire_format import (
    Inquiry,
    Refused,
    error_body,
    read_chat,
    read_completion,
    response_body,
)

__all__ = ["Gateway", "serving"]

LARGEST_BODY = 16 * 2**20
"""Bytes of one request's body."""

FALLS = 100
"""How often a question may fall with others before it counts as failed itself."""

LONGEST_DRAIN = 10.0
"""Seconds for which what was sent is awaited at the end. With the time that the program has to end it must stay below
the slack of the method's own clock (`qdcbench.stages.generate`), or that clock fails the run and its rows are lost."""

_SERVED = "served are POST /v1/chat/completions, POST /v1/completions, GET /v1/models and GET /v1/models/{id}"
_NEVER_RETRY = {"x-should-retry": "false"}
"""A header that the official clients obey: asking again cannot help."""


class Gateway:
    """One program's door to the desk of its run; see `serving`.

    ``ended`` is set when no further question can be answered: by the budget (``ended_by`` names the limit), or by
    ``failure``, an error that must end the run. ``trouble`` is the first sentence of a teacher that gave no answer.
    ``asked_models`` counts the model names that the program asked for.
    """

    def __init__(self, desk: Desk, *, model: str, seed: int) -> None:
        self.base_url = ""
        self.token = secrets.token_urlsafe(24)
        self.ended = Event()
        self.ended_by = ""
        self.failure: Exception | None = None
        self.trouble = ""
        self.asked_models: Counter[str] = Counter()
        self._desk = desk
        self._model = model
        self._seed = seed
        self._samples = Samples()
        self._under_way: set[asyncio.Task[list[Reply]]] = set()

    def __repr__(self) -> str:
        return f"Gateway({self.base_url})"

    def application(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._guard])
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name:.+}", self._one_model)
        return app

    async def drain(self) -> None:
        """Answer no more; settle what was sent and is answered within `LONGEST_DRAIN`, whether or not it is read.

        The room of the rest is given back. The account counts it all the same: when its answer comes, or as cancelled
        when the desk closes the teacher.
        """
        self.ended.set()
        clock = asyncio.get_running_loop().time
        give_up = clock() + LONGEST_DRAIN
        while self._under_way and (left := give_up - clock()) > 0:
            self._desk.drop()
            await asyncio.wait(self._under_way, timeout=left)
        unfinished = list(self._under_way)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
                raise Refused(
                    "the key is not the one of this run; the program must take it from the variable OPENAI_API_KEY",
                    status=401, code="invalid_api_key",
                )  # fmt: skip
            return await handler(request)
        except Refused as error:
            return _error(error.status, str(error), error.kind, error.param, error.code)
        except web.HTTPException as error:
            unknown = f"{request.method} {request.path} is not served here; {_SERVED}"
            sentence = unknown if error.status in {404, 405} else error.reason
            return _error(error.status, sentence, "invalid_request_error")
        except BudgetExhausted as error:
            said = f"{error}; the program is being ended and what it wrote is kept"
            return _error(429, said, "insufficient_quota", code="insufficient_quota")
        except TeacherError as error:
            return _error(502, str(error), "server_error", code="teacher_error")
        except Exception as error:
            self.end("", error)
            return _error(500, "the benchmark failed and ends this run", "server_error")

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        return await self._respond(http, read_chat(await _body(http)))

    async def _completions(self, http: web.Request) -> web.StreamResponse:
        return await self._respond(http, read_completion(await _body(http)))

    async def _models(self, http: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [self._card()]})

    async def _one_model(self, http: web.Request) -> web.StreamResponse:
        if http.match_info["name"] != self._model:
            sentence = f"the one model here is {self._model!r}"
            raise Refused(sentence, status=404, param="model", code="model_not_found")
        return web.json_response(self._card())

    def _card(self) -> dict[str, Any]:
        return {"id": self._model, "object": "model", "created": 0, "owned_by": "qdcbench"}

    async def _respond(self, http: web.Request, inquiry: Inquiry) -> web.StreamResponse:
        self.asked_models[inquiry.asked_model] += 1
        numbered = [self._samples.take(request) for request in inquiry.requests]
        # A task of its own: a program that hangs up does not unsend what was sent.
        task = asyncio.create_task(self._answer_all(numbered, inquiry))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        replies = await asyncio.shield(task)
        model = replies[0].teacher or self._model
        identity = digest([numbered, self._seed])[:24]
        if inquiry.stream:
            return await stream(http, chunks(inquiry, replies, model, identity))
        return web.json_response(response_body(inquiry, replies, model, identity))

    def _done(self, task: asyncio.Task[list[Reply]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, for a program that hung up looks no more

    async def _answer_all(self, requests: list[Request], inquiry: Inquiry) -> list[Reply]:
        template = "chat" if inquiry.chat else "completion"
        outcomes = await asyncio.gather(
            *(self._answer(request, template) for request in requests), return_exceptions=True
        )
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if errors:
            for request, outcome in zip(requests, outcomes, strict=True):
                if isinstance(outcome, Reply):
                    self._samples.keep(request, outcome)
            raise errors[0]
        return [outcome for outcome in outcomes if isinstance(outcome, Reply)]

    async def _answer(self, request: Request, template: str) -> Reply:
        question = Question(role="teacher", request=request, seed=self._seed, template=template)
        try:
            if self.ended.is_set():
                raise self._refusal()
            # It was charged when it came, in a request of which another choice failed.
            return self._samples.kept(request) or await self._ask(question)
        except BaseException as error:
            self._samples.give_back(request)
            if isinstance(error, BudgetExhausted):
                self.end(error.limit)
                raise self._refusal() from None
            if isinstance(error, CapReached | NotRecorded):
                self.end("", error)
            elif isinstance(error, TeacherError):
                self.trouble = self.trouble or str(error)
            raise

    async def _ask(self, question: Question) -> Reply:
        """Ask; a question that fell with another's failure, before an attempt of its own, is asked again."""
        for _ in range(FALLS):
            try:
                return await self._desk.answer(question, wait=lambda: not self.ended.is_set())
            except (CapReached, NotRecorded):
                raise
            except TeacherError as error:
                # A teacher that gives up on one question gives up all that it had queued.
                if self.ended.is_set() or not isinstance(error, PartlyAnswered) or error.lost_calls:
                    raise
        return await self._desk.answer(question, wait=lambda: not self.ended.is_set())

    def end(self, limit: str, failure: Exception | None = None) -> None:
        """Answer no further question, because of a limit or an error; the first reason counts."""
        if not self.ended.is_set():
            self.ended_by, self.failure = limit, failure
            self.ended.set()

    def _refusal(self) -> Exception:
        """Return what to tell a program that asks after the end."""
        if self.failure is not None:
            return TeacherError(f"this run has ended: {self.failure}")
        return BudgetExhausted(self.ended_by or "seconds")


async def _body(http: web.Request) -> bytes:
    try:
        return await http.read()
    except (ConnectionError, ClientPayloadError, web.RequestPayloadError):
        raise Refused("the body did not arrive whole") from None


def _error(
    status: int, sentence: str, kind: str, param: str | None = None, code: str | None = None
) -> web.StreamResponse:
    return web.json_response(error_body(sentence, kind, param, code), status=status, headers=_NEVER_RETRY)


class _Live:
    """The server's event loop in a background thread."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._ready = Event()
        self._error: OSError | None = None
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="qdcbench-gateway", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise PluginError(f"no port of 127.0.0.1 can be opened for the program: {self._error.strerror}")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._gateway.application(), access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._gateway.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            self._ready.set()
            await self._stop.wait()
            await self._gateway.drain()
        except OSError as error:
            self._error = error
        finally:
            self._ready.set()
            await runner.cleanup()


@contextmanager
def serving(desk: Desk, *, model: str, seed: int) -> Iterator[Gateway]:
    """Serve the desk on loopback, at a port and behind a key made for this run; at the end, settle what was sent.

    Args:
        desk: the desk of the run.
        model: the true name of the teacher's model, which every response carries.
        seed: the seed of the role, from which the seeds of the requests derive.

    Raises:
        PluginError: no port of the loopback address can be opened.
    """
    gateway = Gateway(desk, model=model, seed=seed)
    live = _Live(gateway)
    live.start()
    try:
        yield gateway
    finally:
        live.stop()
