"""The embedded probe: a GPT-NeoX of a few layers that `transformers` saves and loads like any other.

GPT-NeoX because it has rotary positions and the layer norm that is fast on a CPU. `answer_logits` is its forward
pass written out: same weights, same numbers, but the last layer is computed only where an answer is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM
from transformers.utils.logging import disable_progress_bar

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Cache", "Shape", "answer_logits", "is_tiny", "load", "make_model", "next_logits", "one_thread", "save"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The size of a tiny transformer."""

    layers: int = 3
    width: int = 64
    heads: int = 4
    inner: int = 128
    positions: int = 160


def make_model(tokenizer: "PreTrainedTokenizerBase", shape: Shape, seed: int) -> GPTNeoXForCausalLM:
    """A model with fresh weights; the global generator is left as it was."""
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.positions,
        hidden_act="relu",
        use_parallel_residual=False,
        attention_bias=False,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0},
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        model = GPTNeoXForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                scale = 0.05 if "embed" in name else parameter.shape[1] ** -0.5
                parameter.normal_(0.0, scale, generator=generator)
    return model.eval()


@dataclass(slots=True)
class Cache:
    """Keys and values of the places read so far, a pair a layer, each batch × heads × room × head width."""

    layers: list[tuple[Tensor, Tensor]]
    room: int


def _rotation(model: Any, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines for places batch × length; each batch × length × all of query, key and value.

    Values turn by no angle: one contiguous product over all three is faster than two over a part.
    """
    angles = positions[..., None].float() * model.gpt_neox.rotary_emb.inv_freq
    cosine, sine = angles.cos(), angles.sin()
    still = torch.ones_like(cosine), torch.zeros_like(sine)
    heads = model.config.num_attention_heads
    cosines = torch.cat((cosine,) * 4 + (still[0],) * 2, dim=-1)
    sines = torch.cat((-sine, sine) * 2 + (still[1],) * 2, dim=-1)
    return cosines.repeat(1, 1, heads), sines.repeat(1, 1, heads)


def _rotate(mixed: Tensor, rotation: tuple[Tensor, Tensor], width: int) -> Tensor:
    """Rotary positions on batch × length × all of query, key and value."""
    cosines, sines = rotation
    swapped = mixed.view(*mixed.shape[:2], -1, 2, width // 2).flip(-2).view(mixed.shape)
    return torch.addcmul(mixed * cosines, swapped, sines)


def _norm(module: Any, states: Tensor) -> Tensor:
    return F.layer_norm(states, module.normalized_shape, module.weight, module.bias, module.eps)


def _finish(layer: Any, states: Tensor, attended: Tensor) -> Tensor:
    """The rest of a layer after attention: projection, feed-forward, both residual."""
    attention = layer.attention.dense
    states = states + F.linear(attended.transpose(1, 2).flatten(2), attention.weight, attention.bias)
    up, down = layer.mlp.dense_h_to_4h, layer.mlp.dense_4h_to_h
    inner = F.relu(F.linear(_norm(layer.post_attention_layernorm, states), up.weight, up.bias))
    return states + F.linear(inner, down.weight, down.bias)


def _heads(layer: Any, states: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each batch × heads × length × head width."""
    heads = layer.attention.query_key_value
    mixed = F.linear(_norm(layer.input_layernorm, states), heads.weight, heads.bias)
    width = layer.attention.head_size
    mixed = _rotate(mixed, rotation, width).view(*mixed.shape[:2], -1, 3, width)
    queries, keys, values = mixed.permute(3, 0, 2, 1, 4)
    return queries, keys, values


def _at(states: Tensor, places: Tensor) -> Tensor:
    """The states batch × length × width at places batch × count."""
    return states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))


def answer_logits(model: Any, ids: Tensor, places: Tensor, cache: Cache | None = None) -> Tensor:
    """Logits batch × count × vocabulary at the given places of right-padded rows; fills the cache if one is given.

    Any other causal model answers too, by its own forward pass and without a cache.
    """
    if not is_tiny(model):
        return _at(model(input_ids=ids).logits, places)
    body = model.gpt_neox
    positions = torch.arange(ids.shape[1])[None].expand(ids.shape[0], -1)
    rotation = _rotation(model, positions[:1])
    states = F.embedding(ids, body.embed_in.weight)
    last = len(body.layers) - 1
    for number, layer in enumerate(body.layers):
        queries, keys, values = _heads(layer, states, rotation)
        if cache is not None:
            room = (0, 0, 0, cache.room - ids.shape[1])
            cache.layers.append((F.pad(keys, room), F.pad(values, room)))
        if number < last:
            states = _finish(layer, states, F.scaled_dot_product_attention(queries, keys, values, is_causal=True))
        else:
            chosen = places[:, None, :, None].expand(-1, queries.shape[1], -1, queries.shape[3])
            mask = positions[:, None, None] <= places[:, None, :, None]
            attended = F.scaled_dot_product_attention(queries.gather(2, chosen), keys, values, attn_mask=mask)
            states = _finish(layer, _at(states, places), attended)
    return F.linear(_norm(body.final_layer_norm, states), body.embed_in.weight)


def next_logits(model: Any, tokens: Tensor, places: Tensor, cache: Cache) -> Tensor:
    """Logits batch × vocabulary after one more token a row, which stands at its own place and joins the cache."""
    body = model.gpt_neox
    rotation = _rotation(model, places[:, None])
    states = F.embedding(tokens[:, None], body.embed_in.weight)
    rows = torch.arange(len(tokens))
    mask = (torch.arange(cache.room)[None] <= places[:, None])[:, None, None]
    for layer, (keys, values) in zip(body.layers, cache.layers, strict=True):
        query, key, value = _heads(layer, states, rotation)
        keys[rows, :, places] = key[:, :, 0]
        values[rows, :, places] = value[:, :, 0]
        states = _finish(layer, states, F.scaled_dot_product_attention(query, keys, values, attn_mask=mask))
    return F.linear(_norm(body.final_layer_norm, states), body.embed_in.weight)[:, 0]


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for as long as it lasts: tiny models gain nothing from more, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_tiny(model: Any) -> bool:
    """Whether the forward pass written out here is that of the model."""
    config = model.config
    return (
        config.model_type == "gpt_neox"
        and config.hidden_act == "relu"
        and not config.use_parallel_residual
        and config.rope_parameters["partial_rotary_factor"] == 1.0
    )


def save(model: Any, tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Write a checkpoint any `transformers` program can load."""
    disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load(folder: Path) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model, in 32 bits, and the tokenizer of a checkpoint."""
    disable_progress_bar()  # a bar for a file of half a megabyte, hundreds of times a suite
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)
