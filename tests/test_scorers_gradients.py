"""Gradients of rows in any causal model: against a plain loop of autograd, small and large projections."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from qdcbench.tasks.list_edits import ListEdits
from transformers import AutoModelForCausalLM, AutoTokenizer

from qdcbench.errors import DataError
from qdcbench.probes import gradients
from qdcbench.probes.gradients import row_gradients
from qdcbench.probes.start import base_of
from qdcbench.scorers.causal import CausalModel, causal_model, causal_of_base
from qdcbench.scorers.gradients import score_gradients
from qdcbench.scorers.pretrained import ModelOptions
from tests.tiny_models import save_model

ROWS = [("Add 1 to 2", "3"), ("Say it twice: no", "no no"), ("Add 1 to 2", "4"), ("Wie heißt 日本?", "Japan " * 9)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def model(folder: Path) -> CausalModel:
    return causal_model(str(folder))


def by_autograd(folder: Path, rows: list[tuple[str, str]]) -> NDArray[np.float32]:
    """Unit gradients (n, all parameters) of the answer and its end mark after the chat template, a row at a time."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for prompt, completion in rows:
        asked = tokenizer(f"<user>{prompt}<assistant>")["input_ids"]
        answer = [*tokenizer(completion)["input_ids"], tokenizer.eos_token_id]
        model.zero_grad()
        logits = model(input_ids=torch.tensor([asked + answer])).logits[0]
        torch.autograd.backward(F.cross_entropy(logits[len(asked) - 1 : -1], torch.tensor(answer)))
        flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        found.append((flat / flat.double().norm()).numpy())
    return np.stack(found)


def test_gradients_are_those_of_a_plain_loop(folder: Path, model: CausalModel) -> None:
    plain = by_autograd(folder, ROWS)
    found = score_gradients(model, ROWS, width=plain.shape[1])
    # As wide as the model has parameters, the projection turns signs and places and no more: products are exact.
    assert np.abs(found.gradient @ found.gradient.T - plain @ plain.T).max() < 1e-5
    assert found.gradient.dtype == np.float32 and found.cut == 0


def test_the_form_for_large_models_keeps_products_in_the_mean(
    folder: Path, model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(f"Say {n} and {n * n}", f"{n} {'and ' * (n % 5)}{n * n}") for n in range(30)]
    plain = by_autograd(folder, rows)
    monkeypatch.setattr(gradients, "_BALANCED", 0)
    gradients._signed_buckets.cache_clear()
    found = score_gradients(model, rows).gradient
    gradients._signed_buckets.cache_clear()
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    errors = (found @ found.T - plain @ plain.T)[np.triu_indices(len(rows), 1)]
    # A sketch into w buckets errs by about 1/sqrt(w) a pair, and in no direction.
    assert np.sqrt(np.mean(errors**2)) < 2 / np.sqrt(1024)
    assert abs(errors.mean()) < 0.03


def test_the_base_of_a_task_has_the_gradients_that_methods_see() -> None:
    task = ListEdits()
    rows = [(row.prompt, row.completion) for row in task.reference_rows(Random(3), 40)]
    found = score_gradients(causal_of_base(base_of(task)), rows).gradient
    assert np.abs(found - row_gradients(base_of(task), rows)).max() < 1e-5


def test_rows_are_independent_and_equal_ones_are_one(model: CausalModel) -> None:
    found = score_gradients(model, [*ROWS, ROWS[0]]).gradient
    assert np.array_equal(found[0], found[-1])
    assert np.array_equal(found[:4], score_gradients(model, ROWS[::-1]).gradient[::-1])
    assert found[0] @ found[2] < 0.99
    assert score_gradients(model, []).gradient.shape == (0, 1024)


def test_long_rows_are_cut_and_counted_and_a_width_is_needed(folder: Path, model: CausalModel) -> None:
    short = causal_model(str(folder), ModelOptions(longest=24))
    found = score_gradients(short, [("x" * 99, "yes"), ("a", "b")])
    assert found.cut == 1 and np.allclose(np.linalg.norm(found.gradient, axis=1), 1, atol=1e-5)
    with pytest.raises(DataError, match="0 dimensions"):
        score_gradients(model, ROWS, width=0)
