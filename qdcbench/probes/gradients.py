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

__all__ = ["model_gradients", "row_gradients"]

_BATCH = 32
_MAX_TOKENS = recipe_named("embedded").max_tokens  # rows are cut as a probe's training cuts them
_ZERO = 1e-12
_SEED = 20250520
"""Of the projection: one for all rows and runs, so that gradients of different sets can be compared."""

_BALANCED = 2**24
"""Parameters up to which all buckets of a sketch are equally full."""

Gradients = dict[str, Tensor]
Tokens = tuple[list[int], list[int]]


def _padded(rows: Sequence[Tokens], pad: int) -> tuple[Tensor, Tensor, Tensor]:
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


def _at_once(model: Any) -> Callable[[Tensor, Tensor, Tensor], Gradients]:
    """A function from a batch of rows to their gradients by parameter, each batch × the parameter's shape."""
    loss = _AnswerLoss(model)
    weights = {name: weight.detach() for name, weight in loss.named_parameters()}

    def of_row(weights: Gradients, ids: Tensor, places: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = functional_call(loss, weights, (ids, places, labels))
        return found

    of_rows = vmap(grad(of_row), in_dims=(None, 0, 0, 0))
    return lambda ids, places, labels: dict(of_rows(weights, ids, places, labels))


@lru_cache(maxsize=2)
def _opened(base: Base) -> tuple[Any, Any]:
    """A base's model and tokenizer; kept, as a method asks again and again for a few rows."""
    return base.open()


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


@lru_cache(maxsize=2)
def _signed_buckets(sizes: tuple[int, ...], width: int, device: Any) -> tuple[Tensor, ...]:
    """For each parameter the bucket of each of its entries, plus ``width`` where its sign is minus, in 32 bits."""
    if sum(sizes) <= _BALANCED:
        buckets, signs = _sketch(sum(sizes), width)
        both = (buckets + width * (signs < 0)).int().to(device)
        return tuple(torch.split(both, list(sizes)))
    # A permutation of half a billion entries is too much: each bucket is drawn by itself.
    streams = (np.random.default_rng([_SEED, number, size, width]) for number, size in enumerate(sizes))
    drawn = (rng.integers(0, 2 * width, size, dtype=np.int32) for rng, size in zip(streams, sizes, strict=True))
    return tuple(torch.from_numpy(part).to(device) for part in drawn)


def _in_turn(model: Any, row: Tokens, width: int) -> Tensor:
    """The unit vector of one row for any model: one pass back, and a parameter after the other projected."""
    prompt, answer = row
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    buckets = _signed_buckets(tuple(weight.numel() for weight in weights), width, model.device)
    logits = model(input_ids=torch.tensor([[*prompt, *answer[:-1]]], device=model.device)).logits[0]
    labels = torch.tensor(answer, device=model.device)
    loss = F.cross_entropy(logits[len(prompt) - 1 :].float(), labels)
    sums = torch.zeros(2 * width, device=model.device)
    for part, found in zip(torch.autograd.grad(loss, weights, allow_unused=True), buckets, strict=True):
        if part is not None:
            sums.index_add_(0, found, part.flatten().float())
    sketch = (sums[:width] - sums[width:]).double()
    unit: Tensor = (sketch / torch.linalg.vector_norm(sketch).clamp(min=_ZERO)).float()
    return unit


def model_gradients(model: Any, rows: Sequence[Tokens], width: int = 1024, pad: int = 0) -> NDArray[np.float32]:
    """Return unit vectors (n, width): the gradient of the mean loss of each row's answer in a model, projected.

    ``rows`` are token ids of prompts and answers; the model is in evaluation mode, on any device. The projection is
    that of `row_gradients`, of which a model of more than some millions of parameters has a form that needs less
    memory. A row whose answer is empty has a zero vector.

    Raises:
        DataError: ``width`` is below 1.
    """
    if width < 1:
        raise DataError(f"gradients cannot be projected to {width} dimensions; take 1 or more")
    vectors = np.zeros((len(rows), width), dtype=np.float32)
    # Rows of like length share a batch, so that little is computed on padding.
    order = sorted((i for i, (_, answer) in enumerate(rows) if answer), key=lambda i: (sum(map(len, rows[i])), i))
    if not is_tiny(model):  # it may branch on its data, which vmap cannot follow
        for number in order:
            vectors[number] = _in_turn(model, rows[number], width).cpu().numpy()
        return vectors
    at_once = _at_once(model)
    # vmap has rules for attention written out, and only a warning for the fused kernel.
    with one_thread(), sdpa_kernel(SDPBackend.MATH):
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            found = at_once(*_padded([rows[i] for i in batch], pad))
            vectors[batch] = _projected(found, width).numpy()
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
    model, tokenizer = _opened(base)
    tokens = encode(tokenizer, rows, _MAX_TOKENS) if rows else []
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return model_gradients(model, tokens, width, pad)
