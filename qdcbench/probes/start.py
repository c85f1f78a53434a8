"""Where a probe starts: the base model of a task, training from it, and what it makes of an answer."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

from qdcbench.api import Task
from qdcbench.probes.recipe import ProbeRecipe
from qdcbench.probes.score import log_likelihoods
from qdcbench.probes.tiny import Shape, load, make_model, save
from qdcbench.probes.tokenizer import make_tokenizer
from qdcbench.probes.train import PROMPT_END, fit, prompt_text
from qdcbench.records import Example

__all__ = ["Base", "Trained", "answer_losses", "base_of"]

_WORD = re.compile(r"[^\W\d_]+|\d")
"""What the tokenizer makes of a text: words, and digits one by one."""

FRESH_SEED = 20261122
"""Seed of the weights where a task ships no base."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a training used and where its loss ended; no steps and no loss when there was no data."""

    steps: int
    tokens_seen: int
    final_loss: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """A base checkpoint; ``folder`` is None where the task ships none and fresh weights are used."""

    sha256: str
    folder: Path | None
    words: tuple[str, ...] = ()

    def open(self) -> tuple[Any, Any]:
        """Return model and tokenizer, a new copy each time."""
        if self.folder is not None:
            return load(self.folder)
        tokenizer = make_tokenizer(self.words)
        return make_model(tokenizer, Shape(positions=512), FRESH_SEED), tokenizer

    def train(self, rows: Sequence[tuple[str, str]], recipe: ProbeRecipe, seed: int, out: Path) -> Trained:
        """Train on prompt/completion pairs and write the checkpoint; with no rows the base is written untouched."""
        model, tokenizer = self.open()
        trained = Trained(steps=0, tokens_seen=0, final_loss=None)
        if rows:
            made = fit(model, tokenizer, rows, recipe, seed)
            trained = Trained(steps=made.steps, tokens_seen=made.tokens_seen, final_loss=made.final_loss)
        save(model, tokenizer, out)
        return trained


def _digest_folder(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()


_BASES: dict[tuple[str, int], Base] = {}


def base_of(task: Task) -> Base:
    """Return the base that ships with a task in ``tasks/data/<task>_base``, fresh weights where there is none.

    Fresh weights come with a vocabulary of the task's seed examples, the same for every method.
    """
    key = (task.name, task.version)
    if key not in _BASES:
        shipped = Path(str(resources.files("qdcbench.tasks") / "data" / f"{task.name}_base"))
        _BASES[key] = _shipped(shipped) if shipped.is_dir() else _fresh(tuple(task.seed_examples(Random(FRESH_SEED))))
    return _BASES[key]


@cache
def _shipped(folder: Path) -> Base:
    return Base(sha256=_digest_folder(folder), folder=folder)


def _fresh(seeds: tuple[Example, ...]) -> Base:
    texts = [text for seed in seeds for text in (seed.prompt, seed.completion)]
    words = tuple(sorted({word for text in [*texts, PROMPT_END] for word in _WORD.findall(text.lower())}))
    return Base(
        sha256=hashlib.sha256("\n".join(words).encode("utf-8", "replace")).hexdigest(), folder=None, words=words
    )


def answer_losses(task: Task, rows: Sequence[tuple[str, str]]) -> tuple[float, ...]:
    """Return the mean negative log-likelihood of each completion under the task's base, in nats a token."""
    model, tokenizer = base_of(task).open()
    pairs = [(prompt_text(prompt), " " + completion) for prompt, completion in rows]
    found = log_likelihoods(model, tokenizer, pairs)
    return tuple(-value / max(1, tokens) for value, _, tokens in found)
