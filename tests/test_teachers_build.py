"""Every kind of teacher is read, built and priced from its text; a scripted one obeys caps like any other."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qdcbench.api import Request, TeacherError
from qdcbench.errors import ConfigError, PluginError
from qdcbench.records import Caps, TeacherSpec
from qdcbench.registry import discover
from qdcbench.teachers.account import Access, CapReached, Scope
from qdcbench.teachers.build import TEACHER_KINDS, build_teacher, parse_teacher, prices_of
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.ledger.read import spent
from qdcbench.teachers.meter import bound_of
from tests.tiny_models import save_model

TASK = discover().task("list_edits").plugin


def answer(number: int, max_tokens: int = 16) -> Request:
    prompt = f"Reverse the list: {' '.join(str(number))}"
    return Request(intent="answer", material={"prompt": prompt}, messages=(("user", prompt),), max_tokens=max_tokens)


def capped(ledger: Path | None, **caps: int) -> Access:
    return Access(ledger=ledger, scopes=(Scope(name="suite:s", caps=Caps(**caps)), Scope(name="run:r")))


def test_every_kind_is_built_from_the_example_in_its_own_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    for name in ("my-model", "small", "probe"):
        save_model(tmp_path / name)
    for kind, text in TEACHER_KINDS.items():
        example = text.rsplit("such as ", 1)[1]
        spec = parse_teacher(example, {}, tmp_path)
        assert (spec.kind, spec.name) == (kind, example)
        assert spec.simulated == (kind == "scripted")
        teacher = build_teacher(spec, TASK, Access(), tmp_path)
        assert teacher.simulated == spec.simulated
        assert set(prices_of(spec)) == {"openai": {""}, "ensemble": {"openai:big"}}.get(kind, set())
        members = [member.kind for member, _ in parse_teacher(f"ensemble:{example}", {}, tmp_path).members] if (
            kind != "ensemble"
        ) else ["ensemble"]  # fmt: skip
        assert members == [kind], "records know the same kinds when they read an ensemble"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("strong", "teacher 'strong' must be written kind:model"),
        ("scripted:", "must be written kind:model"),
        ("scirpted:strong", "there is no teacher kind 'scirpted'; did you mean 'scripted'?"),
        ("vllm:m", "there is no teacher kind 'vllm'"),
    ],
)
def test_what_is_no_teacher_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_teacher(text)
    assert sentence in str(caught.value)
    with pytest.raises(ConfigError, match="there is no teacher kind 'x'"):
        build_teacher(TeacherSpec(kind="x", model="y"), TASK, Access())
    with pytest.raises(PluginError, match="no teacher profile 'mighty'"):
        build_teacher(parse_teacher("scripted:mighty"), TASK, Access())


def test_the_server_that_answered_belongs_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert parse_teacher("openai:m").options["base_url"] == "http://127.0.0.1:9/v1"
    assert parse_teacher("openai:m", {"base_url": "http://127.0.0.1:8/v1"}).options["base_url"].endswith(":8/v1")
    assert "base_url" not in parse_teacher("scripted:strong").options


def test_a_scripted_teacher_answers_the_same_under_caps(tmp_path: Path) -> None:
    requests = [answer(i) for i in range(150)]
    free = build_teacher(parse_teacher("scripted:strong"), TASK, Access()).complete(requests, 1)
    teacher = build_teacher(parse_teacher("scripted:strong"), TASK, capped(tmp_path / "l.sqlite", calls=400))
    assert teacher.complete(requests, 1) == free
    assert teacher.complete(requests, 1) == free, "equal questions are two attempts, not one record"
    with pytest.raises(CapReached) as caught:
        teacher.complete(requests, 1)
    assert isinstance(caught.value, PartlyAnswered)
    assert list(caught.value.replies[:100]) == free[:100]
    assert set(caught.value.replies[100:]) == {None}


def test_bounds_that_are_not_spent_make_room(tmp_path: Path) -> None:
    requests = [answer(i, max_tokens=1000) for i in range(64)]
    free = build_teacher(parse_teacher("scripted:strong"), TASK, Access()).complete(requests, 1)
    taken = sum(reply.prompt_tokens + reply.completion_tokens for reply in free)
    # Room for what is spent and for one bound, not for 64 bounds.
    room = taken + max(bound_of(request).tokens for request in requests)
    teacher = build_teacher(parse_teacher("scripted:strong"), TASK, capped(tmp_path / "l.sqlite", tokens=room))
    assert teacher.complete(requests, 1) == free


def test_threads_and_processes_share_a_cap(tmp_path: Path) -> None:
    ledger = tmp_path / "l.sqlite"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_teachers_build as t; from pathlib import Path; "
        "print(t.answered(Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(ledger)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)
    ]  # fmt: skip
    total = sum(int(process.communicate(timeout=120)[0]) for process in processes)
    assert total == 50
    assert answered(ledger) == 0


def answered(ledger: Path) -> int:
    """How many of a hundred questions, asked by four threads, a cap of fifty calls lets through."""
    teacher = build_teacher(parse_teacher("scripted:weak"), TASK, capped(ledger, calls=50))

    def ask(start: int) -> int:
        count = 0
        for number in range(start, 100, 4):
            try:
                count += len(teacher.complete([answer(number)], 1))
            except CapReached:
                break
        return count

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(ask, range(4)))


def test_a_failure_of_the_script_is_charged_as_an_attempt(tmp_path: Path) -> None:
    teacher = build_teacher(parse_teacher("scripted:strong"), TASK, capped(tmp_path / "l.sqlite", calls=2))
    chat = Request(intent="chat", material={}, messages=(("user", "x"),))
    for _ in range(2):
        with pytest.raises(TeacherError, match="cannot follow a request of intent 'chat'"):
            teacher.complete([chat], 1)
    with pytest.raises(CapReached):
        teacher.complete([answer(1)], 1)


def test_reading_a_suite_loads_no_tensor_library(tmp_path: Path) -> None:
    save_model(tmp_path / "m")
    code = (
        "import sys; from pathlib import Path; from qdcbench.teachers.build import parse_teacher; "
        "print(parse_teacher('ensemble:local:m+student:m', {}, Path(sys.argv[1])).options['local:m']['sha256'][:4]); "
        "print(sorted({'torch', 'transformers', 'aiohttp'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[1] == "[]"


def test_a_cap_on_money_does_not_stop_who_costs_nothing(tmp_path: Path) -> None:
    access = Access(ledger=tmp_path / "l.sqlite", scopes=(Scope(name="suite:s", caps=Caps(money=0.01)),))
    teacher = build_teacher(parse_teacher("scripted:strong"), TASK, access)
    assert len(teacher.complete([answer(i) for i in range(5)], 1)) == 5
    assert (spent(access.ledger, "suite:s").money, spent(access.ledger, "suite:s").unpriced) == (0, 0)
