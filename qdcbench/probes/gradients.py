"""Rows as a small model feels them: each row's loss gradient, projected to few dimensions, as G-Vendi takes it."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import pad_sequence

from qdcbench.errors import DataError
from qdcbench.probes.recipe import recipe_named
from qdcbench.probes.start import Base
from qdcbench.probes.tiny import answer_logits, is_tiny, one_thread
from qdcbench.probes.train import encode

__all__ = ["row_gradients"]

_BATCH = 32
_MAX_TOKENS = recipe_named("embedded").max_tokens  # rows are cut as a probe's training cuts them
_ZERO = 1e-12
_SEED = 20250520
"""Of the projection: one for all rows and runs, so that gradients of different sets can be compared."""

Gradients = dict[str, Tensor]


def _padded(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Right-padded ids of prompts and answers, the places where an answer's token is foretold, and that token."""
    ids = pad_sequence([torch.tensor([*prompt, *answer[:-1]]) for prompt, answer in rows], True, pad)
    labels = pad_sequence([torch.tensor(answer) for _, answer in rows], True, -100)
    starts = torch.tensor([[len(prompt) - 1] for prompt, _ in rows])
    places = (starts + torch.arange(labels.shape[1])).clamp(max=ids.shape[1] - 1)
    return ids, places, labels


class _AnswerLoss(torch.nn.Module):
    """The mean loss of one row's answer tokens, in nats, as a module whose weights `functional_call` can replace."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, places: Tensor, labels: Tensor) -> Tensor:
        """Take ids (length), places (count) and labels (count, -100 where none) of one row; return a scalar."""
        logits = answer_logits(self.model, ids[None], places[None])[0]
        return F.cross_entropy(logits, labels, ignore_index=-100)


def _per_row(loss: _AnswerLoss) -> Callable[[Tensor, Tensor, Tensor], Gradients]:
    """A function from a batch of rows to their gradients by parameter, each batch × the parameter's shape."""
    weights = dict(loss.named_parameters())

    def of_row(weights: Gradients, ids: Tensor, places: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = functional_call(loss, weights, (ids, places, labels))
        return found

    def at_once(ids: Tensor, places: Tensor, labels: Tensor) -> Gradients:
        fixed = {name: weight.detach() for name, weight in weights.items()}
        return dict(vmap(grad(of_row), in_dims=(None, 0, 0, 0))(fixed, ids, places, labels))

    def in_turn(ids: Tensor, places: Tensor, labels: Tensor) -> Gradients:
        values = list(weights.values())
        rows = [
            torch.autograd.grad(loss(*row), values, materialize_grads=True)
            for row in zip(ids, places, labels, strict=True)
        ]
        return {name: torch.stack(parts) for name, parts in zip(weights, zip(*rows, strict=True), strict=True)}

    # A model that is not written out here may branch on its data, which vmap cannot follow.
    return at_once if is_tiny(loss.model) else in_turn


@lru_cache(maxsize=2)
def _opened(base: Base) -> tuple[Callable[[Tensor, Tensor, Tensor], Gradients], Any]:
    """A base's gradients by row and its tokenizer; kept, as a method asks again and again for a few rows."""
    model, tokenizer = base.open()
    return _per_row(_AnswerLoss(model)), tokenizer


@lru_cache(maxsize=4)
def _sketch(size: int, width: int) -> tuple[Tensor, Tensor]:
    """A bucket for each of ``size`` parameters, all buckets equally full but for one, and a sign for each."""
    rng = np.random.default_rng([_SEED, size, width])
    buckets = rng.permutation(np.arange(size) % width)
    signs = rng.integers(0, 2, size, dtype=np.int8) * np.int8(2) - np.int8(1)
    return torch.from_numpy(buckets), torch.from_numpy(signs.astype(np.float32))


def _projected(gradients: Gradients, width: int) -> Tensor:
    """Unit vectors (batch, width): signed sums of the gradients' entries over random buckets (a count sketch)."""
    flat = torch.cat([part.flatten(1) for part in gradients.values()], dim=1)
    buckets, signs = _sketch(flat.shape[1], width)
    sums = torch.zeros(width, len(flat)).index_add_(0, buckets, (flat * signs).T.contiguous())
    lengths = torch.linalg.vector_norm(sums, dim=0, dtype=torch.float64).clamp(min=_ZERO)
    vectors: Tensor = (sums / lengths).T.float()
    return vectors


def row_gradients(base: Base, rows: Sequence[tuple[str, str]], width: int = 1024) -> NDArray[np.float32]:
    """Return unit vectors (n, width): the gradient of each row's mean answer loss in the base, projected.

    ``rows`` are prompt/completion pairs. The gradient is by all parameters of the base as it ships. The projection
    is a count sketch, a sparse form of random signs that keeps inner products in expectation (Charikar et al. 2002);
    its seed is fixed. A row whose gradient is zero has a zero vector. After G-Vendi, arXiv:2505.20161, which takes a
    model of 0.5B parameters and dense random signs.

    Raises:
        DataError: ``width`` is below 1.
    """
    if width < 1:
        raise DataError(f"gradients cannot be projected to {width} dimensions; take 1 or more")
    vectors = np.zeros((len(rows), width), dtype=np.float32)
    per_row, tokenizer = _opened(base)
    tokens = encode(tokenizer, rows, _MAX_TOKENS) if rows else []
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    # Rows of like length share a batch, so that little is computed on padding.
    order = sorted(range(len(rows)), key=lambda i: (len(tokens[i][0]) + len(tokens[i][1]), i))
    # vmap has rules for attention written out, and only a warning for the fused kernel.
    with one_thread(), sdpa_kernel(SDPBackend.MATH):
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            found = per_row(*_padded([tokens[i] for i in batch], pad))
            vectors[batch] = _projected(found, width).numpy()
    return vectors
