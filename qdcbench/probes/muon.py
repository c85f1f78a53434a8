"""Muon, with matrices of one shape orthogonalised together: on tiny models several times faster than one by one."""

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalize"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


def orthogonalize(matrices: Tensor) -> Tensor:
    """The nearest matrices with singular values about one, for a stack count × rows × columns (Newton-Schulz)."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    wide: Tensor = matrices.transpose(1, 2) if tall else matrices
    result: Tensor = wide / wide.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(_ROUNDS):
        gram = result @ result.transpose(1, 2)
        result = a * result + (b * gram + c * gram @ gram) @ result
    return result.transpose(1, 2) if tall else result


class Muon:
    """Momentum whose step is orthogonalised (Jordan 2024), scaled to the size of an AdamW step (arXiv:2502.16982)."""

    def __init__(self, parameters: Iterable[Tensor], *, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        groups: dict[tuple[int, ...], list[Tensor]] = {}
        for parameter in parameters:
            groups.setdefault(tuple(parameter.shape), []).append(parameter)
        self._groups = list(groups.values())
        self._buffers = [torch.zeros(len(group), *group[0].shape) for group in self._groups]
        self._momentum = momentum
        self._weight_decay = weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all matrices by one step at the given learning rate."""
        for group, buffer in zip(self._groups, self._buffers, strict=True):
            gradients = torch.stack([parameter.grad for parameter in group if parameter.grad is not None])
            buffer.lerp_(gradients, 1 - self._momentum)
            updates = orthogonalize(gradients.lerp(buffer, self._momentum))
            scale = 0.2 * max(buffer.shape[1:]) ** 0.5
            for parameter, update in zip(group, updates, strict=True):
                parameter.mul_(1 - rate * self._weight_decay).add_(update, alpha=-rate * scale)
