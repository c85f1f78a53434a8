"""Texts to unit vectors by the encoder whose name stands in a measure's brackets."""

from collections.abc import Callable, Sequence

import numpy as np

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.measures.encoders import hashing, minilm
from qdcbench.measures.encoders.minilm import Vectors

__all__ = ["ENCODERS", "Vectors", "encode"]

ENCODERS: dict[str, Callable[[Sequence[str]], Vectors]] = {"minilm": minilm.minilm, "hashed": hashing.hashed_ngrams}
"""The encoders that every installation has."""


def encode(encoder: str, texts: Sequence[str]) -> Vectors:
    """Return unit vectors (n, d) of the texts by the named encoder.

    Different texts are encoded once each, in sorted order: equal texts get equal vectors, and neither
    copies nor the order of rows can change a vector.

    Raises:
        ConfigError: no encoder has that name.
        DataError: the encoder is not installed or not what it should be.
    """
    if encoder not in ENCODERS:
        raise ConfigError(f"there is no encoder {encoder!r}; {did_you_mean(encoder, ENCODERS)}")
    different = sorted(set(texts))
    place = {text: i for i, text in enumerate(different)}
    vectors = ENCODERS[encoder](different)
    return vectors[np.asarray([place[text] for text in texts], dtype=np.int64)]
