"""One canonical JSON text for a value, and its SHA-256."""

import hashlib
import json
import math
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from qdcbench.errors import RecordError

__all__ = ["canonical_json", "digest", "plain", "pretty_json", "round_float"]

SIGNIFICANT_DIGITS = 10
"""Digits kept of every float that is written: the last bits of float arithmetic differ between processors."""


def round_float(value: float, digits: int = SIGNIFICANT_DIGITS) -> float:
    """Round to a number of significant digits; minus zero becomes zero."""
    if value == 0 or not math.isfinite(value):
        return 0.0 if value == 0 else value
    rounded = float(f"{value:.{digits}g}")
    return rounded if math.isfinite(rounded) else value  # the largest floats would round up to infinity


def plain(value: Any, where: str = "value") -> Any:
    """Turn records, tuples and mappings into JSON types; refuse NaN, infinity and anything else."""
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RecordError(f"{where} is {value}, which no record may hold; use None with a reason")
        return round_float(value)
    if isinstance(value, Enum):
        return plain(value.value, where)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), f"{where}.{f.name}") for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    raise RecordError(f"{where} has type {type(value).__name__}, which cannot be written as JSON")


def canonical_json(value: Any) -> str:
    """Return the one text that equal values share: sorted keys, no spaces, ASCII, rounded floats."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def pretty_json(value: Any) -> str:
    """Return readable JSON with sorted keys and a final newline, the form of every committed file."""
    return json.dumps(plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()
