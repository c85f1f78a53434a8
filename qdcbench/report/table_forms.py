"""One table in four forms: Markdown, CSV, LaTeX (booktabs), terminal."""

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qdcbench.canon import round_float
from qdcbench.report.tables import Cell, Table

if TYPE_CHECKING:
    import rich.table

__all__ = ["latex_text", "to_csv", "to_latex", "to_markdown", "to_rich"]

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--", "·": r"\textperiodcentered{}", "−": "$-$", "≤": r"$\leq$",
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


def to_rich(table: Table, leave_out: Sequence[str] = ()) -> "rich.table.Table":
    """Return a table for the terminal; texts are never read as rich markup."""
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = [i for i, column in enumerate(table.columns) if column.key not in leave_out]
    out = RichTable(title=Text(table.title), caption=Text(table.note), box=None, pad_edge=False, title_justify="left",
                    caption_justify="left", header_style="bold")  # fmt: skip
    for i in shown:
        column = table.columns[i]
        wrap = column.align == "left"
        out.add_column(Text(column.header), justify=column.align, no_wrap=not wrap, overflow="fold")
    for index, row in enumerate(table.rows):
        cells = [Text(f"{row[i].text} {row[i].tie}".rstrip(), style=_style(row[i].text)) for i in shown]
        out.add_row(*cells, end_section=index + 1 in table.rules)
    return out


def _style(text: str) -> str:
    return {"supported": "bold green", "contradicted": "bold red", "undetermined": "yellow"}.get(text, "")
