"""What a method takes, read from its source: which parts of its context it touches, in its file and in siblings."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["INPUTS", "inputs_of"]

INPUTS = {
    "description": "the task's description",
    "seed_examples": "seed examples",
    "teacher": "the teacher, who writes",
    "answerer": "the answerer, the same for every method",
    "judge": "the judge",
    "members": "several teachers that act as one",
    "verify": "the task's verifier",
    "embed": "vectors of texts by the suite's encoder",
    "gradients": "gradients of rows in the task's small base model",
    "proxy": "a small learner trained on rows",
    "reference_rows": "rows with right answers, for controls",
    "run_program": "a program that runs beside an endpoint of ours",
}
"""Parts of a context that a method may take something from, in the order they are told."""

_CONTEXT = "GenerationContext"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A function or class at the top of a module: what it touches of a context, which other names it mentions."""

    touches: frozenset[str]
    mentions: frozenset[str]


def inputs_of(path: Path) -> tuple[str, ...]:
    """Return the names of `INPUTS` that the method in a file uses, itself or through its siblings, in their order."""
    found = _touched(path.resolve(), None, set())
    return tuple(name for name in INPUTS if name in found)


def _touched(path: Path, wanted: frozenset[str] | None, seen: set[tuple[Path, str]]) -> frozenset[str]:
    """Return what the wanted pieces of a file touch (None: all), following what they mention."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pieces = {node.name: _piece(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = dict(_from_siblings(tree, path.parent))
    todo = sorted(pieces if wanted is None else wanted)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if (path, name) in seen:
            continue
        seen.add((path, name))
        if name in pieces:
            found |= pieces[name].touches
            todo += sorted(pieces[name].mentions & (set(pieces) | set(imported)))
        elif name in imported:
            sibling, original = imported[name]
            found |= _touched(sibling, frozenset({original}), seen)
    return frozenset(found)


def _from_siblings(tree: ast.Module, folder: Path) -> Iterator[tuple[str, tuple[Path, str]]]:
    """Yield each name that is imported from a file beside this one, with that file and its name there."""
    for node in tree.body:
        sibling = folder / f"{node.module}.py" if isinstance(node, ast.ImportFrom) and node.level == 1 else None
        if sibling is not None and sibling.is_file() and isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, (sibling, alias.name)


def _piece(node: ast.FunctionDef | ast.ClassDef) -> _Piece:
    contexts = {arg.arg for arg in ast.walk(node) if isinstance(arg, ast.arg) and _is_context(arg.annotation)}
    touches = {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in contexts
    }
    mentions = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return _Piece(frozenset(touches), frozenset(mentions))


def _is_context(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id == _CONTEXT
