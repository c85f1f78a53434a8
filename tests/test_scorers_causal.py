"""Losses of rows in a causal model: against a plain loop of transformers, one row at a time, and what is refused."""

import math
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdcbench.tasks.list_edits import ListEdits
from transformers import AutoModelForCausalLM, AutoTokenizer

from qdcbench.errors import ConfigError, DataError
from qdcbench.probes.start import answer_losses, base_of
from qdcbench.scorers.causal import CausalModel, causal_model, causal_of_base, score_losses
from qdcbench.scorers.pretrained import ModelOptions
from tests.tiny_models import save_model

ROWS = [
    ("Add 1 to 2", "3"),
    ("Say it twice: no", "no no"),
    ("Wie heißt 日本?", "Japan – «日本»"),
    ("Write a long line", "word " * 30),
    ("{braces} <user> and \x00", "NUL \x00 inside"),
]
TASK = ListEdits()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def text_folder(folder: Path) -> Path:
    return save_model(folder / "text", template=None)


@pytest.fixture(scope="module")
def chat_folder(folder: Path) -> Path:
    return save_model(folder / "chat", seed=2)


@pytest.fixture(scope="module")
def text_model(text_folder: Path) -> CausalModel:
    return causal_model(str(text_folder))


@torch.no_grad()
def plain_loss(folder: Path, before: str, scored: str, *, marks: bool) -> float:
    """Mean loss of the second text after the first by the model's own loss; with ``marks`` a start mark comes first."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    read = ([tokenizer.eos_token_id] if marks else []) + tokenizer(before)["input_ids"]
    answer = tokenizer(scored)["input_ids"]
    ids, labels = torch.tensor([read + answer]), torch.tensor([[-100] * len(read) + answer])
    return float(model(input_ids=ids, labels=labels).loss)


def test_columns_are_those_of_a_plain_loop(text_folder: Path, text_model: CausalModel) -> None:
    found = score_losses(text_model, ROWS)
    assert found.cut == 0
    for number, (prompt, completion) in enumerate(ROWS):
        expected = {
            "answer_nll": plain_loss(text_folder, f"{prompt}\n", completion, marks=True),
            "blank_nll": plain_loss(text_folder, "", completion, marks=True),
            "whole_nll": plain_loss(text_folder, "", f"{prompt}\n{completion}", marks=True),
        }
        for column, value in expected.items():
            assert getattr(found, column)[number] == pytest.approx(value, abs=2e-5), (column, prompt)


def test_a_chat_model_reads_its_template(chat_folder: Path) -> None:
    model = causal_model(str(chat_folder))
    found = score_losses(model, ROWS[:4], ("answer_nll", "blank_nll"))
    for number, (prompt, completion) in enumerate(ROWS[:4]):
        asked = f"<user>{prompt}<assistant>"
        answered = plain_loss(chat_folder, asked, completion, marks=False)
        assert found.answer_nll and found.answer_nll[number] == pytest.approx(answered, abs=2e-5)
        alone = plain_loss(chat_folder, "", completion, marks=True)
        assert found.blank_nll and found.blank_nll[number] == pytest.approx(alone, abs=2e-5)
    assert found.whole_nll is None
    text = score_losses(causal_model(str(chat_folder), chat=False), ROWS[:1])
    assert text.answer_nll is not None and text.answer_nll[0] != found.answer_nll[0]
    assert causal_model(str(chat_folder), chat=False).identity != model.identity


def test_the_base_of_a_task_has_the_losses_that_probes_report() -> None:
    base = base_of(TASK)
    rows = [(row.prompt, row.completion) for row in TASK.reference_rows(Random(1), 300)]
    found = score_losses(causal_of_base(base), rows)
    assert found.answer_nll == answer_losses(TASK, rows)
    model, tokenizer = base.open()
    for number in (0, 7):
        prompt, completion = rows[number]
        for column, before, scored in (
            ("blank_nll", tokenizer("\nAnswer:")["input_ids"], f" {completion}"),
            ("whole_nll", [tokenizer.eos_token_id], f"{prompt}\nAnswer: {completion}"),
        ):
            answer = tokenizer(scored)["input_ids"]
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([before + answer])).logits[0].log_softmax(-1)
            told = [-logits[len(before) - 1 + place, token].item() for place, token in enumerate(answer)]
            assert getattr(found, column)[number] == pytest.approx(math.fsum(told) / len(told), abs=1e-4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(ROWS))), room=st.sampled_from([1, 10**5, 10**8]))
def test_neither_order_nor_batches_change_a_loss(
    text_folder: Path, text_model: CausalModel, order: list[int], room: int
) -> None:
    from dataclasses import replace

    narrow = replace(text_model, pretrained=replace(text_model.pretrained, batch_bytes=room))
    shuffled = score_losses(narrow, [ROWS[i] for i in order]).answer_nll
    expected = score_losses(text_model, ROWS).answer_nll
    assert shuffled and expected
    assert [shuffled[order.index(i)] for i in range(len(ROWS))] == pytest.approx(list(expected), abs=2e-5)


def test_a_long_row_is_cut_at_the_prompts_beginning_and_counted(text_folder: Path) -> None:
    model = causal_model(str(text_folder), ModelOptions(longest=40))
    rows = [("x" * 100, "y" * 10), ("short", "answer"), ("p" * 15, "z" * 60), ("", "w" * 60)]
    found = score_losses(model, rows, ("answer_nll", "blank_nll"))
    assert found.cut == 3 and found.answer_nll and found.blank_nll
    # 40 places: 29 tokens of the prompt and its line's end, then ten of the answer; the start mark went first.
    assert found.answer_nll[0] == pytest.approx(
        plain_loss(text_folder, "x" * 29 + "\n", "y" * 10, marks=False), abs=2e-5
    )
    # Twenty places at least for an answer, and all that a short prompt leaves.
    assert found.answer_nll[2] == pytest.approx(
        plain_loss(text_folder, "p" * 15 + "\n", "z" * 23, marks=True), abs=2e-5
    )
    assert found.blank_nll[2] == pytest.approx(plain_loss(text_folder, "", "z" * 23, marks=True), abs=2e-5)
    assert found.answer_nll[3] == pytest.approx(plain_loss(text_folder, "\n", "w" * 38, marks=True), abs=2e-5)
    whole = score_losses(model, rows, ("whole_nll",))
    assert whole.cut == 3 and whole.whole_nll
    assert whole.whole_nll[0] == pytest.approx(plain_loss(text_folder, "", "x" * 39, marks=True), abs=2e-5)


def test_a_row_without_an_answer_has_no_loss_and_bad_text_has_one(text_model: CausalModel) -> None:
    found = score_losses(text_model, [("prompt", ""), ("lone \ud800 half", "\udfff"), ("a", "b")])
    assert found.answer_nll and found.blank_nll and found.whole_nll
    assert found.answer_nll[0] is None and found.blank_nll[0] is None
    numbers = [*found.answer_nll[1:], *found.blank_nll[1:], *found.whole_nll]
    assert all(value is not None and value > 0 for value in numbers)
    assert score_losses(text_model, []).answer_nll == ()


def test_an_answer_that_the_prompt_gives_away_is_likelier_with_it() -> None:
    rows = [(row.prompt, row.completion) for row in TASK.reference_rows(Random(5), 400)]
    single = [row for row in rows if (found := TASK.structure(row[0])) and found.depth == 1]
    found = score_losses(causal_of_base(base_of(TASK)), single)
    assert found.answer_nll and found.blank_nll
    ratios = [a / b for a, b in zip(found.answer_nll, found.blank_nll, strict=True) if a is not None and b]
    assert sum(ratio < 0.5 for ratio in ratios) > 0.9 * len(ratios)


def test_what_cannot_be_loaded_is_refused_in_a_sentence(folder: Path, text_folder: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        causal_model(str(folder / "none"))
    with pytest.raises(DataError, match="no chat template"):
        causal_model(str(text_folder), chat=True)
    with pytest.raises(ConfigError, match="revision"):
        causal_model(str(text_folder), ModelOptions(revision="main"))
    with pytest.raises(ConfigError, match="longest"):
        causal_model(str(text_folder), ModelOptions(longest=1))


def test_pickled_weights_are_never_read(folder: Path) -> None:
    pickled = save_model(folder / "pickled", template=None)
    model = AutoModelForCausalLM.from_pretrained(pickled)
    torch.save(model.state_dict(), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(DataError, match="cannot be loaded"):
        causal_model(str(pickled))


def test_weights_with_gaps_are_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = save_model(folder / "broken", template=None)
    weights = load_file(broken / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"lack model\.norm\.weight"):
        causal_model(str(broken))


def test_an_overwritten_folder_is_another_model(folder: Path) -> None:
    place = save_model(folder / "twice", template=None)
    before = causal_model(str(place)).identity
    assert causal_model(str(place)).identity == before
    save_model(place, seed=9, template=None)
    assert causal_model(str(place)).identity != before
