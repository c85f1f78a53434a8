"""Train a tiny probe on prompt/completion pairs: deterministic for a seed on one thread, loss on the answer only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .muon import Muon
from .recipe import ProbeRecipe
from .tiny import answer_logits, load, one_thread, save

__all__ = ["PROMPT_END", "ProbeRecipe", "TrainedProbe", "encode", "fit", "prompt_text", "train_probe"]

PROMPT_END = "\nAnswer:"
"""What the probe reads between prompt and answer; the lm-eval tasks say the same."""

Tokens = tuple[list[int], list[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedProbe:
    """What a training used and where its loss ended."""

    steps: int
    tokens_seen: int
    final_loss: float
    losses: tuple[float, ...] = field(default=(), repr=False)


def prompt_text(prompt: str) -> str:
    """What the probe reads before it answers."""
    return prompt + PROMPT_END


def encode(tokenizer: Any, examples: Sequence[tuple[str, str]], max_tokens: int) -> list[Tokens]:
    """Token ids of each prompt and answer with its end mark; what is too long loses the prompt's beginning."""
    prompts = tokenizer([prompt_text(prompt) for prompt, _ in examples])["input_ids"]
    answers = tokenizer([" " + completion for _, completion in examples])["input_ids"]
    pairs = []
    for prompt, answer in zip(prompts, answers, strict=True):
        answer = [*answer[: max_tokens // 2], tokenizer.eos_token_id]
        pairs.append((prompt[-(max_tokens - len(answer)) :], answer))
    return pairs


def _orders(lengths: NDArray[np.int64], recipe: ProbeRecipe, seed: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each batch: epoch after epoch, rows of like length together within a few batches."""
    rng = np.random.default_rng(seed)
    size, pool = recipe.batch_size, recipe.batch_size * recipe.sort_batches
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < pool:
            waiting = np.concatenate((waiting, rng.permutation(len(lengths))))
        chosen, waiting = waiting[:pool], waiting[pool:]
        chosen = chosen[np.argsort(lengths[chosen], kind="stable")]
        for number in rng.permutation(recipe.sort_batches):
            yield chosen[number * size : (number + 1) * size]


def _pack(rows: Sequence[Tokens], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Right-padded ids, the places whose next token belongs to the answer, and that token (-100 where none)."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows) - 1
    most = max(len(answer) for _, answer in rows)
    ids = np.full((len(rows), longest), pad, dtype=np.int64)
    labels = np.full((len(rows), most), -100, dtype=np.int64)
    starts = np.empty((len(rows), 1), dtype=np.int64)
    for number, (prompt, answer) in enumerate(rows):
        text = [*prompt, *answer[:-1]]
        ids[number, : len(text)] = text
        labels[number, : len(answer)] = answer
        starts[number] = len(prompt) - 1
    places = np.minimum(starts + np.arange(most), longest - 1)
    return torch.from_numpy(ids), torch.from_numpy(places), torch.from_numpy(labels)


def _rate(step: int, recipe: ProbeRecipe) -> float:
    """The share of the learning rate at a step: a short rise, then down to nothing in a straight line."""
    return min((step + 1) / recipe.warmup_steps, 1 - step / recipe.steps)


def _is_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and "embed" not in name


class _Optimizer:
    """Muon for the matrices, AdamW for embeddings and the rest, both on one schedule."""

    def __init__(self, model: Any, recipe: ProbeRecipe) -> None:
        named = list(model.named_parameters())
        matrices = [parameter for name, parameter in named if _is_matrix(name, parameter)]
        rest = [parameter for name, parameter in named if not _is_matrix(name, parameter)]
        self._model, self._recipe = model, recipe
        self._muon = Muon(matrices, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        self._adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0, foreach=True)

    def step(self, number: int) -> None:
        """Use the gradients and forget them."""
        rate = _rate(number, self._recipe)
        self._muon.step(self._recipe.matrix_rate * rate)
        self._adam.param_groups[0]["lr"] = self._recipe.vector_rate * rate
        self._adam.step()
        self._model.zero_grad(set_to_none=True)


def fit(
    model: Any,
    tokenizer: Any,
    examples: Sequence[tuple[str, str]],
    recipe: ProbeRecipe,
    seed: int,
    watch: Callable[[int, float], None] | None = None,
) -> TrainedProbe:
    """Train the model in place; `watch` is told each step and its loss."""
    if not examples:
        raise ValueError("a probe cannot be trained on no examples")
    rows = encode(tokenizer, examples, recipe.max_tokens)
    lengths = np.array([len(prompt) + len(answer) for prompt, answer in rows])
    optimizer = _Optimizer(model, recipe)
    tokens_seen, losses = 0, []
    orders = _orders(lengths, recipe, seed)
    with one_thread():
        for step in range(recipe.steps):
            chosen = next(orders)
            ids, places, labels = _pack([rows[number] for number in chosen], tokenizer.pad_token_id)
            logits = answer_logits(model, ids, places)
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
            torch.autograd.backward(loss)
            optimizer.step(step)
            tokens_seen += int(lengths[chosen].sum())
            losses.append(loss.item())
            if watch is not None:
                watch(step, losses[-1])
    return TrainedProbe(
        steps=recipe.steps,
        tokens_seen=tokens_seen,
        final_loss=float(np.mean(losses[-20:])),
        losses=tuple(losses),
    )


def train_probe(
    base: Path, examples: Sequence[tuple[str, str]], recipe: ProbeRecipe, seed: int, out: Path | None = None
) -> tuple[Any, Any, TrainedProbe]:
    """Model, tokenizer and facts of a probe trained from the base checkpoint; written to `out` if one is given."""
    model, tokenizer = load(base)
    trained = fit(model, tokenizer, examples, recipe, seed)
    if out is not None:
        save(model, tokenizer, out)
    return model, tokenizer, trained
