"""From the field names of a data file to prompt and completion, and why a row cannot be used."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qdcbench.records import Example

__all__ = ["BadRow", "FieldMap", "example_of"]

_PROMPTS = ("instruction", "prompt", "question", "query", "problem", "input")
_COMPLETIONS = ("completion", "output", "response", "answer", "solution", "target")
_CHATS = ("messages", "conversations", "conversation")
_SIDE = {"user": "prompt", "human": "prompt", "assistant": "completion", "gpt": "completion", "model": "completion"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_FROM_BYTES = re.compile("[\udc80-\udcff]")


class BadRow(Exception):
    """A row that cannot be used; the text is the reason, the same for all rows of a kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldMap:
    """Fields named by the user instead of found: ``completion`` empty means none."""

    prompt: str
    completion: str = ""


def _plain(value: Any, field: str) -> str:
    """Return a field's text: numbers as they are written, chat turns joined."""
    if value is None:
        raise BadRow(f"{field} is null")
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        texts = [part.get("content", part.get("value", part.get("text"))) for part in value]
        return "\n".join(_plain(text, field) for text in texts)
    raise BadRow(f"{field} is not text")


def _turns(value: Any, field: str) -> tuple[str, str]:
    """Return the first user turn and the first assistant turn after it; system turns are left out."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        # A CSV cell can hold a chat only as JSON text.
        try:
            value = json.loads(value)
        except ValueError:
            raise BadRow(f"{field} is not a list of turns") from None
    if not isinstance(value, list):
        raise BadRow(f"{field} is not a list of turns")
    prompt: str | None = None
    for turn in value:
        if not isinstance(turn, Mapping):
            raise BadRow(f"{field} is not a list of turns")
        role = turn.get("role", turn.get("from"))
        side = _SIDE.get(role) if isinstance(role, str) else None
        if side == "prompt" and prompt is None:
            prompt = _plain(turn.get("content", turn.get("value")), field)
        elif side == "completion" and prompt is not None:
            return prompt, _plain(turn.get("content", turn.get("value")), field)
    raise BadRow(f"{field} has no user turn with an assistant turn after it")


def _named(row: Mapping[str, Any], fields: FieldMap) -> tuple[str, str, str]:
    wanted = [name for name in (fields.prompt, fields.completion) if name]
    missing = [name for name in wanted if name not in row]
    if missing:
        raise BadRow(f"no field {missing[0]}")
    completion = _plain(row[fields.completion], fields.completion) if fields.completion else ""
    mapping = f"{fields.prompt} -> prompt, {fields.completion or 'nothing'} -> completion"
    return _plain(row[fields.prompt], fields.prompt), completion, mapping


def _found(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return prompt, completion and how they were found."""
    names = {str(name).strip().lower(): name for name in reversed(list(row))}
    for chat in _CHATS:
        if chat in names and "prompt" not in names and "instruction" not in names:
            prompt, completion = _turns(row[names[chat]], chat)
            return prompt, completion, f"{chat}: first user turn -> prompt, first assistant turn -> completion"
    source = next((name for name in _PROMPTS if name in names), None)
    if source is None:
        if "text" in names:
            return _plain(row[names["text"]], "text"), "", "text -> prompt, nothing -> completion"
        raise BadRow("no field that could be a prompt")
    target = next((name for name in _COMPLETIONS if name in names), None)
    if target is None:
        raise BadRow("no field that could be a completion")
    prompt, shown = _plain(row[names[source]], source), source
    if source == "instruction" and "input" in names:
        shown = "instruction + input"
        extra = row[names["input"]]
        # In Alpaca's format a null or empty input means that the instruction stands alone.
        prompt += "\n" + text if extra is not None and (text := _plain(extra, "input")).strip() else ""
    return prompt, _plain(row[names[target]], target), f"{shown} -> prompt, {target} -> completion"


def _gold(row: Mapping[str, Any], mapping: str) -> dict[str, str]:
    """Return the right answer where the row carries one beside its completion."""
    meta = row.get("meta")
    for place in (row, meta if isinstance(meta, Mapping) else {}):
        for name in ("answer", "gold"):
            value = place.get(name)
            if isinstance(value, str | int | float) and not (place is row and f"{name} ->" in mapping):
                return {"answer": _plain(value, name)}
    return {}


def _check_text(text: str, side: str) -> None:
    if "\x00" in text:
        raise BadRow(f"NUL character in the {side}")
    if _SURROGATE.search(text):
        raise BadRow("invalid UTF-8" if _FROM_BYTES.search(text) else f"lone surrogate in the {side}")


def example_of(row: Any, fields: FieldMap | None = None) -> tuple[Example, str]:
    """Return a row as an example, and in words which fields became which text.

    A right answer in a field ``answer`` or ``gold`` of the row or of its ``meta`` is kept in the lineage.

    Raises:
        BadRow: the row is no object, lacks a field, or holds no text or text that cannot be written.
    """
    if not isinstance(row, Mapping):
        raise BadRow("not an object")
    prompt, completion, mapping = _named(row, fields) if fields else _found(row)
    _check_text(prompt, "prompt")
    _check_text(completion, "completion")
    if not prompt.strip():
        raise BadRow("empty prompt")
    if not completion.strip() and "nothing -> completion" not in mapping:
        raise BadRow("empty completion")
    gold = _gold(row, mapping)
    if "answer" in gold:
        _check_text(gold["answer"], "answer")
    return Example(prompt=prompt, completion=completion, lineage=gold), mapping
