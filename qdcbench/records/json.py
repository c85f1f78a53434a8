"""Read a record back from JSON, naming every wrong field at once."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from qdcbench.errors import RecordError

__all__ = ["from_json", "sentence_of"]

T = TypeVar("T")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    # Building an adapter costs milliseconds and an edition holds hundreds of records.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def sentence_of(error: ValidationError) -> str:
    """Return all complaints of pydantic as one line: ``field: what is wrong; field: ...``."""
    parts = []
    for item in error.errors():
        where = ".".join(str(p) for p in item["loc"]) or "record"
        parts.append(f"{where}: {item['msg'].lower()}")
    return "; ".join(parts)


def from_json(kind: type[T], value: Any, where: str) -> T:
    """Build a record of type ``kind`` from parsed JSON.

    Raises:
        RecordError: a field is missing or has the wrong type; ``where`` says in which file.
    """
    try:
        record: T = _adapter(kind).validate_python(value)
    except ValidationError as error:
        raise RecordError(f"{where} is not a valid {kind.__name__}: {sentence_of(error)}") from None
    return record
