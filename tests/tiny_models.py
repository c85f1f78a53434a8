"""Real checkpoints small enough for a test: a chat model over bytes with random weights, and a trained probe."""

from pathlib import Path

ROLES = ("<system>", "<user>", "<assistant>")
TEMPLATE = (
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_model(
    folder: Path, *, seed: int = 0, positions: int = 512, template: str | None = TEMPLATE, brief: bool = False
) -> Path:
    """Save a Llama of two layers over single bytes, with a chat template of one token a role.

    A ``brief`` model ends its answers at every third kind of byte, so after a few tokens.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = ["<eos>", *ROLES, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    model = models.BPE(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[])
    bytes_only = Tokenizer(model)
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only, eos_token="<eos>", pad_token="<eos>", extra_special_tokens=list(ROLES)
    )
    if template is not None:
        tokenizer.chat_template = template
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=positions, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        language_model = LlamaForCausalLM(config)
    # `transformers serve` samples only where the checkpoint says so, whatever temperature a request asks for.
    language_model.generation_config = GenerationConfig(
        do_sample=True, eos_token_id=[0, *range(5, len(vocabulary), 3)] if brief else 0, pad_token_id=0
    )
    language_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_probe(folder: Path) -> Path:
    """Train the base of list_edits for a moment, as the probe stage does, and save it."""
    from random import Random

    from qdcbench.probes.recipe import recipe_named
    from qdcbench.probes.start import base_of
    from qdcbench.registry import discover

    task = discover().task("list_edits").plugin
    rows = [(row.prompt, row.completion) for row in task.reference_rows(Random(0), 200)]
    base_of(task).train(rows, recipe_named("glance"), 1, folder)
    return folder
