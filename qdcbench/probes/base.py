"""Make the base model of list_edits from single operations: `python -m qdcbench.probes.base OUT`.

The base has read every word of the grammar and knows every operation by itself, but has never seen two composed.
So a probe that starts from it can only learn from a dataset what the dataset composes.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from .recipe import ProbeRecipe
from .tiny import Shape, make_model, save
from .tokenizer import make_tokenizer
from .train import PROMPT_END, TrainedProbe, fit

__all__ = ["BASE_EXAMPLES", "BASE_RECIPE", "BASE_SEED", "BASE_SHAPE", "main", "make_base"]

BASE_SHAPE = Shape(layers=3, inner=128)
BASE_SEED = 20261122
BASE_EXAMPLES = 60_000
BASE_RECIPE = ProbeRecipe(name="list_edits_base", steps=2500, batch_size=64, matrix_rate=0.01, vector_rate=0.004)


def make_base(
    recipe: ProbeRecipe = BASE_RECIPE,
    *,
    shape: Shape = BASE_SHAPE,
    seed: int = BASE_SEED,
    count: int = BASE_EXAMPLES,
    watch: Callable[[int, float], None] | None = None,
) -> tuple[Any, Any, TrainedProbe]:
    """Model, tokenizer and facts of a base made from nothing; the same on every call."""
    grammar = import_module("qdcbench.tasks._list_edits_grammar")
    sets = import_module("qdcbench.tasks._list_edits_sets")
    rng = Random(f"list_edits: base {seed}")
    programs = [sets.draw_single(rng) for _ in range(count)]
    examples = [(grammar.render(program), grammar.answer(program)) for program in programs]
    tokenizer = make_tokenizer([*grammar.vocabulary(), PROMPT_END.strip(" \n:").lower()])
    model = make_model(tokenizer, shape, seed)
    return model, tokenizer, fit(model, tokenizer, examples, recipe, seed, watch)


def main(arguments: list[str] | None = None) -> int:
    """Write a base checkpoint and say how its training went."""
    parser = argparse.ArgumentParser(prog="python -m qdcbench.probes.base", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write the checkpoint to")
    parser.add_argument("--steps", type=int, default=BASE_RECIPE.steps, help="fewer for a quick try")
    options = parser.parse_args(arguments)
    started = time.monotonic()

    def watch(step: int, loss: float) -> None:
        if (step + 1) % 250 == 0:
            print(f"step {step + 1}: loss {loss:.3f}, {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201

    model, tokenizer, trained = make_base(replace(BASE_RECIPE, steps=options.steps), watch=watch)
    save(model, tokenizer, options.out)
    print(f"wrote {options.out}: {trained.tokens_seen} tokens, loss {trained.final_loss:.4f}")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
