"""What the YAML files here call: the held-out sets of list_edits, and the metric of the `_nll` tasks."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

__all__ = ["answer_nll", "load"]

if find_spec("qdcbench") is None:  # lm-eval was started outside the checkout, and qdcbench is not installed
    _HOMES = [folder for folder in Path(__file__).resolve().parents if (folder / "qdcbench/__init__.py").exists()]
    sys.path += map(str, _HOMES)

_GRAMMAR = import_module("qdcbench.tasks._list_edits_grammar")
_SETS = import_module("qdcbench.tasks._list_edits_sets")


def load(held_out_set: str, **_: object) -> DatasetDict:
    """One held-out set as the split `test`, with the columns `prompt` and `answer`."""
    programs = _SETS.held_out(held_out_set)
    rows = {
        "prompt": [_GRAMMAR.render(program) for program in programs],
        "answer": [_GRAMMAR.answer(program) for program in programs],
    }
    return DatasetDict({"test": Dataset.from_dict(rows)})


def answer_nll(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Nats per digit of the right answer."""
    return {"answer_nll": -results[0][0] / len(doc["answer"].split())}
