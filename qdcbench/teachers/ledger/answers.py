"""How an answer is kept: the JSON of a reply, readable by versions of the program that have other fields."""

import json
from collections.abc import Mapping
from typing import Any

from qdcbench.api import Reply
from qdcbench.canon import round_float

__all__ = ["compact_json", "read_reply", "reply_of", "written_reply"]

KEPT = {
    "text": str,
    "prompt_tokens": int,
    "completion_tokens": int,
    "finish_reason": str,
    "attempts": int,
    "discarded_tokens": int,
    "usage_estimated": bool,
    "teacher": str,
    "seconds": float,
}
"""Fields of a reply that are recorded, with their types. A reply found again charges the budget what the first did."""


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def compact_json(value: Any) -> str:
    """Return JSON in ASCII with sorted keys; no rounding, for values that are plain already."""
    return _ENCODER.encode(value)


def written_reply(reply: Reply) -> str:
    """Return what is recorded of a reply."""
    fields = {name: getattr(reply, name) for name in KEPT}
    return compact_json({**fields, "seconds": round_float(float(reply.seconds))})


def read_reply(text: str, key: str) -> Reply:
    """Return a recorded reply; unknown fields are ignored, missing ones have their defaults.

    Raises:
        ValueError: it holds no text, or a field has another type.
    """
    return reply_of(json.loads(text), key)


def reply_of(fields: Any, key: str) -> Reply:
    """Return the reply of its recorded fields; ValueError as for `read_reply`."""
    if not isinstance(fields, Mapping) or not isinstance(fields.get("text"), str):
        raise ValueError("it holds no text")
    known: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0}
    for name, kind in KEPT.items():
        if name in fields:
            value = fields[name]
            if not isinstance(value, (int, float) if kind is float else kind):
                raise ValueError(f"its field {name} is no {kind.__name__}")
            known[name] = value
    return Reply(**known, key=key, cached=True)
