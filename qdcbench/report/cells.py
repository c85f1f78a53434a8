"""A table as data: columns, cells, rows; what it says in Markdown, CSV, LaTeX or a terminal is another matter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from qdcbench.records import Interval
from qdcbench.report.text import interval_text, number, p_text

__all__ = [
    "INTERVAL",
    "Cell",
    "Column",
    "Table",
    "Value",
    "count",
    "decimal",
    "interval_cell",
    "p_cell",
    "where_changes",
    "word",
]

Value = str | float | int | bool | None

INTERVAL = ("", "_low", "_high", "_n")
"""Suffixes of an interval's columns in a CSV file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """``parts`` are the suffixes a CSV file gives the column: one plain value, or point, low, high, n."""

    key: str
    header: str
    align: Literal["left", "right"] = "right"
    parts: tuple[str, ...] = ("",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What people read, the tie letters behind it, and the raw values, one per part of the column."""

    text: str
    values: tuple[Value, ...]
    tie: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of cells; ``rules`` are indices of rows that a line comes before."""

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    rules: tuple[int, ...] = field(default=())


def word(text: str) -> Cell:
    """Return a cell that holds a text."""
    return Cell(text=text, values=(text,))


def count(value: int | None) -> Cell:
    """Return a cell that holds a whole number, a dash for None."""
    return Cell(text=number(value, 0), values=(value,))


def decimal(value: float | None, decimals: int = 2) -> Cell:
    """Return a cell that holds a number with fixed decimals, a dash for None."""
    return Cell(text=number(value, decimals), values=(value,))


def p_cell(value: float | None) -> Cell:
    """Return a cell that holds a p-value."""
    return Cell(text=p_text(value), values=(value,))


def interval_cell(value: Interval, decimals: int, text: str = "") -> Cell:
    """Return a cell of a column with the parts of `INTERVAL`; ``text`` instead of the usual words where given."""
    return Cell(text=text or interval_text(value, decimals), values=(value.point, value.low, value.high, value.n))


def where_changes(keys: Sequence[object]) -> tuple[int, ...]:
    """Return the indices at which a row's key differs from that of the row before, for a table's rules."""
    return tuple(i for i in range(1, len(keys)) if keys[i] != keys[i - 1])
