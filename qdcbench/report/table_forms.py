"""One table in four forms: Markdown, CSV, LaTeX (booktabs), terminal."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qdcbench.canon import round_float
from qdcbench.report.cells import Cell, Table
from qdcbench.report.cost import COST_KEYS, ROW_KEYS
from qdcbench.report.points import AXES

if TYPE_CHECKING:
    import rich.console
    import rich.padding
    import rich.table

__all__ = ["TerminalList", "TerminalTable", "latex_text", "to_csv", "to_latex", "to_markdown"]

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--", "·": r"\textperiodcentered{}", "−": "$-$", "≤": r"$\leq$",
    "≥": r"$\geq$", "×": r"$\times$", "²": "$^2$", "→": r"$\to$", "±": r"$\pm$",
}  # fmt: skip


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown_text(text: str) -> str:
    """Escape what would be markup: model and plugin texts are shown, never interpreted."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$])", r"\\\1", _one_line(text).replace("&", "&amp;"))


def to_markdown(table: Table) -> str:
    """Return a GitHub table with its title above and its note below."""
    lines = [f"### {_markdown_text(table.title)}", ""]
    lines.append("| " + " | ".join(_markdown_text(c.header) for c in table.columns) + " |")
    lines.append("|" + "|".join(" --- " if c.align == "left" else " ---: " for c in table.columns) + "|")
    for row in table.rows:
        lines.append("| " + " | ".join(_markdown_cell(cell) for cell in row) + " |")
    return "\n".join([*lines, "", f"*{_markdown_text(table.note)}*", ""])


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    return f"{text} <sup>{_markdown_text(cell.tie)}</sup>" if cell.tie else text


def to_csv(table: Table) -> str:
    """Return comma-separated values with one header line; intervals take a column a part, None is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f"{column.key}{part}" for column in table.columns for part in column.parts])
    for row in table.rows:
        writer.writerow(
            [round_float(v) if isinstance(v, float) else v for cell in row for v in cell.values],
        )
    return out.getvalue()


def latex_text(text: str) -> str:
    """Return text with every special character of LaTeX escaped, on one line."""
    return "".join(_LATEX.get(c, c) for c in _one_line(text) if c.isprintable())


def _latex_cell(cell: Cell) -> str:
    point, bracket, bounds = cell.text.partition(" [")
    is_interval = bracket and bounds.endswith("]") and isinstance(cell.values[0], float)
    text = rf"{latex_text(point)}\,{{\scriptsize [{latex_text(bounds)}}}" if is_interval else latex_text(cell.text)
    if is_interval or isinstance(cell.values[0], float | int):
        text = re.sub(r"(?<![\w.])-(?=\d|\.)", "$-$", text)
    return f"{text}$^{{\\mathrm{{{latex_text(cell.tie)}}}}}$" if cell.tie else text


def to_latex(table: Table) -> str:
    """Return a ``table`` environment for the booktabs package, the note as its caption."""
    lines = [
        r"\begin{table}[t]", r"\centering", r"\small",
        rf"\caption{{{latex_text(table.title)}. {latex_text(table.note)}.}}",
        rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', table.name.lower()).strip('-')}}}",
        rf"\begin{{tabular}}{{@{{}}{''.join('l' if c.align == 'left' else 'r' for c in table.columns)}@{{}}}}",
        r"\toprule", " & ".join(latex_text(c.header) for c in table.columns) + r" \\", r"\midrule",
    ]  # fmt: skip
    for index, row in enumerate(table.rows):
        if index in table.rules:
            lines.append(r"\midrule")
        cells = [_latex_cell(cell) for cell in row]
        # A row that begins with a bracket would be read as an option of the row break before it.
        lines.append((r"\relax " if cells and cells[0].startswith("[") else "") + " & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


_NAME = 20
"""Characters of a name that stay on one line."""

_NARROWER: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset(), frozenset()),
    (frozenset(AXES), frozenset()),
    (frozenset(AXES), ROW_KEYS | {"money"}),
    (frozenset(AXES), COST_KEYS),
    (frozenset(AXES), COST_KEYS | {"datasets"}),
    (frozenset(), COST_KEYS | {*AXES, "datasets"}),
)
"""Ways to fit a terminal, widest first: columns without their intervals, columns left out."""


@dataclass(frozen=True, slots=True)
class TerminalTable:
    """A table that a rich console prints in the widest form that fits it.

    Texts are never read as markup. Intervals are shown as plus and minus half their width, and headers end at a
    colon (the note has the rest).
    """

    table: Table
    leave_out: frozenset[str] = frozenset()

    def __rich_console__(
        self, console: "rich.console.Console", options: "rich.console.ConsoleOptions"
    ) -> "Iterator[rich.table.Table]":
        """Yield the table, as rich asks of what it prints."""
        fits = (way for way in _NARROWER if self._width(*way) <= options.max_width)
        points, without = next(fits, _NARROWER[-1])
        yield _rich_table(self.table, points, self.leave_out | without)

    def _width(self, points: frozenset[str], without: frozenset[str]) -> int:
        """Characters the table needs at least; rich would hide the ends of cells that it was told not to wrap."""
        width = 0
        for i, column in enumerate(self.table.columns):
            if column.key in self.leave_out | without:
                continue
            texts = [_rich_text(row[i], column.key in points) for row in self.table.rows]
            longest = max(map(len, [column.header.partition(":")[0], *texts]))
            width += 2 + (longest if column.align == "right" else min(longest, _NAME))
        return width - 2


@dataclass(frozen=True, slots=True)
class TerminalList:
    """A table with a long text in each row that a rich console prints as paragraphs: some cells as heading, the text.

    Texts are never read as markup.
    """

    table: Table
    heading: tuple[str, ...]
    text: str

    def __rich_console__(
        self, console: "rich.console.Console", options: "rich.console.ConsoleOptions"
    ) -> "Iterator[rich.padding.Padding]":
        """Yield title, paragraphs and note, as rich asks of what it prints."""
        from rich.padding import Padding
        from rich.text import Text

        place = {column.key: i for i, column in enumerate(self.table.columns)}
        yield Padding(Text(self.table.title, style="bold"), (1, 0, 0, 0))
        for row in self.table.rows:
            words = [row[place[key]].text for key in self.heading]
            yield Padding(Text(" · ").join(Text(word, style=_STYLES.get(word, "")) for word in words), (1, 0, 0, 0))
            yield Padding(Text(row[place[self.text]].text), (0, 0, 0, 4))
        yield Padding(Text(self.table.note, style="italic"), (1, 0))


def _rich_table(table: Table, points: frozenset[str], leave_out: frozenset[str]) -> "rich.table.Table":
    """Lay a table out; columns in ``points`` show no interval."""
    from rich.box import SIMPLE
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = [i for i, column in enumerate(table.columns) if column.key not in leave_out]
    long = [c.header.replace(": ", " = ") for c in table.columns if ": " in c.header]
    out = RichTable(
        title=Text(table.title, style="bold"), caption=Text("; ".join([table.note, *long])), box=SIMPLE,
        pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, title_justify="left", caption_justify="left",
    )  # fmt: skip
    for place, i in enumerate(shown):
        column = table.columns[i]
        first = max((len(row[i].text) for row in table.rows), default=0) if place == 0 else None
        out.add_column(
            Text(column.header.partition(":")[0]), justify=column.align, no_wrap=column.align == "right",
            overflow="fold", min_width=min(first, _NAME) if first else None,
        )  # fmt: skip
    for index, row in enumerate(table.rows):
        cells = [_rich_text(row[i], table.columns[i].key in points) for i in shown]
        out.add_row(*(Text(t, style=_STYLES.get(t, "")) for t in cells), end_section=index + 1 in table.rules)
    return out


def _rich_text(cell: Cell, point_only: bool) -> str:
    text = cell.text.partition(" [")[0] if point_only else _plus_minus(cell)
    return f"{text} {cell.tie}".rstrip()


def _plus_minus(cell: Cell) -> str:
    """``0.71 ±0.02`` for ``0.71 [0.69, 0.73]``, with the decimals of the point."""
    point, bracket, _ = cell.text.partition(" [")
    if not bracket or len(cell.values) < 3:
        return cell.text
    _, low, high = cell.values[:3]
    if not isinstance(low, float) or not isinstance(high, float):
        return cell.text
    return f"{point} ±{(high - low) / 2:.{len(point.partition('.')[2])}f}"


_STYLES = {"supported": "bold green", "contradicted": "bold red", "undetermined": "yellow"}
