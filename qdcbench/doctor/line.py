"""One line of a report: what was looked at, how it is, and what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from qdcbench.errors import QdcError

__all__ = ["Examined", "Line", "fail", "looked_at", "note", "ok"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """``fail`` stops a run, ``note`` is worth knowing; the text says what was found and what to do."""

    state: Literal["ok", "fail", "note"]
    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """What was found about one teacher, and how many questions it was asked for that."""

    teacher: str
    lines: tuple[Line, ...]
    calls: int = 0


def ok(name: str, text: str) -> Line:
    """Return a line on what is as it should be."""
    return Line(state="ok", name=name, text=text)


def note(name: str, text: str) -> Line:
    """Return a line on what is worth knowing."""
    return Line(state="note", name=name, text=text)


def fail(name: str, text: str) -> Line:
    """Return a line on what would stop a run."""
    return Line(state="fail", name=name, text=text)


def looked_at(name: str, check: Callable[[], Line | str]) -> Line:
    """Return the line of a check that returns one, or a text when all is well, or raises one of our errors."""
    try:
        found = check()
    except QdcError as error:
        return fail(name, str(error))
    return found if isinstance(found, Line) else ok(name, found)
