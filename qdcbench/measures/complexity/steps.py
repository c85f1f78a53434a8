"""Complexity as what a text is made of: its steps, its equations, how deep its brackets and quotes go."""

import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from qdcbench.measures.rows import FloatArray, Rows, Side, Unmeasurable

__all__ = ["count_equations", "count_steps", "equations", "nesting", "nesting_depth", "steps"]

_MARKER = re.compile(r"\s*(?:[-*•#>]+|(?:step\s*)?\(?(?:\d{1,3}|[a-z])[.):](?=\s)|step\s*\d{1,3})\s*", re.IGNORECASE)
"""What stands before the first step of a line: a bullet, "2.", "b)", "(3)", "Step 4:"."""

_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s+|[。！？]")

_WORD = re.compile(r"\w")

_NOTE = re.compile(r"<<[^<>]*>>")
"""A calculator's note beside the sum it repeats, as in GSM8K: ``4 * 2 = <<4*2=8>>8``."""

_EQUALS = re.compile(r"(?<![=<>!:+\-*/%&|^~])=(?![=>~])")

_ALIGNED = "&="
_ROW_SIGNS = ("\\\\", "\\begin{")
"""What LaTeX has where ``&=`` is an equals sign in a column and no operator of a program: row breaks, environments."""

_MARKS = re.compile(r"[()\[\]{}\"“”«»]")
_CLOSES = {")": "(", "]": "[", "}": "{", "”": "“", "»": "«"}
_TWO_SIDED = '"'


def count_steps(text: str) -> int:
    """Return the steps of a text: its sentences, and its lines where they hold no sentence.

    A line break ends a step, and so does a full stop, question mark or exclamation mark before white space. A mark of
    a list ("2.", "b)", "Step 4:") belongs to the step behind it, and what has no letter or digit is none.
    """
    count = 0
    for line in text.splitlines():
        marker = _MARKER.match(line)
        rest = line[marker.end() :] if marker else line
        count += sum(1 for part in _SENTENCE_END.split(rest) if _WORD.search(part))
    return count


def count_equations(text: str) -> int:
    """Return the equals signs of a text that are no part of another operator; notes in ``<< >>`` are left out.

    The ``&=`` of a program is an operator, that of LaTeX's aligned equations an equals sign.
    """
    if _ALIGNED in text and any(sign in text for sign in _ROW_SIGNS):
        text = text.replace(_ALIGNED, "=")
    return len(_EQUALS.findall(_NOTE.sub("", text))) if "=" in text else 0


def nesting_depth(text: str) -> int:
    """Return how deep brackets and double quotes stand in one another, 0 without any.

    Only a pair that opens and closes counts; a mark without its partner (":)", "1)", 5") is passed over.
    """
    open_marks: list[str] = []
    inside = [0]  # the depth reached within the text and within each open mark
    waiting: Counter[str] = Counter()
    for mark in _MARKS.findall(text):
        opener = mark if mark == _TWO_SIDED else _CLOSES.get(mark, "")
        if not waiting[opener]:
            if mark not in _CLOSES:
                open_marks.append(mark)
                inside.append(0)
                waiting[mark] += 1
            continue
        reached = inside.pop()
        while (last := open_marks.pop()) != opener:
            waiting[last] -= 1
            reached = max(reached, inside.pop())
        waiting[opener] -= 1
        inside[-1] = max(inside[-1], reached + 1)
    return max(inside)


def _counted(rows: Rows, side: Side, count: Callable[[str], int]) -> FloatArray:
    if not len(rows):
        raise Unmeasurable("there is no row")
    return np.asarray([count(text) for text in rows.texts(side)], dtype=np.float64)


def steps(rows: Rows, side: Side = "completion") -> FloatArray:
    """Return the steps of each text, (n,), see `count_steps`."""
    return _counted(rows, side, count_steps)


def equations(rows: Rows, side: Side = "completion") -> FloatArray:
    """Return the equations of each text, (n,), see `count_equations`."""
    return _counted(rows, side, count_equations)


def nesting(rows: Rows, side: Side = "completion") -> FloatArray:
    """Return the depth of brackets and quotes of each text, (n,), see `nesting_depth`."""
    return _counted(rows, side, nesting_depth)
