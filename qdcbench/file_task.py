"""A task made of files: seed examples, one ID set and any number of OOD sets.

A task file is TOML:

    name = "school_maths"
    description = "Word problems of school mathematics with a number as answer."
    seed = "train.jsonl"
    seed_examples = 100
    match = "number"            # exact | number: how an answer is compared with the gold answer

    [id]
    gsm8k = "test.jsonl"
    [ood]
    svamp = "svamp.jsonl"
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

from qdcbench.api import Check, DataError, Example, HeldOut, PluginError, Structure, Teacher
from qdcbench.errors import ConfigError, RecordError, did_you_mean
from qdcbench.readers import read_examples
from qdcbench.records import from_json

__all__ = ["FileTask", "read_task_file"]

HELD_OUT_LIMIT = 1000
"""Items of each held-out file that are used, the first ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFile:
    """What a task file says; paths start from its folder."""

    name: str
    seed: str
    id: Mapping[str, str]
    ood: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    seed_examples: int = 100
    match: Literal["exact", "number"] = "exact"


def _number(text: str) -> str | None:
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return f"{float(found[-1].replace(',', '')):g}" if found else None


def _held_out(distance: Literal["id", "ood"], name: str, path: Path) -> HeldOut:
    items = read_examples(str(path), limit=HELD_OUT_LIMIT).examples
    return HeldOut(name=name, distance=distance, summary=path.name, items=items)


class FileTask:
    """Fulfils ``qdcbench.api.Task`` from files. It verifies only prompts whose gold answer it has."""

    version = 1
    reference = "files"

    def __init__(self, facts: TaskFile, folder: Path, sha256: str) -> None:
        self.name = facts.name
        self.summary = facts.description or f"task from files of {folder}"
        self.description = facts.description
        self.sha256 = sha256
        self._facts = facts
        self._seed = read_examples(str(folder / facts.seed)).examples
        near = tuple(_held_out("id", name, folder / path) for name, path in facts.id.items())
        far = tuple(_held_out("ood", name, folder / path) for name, path in facts.ood.items())
        self._held_out = near + far
        self._gold = {row.prompt: row.completion for row in self._seed if row.completion}

    def _same(self, answer: str, gold: str) -> bool:
        if self._facts.match == "number":
            return _number(answer) is not None and _number(answer) == _number(gold)
        return " ".join(answer.split()).casefold() == " ".join(gold.split()).casefold()

    def seed_examples(self, rng: Random) -> Sequence[Example]:
        """Return a seeded sample of the seed file."""
        return rng.sample(self._seed, min(self._facts.seed_examples, len(self._seed)))

    def verify(self, example: Example) -> Check:
        """Compare with the gold answer of the same prompt in the seed file, where there is one."""
        gold = self._gold.get(example.prompt)
        if gold is None:
            return Check(correct=None, reason="no gold answer for this prompt")
        if self._same(example.completion, gold):
            return Check(correct=True)
        return Check(correct=False, reason=f"the gold answer is {gold}")

    def structure(self, prompt: str) -> Structure | None:
        """Return None: files say nothing about structure."""
        return None

    def pair_universe(self) -> int | None:
        """Return None."""
        return None

    def held_out(self) -> Sequence[HeldOut]:
        """Return the ID and OOD sets."""
        return self._held_out

    def reference_rows(self, rng: Random, n: int) -> Sequence[Example]:
        """Return seeded rows of the seed file, the best-known rows of such a task."""
        rows = [row for row in self._seed if row.completion]
        if not rows:
            raise DataError(f"task {self.name!r}: the seed file has no answers, so there are no reference rows")
        return rng.sample(rows, min(n, len(rows)))

    def scripted_teacher(self, profile: str) -> Teacher:
        """Refuse: a task of files has no scripted teacher."""
        raise PluginError(f'task {self.name!r} has no scripted teacher; use teacher = "openai:MODEL" or imported arms')


@cache
def read_task_file(path: Path) -> FileTask:
    """Read a task file and everything it names.

    Raises:
        ConfigError: missing file, broken TOML, unknown or missing keys.
        DataError: a data file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"there is no task file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the task file {path} cannot be read: {error}") from None
    known = list(TaskFile.__dataclass_fields__)
    unknown = [f"{name!r} is unknown, {did_you_mean(name, known)}" for name in table if name not in known]
    if unknown:
        raise ConfigError(f"{path}: {'; '.join(unknown)}")
    try:
        facts = from_json(TaskFile, table, str(path))
    except RecordError as error:
        raise ConfigError(str(error)) from None
    total = hashlib.sha256(text.encode())
    for name in (facts.seed, *facts.id.values(), *facts.ood.values()):
        file = path.parent / name
        if not file.is_file():
            raise ConfigError(f"{path} names {name}, which does not exist in {path.parent}")
        total.update(file.read_bytes())
    return FileTask(facts, path.parent, total.hexdigest())
