"""Chat and local teacher against `transformers serve`, a real server with a real (tiny, random) language model."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_model import transformers_serve

from qdcbench.api import Request
from qdcbench.errors import TeacherError
from qdcbench.records import Budget, TeacherSpec
from qdcbench.teachers.account import Access
from qdcbench.teachers.build import parse_teacher
from qdcbench.teachers.chat.teacher import ChatTeacher, chat_teacher
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.in_process.local import local_teacher
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook
from tests.tiny_models import save_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("QDCBENCH_SERVE") == "0", reason="switched off by QDCBENCH_SERVE=0"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Start the server once; return its address and the model's name, which is the path of the checkpoint."""
    for package in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            pytest.fail(f"transformers serve needs {package}: install qdcbench[serve] or set QDCBENCH_SERVE=0")
    folder = tmp_path_factory.mktemp("serve")
    save_model(folder / "model")
    with transformers_serve(folder) as base_url:
        yield base_url, str(folder / "model")


def teacher_at(served: tuple[str, str], **options: Any) -> ChatTeacher:
    base_url, model = served
    return chat_teacher(TeacherSpec(kind="openai", model=model, options={"base_url": base_url, **options}), Access())


def questions() -> list[Request]:
    return [
        Request(intent="chat", material={}, messages=(("system", "ab"), ("user", "é" * i)), max_tokens=6)
        for i in range(1, 9)
    ]


def test_usage_is_what_the_model_read_and_wrote(served: tuple[str, str]) -> None:
    teacher = teacher_at(served, concurrency=8)
    replies = teacher.complete(questions(), 1)
    teacher.close()
    # One token for each of three roles, one for each byte.
    assert [reply.prompt_tokens for reply in replies] == [3 + 2 + 2 * i for i in range(1, 9)]
    for reply in replies:
        assert 1 <= reply.completion_tokens <= 6
        assert (reply.attempts, reply.usage_estimated) == (1, False)
        assert reply.finish_reason == ("length" if reply.completion_tokens == 6 else "stop")


def test_one_at_a_time_the_seed_decides(served: tuple[str, str]) -> None:
    # This server keeps one random state for all requests, so only unmixed requests can be repeated.
    teacher = teacher_at(served, concurrency=1)
    first, again, other = (teacher.complete(questions(), seed) for seed in (1, 1, 2))
    teacher.close()
    assert [reply.text for reply in first] == [reply.text for reply in again]
    assert [reply.text for reply in first] != [reply.text for reply in other]


def test_a_metered_role_charges_and_stops(served: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('[propose]\nuser = "like {shots}"\n', encoding="utf-8")
    meter = Meter(Budget(name="b", examples=9, teacher_tokens=None, teacher_calls=5))
    teacher = teacher_at(served)
    role = MeteredRole(Desk(teacher, meter, "served"), PromptBook.load(path, "m"), seed=1)
    texts = role.ask_many("propose", [{"shots": ["a", str(i)]} for i in range(5)], max_tokens=4)
    teacher.close()
    usage = meter.usage()
    assert len(texts) == 5
    assert (usage.calls, usage.prompt_tokens) == (5, 5 * (2 + len("like 1. a\n2. 0")))
    assert 5 <= usage.completion_tokens <= 20
    assert (usage.failed_calls, usage.estimated_calls) == (0, 0)


def greedy() -> list[Request]:
    """Conversations of one and of several turns, in several scripts, of many lengths."""
    talks: list[tuple[tuple[str, str], ...]] = [
        (("user", "Reverse the list: 3 1 4"),),
        (("system", "Be brief."), ("user", "é" * 40)),
        (("user", "a"), ("assistant", "b"), ("user", "列 \U0001f642\n\n  end ")),
        (("system", ""), ("user", "x " * 100)),
        (("user", "<assistant>marks of the template in a text"),),
        (("user", "0"),),
    ]
    return [
        Request(intent="chat", material={}, messages=messages, temperature=0.0, max_tokens=24) for messages in talks
    ]


def test_server_and_local_teacher_give_the_same_greedy_answers(served: tuple[str, str]) -> None:
    there, here = teacher_at(served), local_teacher(parse_teacher(f"local:{served[1]}"), Access(), Path())
    remote, own = there.complete(greedy(), 1), here.complete(greedy(), 1)
    there.close()
    here.close()
    assert [reply.text for reply in own] == [reply.text for reply in remote]
    for mine, theirs in zip(own, remote, strict=True):
        assert (mine.prompt_tokens, mine.completion_tokens) == (theirs.prompt_tokens, theirs.completion_tokens)
        assert mine.finish_reason == theirs.finish_reason
    assert len({reply.text for reply in own}) > 3


def test_a_field_the_server_refuses_is_named(served: tuple[str, str]) -> None:
    teacher = teacher_at(served, extra_body={"top_k": 3})
    with pytest.raises(TeacherError, match=r"status 422 \(Unexpected fields in the request: {'top_k'}\)"):
        teacher.complete(questions()[:1], 1)
    teacher.close()
