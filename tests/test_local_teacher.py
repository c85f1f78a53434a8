"""A model in this process: what it writes depends on weights, question and seed, and every attempt is counted."""

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from qdcbench.api import Reply, Request, TeacherError
from qdcbench.errors import ConfigError
from qdcbench.records import Budget, Caps
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.stages.generate import generate, read_calls
from qdcbench.store import Store
from qdcbench.teachers.account import Access, CapReached, NotRecorded, Scope
from qdcbench.teachers.build import parse_teacher
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.in_process.local import LocalTeacher, local_teacher
from qdcbench.testing import tiny_spec
from tests.tiny_models import TEMPLATE, save_model

POSITIONS = 512


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "m", positions=POSITIONS)
    save_model(folder / "other", seed=1)
    return folder


@pytest.fixture
def teacher_of(models: Path) -> Iterator[Callable[..., LocalTeacher]]:
    made: list[LocalTeacher] = []

    def make(name: str = "m", access: Access | None = None, base: Path = models, **options: Any) -> LocalTeacher:
        made.append(local_teacher(parse_teacher(f"local:{name}", options, base), access or Access(), base))
        return made[-1]

    yield make
    for teacher in made:
        teacher.close()


def asked(text: str, **changes: Any) -> Request:
    return replace(
        Request(intent="chat", material={}, messages=(("system", "ab"), ("user", text)), max_tokens=8), **changes
    )


def mixed(**changes: Any) -> list[Request]:
    """Prompts of many lengths, out of order."""
    return [asked("é" * (1 + 7 * i % 23), **changes) for i in range(12)]


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_neighbours_in_a_batch_change_no_text(teacher_of: Any, temperature: float) -> None:
    requests = mixed(temperature=temperature)
    alone = [teacher_of(batch_size=1).complete([request], 1)[0] for request in requests]
    for size in (3, 5, 16):
        together = teacher_of(batch_size=size).complete(requests, 1)
        assert texts(together) == texts(alone)
        assert [r.completion_tokens for r in together] == [r.completion_tokens for r in alone]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(12)), size=st.integers(1, 12))
def test_order_changes_no_text(teacher_of: Any, order: list[int], size: int) -> None:
    requests = [asked("é" * (1 + 7 * i % 23), top_p=0.9, sample=i % 2) for i in range(12)]
    straight = texts(teacher_of().complete(requests, 1))
    turned = texts(teacher_of(batch_size=size).complete([requests[i] for i in order], 1))
    assert turned == [straight[i] for i in order]


def test_seed_and_sample_decide(teacher_of: Any) -> None:
    first, again, other = (texts(teacher_of().complete(mixed(), seed)) for seed in (1, 1, 2))
    assert first == again
    assert sum(a == b for a, b in zip(first, other, strict=True)) == 0
    assert texts(teacher_of().complete(mixed(sample=1), 1)) != first
    # A program's own seed goes before the role's.
    own = [texts(teacher_of().complete(mixed(extra={"seed": 7}), seed)) for seed in (1, 2)]
    assert own[0] == own[1] != first


def test_a_temperature_of_zero_is_the_limit_of_small_ones(teacher_of: Any) -> None:
    greedy = texts(teacher_of().complete(mixed(temperature=0.0), 1))
    assert texts(teacher_of().complete(mixed(temperature=0.0), 2)) == greedy
    assert texts(teacher_of().complete(mixed(temperature=1e-9), 2)) == greedy
    assert texts(teacher_of().complete(mixed(extra={"top_k": 1}), 2)) == greedy
    assert texts(teacher_of().complete(mixed(top_p=1e-9), 2)) == greedy


def chances(folder: Path, text: str, temperature: float, top_p: float) -> dict[str, float]:
    """What the model itself gives to each next text after a raw one, by a plain forward pass."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1]
    left, found = top_p, {}
    for chance, number in sorted(((c, n) for n, c in enumerate((logits.double() / temperature).softmax(-1).tolist())))[
        ::-1
    ]:
        if left <= 0:
            break
        written = tokenizer.decode([number], skip_special_tokens=True)
        found[written] = found.get(written, 0.0) + chance
        left -= chance
    total = sum(found.values())
    return {written: chance / total for written, chance in found.items()}


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (0.7, 0.8)])
def test_tokens_fall_as_often_as_the_model_says(
    models: Path, teacher_of: Any, temperature: float, top_p: float
) -> None:
    count = 1500
    requests = [
        Request(
            intent="chat", material={}, messages=(("raw", "some text"),), max_tokens=1, sample=i,
            temperature=temperature, top_p=top_p,
        )
        for i in range(count)
    ]  # fmt: skip
    expected = chances(models / "m", "some text", temperature, top_p)
    found = Counter(texts(teacher_of(batch_size=500).complete(requests, 3)))
    assert set(found) <= set(expected)
    often = [text for text, chance in expected.items() if chance * count >= 5]
    assert len(often) >= 3
    rows = [(found[text], expected[text] * count) for text in often]
    rare = count - sum(wanted for _, wanted in rows)
    if rare >= 5:
        rows.append((count - sum(seen for seen, _ in rows), rare))
    scale = sum(seen for seen, _ in rows) / sum(wanted for _, wanted in rows)
    assert chisquare([seen for seen, _ in rows], [wanted * scale for _, wanted in rows]).pvalue > 1e-4


def test_counts_are_real_tokens_and_the_end_is_named(teacher_of: Any) -> None:
    for reply, request in zip(teacher_of().complete(mixed(), 1), mixed(), strict=True):
        # One token for each of three roles, one for each byte.
        assert reply.prompt_tokens == 3 + sum(len(text.encode()) for _, text in request.messages)
        assert 1 <= reply.completion_tokens <= 8
        if reply.finish_reason == "length":
            assert reply.completion_tokens == 8
        else:
            assert reply.finish_reason == "stop"


def test_a_stop_text_cuts_the_answer_and_ends_the_writing(teacher_of: Any) -> None:
    whole = teacher_of().complete([asked("é", temperature=0.0, max_tokens=40)], 1)[0]
    for place in (0, 5, 12):
        mark = whole.text[place]
        cut = teacher_of().complete([asked("é", temperature=0.0, max_tokens=40, stop=("absent", mark))], 1)[0]
        assert cut.text == whole.text[: whole.text.index(mark)]
        assert cut.finish_reason == "stop"
        assert cut.completion_tokens < whole.completion_tokens
        # A row that ends early leaves its neighbours alone.
        pair = [asked("é", temperature=0.0, max_tokens=40, stop=(mark,)), asked("é", temperature=0.0, max_tokens=40)]
        assert texts(teacher_of().complete(pair, 1)) == [cut.text, whole.text]


def test_raw_text_is_continued_as_it_is(teacher_of: Any) -> None:
    raw = asked("", messages=(("raw", "<user>ab<assistant>"),), temperature=0.0)
    chat = asked("", messages=(("user", "ab"),), temperature=0.0)
    assert texts(teacher_of().complete([raw], 1)) == texts(teacher_of().complete([chat], 1))
    assert teacher_of().complete([replace(raw, messages=(("raw", ""),))], 1)[0].prompt_tokens == 1


def test_no_global_generator_is_touched(teacher_of: Any) -> None:
    def state() -> tuple[Any, ...]:
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002

    before = state()
    teacher_of("other").complete(mixed(), 1)
    assert state() == before


def test_an_answer_is_recorded_once_and_needs_no_weights_any_more(
    models: Path, teacher_of: Any, tmp_path: Path
) -> None:
    shutil.copytree(models / "m", tmp_path / "m")
    spec = parse_teacher("local:m", {}, tmp_path)
    access = Access(ledger=tmp_path / "ledger.sqlite")
    first = local_teacher(spec, access, tmp_path)
    replies = first.complete([*mixed(), mixed()[0]], 1)
    first.close()
    assert [reply.cached for reply in replies] == [False] * 12 + [True]
    assert replies[12] == replace(replies[0], cached=True)
    shutil.rmtree(tmp_path / "m")
    later = local_teacher(spec, replace(access, replay_only=True), tmp_path)
    assert texts(later.complete(mixed(), 1)) == texts(replies[:12])
    with pytest.raises(NotRecorded, match="1 of the questions have no recorded answer"):
        later.complete([asked("é"), asked("new")], 1)
    later.close()
    asking = local_teacher(spec, access, tmp_path)
    with pytest.raises(TeacherError, match=r"there is no folder .*; correct the path"):
        asking.complete([asked("new")], 1)
    asking.close()


def test_an_overwritten_checkpoint_is_another_teacher_wherever_it_lies(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "m", tmp_path / "there")
    here = parse_teacher("local:m", {}, models)
    there = parse_teacher("local:there", {}, tmp_path)
    assert here.identity == there.identity
    (tmp_path / "there" / "run.jsonl").write_text("{}")
    (tmp_path / "there" / "README.md").write_text("notes")
    assert parse_teacher("local:there", {}, tmp_path) == there
    shutil.copyfile(models / "other" / "model.safetensors", tmp_path / "there" / "model.safetensors")
    assert parse_teacher("local:there", {}, tmp_path).identity != here.identity
    with pytest.raises(ConfigError, match="it was overwritten"):
        local_teacher(there, Access(), tmp_path)
    overwritten = local_teacher(here, Access(), models)
    assert overwritten.complete([asked("a")], 1)[0].text
    overwritten.close()


def test_caps_end_a_batch_and_what_was_answered_is_kept(teacher_of: Any) -> None:
    capped = Access(scopes=(Scope(name="suite:s", caps=Caps(calls=5)),))
    teacher = teacher_of(access=capped, batch_size=4)
    with pytest.raises(CapReached) as caught:
        teacher.complete(mixed(), 1)
    assert isinstance(caught.value, PartlyAnswered)
    assert sum(reply is not None for reply in caught.value.replies) == 5
    assert len(caught.value.replies) == 12
    with pytest.raises(CapReached):
        teacher.complete([asked("one more")], 1)


def test_room_for_a_part_of_a_batch_is_used(teacher_of: Any) -> None:
    # Bounds of 8 answers fill the cap before one is written; short answers leave room for more.
    requests = [asked(str(i), max_tokens=400, stop=tuple(map(chr, range(32, 127)))) for i in range(8)]
    spent = sum(r.prompt_tokens + r.completion_tokens for r in teacher_of().complete(requests, 1))
    room = spent + 2 * 420
    assert room < 8 * 400
    access = Access(scopes=(Scope(name="suite:s", caps=Caps(tokens=room)),))
    assert texts(teacher_of(access=access).complete(requests, 1)) == texts(teacher_of().complete(requests, 1))


def test_threads_share_batches_and_change_nothing(teacher_of: Any) -> None:
    teacher = teacher_of(batch_size=3)
    requests = [asked("é" * (1 + i % 9), sample=i) for i in range(40)]
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda request: teacher.complete([request], 1)[0].text, requests))
    assert found == texts(teacher_of().complete(requests, 1))


@pytest.mark.parametrize(
    ("options", "request_", "sentence"),
    [
        ({}, asked("x" * POSITIONS), rf"has {POSITIONS + 5} tokens and may have 1 to {POSITIONS - 1}"),
        ({"max_prompt_tokens": 10}, asked("x" * 6), "has 11 tokens and may have 1 to 10"),
        ({"chat_template": "{{ raise_exception('no system') }}"}, asked("x"), r"refuses .* system, user \(no system\)"),
        ({}, asked("x", extra={"logit_bias": {"1": 2}}), r"does not know the request's field logit_bias = {'1': 2}"),
        ({"dtype": "float16", "device": "nowhere"}, asked("x"), "cannot be loaded as a causal language model"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    teacher_of: Any, options: dict[str, Any], request_: Request, sentence: str
) -> None:
    with pytest.raises(TeacherError, match=sentence):
        teacher_of(**options).complete([request_], 1)


def test_neutral_fields_of_a_foreign_body_change_nothing(teacher_of: Any) -> None:
    extra = {"n": 1, "stream": False, "presence_penalty": 0.0, "user": "me", "logit_bias": None}
    assert texts(teacher_of().complete([asked("x", extra=extra)], 1)) == texts(teacher_of().complete([asked("x")], 1))


def test_a_template_may_be_given_and_one_is_needed(teacher_of: Any, tmp_path: Path) -> None:
    save_model(tmp_path / "bare", template=None)
    with pytest.raises(TeacherError, match="has no chat template; set the option chat_template, or ask with one raw"):
        teacher_of("bare", base=tmp_path).complete([asked("x")], 1)
    given_one = teacher_of("bare", base=tmp_path, chat_template=TEMPLATE)
    assert texts(given_one.complete(mixed(), 1)) == texts(teacher_of().complete(mixed(), 1))


def test_folders_that_hold_no_model_are_named(teacher_of: Any, models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(models / "m", tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=r"holds no checkpoint \(no config.json\)"):
        teacher_of("empty", base=tmp_path)
    with pytest.raises(ConfigError, match=r"there is no folder .*; correct the path"):
        teacher_of("./absent", base=tmp_path)
    with pytest.raises(TeacherError, match=r"cannot be loaded as a causal language model"):
        teacher_of("broken", base=tmp_path).complete([asked("x")], 1)
    with pytest.raises(ConfigError, match=r"unknown option 'bach_size'; did you mean 'batch_size'"):
        teacher_of(bach_size=2)
    with pytest.raises(ConfigError, match="batch_size is 0 and must be at least 1"):
        teacher_of(batch_size=0)


def test_a_checkpoint_with_a_gap_is_refused_and_no_random_number_is_drawn(
    teacher_of: Any, models: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(models / "m", tmp_path / "gap")
    weights = load_file(tmp_path / "gap" / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "gap" / "model.safetensors", metadata={"format": "pt"})
    before = torch.get_rng_state().tolist()
    with pytest.raises(TeacherError, match=r"its weights lack model\.layers\.0\.mlp\.up_proj\.weight"):
        teacher_of("gap", base=tmp_path).complete([asked("x")], 1)
    assert torch.get_rng_state().tolist() == before


def test_pickled_weights_are_never_read(teacher_of: Any, models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "m", tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(TeacherError, match="safetensors"):
        teacher_of("pickled", base=tmp_path).complete([asked("x")], 1)


def test_a_name_that_is_nowhere_is_one_sentence(tmp_path: Path) -> None:
    # Another process, for the hub's address is read when its client is imported.
    code = (
        "from pathlib import Path; from qdcbench.teachers.build import parse_teacher; "
        "from qdcbench.teachers.in_process.local import local_teacher; from qdcbench.teachers.account import Access; "
        "from qdcbench.api import Request, TeacherError\n"
        "teacher = local_teacher(parse_teacher('local:nobody/nothing'), Access(), Path())\n"
        "try: teacher.complete([Request(intent='chat', material={}, messages=(('user', 'x'),))], 1)\n"
        "except TeacherError as error: print(error)\n"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": "/usr/bin"}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.startswith("teacher local:nobody/nothing: nobody/nothing is no folder here and was not found")
    assert "hf download nobody/nothing" in out.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own address space")
def test_too_little_memory_is_one_sentence_and_charged_nothing(models: Path) -> None:
    code = """
import sys, resource
from pathlib import Path
from dataclasses import replace
from qdcbench.api import Request, TeacherError
from qdcbench.records import Caps
from qdcbench.teachers.account import Access, Scope
from qdcbench.teachers.build import parse_teacher
from qdcbench.teachers.in_process.local import local_teacher
base = Path(sys.argv[1])
access = Access(scopes=(Scope(name="suite:s", caps=Caps(tokens=900_000)),))
teacher = local_teacher(parse_teacher("local:m", {"batch_size": 1024}, base), access, base)
def asked(i): return Request(intent="chat", material={}, messages=(("user", "x" * 400),), max_tokens=2, sample=i)
first = teacher.complete([asked(0)], 1)
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 100 * 2**20, resource.RLIM_INFINITY))
try:
    teacher.complete([asked(i) for i in range(1, 1025)], 1)
except TeacherError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = local_teacher(parse_teacher("local:m", {}, base), access, base)
print(len(again.complete([asked(i) for i in range(8)], 1)))
"""
    out = subprocess.run([sys.executable, "-c", code, str(models)], capture_output=True, text=True, check=True)
    said, answered = out.stdout.splitlines()
    assert "there is not enough memory for 1024 prompts at once; lower batch_size" in said
    assert answered == "8"


def test_a_method_runs_to_the_end_of_its_calls(tmp_path: Path) -> None:
    save_model(tmp_path / "m", positions=8192)
    registry = discover()

    def made(folder: str) -> tuple[Any, Any]:
        spending = Spending(ledger=tmp_path / "ledger.sqlite", suite="s")
        bench = Bench(registry=registry, store=Store(tmp_path / folder), base=tmp_path, spending=spending)
        spec = replace(
            tiny_spec(registry.method("self_instruct")),
            teacher=parse_teacher("local:m", {"batch_size": 4}, tmp_path),
            budget=Budget(name="b", examples=5, teacher_tokens=None, teacher_calls=12),
        )
        return generate(spec, bench), read_calls(spec, bench)

    dataset, calls = made("one")
    assert dataset.usage.calls == len(calls) <= 12
    assert dataset.stopped_by in {"teacher calls", "method", "examples"}
    assert dataset.usage.prompt_tokens > 0
    assert {call.teacher for call in calls} == {"local:m"}
    assert all(call.key and not call.cached for call in calls)
    again, replayed = made("two")
    assert (again.sha256, again.attempts, again.usage) == (dataset.sha256, dataset.attempts, dataset.usage)
    assert all(call.cached for call in replayed)
