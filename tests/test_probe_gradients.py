"""Projected gradients of rows: against a plain loop of autograd, and what may not change them."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from qdcbench.tasks._list_edits_grammar import vocabulary
from qdcbench.tasks.list_edits import ListEdits
from tiny_models import save_model

from qdcbench.errors import DataError
from qdcbench.probes.gradients import row_gradients
from qdcbench.probes.start import Base, base_of
from qdcbench.probes.tiny import Shape, make_model, save
from qdcbench.probes.tokenizer import make_tokenizer

TASK = ListEdits()
ROWS = [(row.prompt, row.completion) for row in TASK.reference_rows(Random(3), 40)]
BASE = base_of(TASK)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("small")
    tokenizer = make_tokenizer([*vocabulary(), "answer"])
    save(make_model(tokenizer, Shape(layers=2, width=16, heads=2, inner=16), 1), tokenizer, folder)
    return Base(sha256="", folder=folder)


def by_autograd(base: Base, rows: list[tuple[str, str]]) -> NDArray[np.float32]:
    """Unit gradients (n, all parameters), a row at a time and by the model's own forward pass."""
    model, tokenizer = base.open()
    found = []
    for prompt, completion in rows:
        asked = tokenizer(f"{prompt}\nAnswer:")["input_ids"]
        answer = [*tokenizer(f" {completion}")["input_ids"], tokenizer.eos_token_id]
        model.zero_grad()
        logits = model(input_ids=torch.tensor([asked + answer])).logits[0]
        loss = F.cross_entropy(logits[len(asked) - 1 : -1], torch.tensor(answer))
        torch.autograd.backward(loss)
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()])
        found.append((flat / flat.double().norm()).numpy())
    return np.stack(found)


def test_gradients_are_those_of_a_plain_loop(small: Base) -> None:
    # As wide as the model has parameters, the projection turns signs and places and no more: products are exact.
    plain = by_autograd(small, ROWS)
    projected = row_gradients(small, ROWS, width=plain.shape[1])
    assert np.abs(projected @ projected.T - plain @ plain.T).max() < 1e-5
    assert np.allclose(np.sort(np.abs(projected)), np.sort(np.abs(plain)), atol=1e-5)


def test_a_model_that_is_not_the_tiny_one_has_gradients_too(tmp_path: Path) -> None:
    base = Base(sha256="", folder=save_model(tmp_path))
    rows = [("Add 1 to 2", "3"), ("Say it twice: no", "no no"), ("Add 1 to 2", "4")]
    plain = by_autograd(base, rows)
    projected = row_gradients(base, rows, width=plain.shape[1])
    assert np.abs(projected @ projected.T - plain @ plain.T).max() < 1e-5


def test_the_projection_keeps_products_in_the_mean() -> None:
    plain, projected = by_autograd(BASE, ROWS), row_gradients(BASE, ROWS)
    assert projected.shape == (len(ROWS), 1024)
    errors = (projected @ projected.T - plain @ plain.T)[np.triu_indices(len(ROWS), 1)]
    # A sketch into w buckets errs by about 1/sqrt(w) a pair, and in no direction.
    assert np.sqrt(np.mean(errors**2)) < 2 / np.sqrt(1024)
    assert abs(errors.mean()) < 0.01


def test_a_row_has_the_same_gradient_whoever_stands_beside_it() -> None:
    together = row_gradients(BASE, ROWS)
    turned = row_gradients(BASE, ROWS[::-1])[::-1]
    alone = np.concatenate([row_gradients(BASE, [row]) for row in ROWS[:12]])
    assert np.abs(together - turned).max() < 1e-5
    assert np.abs(together[:12] - alone).max() < 1e-5
    assert np.array_equal(together, row_gradients(BASE, ROWS))


def test_vectors_are_of_unit_length_and_no_global_generator_is_used() -> None:
    before = torch.random.get_rng_state()
    vectors = row_gradients(BASE, ROWS, width=64)
    assert vectors.dtype == np.float32 and vectors.shape == (40, 64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_equal_rows_are_one_and_a_wrong_answer_is_another() -> None:
    (prompt, completion), other = ROWS[0], ROWS[1]
    wrong = " ".join(str((int(digit) + 5) % 10) for digit in completion.split())
    vectors = row_gradients(BASE, [(prompt, completion), (prompt, completion), (prompt, wrong), other])
    assert vectors[0] @ vectors[1] > 0.9999
    assert vectors[0] @ vectors[2] < 0.9 and vectors[0] @ vectors[3] < 0.9


def test_no_rows_and_no_width() -> None:
    assert row_gradients(BASE, [], width=8).shape == (0, 8)
    with pytest.raises(DataError, match="0 dimensions"):
        row_gradients(BASE, ROWS, width=0)
