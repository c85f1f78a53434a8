"""The chat teacher against a real server on this machine that misbehaves on purpose."""

import json
import logging
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.api import Request
from qdcbench.errors import ConfigError, TeacherError
from qdcbench.records import Caps, TeacherSpec
from qdcbench.teachers.account import Access, CapReached, NotRecorded, Scope
from qdcbench.teachers.canonical import canonical_request, request_key
from qdcbench.teachers.chat.endpoint import endpoint_of, read_answer, request_body
from qdcbench.teachers.chat.retry import backoff_seconds, retry_after
from qdcbench.teachers.chat.teacher import ChatTeacher, chat_teacher
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.ledger.read import journal, spent
from qdcbench.teachers.meter import bound_of

KEY = "sk-a-key-that-must-never-be-seen-0123456789"
STALL = 1.0
"""Seconds; the timeout of the test in which the server stalls, long enough for a busy machine."""


def tokens(text: str) -> int:
    return len(text.split()) + 1


def question_in(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])


def answer_to(body: dict[str, Any]) -> dict[str, Any]:
    """The right answer of the local server: text and usage are functions of the request."""
    question = question_in(body)
    text = f"réponse à <{question}> 🎲 {body['seed']} {body['temperature']}"
    asked = [m["content"] for m in body["messages"]] if "messages" in body else [body["prompt"]]
    usage = {"prompt_tokens": sum(map(tokens, asked)), "completion_tokens": tokens(text)}
    if "prompt" in body:
        return {"choices": [{"text": text, "finish_reason": "stop"}], "usage": usage}
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": usage}


class Server(ThreadingHTTPServer):
    """Answers a question wrongly in the ways listed for it, one an attempt, and rightly after that."""

    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Answerer)
        self.faults: dict[str, list[str]] = {}
        self.attempts: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers_seen: list[dict[str, str]] = []
        self.moments: list[float] = []
        self.opened: list[socket.socket] = []
        self.busy = 0
        self.busiest = 0
        self.pause = 0.0
        self.preamble = 0
        self.models: list[str] | None = ["m", "large-model"]
        self.lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def connections(self) -> int:
        return len(self.opened)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that has hung up is part of the tests
            super().handle_error(request, client_address)

    def get_request(self) -> Any:
        connection, address = super().get_request()
        self.opened.append(connection)
        return connection, address


class Answerer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.server.models is None:
            self.send(500, b"boom")
        else:
            self.send(200, json.dumps({"data": [{"id": name} for name in self.server.models]}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = question_in(body)
        server = self.server
        with server.lock:
            server.bodies.append(body)
            server.paths.append(self.path)
            server.headers_seen.append(dict(self.headers.items()))
            server.moments.append(time.monotonic())
            number = server.attempts[question]
            server.attempts[question] += 1
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        time.sleep(server.pause)
        with server.lock:
            server.busy -= 1
        planned = server.faults.get(question, server.faults.get("*", []))
        always = server.faults.get("always")
        fault = always[0] if always else planned[number] if number < len(planned) else "none"
        getattr(self, fault.replace(" ", "_"))(answer_to(body))

    def send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def none(self, right: Any) -> None:
        right["usage"]["prompt_tokens"] += self.server.preamble
        self.send(200, json.dumps(right, ensure_ascii=False).encode())

    def too_many(self, right: Any) -> None:
        self.send(429, b'{"error": {"message": "slow down"}}')

    def too_many_wait(self, right: Any) -> None:
        self.send(429, b"{}", Retry_After="1")

    def too_many_forever(self, right: Any) -> None:
        self.send(429, b'{"error": {"message": "quota"}}', Retry_After="86400")

    def server_error(self, right: Any) -> None:
        self.send(500, b"<html>oops</html>")

    def unavailable(self, right: Any) -> None:
        self.send(503, b"", Retry_After=formatdate(time.time() - 5, usegmt=True))

    def request_timeout(self, right: Any) -> None:
        self.send(408, b"")

    def conflict(self, right: Any) -> None:
        self.send(409, b"")

    def reset(self, right: Any) -> None:
        content = json.dumps(right).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        # Linger 0 turns the close into a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def hang_up(self, right: Any) -> None:
        self.close_connection = True

    def not_json(self, right: Any) -> None:
        self.send(200, b"<html>proxy login</html>")

    def half_json(self, right: Any) -> None:
        self.send(200, json.dumps(right).encode()[:-9])

    def truncated_utf8(self, right: Any) -> None:
        content = json.dumps(right, ensure_ascii=False).encode()
        self.send(200, content[: content.index("🎲".encode()) + 2])

    def wrong_schema(self, right: Any) -> None:
        self.send(200, json.dumps({"choices": [{"text": "completions, not chat"}]}).encode())

    def other_schema(self, right: Any) -> None:
        self.send(200, b'["not", "an", "object"]')

    def error_in_body(self, right: Any) -> None:
        self.send(200, b'{"error": {"message": "upstream is down", "code": 502}}')

    def empty_choices(self, right: Any) -> None:
        self.send(200, json.dumps({"choices": [], "usage": right["usage"]}).encode())

    def stall(self, right: Any) -> None:
        time.sleep(2 * STALL)
        self.close_connection = True

    def no_usage(self, right: Any) -> None:
        self.send(200, json.dumps({"choices": right["choices"]}).encode())

    def bad_usage(self, right: Any) -> None:
        self.send(200, json.dumps({**right, "usage": {"prompt_tokens": None, "completion_tokens": "7"}}).encode())

    def absurd_usage(self, right: Any) -> None:
        self.send(200, json.dumps({**right, "usage": {**right["usage"], "prompt_tokens": 2**64 - 1}}).encode())

    def no_content(self, right: Any) -> None:
        choice = {"message": {"role": "assistant", "content": None}, "finish_reason": "length"}
        self.send(200, json.dumps({**right, "choices": [choice]}).encode())

    def half_emoji(self, right: Any) -> None:
        self.send(200, rb'{"choices": [{"message": {"content": "ok \ud83c"}}]}')

    def bad_request(self, right: Any) -> None:
        self.send(400, b'{"error": {"message": "max_tokens is too large"}}')

    def unauthorized(self, right: Any) -> None:
        self.send(401, json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode())

    def forbidden(self, right: Any) -> None:
        said = self.headers["Authorization"]
        self.send(403, json.dumps({"error": {"message": "x" * 280 + f" no access with {said}"}}).encode())

    def not_found(self, right: Any) -> None:
        self.send(404, b'{"error": {"message": "The model does not exist"}}')

    def unprocessable(self, right: Any) -> None:
        self.send(422, b'{"detail": "Unexpected fields in the request: {\'seed\'}"}')

    def redirect(self, right: Any) -> None:
        self.send(308, b"", Location="http://127.0.0.1/v2")


RETRIED = (
    "too many", "server error", "unavailable", "request timeout", "conflict", "reset", "hang up", "not json",
    "half json", "truncated utf8", "wrong schema", "other schema", "error in body", "empty choices", "stall",
)  # fmt: skip


@contextmanager
def running(server: Server) -> Iterator[Server]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    for connection in server.opened:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with running(Server()) as started:
        yield started


@pytest.fixture
def teachers() -> Iterator[list[ChatTeacher]]:
    opened: list[ChatTeacher] = []
    yield opened
    for teacher in opened:
        teacher.close()


@pytest.fixture
def ask(server: Server, teachers: list[ChatTeacher]) -> Any:
    def build(model: str = "m", access: Access | None = None, **options: Any) -> ChatTeacher:
        given = {"base_url": server.base_url, "timeout": 30, "backoff": 0.01, **options}
        teachers.append(chat_teacher(TeacherSpec(kind="openai", model=model, options=given), access or Access()))
        return teachers[-1]

    return build


def questions(n: int, **changes: Any) -> list[Request]:
    return [
        Request(
            intent="propose",
            material={},
            messages=(("system", "you write tasks"), ("user", f"question {i}")),
            **changes,
        )
        for i in range(n)
    ]


def test_answers_come_in_order_with_the_usage_the_server_reports(server: Server, ask: Any) -> None:
    requests = questions(40, temperature=0.25, max_tokens=33)
    replies = ask().complete(requests, 1)
    for request, reply in zip(requests, replies, strict=True):
        assert f"<{request.messages[-1][1]}>" in reply.text
        assert reply.prompt_tokens == 4 + 3
        assert reply.completion_tokens == tokens(reply.text)
        assert (reply.attempts, reply.discarded_tokens, reply.usage_estimated, reply.cached) == (1, 0, False, False)
        assert 0 < reply.seconds < 30
    body = server.bodies[0]
    assert {k: body[k] for k in ("model", "temperature", "top_p", "max_tokens")} == {
        "model": "m", "temperature": 0.25, "top_p": 1.0, "max_tokens": 33,
    }  # fmt: skip
    assert server.headers_seen[0]["Authorization"] == f"Bearer {KEY}"


def test_seeds_derive_from_seed_sample_and_messages_alone(server: Server, ask: Any) -> None:
    teacher = ask()
    first = Request(intent="chat", material={}, messages=(("user", "a"),))
    again = Request(intent="judge", material={"x": 1}, messages=(("user", "a"),))
    other = Request(intent="chat", material={}, messages=(("user", "a"),), sample=1)
    texts = [reply.text for reply in teacher.complete([first, again, other], 1)]
    assert texts[0] == texts[1] != texts[2]
    assert ask().complete([first], 1)[0].text == texts[0] != teacher.complete([first], 2)[0].text
    assert all(0 <= body["seed"] < 2**31 for body in server.bodies)


@pytest.mark.parametrize("fault", RETRIED)
def test_a_fault_changes_neither_texts_nor_charges(server: Server, ask: Any, fault: str) -> None:
    requests = questions(6)
    clean = ask().complete(requests, 7)
    server.attempts.clear()
    server.faults = {"question 1": [fault], "question 4": [fault, fault]}
    faulty = ask(retries=2, timeout=STALL if fault == "stall" else 30).complete(requests, 7)
    assert [r.text for r in faulty] == [r.text for r in clean]
    assert [(r.prompt_tokens, r.completion_tokens) for r in faulty] == [
        (r.prompt_tokens, r.completion_tokens) for r in clean
    ]
    assert [r.attempts for r in faulty] == [1, 2, 1, 1, 3, 1]
    per_answer = clean[1].prompt_tokens + clean[1].completion_tokens
    lost = [0, per_answer, 0, 0, 2 * per_answer, 0] if fault == "empty choices" else [0] * 6
    assert [r.discarded_tokens for r in faulty] == lost


def test_many_mixed_faults_under_load(server: Server, ask: Any) -> None:
    quick = [fault for fault in RETRIED if fault != "stall"]
    requests = questions(120)
    clean = ask(concurrency=32).complete(requests, 3)
    server.attempts.clear()
    server.faults = {f"question {i}": [quick[(i + j) % len(quick)] for j in range(i % 4)] for i in range(120)}
    faulty = ask(concurrency=32).complete(requests, 3)
    assert [r.text for r in faulty] == [r.text for r in clean]
    assert [r.attempts for r in faulty] == [1 + i % 4 for i in range(120)]


def test_retry_after_is_honoured_for_all_requests(server: Server, ask: Any) -> None:
    server.faults = {"question 0": ["too many wait"]}
    ask(concurrency=1).complete(questions(3), 1)
    gaps = [later - earlier for earlier, later in pairwise(server.moments)]
    assert gaps[0] >= 0.99
    assert max(gaps[1:]) < 0.9


def test_a_wait_of_a_day_is_a_spent_quota(server: Server, ask: Any) -> None:
    server.faults = {"*": ["too many forever"]}
    with pytest.raises(TeacherError, match=r"status 429 \(quota\) and asks to wait 86400 s.*quota is spent"):
        ask().complete(questions(1), 1)
    assert server.attempts.total() == 1


def test_retries_end_with_one_sentence_and_what_was_paid_for(server: Server, ask: Any) -> None:
    server.faults = {"question 2": ["empty choices"] * 9}
    with pytest.raises(PartlyAnswered) as caught:
        ask(retries=3, concurrency=1).complete(questions(5), 1)
    assert "in 4 attempts; the last time, its answer holds no choice with a message" in str(caught.value)
    assert [reply is not None for reply in caught.value.replies] == [True, True, False, False, False]
    assert (caught.value.lost_calls, caught.value.lost_tokens) == (4, 4 * 15)
    assert server.attempts["question 3"] == 0


def test_a_failed_batch_waits_for_answers_under_way_and_starts_no_more(server: Server, ask: Any) -> None:
    server.pause = 0.1
    server.faults = {"question 0": ["bad request"]}
    with pytest.raises(PartlyAnswered) as caught:
        ask(concurrency=4).complete(questions(40), 1)
    assert sum(reply is not None for reply in caught.value.replies) == server.attempts.total() - 1 < 39


@pytest.mark.parametrize(
    ("fault", "model", "sentence"),
    [
        ("bad request", "m", r"status 400 \(max_tokens is too large\); check the options"),
        ("unauthorized", "m", r"status 401, the key is missing or wrong; replace the key in the variable OPENAI_API_"),
        ("forbidden", "m", r"status 403 \(x+.*; the key in OPENAI_API_KEY may not use this model"),
        ("not found", "larg-model", r"does not list the model 'larg-model', did you mean 'large-model'\?"),
        ("unprocessable", "m", r"status 422 \(Unexpected fields in the request: {'seed'}\)"),
        ("redirect", "m", r"status 308; that is a redirect, put the final address into base_url"),
    ],
)
def test_a_hopeless_request_fails_at_once(server: Server, ask: Any, fault: str, model: str, sentence: str) -> None:
    server.faults = {"*": [fault] * 9}
    with pytest.raises(TeacherError, match=sentence) as caught:
        ask(model).complete(questions(1), 1)
    assert server.attempts.total() == 1
    assert "\n" not in str(caught.value)
    assert f"teacher openai:{model} at {server.base_url} gave no usable answer" in str(caught.value)


def test_a_server_that_lists_no_models_still_gets_a_sentence(server: Server, ask: Any) -> None:
    server.models = None
    server.faults = {"*": ["not found"]}
    with pytest.raises(TeacherError, match=r"check base_url \(it usually ends in /v1\) and the model's name"):
        ask("x").complete(questions(1), 1)


def test_usage_is_estimated_by_the_stated_rule_and_flagged(server: Server, ask: Any) -> None:
    server.faults = {"question 0": ["no usage"], "question 1": ["bad usage"], "question 2": ["absurd usage"]}
    for reply in ask().complete(questions(3), 1):
        assert reply.usage_estimated
        assert reply.prompt_tokens == (4 + 4) + (3 + 4)
        assert reply.completion_tokens == -(-len(reply.text.encode()) // 4)


def test_no_content_is_an_empty_answer_and_half_an_emoji_is_replaced(server: Server, ask: Any) -> None:
    server.faults = {"question 0": ["no content"], "question 1": ["half emoji"]}
    empty, half = ask().complete(questions(2), 1)
    assert (empty.text, empty.finish_reason, empty.attempts) == ("", "length", 1)
    assert half.text == "ok �"


def test_concurrency_is_bounded_over_threads_and_connections_are_kept(server: Server, ask: Any) -> None:
    server.pause = 0.02
    teacher = ask(concurrency=5)
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda seed: teacher.complete(questions(20), seed), range(4)))
    assert 2 <= server.busiest <= 5
    assert server.connections <= 7
    other = ask()
    for seed, batch in enumerate(batches):
        assert [reply.text for reply in batch] == [reply.text for reply in other.complete(questions(20), seed)]


def test_an_endpoint_nobody_listens_at_is_named_quickly(ask: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        start = time.monotonic()
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(TeacherError, match=f"at {address} .*cannot be reached .*start the server or correct base"):
            ask(base_url=address, timeout=60).complete(questions(50), 1)
        assert time.monotonic() - start < 2


def test_a_server_that_restarts_is_waited_for(ask: Any) -> None:
    requests = questions(3)
    with running(Server()) as first:
        port = first.server_port
        teacher = ask(base_url=first.base_url, backoff=0.2)
        before = ask(base_url=first.base_url).complete(requests, 1)
        teacher.complete(questions(4)[3:], 1)  # so that it knows the server
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(teacher.complete, requests, 1)
        time.sleep(0.3)
        with running(Server(port)):
            after = waiting.result()
    assert [r.text for r in after] == [r.text for r in before]
    assert all(r.attempts > 1 for r in after)


def test_an_interrupted_batch_is_abandoned_and_the_next_one_works(server: Server, ask: Any) -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    teacher = ask(concurrency=2)
    server.pause = 0.2
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            teacher.complete(questions(40), 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    server.pause = 0.0
    assert len(teacher.complete(questions(3), 1)) == 3
    assert server.attempts.total() < 12


def test_the_key_is_seen_nowhere(server: Server, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = []
    for fault in ("unauthorized", "forbidden", "not json", "bad request"):
        server.attempts.clear()
        server.faults = {"always": [fault]}
        teacher = ask(retries=0)
        with pytest.raises(TeacherError) as caught:
            teacher.complete(questions(1), 1)
        seen += [str(caught.value), repr(caught.value), repr(teacher), repr(teacher.spec), repr(teacher.endpoint)]
        seen.append(caught.getrepr(showlocals=False).__str__())
        seen.append(repr(pickle.dumps(teacher)))
        error: BaseException | None = caught.value
        while error is not None:
            assert "aiohttp" not in type(error).__module__
            seen.append(repr(error))
            error = error.__cause__ or error.__context__
    seen.append(caplog.text)
    for text in seen:
        assert KEY not in text
        assert KEY[:12] not in text


def test_a_pickled_teacher_finds_its_key_again(server: Server, ask: Any, teachers: list[ChatTeacher]) -> None:
    teacher = ask()
    teachers.append(pickle.loads(pickle.dumps(teacher)))
    texts = [reply.text for reply in teacher.complete(questions(2), 1)]
    assert [reply.text for reply in teachers[-1].complete(questions(2), 1)] == texts
    assert {headers["Authorization"] for headers in server.headers_seen} == {f"Bearer {KEY}"}


def test_no_key_sends_no_header(server: Server, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    ask().complete(questions(1), 1)
    assert len(server.headers_seen) == 1
    assert "Authorization" not in server.headers_seen[0]
    server.faults = {"always": ["unauthorized"]}
    with pytest.raises(TeacherError, match="export the key as OPENAI_API_KEY"):
        ask().complete(questions(1), 1)


def test_fields_can_be_left_out_renamed_and_added(server: Server, ask: Any) -> None:
    teacher = ask(omit=["top_p"], max_tokens_field="max_completion_tokens", extra_body={"top_k": 20})
    teacher.complete(questions(1), 1)
    assert set(server.bodies[0]) == {"model", "messages", "temperature", "max_completion_tokens", "seed", "top_k"}


def test_a_raw_text_is_continued_and_fields_of_a_program_travel(server: Server, ask: Any) -> None:
    raw = Request(intent="chat", material={}, messages=(("raw", "once upon"),), stop=("\n", "END"), max_tokens=9)
    extra = {"top_k": 4, "n": 5, "stream": True, "max_tokens": 999, "model": "other", "seed": 77}
    reply, other = ask(extra_body={"min_p": 0.1}).complete([raw, replace(raw, extra=extra)], 1)
    assert server.paths == ["/v1/completions"] * 2
    bodies = sorted(server.bodies, key=len)
    assert {name: bodies[0][name] for name in ("prompt", "stop", "max_tokens", "min_p")} == {
        "prompt": "once upon", "stop": ["\n", "END"], "max_tokens": 9, "min_p": 0.1,
    }  # fmt: skip
    assert "messages" not in bodies[0]
    assert bodies[1] == {**bodies[0], "top_k": 4, "seed": 77}
    assert reply.text != other.text
    assert "<once upon>" in reply.text


def test_no_stop_is_no_field(server: Server, ask: Any) -> None:
    ask().complete(questions(1), 1)
    assert "stop" not in server.bodies[0]


def test_an_answer_is_bought_once_and_replayed_without_a_key(
    server: Server, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger.db"
    server.faults = {"question 1": ["empty choices"]}
    teacher = ask(access=Access(ledger=ledger), api_key_env="OPENAI_API_KEY")
    bought = teacher.complete(questions(3), 1)
    assert not any(reply.cached for reply in bought)
    assert teacher.complete(questions(3), 1) == [replace(reply, cached=True) for reply in bought]
    spec = teacher.spec
    for request, reply in zip(questions(3), bought, strict=True):
        assert reply.key == request_key(canonical_request(spec.identity, request, 1))
    assert server.attempts.total() == 4
    monkeypatch.delenv("OPENAI_API_KEY")
    replay = ask(access=Access(ledger=ledger, replay_only=True), api_key_env="OPENAI_API_KEY", concurrency=3)
    assert replay.complete(questions(3), 1) == [replace(reply, cached=True) for reply in bought]
    with pytest.raises(NotRecorded, match="no recorded answer"):
        replay.complete(questions(4), 1)
    assert server.attempts.total() == 4


def test_the_address_from_the_environment_is_part_of_the_key(
    server: Server, teachers: list[ChatTeacher], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []
    for address in (server.base_url, server.base_url.replace("127.0.0.1", "localhost")):
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        teachers.append(chat_teacher(TeacherSpec(kind="openai", model="m"), Access()))
        keys.append(teachers[-1].complete(questions(1), 1)[0].key)
    assert keys[0] != keys[1]


def test_each_fault_is_charged_as_its_rule_says(server: Server, ask: Any, tmp_path: Path) -> None:
    free = ("too many", "server error", "unavailable", "request timeout", "conflict")
    reported = ("empty choices",)
    assumed = ("reset", "hang up", "not json", "half json", "truncated utf8", "wrong schema", "error in body", "stall")
    requests = questions(len(free + reported + assumed))
    server.faults = {f"question {i}": [fault] for i, fault in enumerate(free + reported + assumed)}
    access = Access(ledger=tmp_path / "l.db", scopes=(Scope(name="suite:s"), Scope(name="run:r")))
    teacher = ask(access=access, timeout=STALL, retries=3)
    replies = teacher.complete(requests, 1)
    teacher.close()
    first = {entry.key: entry for entry in journal(tmp_path / "l.db") if entry.attempt == 1}
    for i, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        entry, bound = first[reply.key], bound_of(request)
        charged = (entry.prompt_tokens, entry.completion_tokens, entry.assumed)
        if i < len(free):
            assert charged == (0, 0, False)
        elif i < len(free + reported):
            assert charged == (reply.prompt_tokens, reply.completion_tokens, False)
        else:
            assert charged == (bound.prompt_tokens, bound.completion_tokens, True), server.faults[f"question {i}"]
    good = [entry for entry in journal(tmp_path / "l.db") if entry.outcome == "answered"]
    assert {e.key: (e.prompt_tokens, e.completion_tokens) for e in good} == {
        r.key: (r.prompt_tokens, r.completion_tokens) for r in replies
    }
    total = spent(tmp_path / "l.db", "suite:s")
    assert total == spent(tmp_path / "l.db", "run:r")
    assert (total.calls, total.assumed) == (server.attempts.total(), len(assumed))


def test_a_server_that_cannot_be_reached_charges_nothing(ask: Any, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        scope = Scope(name="suite:s", caps=Caps(calls=1))
        teacher = ask(base_url=address, access=Access(ledger=tmp_path / "l.db", scopes=(scope,)))
        with pytest.raises(TeacherError, match="cannot be reached"):
            teacher.complete(questions(1), 1)
    teacher.close()
    assert list(journal(tmp_path / "l.db")) == []
    assert spent(tmp_path / "l.db", "suite:s").calls == 0


def test_a_cap_ends_the_batch_and_hands_over_what_was_bought(server: Server, ask: Any, tmp_path: Path) -> None:
    server.faults = {"question 2": ["server error", "server error"]}
    scope = Scope(name="suite:s", caps=Caps(calls=4))
    teacher = ask(access=Access(ledger=tmp_path / "l.db", scopes=(scope,)), concurrency=1)
    with pytest.raises(CapReached, match="cap of 4 calls on suite:s") as caught:
        teacher.complete(questions(9), 1)
    assert server.attempts.total() == 4
    assert caught.value.scope == "suite:s"
    assert isinstance(caught.value, PartlyAnswered)
    assert [reply is not None for reply in caught.value.replies] == [True, True] + [False] * 7
    assert caught.value.lost_calls == 2
    there = pickle.loads(pickle.dumps(caught.value))
    assert (type(there), str(there), there.scope) == (CapReached, str(caught.value), "suite:s")


def test_a_longer_preamble_than_allowed_is_learned_and_passes_no_cap_again(
    server: Server, ask: Any, tmp_path: Path
) -> None:
    server.preamble = 1000
    requests = questions(9, max_tokens=30)
    static = bound_of(requests[0]).tokens
    # Room by the static bound for a fourth answer, and by what answers really cost for three.
    scope = Scope(name="suite:s", caps=Caps(tokens=3 * 1020 + static + 50))
    teacher = ask(access=Access(ledger=tmp_path / "l.db", scopes=(scope,)), concurrency=1)
    with pytest.raises(CapReached, match="tokens on suite:s"):
        teacher.complete(requests, 1)
    assert server.attempts.total() == 3
    assert 3 * 1000 < spent(tmp_path / "l.db", "suite:s").tokens <= scope.caps.tokens


def test_an_excess_is_learned_by_an_order_that_waits(server: Server, ask: Any, tmp_path: Path) -> None:
    server.preamble = 1000
    requests = questions(2, max_tokens=30)
    scope = Scope(name="suite:s", caps=Caps(tokens=1020 + bound_of(requests[0]).tokens + 50))
    # The second waits for the rate, with an order from before the first was answered.
    teacher = ask(access=Access(ledger=tmp_path / "l.db", scopes=(scope,)), requests_per_minute=60)
    with pytest.raises(CapReached) as caught:
        teacher.complete(requests, 1)
    assert [reply is not None for reply in caught.value.replies] == [True, False]
    assert server.attempts.total() == spent(tmp_path / "l.db", "suite:s").calls == 1


def test_further_fields_of_request_and_endpoint_are_in_the_bound(server: Server, ask: Any, tmp_path: Path) -> None:
    body = {"chat_template_kwargs": {"note": "é" * 100}}
    (request,) = questions(1, extra={"response_format": {"schema": "x" * 4096}})
    server.faults = {"*": ["hang up"]}
    teacher = ask(extra_body=body, access=Access(ledger=tmp_path / "l.db"))
    teacher.complete([request], 1)
    entry = min(journal(tmp_path / "l.db"), key=lambda entry: entry.attempt)
    assert entry.assumed
    further = len(json.dumps(body, ensure_ascii=False).encode())
    assert entry.prompt_tokens == bound_of(request).prompt_tokens + further > 4096 + 200


def test_a_slash_at_the_end_of_the_address_is_the_same_server(server: Server, ask: Any, tmp_path: Path) -> None:
    access = Access(ledger=tmp_path / "l.db")
    (bought,) = ask(access=access).complete(questions(1), 1)
    (found,) = ask(access=access, base_url=server.base_url + "/").complete(questions(1), 1)
    assert found == replace(bought, cached=True)
    assert server.attempts.total() == 1


def test_the_rate_holds(server: Server, ask: Any) -> None:
    ask(requests_per_minute=600).complete(questions(20), 1)
    # The first ten may go at once, the others a tenth of a second apart.
    assert server.moments[-1] - server.moments[0] > 0.9


def test_submitted_questions_are_under_way_at_once_and_a_halt_stops_the_rest(server: Server, ask: Any) -> None:
    server.pause = 0.3
    teacher = ask(concurrency=2)
    futures = [teacher.submit(request, 1) for request in questions(8)]
    while server.busy < 2:
        time.sleep(0.01)
    start = time.monotonic()
    teacher.halt()
    for future in futures[2:]:
        with pytest.raises(TeacherError, match="told to stop"):
            future.result()
    assert time.monotonic() - start < 0.2
    assert [future.result().text for future in futures[:2]] == [
        reply.text for reply in teacher.complete(questions(2), 1)
    ]
    assert teacher.submit(questions(9)[8], 1).result().attempts == 1
    assert server.attempts.total() == 3


def test_a_halt_ends_waits_between_attempts_and_says_what_was_lost(server: Server, ask: Any) -> None:
    server.faults = {"*": ["server error"] * 9}
    teacher = ask(backoff=30)
    future = teacher.submit(questions(1)[0], 1)
    while not server.attempts.total():
        time.sleep(0.01)
    time.sleep(0.1)
    teacher.halt()
    with pytest.raises(PartlyAnswered, match="told to stop") as caught:
        future.result(timeout=2)
    assert caught.value.lost_calls == 1


def test_a_halt_during_an_attempt_that_fails_waits_no_longer(server: Server, ask: Any) -> None:
    server.faults, server.pause = {"*": ["server error"] * 9}, 0.3
    teacher = ask(backoff=30)
    future = teacher.submit(questions(1)[0], 1)
    while not server.busy:
        time.sleep(0.01)
    teacher.halt()
    with pytest.raises(PartlyAnswered, match="told to stop") as caught:
        future.result(timeout=3)
    assert caught.value.lost_calls == 1


def test_a_cancelled_question_is_never_sent(server: Server, ask: Any) -> None:
    server.pause = 0.1
    teacher = ask(concurrency=1)
    futures = [teacher.submit(request, 1) for request in questions(3)]
    assert futures[1].cancel()
    assert futures[2].result().attempts == 1
    assert server.attempts["question 1"] == 0


def test_closing_records_what_is_under_way_and_ends_the_rest_at_once(server: Server, ask: Any, tmp_path: Path) -> None:
    server.pause = 0.5
    access = Access(ledger=tmp_path / "l.db")
    teacher = ask(concurrency=2, access=access)
    futures = [teacher.submit(request, 1) for request in questions(4)]
    while server.busy < 2:
        time.sleep(0.01)
    start = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(teacher.close)
        for future in futures[2:]:
            with pytest.raises(TeacherError, match="closed before it answered"):
                future.result(timeout=0.3)
        assert not closing.done()
        closing.result(timeout=3)
    assert time.monotonic() - start < 2
    assert [future.result(timeout=0).cached for future in futures[:2]] == [False, False]
    assert [entry.outcome for entry in journal(tmp_path / "l.db")] == ["answered"] * 2
    again = ask(access=access).complete(questions(2), 1)
    assert again == [replace(future.result(), cached=True) for future in futures[:2]]
    assert server.attempts.total() == 2


def test_a_fault_while_closing_is_not_tried_again(server: Server, ask: Any, tmp_path: Path) -> None:
    server.faults, server.pause = {"*": ["server error"] * 9}, 0.3
    teacher = ask(access=Access(ledger=tmp_path / "l.db"), backoff=30)
    future = teacher.submit(questions(1)[0], 1)
    while not server.busy:
        time.sleep(0.01)
    start = time.monotonic()
    teacher.close()
    assert time.monotonic() - start < 2
    with pytest.raises(TeacherError, match="closed before it answered"):
        future.result(timeout=0)
    assert [entry.outcome for entry in journal(tmp_path / "l.db")] == ["status 500"]


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.06, 0.08, 0.11])
def test_closing_while_answers_arrive_loses_none(server: Server, ask: Any, tmp_path: Path, moment: float) -> None:
    server.pause = 0.05
    teacher = ask(concurrency=16, access=Access(ledger=tmp_path / "l.db"))
    futures = [teacher.submit(request, 1) for request in questions(80)]
    time.sleep(moment)
    teacher.close()
    answered = sum(future.exception(timeout=0) is None for future in futures)
    assert Counter(entry.outcome for entry in journal(tmp_path / "l.db")) == Counter(answered=answered)
    assert answered == server.attempts.total()


def test_closing_charges_what_outlasts_the_grace_and_leaves_nobody_waiting(
    server: Server, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qdcbench.teachers.chat.wire.CLOSING_GRACE", 0.1)
    server.pause = 1.0
    teacher = ask(concurrency=2, access=Access(ledger=tmp_path / "l.db"))
    futures = [teacher.submit(request, 1) for request in questions(4)]
    while server.busy < 2:
        time.sleep(0.01)
    start = time.monotonic()
    teacher.close()
    assert time.monotonic() - start < 0.8
    for future in futures:
        with pytest.raises(TeacherError, match="closed before it answered"):
            future.result(timeout=1)
    assert [(entry.outcome, entry.assumed) for entry in journal(tmp_path / "l.db")] == [("cancelled", True)] * 2
    server.pause = 0.0
    assert teacher.complete(questions(1), 1)[0].attempts == 1


def test_a_child_process_opens_its_own_connections(server: Server, ask: Any, tmp_path: Path) -> None:
    teacher = ask(access=Access(ledger=tmp_path / "l.db"))
    mine = teacher.complete(questions(2), 1)
    child = os.fork()
    if child == 0:
        try:
            theirs = teacher.complete(questions(4), 1)
            teacher.close()
            good = [reply.text for reply in theirs[:2]] == [reply.text for reply in mine] and not theirs[3].cached
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [reply.cached for reply in teacher.complete(questions(5), 1)] == [True] * 4 + [False]


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(
    server: Server, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:pa%40ss@127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    ask().complete(questions(1), 1)
    assert "Proxy-Authorization" not in server.headers_seen[0]
    ask(base_url="http://elsewhere.invalid/v1").complete(questions(1), 1)
    assert server.paths[1] == "http://elsewhere.invalid/v1/chat/completions"
    assert server.headers_seen[1]["Authorization"] == f"Bearer {KEY}"
    login = b64decode(server.headers_seen[1]["Proxy-Authorization"].removeprefix("Basic "))
    assert login == b"user:pa@ss"
    for wrong in ("socks5://127.0.0.1:1", "http://[::1:3128"):
        monkeypatch.setenv("http_proxy", wrong)
        with pytest.raises(ConfigError, match="the variable http_proxy names no proxy"):
            ask(base_url="http://elsewhere.invalid/v1").complete(questions(1), 1)


def test_a_proxy_that_fails_is_named_without_its_password(
    server: Server, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://user:hidden@127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(TeacherError, match="gave no usable answer") as caught:
        ask(base_url="https://elsewhere.invalid/v1", retries=0).complete(questions(1), 1)
    assert "hidden" not in str(caught.value)


def test_nothing_asked_opens_nothing(server: Server, ask: Any) -> None:
    assert ask().complete([], 1) == []
    assert server.connections == 0


def test_a_forgotten_teacher_ends_its_thread(server: Server) -> None:
    teacher = chat_teacher(TeacherSpec(kind="openai", model="m", options={"base_url": server.base_url}), Access())
    teacher.complete(questions(1), 1)
    assert any(thread.name == "qdcbench-chat-teacher" for thread in threading.enumerate())
    del teacher
    assert not any(thread.name == "qdcbench-chat-teacher" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "has no address; set its option base_url or the variable OPENAI_BASE_URL"),
        ({"base_url": "http://u:secret@h/v1"}, "may hold no user, password or query"),
        ({"base_url": "http://h/v1?key=secret"}, "may hold no user, password or query"),
        ({"base_url": "localhost:8000"}, "is not an address such as"),
        ({"base_url": "http://[::1/v1"}, "is not an address such as"),
        ({"base_url": "http://h/v1", "api_key": "secret"}, "a key never stands in a suite"),
        ({"base_url": "http://h/v1", "concurency": 3}, r"unknown option 'concurency'; did you mean 'concurrency'\?"),
        ({"base_url": "http://h/v1", "concurrency": 0}, "concurrency is 0 and must be at least 1"),
        ({"base_url": "http://h/v1", "timeout": "soon"}, "timeout: input should be a valid number"),
        ({"base_url": "http://h/v1", "retries": -1, "backoff": 0}, r"retries is -1 .*; backoff is 0\.0 and must"),
        ({"base_url": "http://h/v1", "extra_body": {"model": "x"}}, "extra_body and omit may not touch model"),
        ({"base_url": "http://h/v1", "omit": ["max_tokens"]}, "extra_body and omit may not touch max_tokens"),
        ({"base_url": "http://h/v1", "extra_body": {"API-Key": "secret"}}, "extra_body may hold no API-Key"),
        ({"base_url": "http://h/v1", "extra_body": {"a": [{"Authorization": "secret"}]}}, "may hold no Authorization"),
        ({"base_url": "http://h/v1", "requests_per_minute": 0}, r"requests_per_minute is 0\.0 and must be above 0"),
        ({"base_url": "http://h/v1", "price": "cheap"}, "price must be written"),
        ({"base_url": "http://h/v1", "api_key_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE, which is not set"),
    ],
)
def test_wrong_options_are_named(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], sentence: str) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigError, match=sentence) as caught:
        chat_teacher(TeacherSpec(kind="openai", model="m", options=options), Access())
    assert "secret" not in str(caught.value)


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h:1/v1/")
    spec = TeacherSpec(kind="openai", model="m")
    assert endpoint_of(spec).base_url == "http://h:1/v1"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two words-secret")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY holds characters that no key has") as caught:
        chat_teacher(spec, Access())
    assert "secret" not in str(caught.value)


@given(st.text(), st.integers(0, 2**31 - 1))
def test_any_text_goes_out_and_comes_back(text: str, seed: int) -> None:
    endpoint = endpoint_of(TeacherSpec(kind="openai", model="m", options={"base_url": "http://h/v1"}))
    request = Request(intent="chat", material={}, messages=(("user", text),))
    body = json.loads(request_body(endpoint, request, seed))
    assert body["messages"] == [{"role": "user", "content": text}]
    assert body["seed"] == seed
    reply = read_answer(json.dumps({"choices": [{"message": {"content": text}}]}).encode(), request)
    assert reply.text == text
    assert 0 <= reply.completion_tokens <= request.max_tokens


@given(st.floats(0.01, 5), st.integers(1, 2000), st.integers(0, 99))
def test_backoff_doubles_within_its_cap_and_is_the_same_each_time(first: float, attempt: int, seed: int) -> None:
    wait = backoff_seconds(first, attempt, seed, "k")
    full = min(30.0, first * 2 ** min(attempt - 1, 30))
    assert full / 2 <= wait <= full
    assert wait == backoff_seconds(first, attempt, seed, "k")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("nan", 0.0), ("inf", 0.0), ("soon", 0.0), ("", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 60.0), ("Wed, 21 Oct 2015 07:26:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_reads_seconds_and_dates(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}, now=1445412420.0) == seconds
