"""Epiplexity: what it is of noise, of one text and of structure, what cannot change it, and its sum by hand."""

import math
from random import Random

import numpy as np
import pytest
import torch
from qdcbench.tasks.list_edits import ListEdits

from qdcbench.errors import DataError
from qdcbench.probes.start import base_of
from qdcbench.probes.tiny import make_model
from qdcbench.scorers.epiplexity import BYTES, Reading, epiplexity

TASK = ListEdits()
_, TOKENIZER = base_of(TASK).open()
ROWS = [(row.prompt, row.completion) for row in TASK.reference_rows(Random(0), 160)]


def noise(n: int) -> list[tuple[str, str]]:
    rng = Random(4)
    digits = [[str(rng.randrange(10)) for _ in range(28)] for _ in range(n)]
    return [(" ".join(row[:24]), " ".join(row[24:])) for row in digits]


def test_structure_holds_more_than_noise_or_one_text() -> None:
    found = {
        name: epiplexity(rows, tokenizer=TOKENIZER)
        for name, rows in {"task": ROWS, "noise": noise(160), "one": ROWS[:1] * 160}.items()
    }
    assert found["task"].bits > 2 * found["noise"].bits and found["task"].bits > 2 * found["one"].bits > 0
    # What noise has instead is entropy: near that of a digit, which no model can learn away.
    assert 0.9 * math.log2(10) < found["noise"].entropy < 1.2 * math.log2(10)
    assert found["one"].entropy < 0.1


def test_bits_are_the_area_above_the_final_loss() -> None:
    found = epiplexity(ROWS, tokenizer=TOKENIZER)
    assert found.bits == pytest.approx((found.online - found.entropy) * found.tokens)
    assert found.bits_a_row == pytest.approx(found.bits / 160)
    assert (found.rows, found.cut) == (160, 0)
    texts = [f"{prompt}\n{completion}" for prompt, completion in ROWS]
    assert found.tokens == sum(len(ids) + 1 for ids in TOKENIZER(texts)["input_ids"])


def test_a_model_that_never_learns_takes_up_nothing() -> None:
    still = Reading(matrix_rate=0.0, vector_rate=0.0)
    rows = [("ab", "c"), ("Japan?", "日本"), ("", "x")]
    found = epiplexity(rows, reading=still)
    assert found.bits == pytest.approx(0.0, abs=1e-3)
    # Its loss is that of the fresh weights, by the model's own forward pass.
    model = make_model(BYTES, still.shape, still.seed)  # type: ignore[arg-type]
    total = 0.0
    for prompt, completion in rows:
        ids = [1, *(byte + 2 for byte in f"{prompt}\n{completion}".encode()), 1]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
        total -= float(logits.gather(1, torch.tensor(ids[1:])[:, None]).sum())
    assert found.online * found.tokens * math.log(2) == pytest.approx(total, rel=1e-5)


def test_order_changes_nothing_and_no_global_generator_is_used() -> None:
    before = torch.random.get_rng_state()
    rows = ROWS[:40]
    found = epiplexity(rows, tokenizer=TOKENIZER)
    assert found == epiplexity(rows[::-1], tokenizer=TOKENIZER)
    assert torch.equal(before, torch.random.get_rng_state())
    other = epiplexity(rows, tokenizer=TOKENIZER, reading=Reading(seed=1))
    assert other.bits != found.bits and other.bits == pytest.approx(found.bits, rel=0.3)


def test_more_rows_teach_more() -> None:
    bits = [epiplexity(ROWS[:n], tokenizer=TOKENIZER).bits for n in (20, 60, 160)]
    assert list(np.argsort(bits)) == [0, 1, 2]


def test_any_text_can_be_read_and_no_text_is_refused() -> None:
    found = epiplexity([("\ud800 half", "\x00"), ("word " * 200, "end"), ("", "")])
    assert found.cut == 1 and found.rows == 3 and math.isfinite(found.bits)
    with pytest.raises(DataError, match="at least one row"):
        epiplexity([])
