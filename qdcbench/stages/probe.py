"""Training set to probe to scores; both cached by what they depend on, so equal sets are trained once."""

from pathlib import Path

from qdcbench.canon import digest
from qdcbench.probes.recipe import recipe_named
from qdcbench.records import ProbeRun, RunSpec, Score, from_json
from qdcbench.seeds import seed_for
from qdcbench.stages.bench import Bench
from qdcbench.stages.select import TrainingSet
from qdcbench.store import read_jsonl, write_jsonl

__all__ = ["STAGE_VERSION", "train_and_evaluate"]

STAGE_VERSION = 1
"""Raised when the same rows, recipe and seed would give another probe or other scores."""


def _train(spec: RunSpec, bench: Bench, chosen: TrainingSet, repetition: int) -> tuple[Path, ProbeRun]:
    """Return the checkpoint's folder; its ``run.jsonl`` says how it was made."""
    from qdcbench.probes.start import base_of

    recipe = recipe_named(spec.probe)
    base = base_of(bench.task(spec))
    # Not the method: all methods of a repetition share initialisation and data order, so they are paired.
    axes = {"task": spec.task, "repetition": spec.repetition, "probe_repetition": repetition}
    seed = seed_for(spec.root_seed, "probe", axes)
    key = digest({"stage": STAGE_VERSION, "rows": chosen.sha256, "recipe": recipe, "base": base.sha256, "seed": seed})
    found = bench.store.find("probe", key)
    if found is None:
        with bench.store.create("probe", key) as folder:
            trained = base.train([(row.prompt, row.completion) for row in chosen.rows], recipe, seed, folder)
            made = ProbeRun(
                repetition=repetition,
                recipe=recipe.name,
                recipe_digest=digest(recipe),
                base_sha256=base.sha256,
                steps=trained.steps,
                tokens_seen=trained.tokens_seen,
                final_loss=trained.final_loss,
            )
            write_jsonl(folder / "run.jsonl", [made])
        found = bench.store.path("probe", key)
    return found, from_json(ProbeRun, read_jsonl(found / "run.jsonl")[0], str(found))


def _evaluate(spec: RunSpec, bench: Bench, checkpoint: Path, repetition: int) -> list[Score]:
    key = digest({"stage": STAGE_VERSION, "probe": checkpoint.name, "task": [spec.task, spec.hashes.get("task", "")]})
    found = bench.store.find("evaluate", key)
    if found is None:
        from qdcbench.probes.tiny import load
        from qdcbench.stages.evaluate import evaluate

        model, tokenizer = load(checkpoint)
        task = bench.task(spec)
        result = evaluate(
            model, tokenizer, task.held_out(), task=spec.task, version=task.version, probe_repetition=repetition
        )
        with bench.store.create("evaluate", key) as folder:
            write_jsonl(folder / "scores.jsonl", result.scores)
            write_jsonl(folder / "items.jsonl", [[*name, values] for name, values in result.outcomes.items()])
        found = bench.store.path("evaluate", key)
    return [from_json(Score, row, str(found)) for row in read_jsonl(found / "scores.jsonl")]


def train_and_evaluate(
    spec: RunSpec, bench: Bench, chosen: TrainingSet, repetition: int
) -> tuple[ProbeRun, list[Score]]:
    """Return one training of the probe and its scores on every held-out set."""
    checkpoint, made = _train(spec, bench, chosen, repetition)
    return made, _evaluate(spec, bench, checkpoint, repetition)
