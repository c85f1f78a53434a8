"""Older record JSON to today's, one function a step; a record from the future is refused."""

from collections.abc import Callable
from typing import Any

from qdcbench.errors import RecordError
from qdcbench.records import SCHEMA_VERSION

__all__ = ["to_current"]

_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version ``v`` maps to the function that turns a record of version ``v`` into one of ``v + 1``."""


def to_current(record: Any, where: str) -> dict[str, Any]:
    """Return the record in today's format.

    Raises:
        RecordError: not an object, no version, a version newer than ours, or one with no known step.
    """
    if not isinstance(record, dict):
        raise RecordError(f"{where} is not a JSON object; a run record was expected")
    version = record.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise RecordError(f"{where} has no integer schema_version; it is not a run record")
    if version > SCHEMA_VERSION:
        raise RecordError(f"{where} has format {version}, this QDCBench reads up to {SCHEMA_VERSION}; upgrade qdcbench")
    current: dict[str, Any] = record
    while version < SCHEMA_VERSION:
        if version not in _STEPS:
            raise RecordError(f"{where} has format {version}, for which there is no migration")
        current = _STEPS[version](current)
        version += 1
    return current
