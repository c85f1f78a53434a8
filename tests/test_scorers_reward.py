"""Reward models: any sequence classifier with one label, equal to a loop of one row at a time."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
)

from qdcbench.errors import DataError
from qdcbench.scorers.pretrained import ModelOptions
from qdcbench.scorers.reward import reward_model, score_rewards
from tests.tiny_models import TEMPLATE, save_model

ROWS = [
    ("Add 1 to 2", "3"),
    ("Say it twice: no", "no no"),
    ("Wie heißt 日本?", "Japan " * 9),
    ("", "x"),
    ("\ud800", "y"),
]


def save_classifier(folder: Path, *, labels: int = 1, pad: int | None = 0, template: str | None = TEMPLATE) -> Path:
    save_model(folder, template=template)
    (folder / "model.safetensors").unlink()
    config = LlamaConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)), hidden_size=32, intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512,
        num_labels=labels, pad_token_id=pad, bos_token_id=0, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


@torch.no_grad()
def loop(folder: Path, texts: list[str]) -> list[float]:
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [float(model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, 0]) for text in texts]


@pytest.mark.parametrize("pad", [0, None])
def test_rewards_are_those_of_a_plain_loop(tmp_path: Path, pad: int | None) -> None:
    folder = save_classifier(tmp_path / "chat", pad=pad)
    found = score_rewards(reward_model(str(folder)), ROWS)
    texts = [f"<user>{prompt}<assistant>{completion}".replace("\ud800", "?") for prompt, completion in ROWS]
    assert found.reward == pytest.approx(loop(folder, texts), abs=1e-5) and found.cut == 0
    assert len(set(found.reward)) == len(ROWS)
    turned = score_rewards(reward_model(str(folder)), ROWS[::-1])
    assert turned.reward[::-1] == pytest.approx(found.reward, abs=1e-5)
    assert score_rewards(reward_model(str(folder)), []).reward == ()


def test_without_a_chat_template_the_texts_are_a_pair(tmp_path: Path) -> None:
    save_model(tmp_path, template=None)
    (tmp_path / "model.safetensors").unlink()
    words = len(AutoTokenizer.from_pretrained(tmp_path))
    config = BertConfig(
        vocab_size=words, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128, num_labels=1, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = BertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    found = score_rewards(reward_model(str(tmp_path)), ROWS[:3])
    for (prompt, completion), reward in zip(ROWS[:3], found.reward, strict=True):
        encoded = tokenizer(prompt, completion, return_tensors="pt")
        assert reward == pytest.approx(model(**encoded).logits.item(), abs=1e-5)


def test_a_long_row_keeps_its_first_token_and_its_end(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "m")
    found = score_rewards(reward_model(str(folder), ModelOptions(longest=32)), [("x" * 99, "the answer"), ("a", "b")])
    assert found.cut == 1
    # One place is the first token's, one the mark's before the ten of the answer: twenty are left of the prompt.
    kept = "<user>" + "x" * 20 + "<assistant>" + "the answer"
    assert found.reward == pytest.approx(loop(folder, [kept, "<user>a<assistant>b"]), abs=1e-5)


def test_what_gives_no_scalar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tells 3 labels apart"):
        reward_model(str(save_classifier(tmp_path / "three", labels=3)))
    # A language model has no trained head, and the loader would make one up.
    with pytest.raises(DataError, match=r"lack score\.weight"):
        reward_model(str(save_model(tmp_path / "language")))
    refusing = save_classifier(tmp_path / "refuses", template="{{ raise_exception('no such roles') }}")
    with pytest.raises(DataError, match="no such roles"):
        score_rewards(reward_model(str(refusing)), ROWS[:1])
