"""A table as data: columns, cells, rows; what it says in Markdown, CSV, LaTeX or a terminal is another matter."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Cell", "Column", "Table", "Value"]

Value = str | float | int | bool | None


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
