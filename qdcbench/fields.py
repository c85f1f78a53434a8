"""From the field names of a data file to prompt and completion, and why a row cannot be used."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qdcbench.records import Example

__all__ = ["BadRow", "FieldMap", "check_text", "example_of", "field_of", "plain_field", "texts_of"]

_PROMPTS = ("instruction", "prompt", "question", "query", "problem", "input")
_COMPLETIONS = ("completion", "output", "response", "answer", "solution", "target")
_CHATS = ("messages", "conversations", "conversation")
_SIDE = {"user": "prompt", "human": "prompt", "assistant": "completion", "gpt": "completion", "model": "completion"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_FROM_BYTES = re.compile("[\udc80-\udcff]")
_NO_LINEAGE: Mapping[str, str] = {}
"""One for all rows without a lineage: a dictionary each takes as much memory as a short row."""


class BadRow(Exception):
    """A row that cannot be used; the text is the reason, the same for all rows of a kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldMap:
    """Fields named by the user instead of found, dots lead into objects; ``completion`` empty means none."""

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


def field_of(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field; in a dotted name (``meta.split``) each part goes one object deeper.

    None where the row has no such field. A field whose own name has the dots in it comes first.
    """
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def plain_field(row: Mapping[str, Any], name: str) -> str | None:
    """Return the text of a field that stands beside the two texts; None where it has none that can be written."""
    try:
        text = _plain(field_of(row, name), name)
        check_text(text, name)
    except BadRow:
        return None
    return text


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """Which fields of rows with certain names hold what; ``chat`` instead of the others for a list of turns."""

    shown: str
    prompt: str = ""
    extra: str = ""
    completion: str = ""
    chat: str = ""


@lru_cache(maxsize=1024)
def _planned(keys: tuple[str, ...]) -> _Plan:
    """Return how rows with these field names are read.

    Raises:
        BadRow: nothing in them could be a prompt or a completion.
    """
    names = {str(name).strip().lower(): name for name in reversed(keys)}
    for chat in _CHATS:
        if chat in names and "prompt" not in names and "instruction" not in names:
            shown = f"{chat}: first user turn -> prompt, first assistant turn -> completion"
            return _Plan(chat=names[chat], shown=shown)
    source = next((name for name in _PROMPTS if name in names), None)
    if source is None:
        if "text" in names:
            return _Plan(prompt=names["text"], shown="text -> prompt, nothing -> completion")
        raise BadRow("no field that could be a prompt")
    target = next((name for name in _COMPLETIONS if name in names), None)
    if target is None:
        raise BadRow("no field that could be a completion")
    extra = names["input"] if source == "instruction" and "input" in names else ""
    shown = f"{source}{' + input' if extra else ''} -> prompt, {target} -> completion"
    return _Plan(prompt=names[source], extra=extra, completion=names[target], shown=shown)


def _named(row: Mapping[str, Any], fields: FieldMap) -> tuple[str, str, str]:
    values = []
    for name in (fields.prompt, fields.completion):
        value = field_of(row, name) if name else ""
        if value is None and name not in row:
            raise BadRow(f"no field {name}")
        values.append(_plain(value, name))
    return values[0], values[1], f"{fields.prompt} -> prompt, {fields.completion or 'nothing'} -> completion"


def _found(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return prompt, completion and how they were found."""
    plan = _planned(tuple(row))
    if plan.chat:
        return *_turns(row[plan.chat], plan.chat.strip().lower()), plan.shown
    prompt = _plain(row[plan.prompt], plan.prompt.strip().lower())
    if plan.extra and (extra := row[plan.extra]) is not None:
        # In Alpaca's format a null or empty input means that the instruction stands alone.
        text = _plain(extra, "input")
        prompt += "\n" + text if text.strip() else ""
    completion = _plain(row[plan.completion], plan.completion.strip().lower()) if plan.completion else ""
    return prompt, completion, plan.shown


def _gold(row: Mapping[str, Any], mapping: str) -> str | None:
    """Return the right answer where the row carries one beside its completion."""
    meta = row.get("meta")
    for place in (row, meta if isinstance(meta, Mapping) else {}):
        for name in ("answer", "gold"):
            value = place.get(name)
            if isinstance(value, str | int | float) and not (place is row and f"{name} ->" in mapping):
                return _plain(value, name)
    return None


def check_text(text: str, side: str) -> None:
    """Raise `BadRow` for a text that cannot be written to a file or compared."""
    if "\x00" in text:
        raise BadRow(f"NUL character in the {side}")
    if not text.isascii() and _SURROGATE.search(text):
        raise BadRow("invalid UTF-8" if _FROM_BYTES.search(text) else f"lone surrogate in the {side}")


def texts_of(row: Any, fields: FieldMap | None = None) -> tuple[str, str, str]:
    """Return a row's prompt and completion, and in words which fields they came from.

    Raises:
        BadRow: the row is no object, lacks a field, or holds no text or text that cannot be written.
    """
    if not isinstance(row, Mapping):
        raise BadRow("not an object")
    prompt, completion, mapping = _named(row, fields) if fields else _found(row)
    check_text(prompt, "prompt")
    check_text(completion, "completion")
    if not prompt.strip():
        raise BadRow("empty prompt")
    if not completion.strip() and not mapping.endswith("nothing -> completion"):
        raise BadRow("empty completion")
    return prompt, completion, mapping


def example_of(row: Any, fields: FieldMap | None = None) -> tuple[Example, str]:
    """Return a row as an example, and in words which fields became which text.

    A right answer in a field ``answer`` or ``gold`` of the row or of its ``meta`` is kept in the lineage.

    Raises:
        BadRow: the row is no object, lacks a field, or holds no text or text that cannot be written.
    """
    prompt, completion, mapping = texts_of(row, fields)
    gold = _gold(row, mapping)
    if gold is None:
        return Example(prompt=prompt, completion=completion, lineage=_NO_LINEAGE), mapping
    check_text(gold, "answer")
    return Example(prompt=prompt, completion=completion, lineage={"answer": gold}), mapping
