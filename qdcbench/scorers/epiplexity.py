"""Epiplexity: how many bits of structure a small model takes up while it reads the rows once. Expensive.

Epiplexity, arXiv:2601.03220, is the model's part of the best two-part code under a bound on compute; its prequential
estimate is about the area of the online loss above the final loss, over one pass of independent rows. That much is
the source's. Ours: the model, its training and the bound, which are fixed below; the final loss is the loss of the
trained model on the same tokens, so that each token counts with what was still to be learned when it came; prompts
and completions are read as one text each. The source takes the best of 5 to 30 trainings and calls one a crude rank;
this is one. The estimate grows with the number of rows and depends on the model: compare it at equal rows only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qdcbench.errors import DataError
from qdcbench.probes.muon import Muon
from qdcbench.probes.tiny import Shape, answer_logits, make_model, one_thread

__all__ = ["BYTES", "Bytes", "Epiplexity", "Reading", "epiplexity"]


@dataclass(frozen=True, slots=True)
class Bytes:
    """A tokenizer that owes nothing to any data: a token a byte of UTF-8, after a padding and an end mark."""

    pad_token_id: int = 0
    eos_token_id: int = 1

    def __len__(self) -> int:
        return 258

    def __call__(self, texts: Sequence[str]) -> dict[str, list[list[int]]]:
        """Return ``input_ids`` of each text; halves of surrogate pairs become question marks."""
        return {"input_ids": [[byte + 2 for byte in text.encode("utf-8", "replace")] for text in texts]}


BYTES = Bytes()
_SHAPE = Shape(layers=2, width=64, heads=4, inner=128, positions=256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The model and its one pass; all are our choices (assumed), the rates those of the shortest online code that a
    few settings gave on 500 rows of `list_edits`.

    ``batch`` rows a step keep steps small. ``matrix_rate`` is Muon's learning rate and ``vector_rate`` AdamW's for the
    rest; they rise over ``warmup`` steps and fall in a straight line to a tenth. Texts are cut to ``longest`` tokens.
    ``seed`` is that of the weights and of the order of rows.
    """

    shape: Shape = _SHAPE
    batch: int = 2
    matrix_rate: float = 0.01
    vector_rate: float = 0.03
    momentum: float = 0.9
    warmup: int = 10
    longest: int = 256
    seed: int = 20260103


@dataclass(frozen=True, kw_only=True, slots=True)
class Epiplexity:
    """``bits`` is the estimate for all rows together; losses are means in bits a token.

    ``entropy`` is the final loss: what the model could not learn, noise or not. ``cut`` texts were too long.
    """

    bits: float
    online: float
    entropy: float
    tokens: int
    rows: int
    cut: int

    @property
    def bits_a_row(self) -> float:
        """The estimate by row."""
        return self.bits / self.rows


def epiplexity(
    rows: Sequence[tuple[str, str]], *, tokenizer: Any = BYTES, reading: Reading | None = None
) -> Epiplexity:
    """Train a fresh small model once over prompt/completion pairs and return the area above its final loss.

    The rows are read in an order that their texts and the seed decide, so that a shuffle of them changes nothing.
    ``tokenizer`` is one of Hugging Face, such as that of a task's base; bytes by default.

    Raises:
        DataError: no row has a token.
    """
    reading = reading or Reading()
    tokens, cut = _tokens(rows, tokenizer, reading)
    if not tokens:
        raise DataError("epiplexity needs at least one row with a text")
    model = make_model(tokenizer, reading.shape, reading.seed)
    steps = [tokens[start : start + reading.batch] for start in range(0, len(tokens), reading.batch)]
    with one_thread():
        online = _trained(model, steps, reading, tokenizer)
        with torch.inference_mode():
            final = [float(_losses(model, rows, tokenizer).sum()) for rows in steps]
    count = sum(map(len, tokens))
    bits = (math.fsum(online) - math.fsum(final)) / math.log(2)
    return Epiplexity(
        bits=bits,
        online=math.fsum(online) / math.log(2) / count,
        entropy=math.fsum(final) / math.log(2) / count,
        tokens=count,
        rows=len(tokens),
        cut=cut,
    )


def _tokens(rows: Sequence[tuple[str, str]], tokenizer: Any, reading: Reading) -> tuple[list[list[int]], int]:
    """Tokens of each text with its end mark, in the order in which they are read, and how many were cut."""
    texts = sorted(f"{prompt}\n{completion}" for prompt, completion in rows)
    if not texts:
        return [], 0
    order = np.random.default_rng(reading.seed).permutation(len(texts)).tolist()
    full = [[*ids, tokenizer.eos_token_id] for ids in tokenizer([texts[i] for i in order])["input_ids"]]
    return [ids[: reading.longest] for ids in full], sum(1 for ids in full if len(ids) > reading.longest)


def _losses(model: Any, rows: Sequence[list[int]], tokenizer: Any) -> Tensor:
    """Losses of all tokens of some rows, in nats; each row begins after an end mark."""
    longest = max(map(len, rows))
    read = [[tokenizer.eos_token_id, *ids[:-1], *[0] * (longest - len(ids))] for ids in rows]
    labels = torch.tensor([[*ids, *[-100] * (longest - len(ids))] for ids in rows])
    places = torch.arange(longest).expand(len(rows), -1)
    logits = answer_logits(model, torch.tensor(read), places)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none")


def _trained(model: Any, steps: Sequence[Sequence[list[int]]], reading: Reading, tokenizer: Any) -> list[float]:
    """Train in place and return the loss of each step's tokens before the model learned from them, summed."""
    named = list(model.named_parameters())
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    rest = [weight for name, weight in named if not (weight.ndim == 2 and "embed" not in name)]
    muon = Muon(matrices, momentum=reading.momentum, weight_decay=0.0)
    adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0)
    online = []
    for number, rows in enumerate(steps):
        share = min((number + 1) / min(reading.warmup, len(steps)), 1 - 0.9 * number / len(steps))
        losses = _losses(model, rows, tokenizer)
        online.append(float(losses.detach().sum()))
        torch.autograd.backward(losses.sum() / sum(map(len, rows)))
        muon.step(reading.matrix_rate * share)
        adam.param_groups[0]["lr"] = reading.vector_rate * share
        adam.step()
        model.zero_grad(set_to_none=True)
    return online
