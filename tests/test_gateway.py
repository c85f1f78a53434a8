"""The gateway speaks the official client's language, spends nothing above a cap, and settles all that it sends."""

import asyncio
import http.client
import importlib.util
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.api import Reply, Request
from qdcbench.errors import StoreError
from qdcbench.records import Budget, Caps, TeacherSpec
from qdcbench.teachers.account import Access, CapReached, NotRecorded, Scope
from qdcbench.teachers.chat.teacher import chat_teacher
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.gateway import Gateway, serving
from qdcbench.teachers.gateway import server as gateway_server
from qdcbench.teachers.gateway.streaming import chunks
from qdcbench.teachers.gateway.wire_format import MOST_TOKENS, Refused, read_chat, read_completion
from qdcbench.teachers.meter import Meter, bound_of

_SPEC = importlib.util.spec_from_file_location("chat_server", Path(__file__).with_name("chat_server.py"))
assert _SPEC is not None and _SPEC.loader is not None
chat_server = sys.modules.setdefault("chat_server", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(chat_server)

ASK = [{"role": "user", "content": "Make a list."}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Any]:
    with chat_server.serving(delay=0.01) as server:
        yield server


@contextmanager
def door(
    base_url: str, calls: int | None = 500, tokens: int | None = None, access: Access | None = None, **options: Any
) -> Iterator[tuple[Gateway, Desk]]:
    spec = TeacherSpec(kind="openai", model="m", options={"base_url": base_url, "backoff": 0.01, **options})
    teacher = chat_teacher(spec, access or Access())
    budget = Budget(name="b", examples=9, teacher_tokens=tokens, teacher_calls=calls)
    desk = Desk(teacher, Meter(budget), spec.name)
    try:
        with serving(desk, model="m", seed=7) as gateway:
            yield gateway, desk
    finally:
        teacher.close()


@contextmanager
def client(gateway: Gateway, **options: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.base_url, api_key=gateway.token, max_retries=0, **options) as made:
        yield made


def post(gateway: Gateway, path: str, body: Any, key: str | None = None) -> tuple[int, Any, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        gateway.base_url.removesuffix("/v1") + path,
        content or None,
        {"Authorization": f"Bearer {gateway.token if key is None else key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def test_the_official_client_reads_an_answer(upstream: Any) -> None:
    with door(upstream.base_url) as (gateway, desk), client(gateway) as ask:
        answer = ask.chat.completions.create(model="gpt-4o", messages=ASK, temperature=0.3)
        assert answer.model == "m"
        assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        call = desk.calls[0]
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (
            call.prompt_tokens,
            call.completion_tokens,
        )
        assert (call.role, call.intent, call.template, len(call.key)) == ("teacher", "chat", "chat", 64)
        assert [model.id for model in ask.models.list()] == ["m"]
        assert ask.models.retrieve("m").id == "m"
        with pytest.raises(openai.NotFoundError, match="the one model here"):
            ask.models.retrieve("gpt-4o")
    assert gateway.asked_models == {"gpt-4o": 1}
    assert not gateway.ended_by and gateway.failure is None


def test_the_asynchronous_client_asks_at_once(upstream: Any) -> None:
    async def ask(gateway: Gateway) -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.token, max_retries=0) as made:
            asked = [
                made.chat.completions.create(model="m", messages=[{"role": "user", "content": f"{i}"}])
                for i in range(30)
            ]
            return [str(answer.choices[0].message.content) for answer in await asyncio.gather(*asked)]

    with door(upstream.base_url) as (gateway, desk):
        assert len(set(asyncio.run(ask(gateway)))) == 30
    assert desk.meter.usage().calls == len(desk.calls) == 30


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_joins_to_the_whole_answer(upstream: Any, usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if usage else {}
    texts, used = ["", ""], []
    with door(upstream.base_url) as (gateway, desk), client(gateway) as ask:
        whole = [str(c.message.content) for c in ask.chat.completions.create(model="m", messages=ASK, n=2).choices]
    with door(upstream.base_url) as (gateway, desk), client(gateway) as ask:
        finishes = {}
        for part in ask.chat.completions.create(model="m", messages=ASK, n=2, stream=True, **options):
            used += [part.usage] if part.usage else []
            for choice in part.choices:
                texts[choice.index] += choice.delta.content or ""
                finishes[choice.index] = choice.finish_reason
    assert texts == whole and finishes == {0: "stop", 1: "stop"}
    assert len(used) == usage and (not usage or used[0].total_tokens == desk.meter.usage().tokens)


def test_plain_completions_stream_and_take_lists(upstream: Any) -> None:
    with door(upstream.base_url) as (gateway, desk), client(gateway) as ask:
        answer = ask.completions.create(model="m", prompt=["One: ", "Two: "], n=2, max_tokens=30)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        assert len({choice.text for choice in answer.choices}) == 4
        assert {call.template for call in desk.calls} == {"completion"}
    with door(upstream.base_url) as (gateway, _), client(gateway) as ask:
        parts = list(ask.completions.create(model="m", prompt="One: ", max_tokens=30, stream=True))
    assert "".join(part.choices[0].text for part in parts) == answer.choices[0].text
    assert parts[-1].choices[0].finish_reason == "stop"


def test_choices_and_equal_questions_are_samples_of_their_own(upstream: Any) -> None:
    def texts(gateway: Gateway, ask: openai.OpenAI, times: list[int], **more: Any) -> list[str]:
        answers = [ask.chat.completions.create(model="m", messages=ASK, n=n, **more) for n in times]
        return [str(choice.message.content) for answer in answers for choice in answer.choices]

    found = []
    for times, more in (([3], {}), ([1, 1, 1], {}), ([3], {"seed": 5}), ([3], {"seed": 6})):
        with door(upstream.base_url) as (gateway, desk), client(gateway) as ask:
            found.append(texts(gateway, ask, times, **more))
            assert len(set(found[-1])) == 3
            if not more:
                assert [call.sample for call in desk.calls] == [0, 1, 2]
    assert found[0] == found[1]
    assert found[2][1:] == found[3][:2], "choice k of seed s is choice 0 of seed s + k"


def test_stop_lists_and_settings_reach_the_teacher(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    with chat_server.serving() as server:
        for stop in (["\n"], "\n", ["x"], None):
            with door(server.base_url, access=Access(ledger=ledger)) as (gateway, _), client(gateway) as ask:
                more: Any = {} if stop is None else {"stop": stop}
                ask.chat.completions.create(model="m", messages=ASK, frequency_penalty=0, logprobs=False, **more)
        assert server.seen()["requests"] == 3, "a text and a list of it are the same question"
        with door(server.base_url, access=Access(ledger=ledger)) as (gateway, _), client(gateway) as ask:
            ask.chat.completions.create(model="m", messages=ASK, frequency_penalty=0.5)
        assert server.seen()["requests"] == 4


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"best_of": 2}, "best_of"),
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "roles"),
        ({"messages": [{"role": "raw", "content": "x"}]}, "roles"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "images"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "surrogate"),
        ({"n": 0}, "n must"),
        ({"n": 129}, "at most 128"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": "x"}, "seed"),
        ({"stop": ["a", ""]}, "stop"),
        ({"logit_bias": {"1": 1e999}}, "JSON"),
    ],
)
def test_what_is_not_served_is_refused_by_name_and_costs_nothing(upstream: Any, change: Any, word: str) -> None:
    with door(upstream.base_url) as (gateway, desk):
        body = json.dumps({"model": "m", "messages": ASK, **change}).replace("Infinity", "1e999").encode()
        status, answer, _ = post(gateway, "/v1/chat/completions", body)
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
        assert word in answer["error"]["message"]
        assert post(gateway, "/v1/chat/completions", {"model": "m", "messages": ASK})[0] == 200, "it goes on"
    assert desk.meter.usage().calls == 1


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'{"messages": NaN}', b"[" * 100_000, b""])
def test_a_body_that_is_no_object_is_refused(upstream: Any, body: bytes) -> None:
    for read in (read_chat, read_completion):
        with pytest.raises(Refused, match=r"body|messages|prompt"):
            read(body)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["model", "messages", "prompt", "n", "max_tokens", "stop", "stream", "seed", "top_k", "user", "x"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4) | st.just("user"),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner)
            ),
            max_leaves=6,
        ),
    )
)
def test_no_body_breaks_the_reader(fields: dict[str, Any]) -> None:
    for read in (read_chat, read_completion):
        try:
            inquiry = read(json.dumps(fields).encode())
        except Refused as error:
            assert str(error)
        else:
            assert all(isinstance(text, str) for request in inquiry.requests for _, text in request.messages)


@given(st.text(max_size=60), st.booleans(), st.booleans())
def test_the_chunks_of_any_text_join_to_it(text: str, chat: bool, usage: bool) -> None:
    request = Request(intent="chat", material={}, messages=(("user", "x"),))
    body = {"messages": ASK} if chat else {"prompt": "x"}
    inquiry = replace((read_chat if chat else read_completion)(json.dumps(body).encode()), include_usage=usage)
    assert inquiry.requests[0].max_tokens == request.max_tokens
    parts = list(chunks(inquiry, [Reply(text=text, prompt_tokens=1, completion_tokens=2)], "m", "i"))
    choices = [choice for part in parts for choice in part["choices"]]
    assert "".join(c["delta"].get("content", "") if chat else c["text"] for c in choices) == text
    assert [c["finish_reason"] for c in choices if c["finish_reason"]] == ["stop"]
    assert len(choices) <= 6


def test_text_parts_join_and_the_limit_is_capped() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "developer", "content": "d"}, {"role": "user", "content": parts}]
    limits = {"max_tokens": 9, "max_completion_tokens": 10**9}
    body = {"messages": messages, **limits, "user": "u", "response_format": {"type": "text"}}
    request = read_chat(json.dumps(body).encode()).requests[0]
    assert request.messages == (("developer", "d"), ("user", "ab"))
    assert request.material == {"prompt": "ab"} and request.max_tokens == MOST_TOKENS
    assert request.extra == {} and request.stop == ()


def test_only_the_key_of_this_run_opens_the_door(upstream: Any) -> None:
    with door(upstream.base_url) as (gateway, desk):
        for key in ("", "x", gateway.token[:-1], gateway.token + "x"):
            for path, body in (("/v1/chat/completions", {"messages": ASK}), ("/v1/models", b""), ("/v1/x", b"")):
                status, answer, _ = post(gateway, path, body, key)
                assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
                assert gateway.token not in json.dumps(answer)
        assert gateway.token not in repr(gateway)
        with client(gateway) as ask, pytest.raises(openai.AuthenticationError):
            ask.with_options(api_key="wrong").models.list()
    assert desk.calls == []


def test_what_is_served_is_said_elsewhere(upstream: Any) -> None:
    with door(upstream.base_url) as (gateway, _), client(gateway) as ask:
        for path in ("/v1/embeddings", "/v1/responses", "/v1/audio/speech", "/v1/images/generations", "/v1/batches"):
            status, answer, _ = post(gateway, path, {"x": 1})
            assert status == 404 and "/v1/chat/completions" in answer["error"]["message"]
        assert post(gateway, "/v1/chat/completions", b"")[0] == 405
        with pytest.raises(openai.NotFoundError, match="served are POST"):
            ask.embeddings.create(model="m", input="x")
        status, answer, _ = post(gateway, "/v1/chat/completions", b" " * (17 * 2**20))
        assert status == 413 and answer["error"]["type"] == "invalid_request_error"


def test_fifty_threads_get_exactly_what_a_call_cap_allows() -> None:
    def flood(gateway: Gateway) -> list[int]:
        def one(number: int) -> int:
            body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
            return post(gateway, "/v1/chat/completions", body)[0]

        with ThreadPoolExecutor(50) as pool:
            return list(pool.map(one, range(120)))

    with chat_server.serving(delay=0.02) as server:
        with door(server.base_url, calls=37, concurrency=8) as (gateway, desk):
            statuses = flood(gateway)
        assert server.seen()["requests"] == 37
    assert statuses.count(200) == desk.meter.usage().calls == 37
    assert statuses.count(429) == 120 - 37
    assert gateway.ended_by == "teacher calls" and gateway.ended.is_set()


def test_the_end_of_the_budget_reads_as_a_spent_quota(upstream: Any) -> None:
    with door(upstream.base_url, calls=1) as (gateway, _), client(gateway, timeout=20) as ask:
        ask.chat.completions.create(model="m", messages=ASK)
        asked = ask.with_options(max_retries=5)
        start = time.monotonic()
        with pytest.raises(openai.RateLimitError, match="teacher calls") as caught:
            asked.chat.completions.create(model="m", messages=ASK)
        assert time.monotonic() - start < 2, "the client was told not to try again"
        assert caught.value.code == caught.value.type == "insufficient_quota"


def test_a_token_cap_is_never_passed(upstream: Any) -> None:
    with door(upstream.base_url, calls=None, tokens=400) as (gateway, desk):
        statuses = []
        for number in range(30):
            body = {"messages": [{"role": "user", "content": f"question {number}"}], "max_tokens": 60}
            statuses.append(post(gateway, "/v1/chat/completions", body)[0])
        assert statuses == sorted(statuses), "after the first refusal, nothing"
    assert 0 < desk.meter.usage().tokens <= 400 and gateway.ended_by == "teacher tokens"


@pytest.mark.parametrize("kind", [CapReached, NotRecorded])
def test_what_must_end_the_run_is_kept_for_the_runner(upstream: Any, tmp_path: Path, kind: type[Exception]) -> None:
    access = Access(ledger=tmp_path / "l.sqlite", scopes=(Scope(name="run:x", caps=Caps(calls=2)),))
    if kind is NotRecorded:
        access = Access(ledger=tmp_path / "l.sqlite", replay_only=True)
    with door(upstream.base_url, access=access) as (gateway, _):
        answers = [
            post(gateway, "/v1/chat/completions", {"messages": [{"role": "user", "content": f"{number}"}]})
            for number in range(4)
        ]
    assert [status for status, _, _ in answers] == ([200, 200, 502, 502] if kind is CapReached else [502] * 4)
    assert isinstance(gateway.failure, kind) and gateway.ended.is_set() and not gateway.ended_by
    assert str(gateway.failure) in answers[-1][1]["error"]["message"]


def test_a_teacher_that_fails_once_costs_nobody_else_an_answer(tmp_path: Path) -> None:
    with chat_server.serving(delay=0.03, faults=("server-error",), share=0.2, times=99) as server:
        with door(server.base_url, concurrency=2, retries=0) as (gateway, desk):
            bodies = [{"messages": [{"role": "user", "content": f"question {number}"}]} for number in range(40)]
            with ThreadPoolExecutor(40) as pool:
                answers = list(pool.map(lambda body: post(gateway, "/v1/chat/completions", body), bodies))
        seen = server.seen()
    statuses = [status for status, _, _ in answers]
    failed = [answer["error"]["message"] for status, answer, _ in answers if status == 502]
    assert 0 < len(failed) < 40 and statuses.count(200) + len(failed) == 40
    assert seen["by_fault"]["server-error"] == len(failed), "only those that were sent and failed"
    assert "boom" in failed[0] and gateway.trouble in failed and not gateway.ended_by and gateway.failure is None
    assert desk.meter.usage().calls == statuses.count(200) and desk.meter.usage().failed_calls == len(failed)


def test_a_failed_question_asked_again_is_the_same_question() -> None:
    texts = []
    for faults in ((), ("server-error",)):
        with chat_server.serving(faults=faults, share=1.0, times=1) as server:
            with door(server.base_url, retries=0) as (gateway, desk):
                status, answer, _ = post(gateway, "/v1/chat/completions", {"messages": ASK})
                if faults:
                    assert status == 502
                    status, answer, _ = post(gateway, "/v1/chat/completions", {"messages": ASK})
                texts.append((answer["choices"][0]["message"]["content"], answer["id"], desk.calls[0].sample))
    assert texts[0] == texts[1]


def test_choices_beside_one_that_failed_are_kept_for_the_next_try() -> None:
    texts, body = [], {"messages": ASK, "n": 3}
    for faults in ((), ("server-error",)):
        # Which of the three questions a fault of this share meets is decided by their texts: some, not all.
        with chat_server.serving(faults=faults, share=0.5) as upstream:
            with door(upstream.base_url, retries=0) as (gateway, desk):
                if faults:
                    assert post(gateway, "/v1/chat/completions", body)[0] == 502
                    assert 0 < desk.meter.usage().calls < 3
                status, answer, _ = post(gateway, "/v1/chat/completions", body)
                assert status == 200
                texts.append([choice["message"]["content"] for choice in answer["choices"]])
            assert sorted(call.sample for call in desk.calls) == [0, 1, 2]
            assert desk.meter.usage().calls == upstream.seen()["good"] == 3, "no answer is paid for twice"
    assert texts[0] == texts[1]


def test_what_is_not_answered_in_time_at_the_end_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_server, "LONGEST_DRAIN", 0.3)
    with chat_server.serving(delay=20.0) as upstream, door(upstream.base_url, calls=1) as (gateway, desk):
        place = gateway.base_url.split("/")[2]
        line = http.client.HTTPConnection(place, timeout=10)
        line.request("POST", "/v1/chat/completions", json.dumps({"messages": ASK}),
                     {"Authorization": f"Bearer {gateway.token}"})  # fmt: skip
        while not upstream.seen()["requests"]:
            time.sleep(0.02)
        start = time.monotonic()
    line.close()
    assert time.monotonic() - start < 15, "the answer would have come after 20 seconds"
    assert desk.calls == [] and desk.meter.usage().calls == 0
    bound = bound_of(Request(intent="chat", material={}, messages=(("user", "x"),)))
    assert desk.meter.reserve(bound), "its room was given back"


def test_an_answer_that_nobody_waits_for_is_still_settled() -> None:
    with chat_server.serving(delay=0.5) as server:
        with door(server.base_url) as (gateway, desk):
            for path, extra in (("/v1/chat/completions", {}), ("/v1/chat/completions", {"stream": True})):
                place = gateway.base_url.split("/")[2]
                line = http.client.HTTPConnection(place, timeout=10)
                body = json.dumps({"messages": [{"role": "user", "content": f"q {extra}"}], **extra})
                line.request("POST", path, body, {"Authorization": f"Bearer {gateway.token}"})
                time.sleep(0.1)
                line.close()
            half = http.client.HTTPConnection(place, timeout=10)
            half.putrequest("POST", "/v1/chat/completions")
            half.putheader("Authorization", f"Bearer {gateway.token}")
            half.putheader("Content-Length", "1000")
            half.endheaders(b"{")
            half.close()
        assert server.seen()["requests"] == 2
    assert len(desk.calls) == 2 and desk.meter.usage().calls == 2
    assert gateway.failure is None and not gateway.ended_by


def test_a_failure_of_our_own_ends_the_run_with_its_true_error(upstream: Any) -> None:
    class Broken:
        simulated = False

        def complete(self, requests: Any, seed: int) -> list[Reply]:
            raise StoreError("the disk is full")

    desk = Desk(Broken(), Meter(Budget(name="b", examples=1, teacher_tokens=None, teacher_calls=9)), "x")
    with serving(desk, model="m", seed=1) as gateway:
        status, answer, _ = post(gateway, "/v1/chat/completions", {"messages": ASK})
        assert status == 500 and "disk" not in answer["error"]["message"]
    assert isinstance(gateway.failure, StoreError) and desk.meter.usage().calls == 0


def test_the_answers_of_a_second_run_come_from_the_ledger(tmp_path: Path) -> None:
    access = Access(ledger=tmp_path / "ledger.sqlite")

    def run(ask: Callable[..., Any]) -> list[str]:
        made = [ask(model="m", messages=[{"role": "user", "content": f"{i % 3}"}], n=2) for i in range(6)]
        return [answer.to_json() for answer in made]

    with chat_server.serving() as server:
        texts, sent = [], []
        for _ in range(2):
            with door(server.base_url, access=access) as (gateway, desk), client(gateway) as ask:
                texts.append(run(ask.chat.completions.create))
            sent.append(server.seen()["requests"])
    assert texts[0] == texts[1], "every byte of every response"
    assert sent == [12, 12] and all(call.cached for call in desk.calls)
    assert desk.meter.usage().calls == 12, "the budget is charged all the same"
