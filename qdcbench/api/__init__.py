"""All that a plugin may import: records of rows, the two decorators, and what the harness hands over.

A method is a generator function; a task is a class with a few verbs; a teacher answers requests. A plugin
imports nothing else of QDCBench, and importing this module loads neither torch nor lm-eval nor pandas.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from qdcbench.api.asking import AHEAD, INTENTS, SETUP_INTENTS, Asker, Reply, Request, Teacher
from qdcbench.api.methods import Component, Cost, GenerationContext, MethodPlugin, Program, ProgramRun, dial, method
from qdcbench.api.tasks import HeldOut, Task, task
from qdcbench.duplicates import CosineFilter, MinHashFilter
from qdcbench.errors import BudgetExhausted, DataError, PluginError, TeacherError
from qdcbench.novelty import NoveltyFilter
from qdcbench.records import Check, Example, Structure

if TYPE_CHECKING:
    from qdcbench.readers import ReadResult

__all__ = [
    "AHEAD",
    "INTENTS",
    "SETUP_INTENTS",
    "Asker",
    "BudgetExhausted",
    "Check",
    "Component",
    "CosineFilter",
    "Cost",
    "DataError",
    "Example",
    "GenerationContext",
    "HeldOut",
    "MethodPlugin",
    "MinHashFilter",
    "NoveltyFilter",
    "PluginError",
    "Program",
    "ProgramRun",
    "Reply",
    "Request",
    "Structure",
    "Task",
    "Teacher",
    "TeacherError",
    "dial",
    "method",
    "read_examples",
    "task",
]


def read_examples(
    source: str | Path, limit: int | None = None, *, prompt_field: str = "", completion_field: str = ""
) -> "ReadResult":
    """Read examples from a data file or a data set; see `qdcbench.readers`.

    Fields that are not named are found by their usual names.

    Raises:
        DataError: the file cannot be read or holds no usable row, or a completion's field is named without a prompt's.
    """
    if completion_field and not prompt_field:
        raise DataError(f"completion_field {completion_field!r} is named and prompt_field is not; name both")
    # Imported here so that a plugin that reads no file loads no reader.
    from qdcbench.readers import FieldMap
    from qdcbench.readers import read_examples as read

    fields = FieldMap(prompt=prompt_field, completion=completion_field) if prompt_field or completion_field else None
    return read(source, limit=limit, fields=fields)
