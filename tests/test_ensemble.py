"""Several teachers as one: who answers is decided by the question alone, in the proportions that were asked for."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from qdcbench.api import Reply, Request, Teacher, TeacherError
from qdcbench.errors import ConfigError
from qdcbench.records import Budget, Caps, TeacherSpec
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.stages.generate import generate, read_calls
from qdcbench.store import Store
from qdcbench.teachers.account import Access, CapReached, Scope
from qdcbench.teachers.build import build_teacher, parse_teacher, prices_of
from qdcbench.teachers.ensemble import Ensemble, SubmittingEnsemble
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.testing import tiny_spec
from tests.tiny_models import save_model, save_probe

_SPEC = importlib.util.spec_from_file_location("chat_server", Path(__file__).with_name("chat_server.py"))
assert _SPEC is not None and _SPEC.loader is not None
chat_server = sys.modules.setdefault("chat_server", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(chat_server)

TASK = discover().task("list_edits").plugin
PRICE = {"input": 1.0, "output": 2.0, "dated": "2026-11-01", "source": "a test"}


def scripted(text: str = "ensemble:scripted:strong*0.7+scripted:weak*0.3", access: Access | None = None) -> Teacher:
    return build_teacher(parse_teacher(text), TASK, access or Access())


def answer(number: int, sample: int = 0) -> Request:
    prompt = f"Reverse the list: {' '.join(str(number))}"
    return Request(intent="answer", material={"prompt": prompt}, messages=(("user", prompt),), sample=sample)


def names(replies: Sequence[Reply]) -> list[str]:
    return [reply.teacher for reply in replies]


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("ensemble:scripted:strong*0.7+scripted:weak*0.3", {"scripted:strong": 0.7, "scripted:weak": 0.3}),
        ("ensemble:scripted:strong*3+scripted:weak", {"scripted:strong": 0.75, "scripted:weak": 0.25}),
        ("ensemble:scripted:strong+scripted:weak", {"scripted:strong": 0.5, "scripted:weak": 0.5}),
        ("ensemble:scripted:strong*1+scripted:weak*99", {"scripted:strong": 0.01, "scripted:weak": 0.99}),
    ],
)
def test_shares_hold_within_what_chance_allows(text: str, shares: dict[str, float]) -> None:
    requests = [answer(i) for i in range(1500)] + [answer(7, sample) for sample in range(1500)]
    found = Counter(names(scripted(text).complete(requests, 5)))
    assert set(found) == set(shares)
    for name, share in shares.items():
        assert binomtest(found[name], len(requests), share).pvalue > 1e-4


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(20)), size=st.integers(1, 20))
def test_neither_order_nor_batch_decides(order: list[int], size: int) -> None:
    requests = [answer(i // 3, i % 3) for i in range(20)]
    straight = scripted().complete(requests, 1)
    teacher = scripted()
    found = [r for at in range(0, 20, size) for r in teacher.complete([requests[i] for i in order[at : at + size]], 1)]
    assert found == [straight[i] for i in order]


def test_seed_and_sample_decide() -> None:
    requests = [answer(i) for i in range(60)]
    one, again, other = (names(scripted().complete(requests, seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert len(set(names(scripted().complete([answer(1, sample) for sample in range(60)], 1)))) == 2


def test_each_member_answers_as_it_does_alone() -> None:
    requests = [answer(i * 37) for i in range(40)]
    alone = {name: scripted_alone(name).complete(requests, 1) for name in ("strong", "weak")}
    for place, reply in enumerate(scripted().complete(requests, 1)):
        assert replace(reply, teacher="") == alone[reply.teacher.partition(":")[2]][place]


def scripted_alone(profile: str) -> Teacher:
    return build_teacher(parse_teacher(f"scripted:{profile}"), TASK, Access())


def test_nothing_asked_nothing_answered() -> None:
    assert scripted().complete([], 1) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ensemble:scripted:strong*0+scripted:weak", "the weight '0' of scripted:strong must be a number above 0"),
        ("ensemble:scripted:strong*a", "the weight 'a' of scripted:strong"),
        ("ensemble:scripted:strong*1e400", "the weight '1e400'"),
        ("ensemble:scripted:strong+scripted:strong*2", "'scripted:strong' must be written kind:model, once"),
        ("ensemble:scripted:strong+ensemble:scripted:weak", "be no ensemble"),
        ("ensemble:strong", "'strong' must be written kind:model"),
        ("ensemble:scripted:strong+openai:m", "mixes scripted teachers with language models"),
    ],
)
def test_what_is_no_ensemble_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_teacher(text)
    assert sentence in str(caught.value)


def test_options_reach_the_members_that_know_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    save_model(tmp_path / "small")
    options = {
        "timeout": 5.0,
        "dtype": "float32",
        "openai:big": {"base_url": "http://127.0.0.1:8/v1", "price": PRICE},
        "local:small": {"batch_size": 4},
    }
    text = "ensemble:openai:big*2+openai:second+local:small"
    spec = parse_teacher(text, options, tmp_path)
    members = {member.name: member.options for member, _ in spec.members}
    assert members["openai:big"] == {"timeout": 5.0, "base_url": "http://127.0.0.1:8/v1", "price": PRICE}
    assert members["openai:second"] == {"timeout": 5.0, "base_url": "http://127.0.0.1:9/v1"}
    assert set(members["local:small"]) == {"dtype", "batch_size", "sha256"}
    assert parse_teacher(text, spec.options, tmp_path) == spec, "a resolved spec resolves to itself"
    prices = prices_of(spec)
    assert set(prices) == {"openai:big", "openai:second"}
    assert prices["openai:big"] is not None and prices["openai:big"].output == 2.0
    assert prices["openai:second"] is None
    with pytest.raises(ConfigError, match="unknown option 'tiemout'; did you mean 'timeout'"):
        parse_teacher(text, {"tiemout": 5}, tmp_path)
    with pytest.raises(ConfigError, match="the options of openai:big must be a table"):
        parse_teacher(text, {"openai:big": 5}, tmp_path)


def test_identity_is_who_and_how_often_not_how_it_travels(tmp_path: Path) -> None:
    def identity(text: str, **options: Any) -> dict[str, Any]:
        return parse_teacher(text, {"base_url": "http://127.0.0.1:9/v1", **options}, tmp_path).identity

    first = identity("ensemble:openai:a*0.5+openai:b*0.5")
    assert identity("ensemble:openai:a+openai:b") == first
    assert identity("ensemble:openai:a+openai:b", timeout=3.0) == first
    assert identity("ensemble:openai:a*2+openai:b") != first
    assert identity("ensemble:openai:a+openai:c") != first
    assert identity("ensemble:openai:a+openai:b", omit=["seed"]) != first
    assert parse_teacher("ensemble:scripted:strong+scripted:weak").simulated
    assert not TeacherSpec(kind="ensemble", model="openai:a+openai:b").simulated


def test_members_over_http_are_submitted_to_and_halted() -> None:
    with chat_server.serving(delay=0.01, models=("a", "b")) as one, chat_server.serving(delay=0.01) as two:
        text = "ensemble:openai:a*0.5+openai:b*0.5"
        options = {"openai:a": {"base_url": one.base_url}, "openai:b": {"base_url": two.base_url}}
        teacher = build_teacher(parse_teacher(text, options), TASK, Access())
        assert isinstance(teacher, SubmittingEnsemble)
        requests = [answer(i) for i in range(60)]
        futures = [teacher.submit(request, 1) for request in requests]
        submitted = [future.result(timeout=30) for future in futures]
        completed = teacher.complete(requests, 1)
        assert names(submitted) == names(completed)
        assert [reply.text for reply in submitted] == [reply.text for reply in completed]
        served = Counter(names(submitted))
        assert served == {"openai:a": one.seen()["requests"], "openai:b": two.seen()["requests"]}
        assert min(served.values()) > 10
        teacher.halt()
        teacher.close()


def test_members_in_this_process_and_beside_it_answer_together(tmp_path: Path) -> None:
    save_model(tmp_path / "small")
    with chat_server.serving(delay=0.01) as server:
        text = "ensemble:openai:m*0.5+local:small*0.5"
        spec = parse_teacher(text, {"base_url": server.base_url}, tmp_path)
        teacher = build_teacher(spec, TASK, Access(), tmp_path)
        # A member that answers in batches must not be waited for one by one.
        assert isinstance(teacher, Ensemble) and not hasattr(teacher, "submit")
        requests = [replace(answer(i), max_tokens=4) for i in range(24)]
        replies = teacher.complete(requests, 1)
        assert set(names(replies)) == {"openai:m", "local:small"}
        with ThreadPoolExecutor(8) as threads:
            single = list(threads.map(lambda request: teacher.complete([request], 1)[0], requests))
        assert [(r.text, r.teacher) for r in single] == [(r.text, r.teacher) for r in replies]
        teacher.close()


def test_a_member_that_cannot_be_asked_this_is_passed_over(tmp_path: Path) -> None:
    save_model(tmp_path / "small", positions=2048)
    save_probe(tmp_path / "probe")
    spec = parse_teacher("ensemble:student:probe*0.9+local:small*0.1", {}, tmp_path)
    teacher = build_teacher(spec, TASK, Access(), tmp_path)
    assert isinstance(teacher, Ensemble)
    answers = [replace(answer(i), max_tokens=4) for i in range(30)]
    proposals = [replace(request, intent="propose") for request in answers]
    assert Counter(names(teacher.complete(answers, 1)))["student:probe"] > 15
    assert set(names(teacher.complete(proposals, 1))) == {"local:small"}
    teacher.close()
    alone = build_teacher(parse_teacher("ensemble:student:probe", {}, tmp_path), TASK, Access(), tmp_path)
    with pytest.raises(TeacherError, match="no member of the ensemble can be asked to propose"):
        alone.complete(proposals, 1)


def test_what_one_member_answered_survives_the_others_failure(tmp_path: Path) -> None:
    with chat_server.serving(delay=0.01) as server:
        options = {
            "openai:m": {"base_url": server.base_url},
            "openai:gone": {"base_url": "http://127.0.0.1:9/v1", "retries": 0},
        }
        teacher = build_teacher(parse_teacher("ensemble:openai:m+openai:gone", options), TASK, Access())
        requests = [answer(i) for i in range(20)]
        with pytest.raises(PartlyAnswered, match=r"openai:gone .* cannot be reached") as caught:
            teacher.complete(requests, 1)
        teacher.close()
        assert len(caught.value.replies) == 20
        got = [reply for reply in caught.value.replies if reply is not None]
        assert names(got) == ["openai:m"] * len(got)
        assert 3 < len(got) < 17


def test_caps_hold_over_all_members(tmp_path: Path) -> None:
    access = Access(ledger=tmp_path / "ledger.sqlite", scopes=(Scope(name="suite:s", caps=Caps(calls=30)),))
    teacher = scripted(access=access)
    assert isinstance(teacher, Ensemble)
    with pytest.raises(CapReached) as caught:
        teacher.complete([answer(i) for i in range(50)], 1)
    teacher.close()
    assert isinstance(caught.value, PartlyAnswered)
    assert sum(reply is not None for reply in caught.value.replies) == 30


def test_rows_say_which_teacher_wrote_them(tmp_path: Path) -> None:
    registry = discover()
    bench = Bench(registry=registry, store=Store(tmp_path / "s"), base=tmp_path, spending=Spending())
    spec = replace(
        tiny_spec(registry.method("self_instruct")),
        teacher=parse_teacher("ensemble:scripted:strong+scripted:weak"),
        budget=Budget(name="b", examples=30, teacher_tokens=None, teacher_calls=200),
    )
    made = generate(spec, bench)
    writers = Counter(a.lineage.get("teacher") for a in made.attempts if a.accepted)
    assert set(writers) == {"scripted:strong", "scripted:weak"}
    assert set(writers) == {call.teacher for call in read_calls(spec, bench)}


def test_a_request_that_names_a_member_goes_to_that_member():
    teacher = scripted("ensemble:scripted:strong*1+scripted:weak*99")
    requests = [
        Request(intent="propose", material={"count": 1, "member": name}, messages=(("user", "a"),), sample=k)
        for k in range(20)
        for name in ("scripted:strong", "scripted:weak")
    ]
    assert names(teacher.complete(requests, 0)) == ["scripted:strong", "scripted:weak"] * 20
    lost = replace(requests[0], material={"count": 1, "member": "scripted:weka"})
    with pytest.raises(TeacherError, match=r"no member 'scripted:weka'.*scripted:weak"):
        teacher.complete([lost], 0)
