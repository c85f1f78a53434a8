"""Ask a probe many things at once: greedy answers, and how likely it holds given answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .tiny import Cache, answer_logits, is_tiny, next_logits, one_thread

__all__ = ["generate", "log_likelihoods"]


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Row numbers, rows of like length together, so that little is padded."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])


def _greedy(model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], most: int) -> Tensor:
    """The tokens a tiny model continues each row with, end marks from the first one on."""
    ids = _padded(rows, tokenizer.pad_token_id)
    places = torch.tensor([len(row) - 1 for row in rows])
    cache = Cache([], ids.shape[1] + most)
    logits = answer_logits(model, ids, places[:, None], cache)[:, 0]
    tokens = torch.full((len(rows), most), tokenizer.eos_token_id)
    going = torch.ones(len(rows), dtype=torch.bool)
    for step in range(most):
        best = logits.argmax(-1)
        tokens[going, step] = best[going]
        going &= best != tokenizer.eos_token_id
        if not going.any() or step == most - 1:
            break
        places = places + 1
        logits = next_logits(model, best, places, cache)
    return tokens


def _greedy_any(model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], most: int) -> Tensor:
    """The same for any other causal model, by its own `generate`."""
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    longest = max(map(len, rows))
    ids = torch.tensor([[*[pad] * (longest - len(row)), *row] for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    found = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=most, do_sample=False, pad_token_id=pad)
    return torch.as_tensor(found)[:, longest:]


@torch.inference_mode()
def generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, max_new_tokens: int = 16, batch_size: int = 256
) -> list[str]:
    """The greedy continuation of each prompt, up to the end mark."""
    rows = tokenizer(list(prompts))["input_ids"]
    texts = [""] * len(rows)
    continue_rows = _greedy if is_tiny(model) else _greedy_any
    with one_thread():
        for numbers in _batches([len(row) for row in rows], batch_size):
            found = continue_rows(model, tokenizer, [rows[number] for number in numbers], max_new_tokens).tolist()
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
