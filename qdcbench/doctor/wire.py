"""A few plain requests to an endpoint, one at a time or at once, with the raw answers."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

from qdcbench.api import Reply, Request
from qdcbench.teachers.chat.endpoint import BadAnswer, Endpoint, read_answer, request_body
from qdcbench.teachers.chat.quotes import quoted, words_of

__all__ = ["Answer", "Wire"]

PATIENCE = 60.0
"""Seconds to wait for one tiny answer; a server may load its model for the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back: status 0 with ``words`` where nothing did. ``words`` never hold the key."""

    status: int
    content: bytes
    words: str
    seconds: float
    reply: Reply | None = None

    @property
    def body(self) -> Any:
        """The parsed JSON, None where it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a key is for the address that the suite names."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Leave the redirect as the answer."""


class Wire:
    """Asks one endpoint and counts the questions."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        self.endpoint = endpoint
        self.calls = 0
        self._key = key
        proxies = [urllib.request.ProxyHandler({})] if endpoint.local else []
        self._opener = urllib.request.build_opener(_Stay, *proxies)

    def __repr__(self) -> str:
        return f"Wire({self.endpoint.label})"

    @property
    def keyed(self) -> bool:
        """True where a key is sent."""
        return bool(self._key)

    def models(self) -> Answer:
        """Ask for the list of models, which costs nothing."""
        return self._send("/models", None)

    def ask(self, request: Request, seed: int, fields: Mapping[str, Any] | None = None) -> Answer:
        """Ask one question; ``fields`` are put into the body as they are."""
        self.calls += 1
        return self._ask(request, seed, fields or {})

    def ask_at_once(self, request: Request, seeds: Sequence[int]) -> tuple[list[Answer], float]:
        """Ask the same question with several seeds at once; also return the seconds until the last answer."""
        self.calls += len(seeds)
        started = time.perf_counter()
        with ThreadPoolExecutor(len(seeds)) as pool:
            answers = list(pool.map(lambda seed: self._ask(request, seed, {}), seeds))
        return answers, time.perf_counter() - started

    def _ask(self, request: Request, seed: int, fields: Mapping[str, Any]) -> Answer:
        raw = [role for role, _ in request.messages] == ["raw"]
        body = {**json.loads(request_body(self.endpoint, request, seed)), **fields}
        answer = self._send("/completions" if raw else "/chat/completions", json.dumps(body).encode("ascii"))
        if answer.status != 200:
            return answer
        try:
            reply = read_answer(answer.content, request)
        except BadAnswer as error:
            return Answer(status=200, content=answer.content, words=f"{error}", seconds=answer.seconds)
        return Answer(status=200, content=answer.content, words="", seconds=answer.seconds, reply=reply)

    def _send(self, path: str, body: bytes | None) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        # The address was checked to be http or https when the endpoint was read.
        request = urllib.request.Request(self.endpoint.base_url + path, data=body, headers=headers)  # noqa: S310
        started = time.perf_counter()
        status, content, words = 0, b"", ""
        try:
            with self._opener.open(request, timeout=min(PATIENCE, self.endpoint.timeout)) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, content = error.code, error.read()
            words = words_of(content, self._key)
        except urllib.error.URLError as error:
            words = quoted(str(error.reason), self._key)
        except (OSError, http.client.HTTPException) as error:
            words = quoted(str(error), self._key) or type(error).__name__
        return Answer(status=status, content=content, words=words, seconds=time.perf_counter() - started)
