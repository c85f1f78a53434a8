"""Ask a probe many things at once: greedy or sampled answers, and how likely it holds given answers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import shake_256
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LogitsProcessorList

from .tiny import Cache, answer_logits, is_tiny, next_logits, one_thread

__all__ = ["Sampling", "generate", "log_likelihoods"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Draw tokens instead of taking the likeliest.

    ``temperature`` above 0 divides the logits; ``top_p`` above 0 and at most 1 keeps the likeliest tokens that
    together reach it. ``numbers`` tells equal prompts apart, one number a prompt (empty: all 0). A sample depends on
    seed, prompt and its number, and not on what else is asked, up to the rounding of sums.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Draw:
    """How the next tokens of some rows are taken: from noise rows × steps in [0, 1), or greedily where it is None."""

    noise: Tensor | None = None
    temperature: float = 1.0
    top_p: float = 1.0

    def rows(self, chosen: Sequence[int] | Tensor) -> "_Draw":
        """The same for some of the rows, in that order."""
        return self if self.noise is None else _Draw(self.noise[chosen], self.temperature, self.top_p)

    def tokens(self, logits: Tensor, step: int) -> Tensor:
        """One token a row for logits rows × vocabulary."""
        if self.noise is None:
            return logits.argmax(-1)
        shares = (logits.double() / self.temperature).softmax(-1)
        if self.top_p < 1:
            largest, order = shares.sort(stable=True, dim=-1, descending=True)
            beyond = largest.cumsum(-1) - largest >= self.top_p
            shares = shares.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), 0.0)
        sums = shares.cumsum(-1)
        # The first token whose sum lies above the point: one without a share is never taken.
        return torch.searchsorted(sums, self.noise[:, step, None] * sums[:, -1:], right=True)[:, 0]


def _draw(prompts: Sequence[str], sampling: Sampling | None, most: int) -> _Draw:
    """Noise of every prompt out of its own digest, so that it is the same in any batch and on any machine."""
    if sampling is None:
        return _Draw()
    numbers = sampling.numbers or (0,) * len(prompts)
    names = [json.dumps([sampling.seed, number, prompt]) for number, prompt in zip(numbers, prompts, strict=True)]
    digests = b"".join(shake_256(name.encode()).digest(8 * most) for name in names)
    noise = (np.frombuffer(digests, dtype="<u8") >> 11) * 2.0**-53
    return _Draw(torch.from_numpy(noise.reshape(len(prompts), most)), sampling.temperature, sampling.top_p)


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Row numbers, rows of like length together, so that little is padded."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])


def _continue(model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], most: int, draw: _Draw) -> Tensor:
    """The tokens a tiny model continues each row with, end marks from the first one on."""
    ids = _padded(rows, tokenizer.pad_token_id)
    places = torch.tensor([len(row) - 1 for row in rows])
    cache = Cache([], ids.shape[1] + most)
    logits = answer_logits(model, ids, places[:, None], cache)[:, 0]
    tokens = torch.full((len(rows), most), tokenizer.eos_token_id)
    there = torch.arange(len(rows))  # the rows that are still computed
    going = torch.ones(len(rows), dtype=torch.bool)  # of them those that have not ended
    for step in range(most):
        best = draw.tokens(logits, step)
        tokens[there[going], step] = best[going]
        going &= best != tokenizer.eos_token_id
        if not going.any() or step == most - 1:
            break
        # A few long answers must not keep a whole batch busy.
        if 2 * int(going.sum()) <= len(there):
            there, places, best, draw = there[going], places[going], best[going], draw.rows(going)
            cache.layers = [(keys[going], values[going]) for keys, values in cache.layers]
            going = going[going]
        places = places + 1
        logits = next_logits(model, best, places, cache)
    return tokens


def _continue_any(model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], most: int, draw: _Draw) -> Tensor:
    """The same for any other causal model, by its own `generate`."""
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    longest = max(map(len, rows))
    ids = torch.tensor([[*[pad] * (longest - len(row)), *row] for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])

    def drawn(before: Tensor, logits: Tensor) -> Tensor:
        """Leave the drawn token alone possible."""
        tokens = draw.tokens(logits, before.shape[1] - longest)[:, None]
        return torch.full_like(logits, -torch.inf).scatter(1, tokens, 0.0)

    processors = LogitsProcessorList([] if draw.noise is None else [drawn])
    found = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=most, do_sample=False, pad_token_id=pad,
        logits_processor=processors,
    )  # fmt: skip
    return torch.as_tensor(found)[:, longest:]


@torch.inference_mode()
def generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, max_new_tokens: int = 16, batch_size: int = 256,
    sampling: Sampling | None = None,
) -> list[str]:  # fmt: skip
    """The continuation of each prompt up to the end mark: the greedy one, or a sample."""
    rows = tokenizer(list(prompts))["input_ids"]
    texts = [""] * len(rows)
    draw = _draw(prompts, sampling, max_new_tokens)
    continue_rows = _continue if is_tiny(model) else _continue_any
    with one_thread():
        for numbers in _batches([len(row) for row in rows], batch_size):
            chosen = [rows[number] for number in numbers]
            found = continue_rows(model, tokenizer, chosen, max_new_tokens, draw.rows(numbers)).tolist()
            for number, row in zip(numbers, found, strict=True):
                end = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
                texts[number] = tokenizer.decode(row[:end])
    return texts


@torch.inference_mode()
def log_likelihoods(
    model: Any, tokenizer: Any, pairs: Sequence[tuple[str, str]], *, batch_size: int = 256
) -> list[tuple[float, bool, int]]:
    """For each prompt and continuation: its log-likelihood in nats, whether it is the greedy one, its tokens."""
    prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
    answers = tokenizer([answer for _, answer in pairs])["input_ids"]
    results: list[tuple[float, bool, int]] = [(0.0, True, 0)] * len(pairs)
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    with one_thread():
        for numbers in _batches(lengths, batch_size):
            ids = _padded([prompts[n] + answers[n][:-1] for n in numbers], tokenizer.pad_token_id)
            labels = _padded([answers[n] for n in numbers], -100)
            starts = torch.tensor([len(prompts[n]) - 1 for n in numbers])
            places = (starts[:, None] + torch.arange(labels.shape[1])).clamp(max=ids.shape[1] - 1)
            logits = answer_logits(model, ids, places)
            known = labels != -100
            gold = F.log_softmax(logits, dim=-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
            sums = (gold * known).sum(1).tolist()
            greedy = ((logits.argmax(-1) == labels) | ~known).all(1).tolist()
            for row, number in enumerate(numbers):
                results[number] = (sums[row], greedy[row], len(answers[number]))
    return results
