"""What is found out about rows before they are measured: by the task, its verifier, its base and their lineage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Literal

import numpy as np

from qdcbench.api import Example, Task
from qdcbench.errors import DataError
from qdcbench.measures.known import Around, Known
from qdcbench.measures.rows import Rows
from qdcbench.records import Structure

__all__ = [
    "FAIL_SAMPLES",
    "REFERENCE_ROWS",
    "REFERENCE_SEED",
    "Given",
    "around_of",
    "generators",
    "known_of",
    "reference_of",
]

REFERENCE_ROWS = 1000
"""Rows of the reference that all datasets of a task share."""

REFERENCE_SEED = 20260807
"""Fixed, so that datasets of different suites and repetitions stand beside the same rows."""

FAIL_SAMPLES = 2
"""Answers of the base to each prompt: of 500 prompts their mean is exact enough, and more cost more than they tell."""

_FAIL_TOKENS = 16
"""As many tokens as an answer may have where probes are scored."""

_LEVELS = 2
"""Levels of the taxonomy of operations: deeper ones have more nodes than a dataset has rows."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What surrounds a dataset: the seed examples of its repetition, and the attempts that it was selected from."""

    seeds: tuple[Example, ...] = ()
    attempted: int | None = None
    accepted: int | None = None


def generators(rows: Sequence[Example]) -> tuple[str, ...] | None:
    """Return the teacher that wrote each row by its lineage, None where fewer than two did or a row does not say."""
    writers = tuple(row.lineage.get("teacher") or row.lineage.get("member", "") for row in rows)
    return writers if len(set(writers)) > 1 and all(writers) else None


def _meaning(prompt: str, structure: Structure | None) -> str | None:
    """The operations in order and the numbers they are done to: what is left of a prompt without its wording."""
    if structure is None:
        return None
    return f"{' > '.join(structure.parts)}: {' '.join(_NUMBER.findall(prompt))}"


def _node(structure: Structure | None) -> str | None:
    """The place in the taxonomy whose levels are the first operation, the first two, and so on."""
    return None if structure is None else "/".join(structure.parts[:_LEVELS])


def known_of(task: Task, rows: Sequence[Example], *, seed: int, models: bool = True) -> Known:
    """Return all columns that need no teacher, for rows that shall be measured.

    ``seed`` is that of the base's answers. Without ``models`` the base is asked nothing. Fail rates and gradients are
    taken only where the task ships a trained base: fresh weights fail everywhere and feel nothing.
    """
    structures = tuple(task.structure(row.prompt) for row in rows)
    there = any(structures)
    known = Known(
        structure=structures if there else None,
        correct=tuple(task.verify(row).correct for row in rows),
        assigned=tuple(map(_node, structures)) if there else None,
        meaning=tuple(_meaning(row.prompt, s) for row, s in zip(rows, structures, strict=True)) if there else None,
        generator=generators(rows),
    )
    return _by_base(task, rows, known, seed) if models and rows else known


def _by_base(task: Task, rows: Sequence[Example], known: Known, seed: int) -> Known:
    from qdcbench.probes.gradients import row_gradients
    from qdcbench.probes.start import base_of
    from qdcbench.scorers.causal import causal_of_base, score_losses
    from qdcbench.scorers.failing import Drawing, base_writer, fail_rates

    base = base_of(task)
    pairs = [(row.prompt, row.completion) for row in rows]
    # A base learned to answer and not to ask: the likelihood of its prompts, and so of whole texts, means nothing.
    losses = score_losses(causal_of_base(base), pairs, ("answer_nll", "blank_nll"))
    known = replace(known, answer_nll=losses.answer_nll, blank_nll=losses.blank_nll)
    if base.folder is None:
        return known
    drawing = Drawing(samples=FAIL_SAMPLES, most_tokens=_FAIL_TOKENS, temperature=1.0, seed=seed)
    # A prompt that the task does not understand has no right answer to find.
    prompts = [row.prompt for row, right in zip(rows, known.correct or (), strict=True) if right is not None]
    rates = dict(zip(prompts, fail_rates(base_writer(base), prompts, task.verify, drawing), strict=True))
    return replace(
        known,
        failed=tuple(rates.get(row.prompt) for row in rows) if rates else None,
        gradient=row_gradients(base, pairs),
    )


_REFERENCES: dict[tuple[str, int, str], Rows | None] = {}


def reference_of(task: Task, sha256: str = "") -> Rows | None:
    """Return the reference of a task of that digest, the same object for all datasets of a process.

    Its rows are those of ``Task.reference_rows`` by a fixed seed, so that embeddings and clusters, which are kept on
    it, are computed once. None where the task has none.
    """
    key = (task.name, task.version, sha256)
    if key not in _REFERENCES:
        try:
            found = tuple(task.reference_rows(Random(REFERENCE_SEED), REFERENCE_ROWS))
        except DataError:
            found = ()
        _REFERENCES[key] = _rows(found) if found else None
    return _REFERENCES[key]


@lru_cache(maxsize=16)
def _base_rows(seeds: tuple[tuple[str, str], ...]) -> Rows:
    """Seed examples as rows, kept so that those of a repetition are encoded once for all methods."""
    return Rows(prompts=tuple(prompt for prompt, _ in seeds), completions=tuple(text for _, text in seeds))


def _rows(examples: Sequence[Example]) -> Rows:
    return Rows(
        prompts=tuple(example.prompt for example in examples),
        completions=tuple(example.completion for example in examples),
    )


def _taxonomy(task: Task, reference: Rows | None) -> tuple[str, ...]:
    """The nodes that the reference reaches; the task's grammar is not asked, as a task need not have one."""
    if reference is None:
        return ()

    def reached() -> tuple[str, ...]:
        nodes = {_node(task.structure(prompt)) for prompt in reference.prompts}
        return tuple(sorted(node for node in nodes if node is not None))

    return reference.shared("taxonomy of operations", reached)


def around_of(task: Task, given: Given, *, sha256: str = "") -> Around:
    """Return what is known of a dataset beyond its rows; ``sha256`` is the digest of the task's source or files.

    The seed examples are the set that rows are added to, and their mean length is where twins at one length are read.
    """
    reference = reference_of(task, sha256)
    base = _base_rows(tuple((seed.prompt, seed.completion) for seed in given.seeds)) if given.seeds else None
    sides: tuple[Literal["prompt", "completion", "both"], ...] = ("prompt", "completion", "both")
    return Around(
        pair_universe=task.pair_universe(),
        attempted=given.attempted,
        accepted=given.accepted,
        taxonomy=_taxonomy(task, reference),
        base=base,
        reference=reference,
        words={} if base is None else {side: float(np.mean(base.words(side))) for side in sides},
    )
