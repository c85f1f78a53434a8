"""A seed from the root seed, the stage and the named axes that may vary it."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from qdcbench.canon import digest

__all__ = ["array_stream", "seed_for", "stream"]


def seed_for(root_seed: int, stage: str, axes: Mapping[str, Any]) -> int:
    """Return a 63-bit seed that depends on the root seed, the stage's name and the axes, and on nothing else.

    Axes are hashed as canonical JSON, so no two different sets of values share a text.
    """
    return int(digest({"root": root_seed, "stage": stage, "axes": dict(axes)})[:16], 16) >> 1


def stream(root_seed: int, stage: str, axes: Mapping[str, Any]) -> random.Random:
    """Return an independent generator of the standard library."""
    return random.Random(seed_for(root_seed, stage, axes))


def array_stream(root_seed: int, stage: str, axes: Mapping[str, Any]) -> np.random.Generator:
    """Return an independent NumPy generator (PCG64)."""
    return np.random.Generator(np.random.PCG64(seed_for(root_seed, stage, axes)))
