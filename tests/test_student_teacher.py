"""A trained probe as a teacher: it answers exactly as the probe does when it is evaluated, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from qdcbench.api import Example, Request, TeacherError
from qdcbench.errors import ConfigError
from qdcbench.records import TeacherSpec
from qdcbench.registry import discover
from qdcbench.teachers.account import Access
from qdcbench.teachers.build import build_teacher, parse_teacher
from qdcbench.teachers.in_process.local import LocalTeacher
from qdcbench.teachers.in_process.student import student_teacher
from tests.tiny_models import save_probe

TASK = discover().task("list_edits").plugin


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_probe(tmp_path_factory.mktemp("student") / "probe")


@pytest.fixture
def student(probe: Path) -> Iterator[LocalTeacher]:
    teacher = student_teacher(parse_teacher("student:probe", {}, probe.parent), Access(), probe.parent)
    yield teacher
    teacher.close()


def asked(prompt: str, **changes: Any) -> Request:
    messages = (("system", "Carry out the task."), ("user", prompt))
    return replace(
        Request(intent="answer", material={"prompt": prompt}, messages=messages, max_tokens=16, temperature=0.0),
        **changes,
    )


def prompts(count: int = 40) -> list[str]:
    return [row.prompt for row in TASK.reference_rows(Random(3), count)]


def test_greedy_answers_are_those_of_the_evaluation(student: LocalTeacher, probe: Path) -> None:
    from qdcbench.probes.score import generate
    from qdcbench.probes.tiny import load
    from qdcbench.probes.train import prompt_text

    model, tokenizer = load(probe)
    odd = [*prompts(), "Words the probe has never met: 1 2 3", "Reverse the list: " + "1 2 3 " * 12]
    expected = generate(model, tokenizer, [prompt_text(prompt) for prompt in odd])
    replies = student.complete([asked(prompt) for prompt in odd], 1)
    assert [reply.text for reply in replies] == expected
    for prompt, reply in zip(odd, replies, strict=True):
        assert reply.prompt_tokens == len(tokenizer(prompt_text(prompt))["input_ids"])
    rows = zip(prompts(), replies, strict=False)
    right = [TASK.verify(Example(prompt=prompt, completion=reply.text or "-")).correct for prompt, reply in rows]
    assert sum(answer is True for answer in right) >= 4, "a probe trained for a moment gets some tasks right"


def test_only_the_prompt_is_read_and_the_seed_keeps_questions_apart(student: LocalTeacher) -> None:
    prompt = prompts(1)[0]
    shown = (("system", "Look at these."), ("user", "Reverse the list: 1 2\n" + prompt))
    assert student.complete([asked(prompt, messages=shown)], 1)[0].text == student.complete([asked(prompt)], 1)[0].text
    warm = [asked(prompt, temperature=2.0, sample=i) for i in range(12)]
    other = [replace(request, messages=shown) for request in warm]
    first, second = ([reply.text for reply in student.complete(each, 1)] for each in (warm, other))
    assert first == [reply.text for reply in student.complete(warm, 1)]
    assert first != second
    assert len(set(first)) > 1


def test_a_chat_of_one_user_message_is_its_prompt(student: LocalTeacher) -> None:
    for prompt in prompts(3):
        chat = asked(prompt, intent="chat", material={}, messages=(("user", prompt),))
        raw = asked(prompt, intent="chat", material={}, messages=(("raw", prompt + "\nAnswer:"),))
        texts = [reply.text for reply in student.complete([asked(prompt), chat, raw], 1)]
        assert texts == texts[:1] * 3


@pytest.mark.parametrize("intent", ["propose", "evolve", "judge", "persona", "expand", "classify"])
def test_what_it_never_learned_is_refused(student: LocalTeacher, intent: str) -> None:
    assert intent not in student.intents
    with pytest.raises(TeacherError, match=f"trained to answer a prompt and cannot be asked to {intent}"):
        student.complete([asked("x", intent=intent)], 1)


def test_a_conversation_is_refused(student: LocalTeacher) -> None:
    talk = (("user", "a"), ("assistant", "b"), ("user", "c"))
    with pytest.raises(TeacherError, match="roles user, assistant, user"):
        student.complete([asked("x", intent="chat", messages=talk)], 1)


def test_it_is_a_real_model_known_by_its_weights(probe: Path) -> None:
    spec = parse_teacher("student:probe", {}, probe.parent)
    assert not spec.simulated
    assert spec.identity["model"] == ""
    (probe / "run.jsonl").write_text("{}")  # what the probe stage notes beside the weights
    assert parse_teacher(f"student:{probe}").identity == spec.identity
    teacher = build_teacher(spec, TASK, Access(), probe.parent)
    assert not teacher.simulated
    with pytest.raises(ConfigError, match="there is no folder"):
        parse_teacher("student:absent", {}, probe.parent)
    with pytest.raises(ConfigError, match="unknown option 'chat_template'"):
        student_teacher(TeacherSpec(kind="student", model=str(probe), options={"chat_template": "x"}), Access(), probe)
