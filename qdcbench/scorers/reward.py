"""The scalar that a reward model gives a prompt with its completion: any sequence classifier with one label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from qdcbench.errors import DataError
from qdcbench.scorers.pretrained import ModelOptions, Pretrained, load_pretrained, plain

__all__ = ["Rewards", "reward_model", "score_rewards"]

_ROWS = 32
"""Rows of a batch at most."""
_TOKENS = 16_384
"""Tokens of a batch at most, padding included; a longer row stands alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewards:
    """The column of n scalars, and how many rows were longer than the model reads."""

    reward: tuple[float, ...]
    cut: int


def reward_model(source: str, options: ModelOptions | None = None) -> Pretrained:
    """Load a reward model from a folder, or by its name in the cache or on the hub.

    Raises:
        ConfigError: a wrong option.
        DataError: it cannot be loaded, or it has several labels and so no one scalar.
    """
    pretrained = load_pretrained("classifier", source, options)
    labels = int(pretrained.model.config.num_labels)
    if labels != 1:
        raise DataError(f"{source} tells {labels} labels apart and gives no scalar; take a reward model with one label")
    return pretrained


def score_rewards(model: Pretrained, rows: Sequence[tuple[str, str]]) -> Rewards:
    """Return the reward of each prompt/completion pair.

    They are a user's and an assistant's turn where the tokenizer has a chat template, else a pair of texts. A row that
    is too long loses the beginning of its tokens but for the first, so that the answer and its end mark are read.

    Raises:
        DataError: the chat template refuses a row, or a score is no number.
    """
    tokens = [_tokens(model, prompt, completion) for prompt, completion in rows]
    long = [number for number, columns in enumerate(tokens) if len(columns["input_ids"]) > model.longest]
    for number in long:
        tokens[number] = {
            name: values[:1] + values[len(values) - model.longest + 1 :] for name, values in tokens[number].items()
        }
    found = [0.0] * len(rows)
    for batch in _batches([len(columns["input_ids"]) for columns in tokens], alone=_padding(model) is None):
        for number, score in zip(batch, _scores(model, [tokens[number] for number in batch]), strict=True):
            found[number] = score
    return Rewards(reward=tuple(found), cut=len(long))


def _padding(model: Pretrained) -> int | None:
    """The padding that the model itself knows: a decoder looks for the last token before it."""
    padding = model.model.config.get_text_config().pad_token_id
    return padding if isinstance(padding, int) else None


def _tokens(model: Pretrained, prompt: str, completion: str) -> dict[str, list[int]]:
    tokenizer = model.tokenizer
    if getattr(tokenizer, "chat_template", None) is None:
        return {name: list(values) for name, values in tokenizer(plain(prompt), plain(completion)).items()}
    turns = [{"role": "user", "content": plain(prompt)}, {"role": "assistant", "content": plain(completion)}]
    try:
        encoded = tokenizer.apply_chat_template(turns, return_dict=True)
    except Exception as error:  # a template is a program of the checkpoint's author and may raise anything
        said = " ".join(str(error).split())[:300]
        raise DataError(
            f"the chat template of {model.identity} refuses a user's and an assistant's turn ({said})"
        ) from None
    return {name: list(values) for name, values in encoded.items()}


def _batches(lengths: Sequence[int], *, alone: bool) -> list[list[int]]:
    """Row numbers, rows of like length together; each row alone where the model knows no padding."""
    batches: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        full = not batches or alone or len(batches[-1]) == _ROWS
        if full or (len(batches[-1]) + 1) * lengths[number] > _TOKENS:
            batches.append([])
        batches[-1].append(number)
    return batches


@torch.inference_mode()
def _scores(model: Pretrained, rows: Sequence[dict[str, list[int]]]) -> list[float]:
    longest = max(len(row["input_ids"]) for row in rows)
    padding = {"input_ids": _padding(model) or 0}
    words: dict[str, Any] = {
        name: torch.tensor(
            [row[name] + [padding.get(name, 0)] * (longest - len(row[name])) for row in rows], device=model.device
        )
        for name in rows[0]
    }
    scores = model.model(**words).logits[:, 0].float()
    if not torch.isfinite(scores).all():
        raise DataError(f"a score of {model.identity} is not a number; set dtype to bfloat16 or float32")
    return [float(score) for score in scores.tolist()]
