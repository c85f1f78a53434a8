"""Any model of sentence-transformers, by its name or folder, as it comes."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from qdcbench.errors import DataError
from qdcbench.measures.encoders.unicode import well_formed

__all__ = ["PREFIX", "cut_texts", "named", "pieces_read"]

PREFIX = "st:"
"""Start of an encoder's name that is a model of sentence-transformers."""


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the bars of loading weights out of the terminal, which has its own display."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise DataError(
            f"the encoder '{PREFIX}{name}' needs sentence-transformers, which is not installed; "
            "install qdcbench[encoders]"
        ) from error
    try:
        with _no_bars():
            # Code that comes with a model is never run.
            return SentenceTransformer(name, device="cpu", trust_remote_code=False)
    except Exception as error:
        # What the loaders raise is not documented: missing files, no network and broken weights come in many kinds.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"sentence-transformers cannot load the encoder '{PREFIX}{name}' ({first}); give the folder of a saved "
            "model, or the name of one that is in the local cache or that the network can reach"
        ) from error


def pieces_read(name: str) -> int | None:
    """Return how many word pieces of a text the model reads; None where it reads all.

    Raises:
        DataError: sentence-transformers is not installed or cannot load the model.
    """
    longest = _model(name).max_seq_length
    return None if longest is None or math.isinf(longest) else int(longest)


def cut_texts(name: str, texts: Sequence[str]) -> list[bool]:
    """Say of each text whether it has more word pieces than the model reads.

    Raises:
        DataError: sentence-transformers is not installed or cannot load the model.
    """
    longest = pieces_read(name)
    if longest is None or not texts:
        return [False] * len(texts)
    found = _model(name).tokenizer(well_formed(texts), truncation=False, verbose=False)["input_ids"]
    return [len(pieces) > longest for pieces in found]


def named(name: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return unit vectors (n, d) by the model's own `encode`, on the processor, with its own default prompt.

    A folder of a plain transformer without a pooling gets a mean over word pieces, as sentence-transformers
    does it. Reimers & Gurevych 2019, arXiv:1908.10084.

    Raises:
        DataError: sentence-transformers is not installed or cannot load the model.
    """
    if not texts:
        return np.zeros((0, 0), dtype=np.float32)
    found = _model(name).encode(well_formed(texts), normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(found, dtype=np.float32)
