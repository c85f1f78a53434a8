"""What the YAML files here call: the held-out sets of list_edits, and the metric of the `_nll` tasks."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

try:
    import qdcbench.tasks  # noqa: F401
except ImportError:  # lm-eval was started outside the checkout, and qdcbench is not installed
    sys.path += [str(folder) for folder in Path(__file__).resolve().parents if (folder / "qdcbench/__init__.py").exists()]

from qdcbench.tasks._list_edits_grammar import answer, render
from qdcbench.tasks._list_edits_sets import held_out

__all__ = ["answer_nll", "load"]


def load(held_out_set: str, **_: object) -> DatasetDict:
    """One held-out set as the split `test`, with the columns `prompt` and `answer`."""
    programs = held_out(held_out_set)
    rows = {"prompt": list(map(render, programs)), "answer": list(map(answer, programs))}
    return DatasetDict({"test": Dataset.from_dict(rows)})


def answer_nll(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Nats per digit of the right answer."""
    return {"answer_nll": -results[0][0] / len(doc["answer"].split())}
