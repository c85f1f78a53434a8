"""An OpenAI-compatible endpoint: its settings, the body of a request, the reading of an answer."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from qdcbench.api import Reply, Request
from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import TeacherSpec
from qdcbench.records.json import sentence_of

__all__ = ["BadAnswer", "Endpoint", "endpoint_of", "is_plain", "read_answer", "read_key", "request_body"]

BYTES_PER_TOKEN = 4
"""English text over common tokenizers; used only where a server reports no tokens."""

MESSAGE_TOKENS = 4
"""Tokens of the role marks around one message, in the same estimate."""

MOST_TOKENS = 2**32
"""A larger count is a server's mistake, and its cost might not fit into a database."""

_OWN_FIELDS = frozenset({"model", "messages", "prompt", "stream", "stream_options", "n", "best_of"})
"""Fields that only we set: one answer to one question, in one piece."""

_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_TYPED_FIELDS = _LIMITS | {"temperature", "top_p", "stop", "seed"}
"""Fields that stand in a `Request` or follow from it."""

_SECRET = re.compile(r"(.*[_-])?(api[_-]?key|authorization|secret|password)|((access|auth|bearer)[_-])?token", re.I)


class BadAnswer(ValueError):
    """A body with status 200 that holds no answer.

    ``used`` is what the server says it cost all the same (prompt and completion tokens), None where it does not say.
    """

    def __init__(self, message: str, used: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.used = used


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a chat teacher lives and how it is asked. Holds no key, only the name of the variable with it.

    ``timeout`` and ``backoff`` are seconds: the limit of one attempt from start to last byte, and the wait
    before the first retry. ``omit`` names body fields a server refuses (such as ``seed``), ``extra_body`` adds
    fields of its own, ``max_tokens_field`` is ``max_completion_tokens`` for servers that ask for that.
    ``requests_per_minute`` and ``tokens_per_minute`` hold over all processes that share a ledger.
    """

    model: str
    base_url: str
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 64
    timeout: float = 120.0
    retries: int = 5
    backoff: float = 0.5
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_tokens_field: str = "max_tokens"
    omit: tuple[str, ...] = ()
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """True for this machine, where no proxy belongs in between."""
        return (urlsplit(self.base_url).hostname or "") in {"localhost", "127.0.0.1", "::1"}

    @property
    def label(self) -> str:
        """What error sentences call it."""
        return f"teacher openai:{self.model} at {self.base_url}"


def endpoint_of(spec: TeacherSpec) -> Endpoint:
    """Read the options of a teacher spec; ``base_url`` defaults to the variable OPENAI_BASE_URL.

    Raises:
        ConfigError: no address, an address with a secret in it, an unknown option or a value out of range.
    """
    where = f"teacher {spec.name}"
    known = [*(f.name for f in fields(Endpoint) if f.name != "model"), "price"]
    for name in spec.options:
        if name == "key" or _SECRET.fullmatch(name):
            raise ConfigError(f"{where}: a key never stands in a suite; export it and name the variable in api_key_env")
        if name not in known:
            raise ConfigError(f"{where} has the unknown option {name!r}; {did_you_mean(name, known)}")
    base_url = spec.options.get("base_url") or os.environ.get("OPENAI_BASE_URL", "")
    if not base_url:
        raise ConfigError(f"{where} has no address; set its option base_url or the variable OPENAI_BASE_URL")
    given = {**spec.options, "model": spec.model, "base_url": _checked_url(base_url, where)}
    given.pop("price", None)
    try:
        endpoint: Endpoint = TypeAdapter(Endpoint).validate_python(given)
    except ValidationError as error:
        raise ConfigError(f"{where}: {sentence_of(error)}") from None
    _check_ranges(endpoint, where)
    return endpoint


def _checked_url(base_url: Any, where: str) -> str:
    try:
        parts = urlsplit(str(base_url).strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigError(f"{where}: base_url is not an address such as http://127.0.0.1:8000/v1") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(f"{where}: base_url may hold no user, password or query, for it is written into records")
    if not usable:
        raise ConfigError(f"{where}: base_url {base_url!r} is not an address such as http://127.0.0.1:8000/v1")
    return parts.geturl().rstrip("/")


def _check_ranges(endpoint: Endpoint, where: str) -> None:
    limits = [(name, getattr(endpoint, name)) for name in ("requests_per_minute", "tokens_per_minute")]
    wrong = [
        f"{name} is {getattr(endpoint, name)} and must be {bound}"
        for name, holds, bound in (
            ("concurrency", endpoint.concurrency >= 1, "at least 1"),
            ("timeout", endpoint.timeout > 0, "above 0 seconds"),
            ("retries", endpoint.retries >= 0, "0 or more"),
            ("backoff", endpoint.backoff > 0, "above 0 seconds"),
            *((name, limit is None or limit > 0, "above 0") for name, limit in limits),
        )
        if not holds
    ]
    # The limit on an answer's tokens is what caps are reserved by.
    taken = sorted((_OWN_FIELDS | _LIMITS) & {*endpoint.extra_body, *endpoint.omit})
    if taken:
        wrong.append(f"extra_body and omit may not touch {', '.join(taken)}")
    if secret := _secret_in(endpoint.extra_body):
        wrong.append(f"extra_body may hold no {secret}, for it is written into records; a key goes into api_key_env")
    if wrong:
        raise ConfigError(f"{where}: {'; '.join(wrong)}")


def read_key(endpoint: Endpoint, spec: TeacherSpec) -> str:
    """Return the key from the environment, empty where the default variable is not set: local servers need none.

    Raises:
        ConfigError: the suite names a variable that is not set, or the value cannot stand in a header.
    """
    name = endpoint.api_key_env
    key = os.environ.get(name, "").strip()
    if not key and "api_key_env" in spec.options:
        raise ConfigError(f"teacher {spec.name} takes its key from the variable {name}, which is not set; export it")
    if not all("!" <= character <= "~" for character in key):
        raise ConfigError(f"the variable {name} holds characters that no key has (spaces, control or non-ASCII)")
    return key


def _secret_in(value: Any) -> str:
    """Return the first name, at any depth, that looks like a secret's; empty for none."""
    if isinstance(value, Mapping):
        named = [str(name) for name in value if _SECRET.fullmatch(str(name))]
        return next((found for found in (*named, *map(_secret_in, value.values())) if found), "")
    if isinstance(value, list | tuple):
        return next((found for found in map(_secret_in, value) if found), "")
    return ""


def is_plain(request: Request) -> bool:
    """Return True for a text to continue, which has no roles and goes to ``/completions``."""
    return len(request.messages) == 1 and request.messages[0][0] == "raw"


def request_body(endpoint: Endpoint, request: Request, seed: int) -> bytes:
    """Return the JSON body; ``seed`` is the one that is sent (`qdcbench.teachers.canonical.wire_seed`).

    Where the endpoint's ``extra_body`` and the request's own further fields differ, the endpoint's stand.
    """
    body: dict[str, Any] = {"model": endpoint.model}
    if is_plain(request):
        body["prompt"] = request.messages[0][1]
    else:
        body["messages"] = [{"role": role, "content": text} for role, text in request.messages]
    body["temperature"] = request.temperature
    body["top_p"] = request.top_p
    body[endpoint.max_tokens_field] = request.max_tokens
    body["seed"] = seed
    if request.stop:
        body["stop"] = list(request.stop)
    taken = _OWN_FIELDS | _TYPED_FIELDS
    body.update((name, value) for name, value in request.extra.items() if name not in taken)
    kept = {name: value for name, value in body.items() if name not in endpoint.omit}
    return json.dumps({**kept, **endpoint.extra_body}).encode("ascii")


def read_answer(content: bytes, request: Request) -> Reply:
    """Read a body with status 200. A message without content (refused, or all spent on reasoning) is empty text.

    Raises:
        BadAnswer: not JSON in UTF-8, or not of the chat completion schema, or without a choice.
    """
    try:
        body = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadAnswer("it answered with something that is not JSON") from None
    used = _reported(body)
    try:
        choice = body["choices"][0]
        text = choice["text"] if is_plain(request) else choice["message"].get("content")
        if not (text is None or isinstance(text, str)):
            raise TypeError
    except (AttributeError, KeyError, IndexError, TypeError):
        raise BadAnswer("its answer holds no choice with a message", used) from None
    # A model cut inside an emoji leaves half a surrogate pair, which no file could hold.
    text = (text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    prompt_tokens, completion_tokens = used or _estimated(request, text)
    return Reply(
        text=text,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        finish_reason=str(choice.get("finish_reason") or "stop"),
        usage_estimated=used is None,
    )


def _reported(body: Any) -> tuple[int, int] | None:
    """Return the prompt and completion tokens a server reports; None without any, or where one cannot be true."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is int and type(completion) is int:
        if 0 <= prompt <= MOST_TOKENS and 0 <= completion <= MOST_TOKENS:
            return prompt, completion
    return None


def _estimated(request: Request, text: str) -> tuple[int, int]:
    """Return a quarter of the UTF-8 bytes, rounded up, and four tokens a role; no answer above its limit."""
    around = 0 if is_plain(request) else MESSAGE_TOKENS
    sent = sum(_quarter(content) + around for _, content in request.messages)
    return sent, min(_quarter(text), request.max_tokens)


def _quarter(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
