"""One canonical JSON text for a value, and its SHA-256."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from qdcbench.errors import RecordError

__all__ = ["canonical_json", "digest", "plain", "pretty_json", "round_float"]

SIGNIFICANT_DIGITS = 10
"""Digits kept of every float that is written: the last bits of float arithmetic differ between processors."""

_SURELY_FINITE = 1e300
"""Floats below it stay finite when they are rounded."""

_AS_IT_IS = frozenset({str, int, bool, type(None)})


def round_float(value: float, digits: int = SIGNIFICANT_DIGITS) -> float:
    """Round to a number of significant digits; minus zero becomes zero."""
    if value == 0 or not math.isfinite(value):
        return 0.0 if value == 0 else value
    rounded = float(f"{value:.{digits}g}")
    return rounded if math.isfinite(rounded) else value  # the largest floats would round up to infinity


class _Refused(Exception):
    """A value that no record may hold; ``path`` is put together only on the way out, for records are many."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path: list[str] = []


def plain(value: Any, where: str = "value") -> Any:
    """Turn records, tuples and mappings into JSON types; refuse NaN, infinity and anything else."""
    try:
        return _plain(value)
    except _Refused as error:
        sentence = f"{where}{''.join(reversed(error.path))} {error}"
    raise RecordError(sentence)


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is float:
        return _finite(value)
    if kind is dict:
        return _items([str(name) for name in value], value.values(), ".{}")
    if kind is list or kind is tuple:
        return list(_items(range(len(value)), value, "[{}]").values())
    if isinstance(value, Enum):
        return _plain(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        names = _field_names(kind)
        return _items(names, [getattr(value, name) for name in names], ".{}")
    return _plain_of_subclass(value)


_FIELD_NAMES: dict[type[Any], tuple[str, ...]] = {}


def _field_names(kind: type[Any]) -> tuple[str, ...]:
    if kind not in _FIELD_NAMES:
        _FIELD_NAMES[kind] = tuple(f.name for f in fields(kind))
    return _FIELD_NAMES[kind]


def _plain_of_subclass(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, dict):
        return _plain(dict(value))
    if isinstance(value, list | tuple):
        return _plain(list(value))
    raise _Refused(f"has type {type(value).__name__}, which cannot be written as JSON")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _Refused(f"is {value}, which no record may hold; use None with a reason")
    return round_float(value)


def _items(names: Iterable[Any], values: Iterable[Any], form: str) -> dict[Any, Any]:
    name = None
    try:
        out = {}
        for name, item in zip(names, values, strict=True):
            kind = type(item)
            # Most of what is written are words and floats; a call for each would be most of the time.
            if kind in _AS_IT_IS:
                out[name] = item
            elif kind is float and -_SURELY_FINITE < item < _SURELY_FINITE:
                out[name] = float(f"{item:.{SIGNIFICANT_DIGITS}g}") if item else 0.0
            else:
                out[name] = _plain(item)
        return out
    except _Refused as error:
        error.path.append(form.format(name))
        raise


def canonical_json(value: Any) -> str:
    """Return the one text that equal values share: sorted keys, no spaces, ASCII, rounded floats."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def pretty_json(value: Any) -> str:
    """Return readable JSON with sorted keys and a final newline, the form of every committed file."""
    return json.dumps(plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()
