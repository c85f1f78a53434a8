"""The OpenAI wire format at the gateway: a body read strictly into requests, replies and errors written exactly."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdcbench.api import Reply, Request
from qdcbench.canon import digest
from qdcbench.errors import QdcError, RecordError, did_you_mean

__all__ = ["DEFAULT_TOKENS", "MOST_TOKENS", "Inquiry", "Refused", "error_body", "finish_of", "read_chat",
           "read_completion", "response_body", "usage_body"]  # fmt: skip

DEFAULT_TOKENS = 512
"""Tokens of an answer where the program names no limit."""

MOST_TOKENS = 16_384
"""No answer is longer, whatever the program asks: each question reserves its whole limit from the budget."""

MOST_CHOICES = 128
"""Choices of one HTTP request, the limit of the API that is imitated."""

_ROLES = ("system", "developer", "user", "assistant")

_PASSED = {
    "chat_template_kwargs": ({},), "frequency_penalty": (0,), "guided_choice": (), "guided_grammar": (),
    "guided_json": (), "guided_regex": (), "logit_bias": ({},), "min_p": (0,), "presence_penalty": (0,),
    "reasoning_effort": (), "repetition_penalty": (1,), "response_format": ({"type": "text"},), "seed": (),
    "structured_outputs": (), "top_k": (-1, 0), "verbosity": (),
}  # fmt: skip
"""Fields handed to the teacher, each with the values that mean the same as leaving it out."""

_WITHOUT_EFFECT = {
    "metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
    "service_tier", "store", "stream", "stream_options", "user",
}  # fmt: skip
"""Fields that change no text of an answer."""

_READ = {"model", "messages", "prompt", "n", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"}

_NOT_SERVED: dict[str, tuple[Any, ...]] = {
    "audio": (), "best_of": (1,), "echo": (False,), "function_call": ("none",), "functions": ([],),
    "logprobs": (False,), "modalities": (["text"],), "prediction": (), "suffix": ("",), "tool_choice": ("none",),
    "tools": ([],), "top_logprobs": (0,), "web_search_options": (),
}  # fmt: skip
"""Fields that ask for more than text, each with the values that ask for nothing."""

_FINISHES = {"stop", "length", "content_filter"}


class Refused(QdcError):
    """A request of a program that cannot be served; ``status`` and the rest are for OpenAI's error form."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "invalid_request_error", param: str | None = None,
        code: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """One HTTP request, understood: a request to the teacher for each choice, and the form of the response.

    ``asked_model`` is the name that the program gave; the suite's teacher answers whatever it is.
    """

    requests: tuple[Request, ...]
    asked_model: str
    chat: bool
    stream: bool
    include_usage: bool


def read_chat(body: bytes) -> Inquiry:
    """Read the body of ``/v1/chat/completions``.

    Raises:
        Refused: not JSON, not of the schema, or asks for what is not served.
    """
    fields = _fields(body)
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages must be a list of at least one message", param="messages")
    turns = tuple(_turn(message, f"messages[{place}]") for place, message in enumerate(messages))
    asked = next((text for role, text in reversed(turns) if role == "user"), turns[-1][1])
    return _inquiry(fields, [(turns, asked)], chat=True)


def read_completion(body: bytes) -> Inquiry:
    """Read the body of ``/v1/completions``; a list of prompts is as many questions.

    Raises:
        Refused: not JSON, not of the schema, or asks for what is not served.
    """
    fields = _fields(body)
    prompts = fields.get("prompt")
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise Refused("prompt must be a text or a list of texts; token numbers are not served", param="prompt")
    return _inquiry(fields, [((("raw", _text(p, "prompt")),), p) for p in prompts], chat=False)


def _fields(body: bytes) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        fields = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Refused("the body is not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise Refused("the body is not a JSON object")
    given = {name: value for name, value in fields.items() if value is not None}
    for name, harmless in _NOT_SERVED.items():
        if name in given and not _one_of(given[name], harmless):
            raise Refused(
                f"{name} is not served: the teacher of this benchmark answers with text alone; leave the field out",
                param=name,
            )
    known = {*_READ, *_PASSED, *_WITHOUT_EFFECT, *_NOT_SERVED}
    unknown = sorted(set(given) - known)
    if unknown:
        raise Refused(f"the field {unknown[0]} is not served, {did_you_mean(unknown[0], known)}", param=unknown[0])
    return given


def _one_of(value: Any, known: Sequence[Any]) -> bool:
    # False equals 0 in Python, but logprobs = 0 asks for something and logprobs = false does not.
    return any(isinstance(value, bool) == isinstance(item, bool) and value == item for item in known)


def _turn(message: Any, where: str) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise Refused(f"{where} must be an object with role and content", param=where)
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES or message.get("tool_calls") or message.get("function_call"):
        raise Refused(f"{where} is not of the roles {', '.join(_ROLES)}; tool calls are not served", param=where)
    if isinstance(content, str):
        return role, _text(content, where)
    if not isinstance(content, list) or not content:
        raise Refused(f"{where}.content must be a text or a list of text parts", param=f"{where}.content")
    return role, "".join(_part(part, f"{where}.content[{place}]") for place, part in enumerate(content))


def _part(part: Any, where: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise Refused(f"{where} is not a text part; images, sound and files are not served", param=where)
    return _text(part["text"], where)


def _text(text: str, where: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(f"{where} holds half a surrogate pair, which is no text", param=where) from None
    return text


def _inquiry(fields: Mapping[str, Any], asked: Sequence[tuple[Any, str]], *, chat: bool) -> Inquiry:
    choices = _whole(fields, "n", 1)
    if choices * len(asked) > MOST_CHOICES:
        raise Refused(f"{choices * len(asked)} answers to one request are wanted, at most {MOST_CHOICES} are served")
    limit_name = "max_completion_tokens" if "max_completion_tokens" in fields else "max_tokens"
    limit = min(_whole(fields, limit_name, DEFAULT_TOKENS), MOST_TOKENS)
    temperature = _real(fields, "temperature", lambda value: 0 <= value <= 2, "from 0 to 2")
    top_p = _real(fields, "top_p", lambda value: 0 < value <= 1, "above 0 and at most 1")
    stop, extra = _stop(fields.get("stop", ())), _extra(fields)
    requests = tuple(
        Request(
            intent="chat",
            material={"prompt": prompt},
            messages=turns,
            temperature=temperature,
            top_p=top_p,
            max_tokens=limit,
            stop=stop,
            # One seed for several choices would make them all the same.
            extra={**extra, "seed": extra["seed"] + choice} if "seed" in extra else extra,
        )
        for turns, prompt in asked
        for choice in range(choices)
    )
    _check_writable(requests[0])
    options = fields.get("stream_options")
    return Inquiry(
        requests=requests,
        asked_model=str(fields.get("model", "")),
        chat=chat,
        stream=fields.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _check_writable(request: Request) -> None:
    try:
        digest(request)
    except RecordError as error:
        raise Refused(f"a field of the request cannot be written as JSON: {error}") from None


def _whole(fields: Mapping[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refused(f"{name} must be a whole number of at least 1", param=name)
    return value


def _real(fields: Mapping[str, Any], name: str, holds: Callable[[float], bool], bound: str) -> float:
    value = fields.get(name, 1.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not holds(value):
        raise Refused(f"{name} must be a number {bound}", param=name)
    return float(value)


def _stop(stop: Any) -> tuple[str, ...]:
    texts = (stop,) if isinstance(stop, str) else stop
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text for text in texts):
        raise Refused("stop must be a text or a list of texts, none of them empty", param="stop")
    return tuple(_text(text, "stop") for text in texts)


def _extra(fields: Mapping[str, Any]) -> dict[str, Any]:
    seed = fields.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise Refused("seed must be a whole number", param="seed")
    return {name: fields[name] for name, same in _PASSED.items() if name in fields and not _one_of(fields[name], same)}


def finish_of(reply: Reply) -> str:
    """Return the finish reason in the words of the API."""
    return reply.finish_reason if reply.finish_reason in _FINISHES else "stop"


def usage_body(replies: Sequence[Reply]) -> dict[str, int]:
    """Return what the budget was charged; the prompt of ``n`` choices counts ``n`` times, for each was asked apart."""
    prompt, completion = sum(r.prompt_tokens for r in replies), sum(r.completion_tokens for r in replies)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def response_body(inquiry: Inquiry, replies: Sequence[Reply], model: str, identity: str) -> dict[str, Any]:
    """Return the whole response; its time is zero, so that a program which keeps it writes the same bytes each run."""
    return {
        "id": f"{'chatcmpl' if inquiry.chat else 'cmpl'}-{identity}",
        "object": "chat.completion" if inquiry.chat else "text_completion",
        "created": 0,
        "model": model,
        "choices": [_choice(place, reply, inquiry.chat) for place, reply in enumerate(replies)],
        "usage": usage_body(replies),
    }


def _choice(place: int, reply: Reply, chat: bool) -> dict[str, Any]:
    shared = {"index": place, "logprobs": None, "finish_reason": finish_of(reply)}
    if chat:
        return {**shared, "message": {"role": "assistant", "content": reply.text, "refusal": None}}
    return {**shared, "text": reply.text}


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return OpenAI's error form."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
