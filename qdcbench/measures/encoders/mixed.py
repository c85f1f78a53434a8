"""Linear layers that multiply in bfloat16 while everything around them stays in float32."""

from torch import Tensor, nn

__all__ = ["multiply_in_bfloat16"]


class _MixedLinear(nn.Module):
    """A linear layer whose input and weight are rounded to bfloat16; the bias and what follows are float32."""

    def __init__(self, exact: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", exact.weight.detach().bfloat16())
        self.register_buffer("bias", exact.bias.detach())

    def forward(self, states: Tensor) -> Tensor:
        """Return ``states`` (..., in) times the weight plus the bias, (..., out) in float32."""
        # The bias is added after: adding it before the product is rounded would round it too.
        assert isinstance(self.weight, Tensor) and isinstance(self.bias, Tensor)
        return nn.functional.linear(states.bfloat16(), self.weight).float().add_(self.bias)


def multiply_in_bfloat16(model: nn.Module) -> nn.Module:
    """Put such layers in the place of all linear layers of the model and return it.

    The sums between layers, their norms, the softmax and the activations keep float32, where most of the
    error of a model that is bfloat16 throughout comes from.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, _MixedLinear(child))
    return model
