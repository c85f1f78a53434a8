"""Imported: rows of a data file that someone made elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Example, GenerationContext, PluginError, method, read_examples


@dataclass(frozen=True)
class Params:
    """The file's path, relative to the suite."""

    path: str = ""


@method(
    name="imported",
    version=1,
    summary="Rows of a data file, in its order.",
    reference="none",
    params=Params,
    role="imported",
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield as many rows of the file as are wanted."""
    if not params.path:
        raise PluginError('imported: no file is named; write path = "rows.jsonl" in the arm\'s params')
    yield from read_examples(params.path, limit=ctx.remaining).examples
