"""Texts to unit vectors by the encoder whose name stands in a measure's brackets."""

from collections.abc import Callable, Sequence

import numpy as np

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.measures.encoders import hashing, minilm, named
from qdcbench.measures.encoders.minilm import Vectors

__all__ = ["ENCODERS", "Vectors", "describe", "encode", "identity", "truncated"]

ENCODERS: dict[str, Callable[[Sequence[str]], Vectors]] = {"minilm": minilm.minilm, "hashed": hashing.hashed_ngrams}
"""The encoders that every installation has."""


def _name(encoder: str) -> str | None:
    """Return the name or folder of a model of sentence-transformers, None for an encoder of our own.

    Raises:
        ConfigError: no encoder has that name.
    """
    name = encoder.removeprefix(named.PREFIX)
    if encoder in ENCODERS:
        return None
    if name and name != encoder:
        return name
    raise ConfigError(
        f"there is no encoder {encoder!r}; {did_you_mean(encoder, ENCODERS)}; "
        f"any model of sentence-transformers is '{named.PREFIX}' and its name or folder"
    )


def encode(encoder: str, texts: Sequence[str]) -> Vectors:
    """Return unit vectors (n, d) of the texts by the named encoder.

    Different texts are encoded once each, in sorted order: equal texts get equal vectors, and neither
    copies nor the order of rows can change a vector.

    Args:
        encoder: ``minilm``, ``hashed``, or ``st:`` and the name or folder of a model of sentence-transformers.
        texts: n texts.

    Raises:
        ConfigError: no encoder has that name.
        DataError: the encoder is not installed or not what it should be.
    """
    name = _name(encoder)
    different = sorted(set(texts))
    vectors = ENCODERS[encoder](different) if name is None else named.named(name, different)
    if different == list(texts):
        # A million vectors take 1.5 GB: no second copy of what is in order already.
        return vectors
    place = {text: i for i, text in enumerate(different)}
    return vectors[np.asarray([place[text] for text in texts], dtype=np.int64)]


def describe(encoder: str) -> str:
    """Return the encoder's name and, after a colon, how many word pieces of a text it reads where it does not read all.

    Raises:
        ConfigError: no encoder has that name.
        DataError: a model of sentence-transformers cannot be loaded.
    """
    name = _name(encoder)
    if encoder == "minilm":
        return f"{encoder}:{minilm.MAX_TOKENS}"
    longest = None if name is None else named.pieces_read(name)
    return encoder if longest is None else f"{encoder}:{longest}"


def identity(encoder: str) -> str:
    """Return what its vectors cannot be told from: what `describe` says and, of MiniLM, its precision on this machine.

    ``minilm:256:mixed`` and ``minilm:256:float32`` differ in the fourth digit of a Vendi score.

    Raises:
        ConfigError: no encoder has that name.
        DataError: a model of sentence-transformers cannot be loaded.
    """
    return f"{describe(encoder)}:{minilm.precision()}" if encoder == "minilm" else describe(encoder)


def truncated(encoder: str, texts: Sequence[str]) -> int:
    """Return how many of the texts the encoder does not read to their end.

    Raises:
        ConfigError: no encoder has that name.
        DataError: the encoder is not installed or not what it should be.
    """
    name = _name(encoder)
    if encoder == "hashed":
        return 0
    different = sorted(set(texts))
    cut = minilm.cut_texts(different) if name is None else named.cut_texts(name, different)
    long = {text for text, is_cut in zip(different, cut, strict=True) if is_cut}
    return sum(text in long for text in texts)
