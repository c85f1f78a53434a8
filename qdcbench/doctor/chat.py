"""What an OpenAI-compatible server can do, found out with a dozen tiny questions at most."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from qdcbench.api import Reply, Request
from qdcbench.doctor.line import Examined, Line, fail, note, ok
from qdcbench.doctor.wire import Answer, Wire
from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import TeacherSpec
from qdcbench.teachers.chat.endpoint import endpoint_of, read_key

__all__ = ["check_endpoint"]

TOKENS = 12
"""Tokens that each question may be answered with."""

AT_ONCE = 4

_QUESTION = Request(
    intent="chat",
    material={},
    messages=(("system", "You answer briefly."), ("user", "Name many animals, one after the other.")),
    temperature=1.0,
    max_tokens=TOKENS,
)
_NO_SYSTEM = replace(_QUESTION, messages=_QUESTION.messages[1:])
_PLAIN = replace(_QUESTION, messages=(("raw", "cat, dog, horse,"),))


def check_endpoint(spec: TeacherSpec) -> Examined:
    """Ask the server of an ``openai`` teacher what a run needs to know of it; a key is read and never shown."""
    try:
        endpoint = endpoint_of(spec)
        wire = Wire(endpoint, read_key(endpoint, spec))
    except ConfigError as error:
        return Examined(teacher=spec.name, lines=(fail("options", str(error)),))
    return Examined(teacher=spec.name, lines=tuple(_lines(wire)), calls=wire.calls)


def _lines(wire: Wire) -> Iterator[Line]:
    listed = _listed(wire)
    yield from listed
    if any(line.state == "fail" for line in listed):
        return
    first = wire.ask(_QUESTION, 1)
    if first.reply is None:
        yield from _no_chat(wire, first)
        return
    yield ok("chat", f"answered {first.reply.text[:40]!r} in {first.seconds:.2f} s, system message accepted")
    yield from _counted(wire, first.reply)
    again, other = wire.ask(_QUESTION, 1), wire.ask(_QUESTION, 2)
    yield _seed(wire, [first.reply, again.reply, other.reply])
    yield _stop(wire, first.reply)
    yield _logprobs(wire)
    yield _plain(wire)
    yield _at_once(wire, min(again.seconds, other.seconds))


def _listed(wire: Wire) -> list[Line]:
    """Say whether the server is there and lists the model."""
    found, endpoint = wire.models(), wire.endpoint
    if found.status == 0:
        return [fail("address", f"{endpoint.base_url} cannot be reached ({found.words}); start it or correct base_url")]
    lines = []
    if endpoint.base_url.startswith("http://") and not endpoint.local and wire.keyed:
        lines.append(note("address", f"the key goes to {urlsplit(endpoint.base_url).hostname} unencrypted; use https"))
    if found.status in {401, 403}:
        # The server's words are left out: some quote the key they refuse.
        return [*lines, fail("key", f"status {found.status}; put a right key into the variable {endpoint.api_key_env}")]
    try:
        names = [str(model["id"]) for model in found.body["data"]]
    except (KeyError, TypeError):
        return [
            *lines,
            note("model", f"the server lists no models (status {found.status}); whether it has yours shows next"),
        ]
    if endpoint.model in names:
        return [*lines, ok("model", f"{endpoint.model} is one of {len(names)} that are listed")]
    return [*lines, note("model", f"{endpoint.model} is not listed, {did_you_mean(endpoint.model, names)}")]


def _told(answer: Answer) -> str:
    status = f"status {answer.status}" if answer.status else "no answer"
    return f"{status} ({answer.words})" if answer.words else status


def _no_chat(wire: Wire, first: Answer) -> Iterator[Line]:
    """Say why a chat question has no answer: the system message, a field, or the chat template."""
    if first.status == 200:
        yield fail("chat", f"{first.words}; check that base_url is a chat server's, it usually ends in /v1")
        return
    if first.status in {0, 401, 403, 429}:
        advice = {0: "see the server's log", 429: "its quota is spent or it is busy"}
        yield fail(
            "chat", f"{_told(first)}; {advice.get(first.status, f'the key in {wire.endpoint.api_key_env} may not')}"
        )
        return
    bare = wire.ask(_NO_SYSTEM, 1)
    if bare.reply is not None:
        yield fail(
            "system message",
            f"{_told(first)}; without one it answers: methods whose prompts have a system part would fail, "
            "so serve a model whose chat template takes one",
        )
        return
    yield fail("chat", f"{_told(first)}; {_advice(first.words, wire)}")
    plain = wire.ask(_PLAIN, 1)
    if plain.reply is not None:
        yield note(
            "plain completion",
            "works where chat does not: the model has probably no chat template; serve an instruction-tuned model, or "
            "give the server a template",
        )


def _advice(words: str, wire: Wire) -> str:
    """Return what to do about a refused question, from the field that the server complains of."""
    said, own = words.lower(), wire.endpoint.max_tokens_field
    if "max_completion_tokens" in said and own == "max_tokens":
        return 'set the option max_tokens_field = "max_completion_tokens"'
    for name in ("seed", "top_p", "temperature"):
        if name in said and name not in wire.endpoint.omit:
            return f'set the option omit = ["{name}"]'
    if "template" in said:
        return "the model has no chat template; serve an instruction-tuned model, or give the server a template"
    return "check the model's name, base_url (it usually ends in /v1) and the options"


def _counted(wire: Wire, reply: Reply) -> Iterator[Line]:
    """Say whether tokens are reported and kept within their limit."""
    if reply.usage_estimated:
        yield note("usage", "not reported: tokens are estimated as a quarter of the bytes, and caps hold only so well")
    else:
        yield ok("usage", f"reported, {reply.prompt_tokens} + {reply.completion_tokens} tokens")
    name = wire.endpoint.max_tokens_field
    many = len(reply.text.split()) > 2 * TOKENS if reply.usage_estimated else reply.completion_tokens > TOKENS
    if many:
        yield fail(
            name,
            f"{TOKENS} tokens were allowed and {reply.completion_tokens} came: caps do not hold; set max_tokens_field",
        )
    elif not reply.text.strip():
        yield note(
            name, "kept, but the answer is empty: a model that thinks first needs more tokens than methods allow"
        )
    else:
        yield ok(name, f"accepted, ended by {reply.finish_reason!r}")


def _seed(wire: Wire, replies: list[Reply | None]) -> Line:
    again = "recorded answers, not the seed, are how runs are repeated"
    if "seed" in wire.endpoint.omit:
        return note("seed", f"not sent (omit); {again}")
    texts = [reply.text for reply in replies if reply is not None]
    if len(texts) < len(replies):
        return note("seed", "a repeated question had no answer; see the server's log")
    if texts[0] != texts[1]:
        return note("seed", f"not respected, equal seeds gave different texts at temperature 1; {again}")
    if texts[0] == texts[2]:
        return note("seed", "three answers are equal, also with another seed: the server does not seem to sample")
    return ok("seed", "respected, equal seeds gave equal texts and another seed another text")


def _stop(wire: Wire, reply: Reply) -> Line:
    # With an equal seed the same text would come again, so a stop text from its middle must shorten it.
    found = re.search(r"(?<=.)[!-~]{1,3}", reply.text, re.DOTALL)
    if found is None:
        return note("stop", "not tried, for the answer holds no text to stop at")
    mark = found[0]
    answer = wire.ask(replace(_QUESTION, stop=(mark,)), 1)
    if answer.reply is None:
        return note("stop", f"refused, {_told(answer)}; methods and programs that use it would fail")
    _, there, tail = answer.reply.text.partition(mark)
    if there and len(tail) <= len(mark) and len(answer.reply.text) < len(reply.text):
        return note("stop", f"cuts the answer, and leaves the stop text {mark!r} at its end")
    if there:
        return note("stop", f"not respected: the answer goes on after the stop text {mark!r}")
    return ok("stop", f"accepted, and the answer does not hold {mark!r}")


def _logprobs(wire: Wire) -> Line:
    found = wire.ask(_QUESTION, 1, {"logprobs": True, "top_logprobs": 1})
    if found.reply is None:
        return note("logprobs", f"not supported, {_told(found)}")
    given = found.body["choices"][0].get("logprobs")
    return note("logprobs", "given" if given else "accepted, but none came")


def _plain(wire: Wire) -> Line:
    found = wire.ask(_PLAIN, 1)
    if found.reply is None:
        return note("plain completion", f"not there, {_told(found)}; only methods that continue plain text need it")
    return note("plain completion", "there")


def _at_once(wire: Wire, alone: float) -> Line:
    answers, seconds = wire.ask_at_once(_QUESTION, range(11, 11 + AT_ONCE))
    lost = [answer for answer in answers if answer.reply is None]
    if lost:
        return note(
            "at once",
            f"{len(lost)} of {AT_ONCE} questions at once had no answer, {_told(lost[0])}; set concurrency or "
            "requests_per_minute",
        )
    times = seconds / max(alone, 1e-6)
    text = f"{AT_ONCE} questions took {seconds:.2f} s, one alone {alone:.2f} s"
    if times > 0.8 * AT_ONCE:
        return note("at once", f"{text}: answered one after the other, so a higher concurrency does not help")
    return note("at once", f"{text}: answered side by side")
