"""Fail rates of a reference model: against greedy answers, what they follow, and what cannot change them."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import torch
from qdcbench.tasks.list_edits import ListEdits
from transformers import AutoModelForCausalLM, AutoTokenizer

from qdcbench.api import Check, Example
from qdcbench.errors import ConfigError
from qdcbench.probes.start import base_of
from qdcbench.scorers.causal import causal_model
from qdcbench.scorers.failing import Drawing, base_writer, fail_rates, model_writer
from tests.tiny_models import save_model

TASK = ListEdits()
PROMPTS = [row.prompt for row in TASK.reference_rows(Random(2), 120)]
SHORT = Drawing(samples=4, most_tokens=16, temperature=1.0)


def told(text: str) -> Check:
    return Check(correct={"y": True, "n": False}.get(text[:1]))


def test_a_rate_is_the_share_not_confirmed_of_what_could_be_told() -> None:
    answers = {"right": "yyyy", "half": "ynny", "odd": "yn??", "unknown": "????", "wrong": "nnnn"}

    def write(prompts: Sequence[str], drawing: Drawing, numbers: Sequence[int]) -> list[str]:
        return [f" {answers[prompt][number]} " for prompt, number in zip(prompts, numbers, strict=True)]

    rates = fail_rates(write, [*answers, "half"], lambda example: told(example.completion), Drawing(samples=4))
    assert rates == (0.0, 0.5, 0.5, None, 1.0, 0.5)
    assert fail_rates(write, [], lambda example: told(example.completion), SHORT) == ()


def test_the_base_fails_at_what_it_never_learned() -> None:
    rates = fail_rates(base_writer(base_of(TASK)), PROMPTS, TASK.verify, SHORT)
    depths = [found.depth for prompt in PROMPTS if (found := TASK.structure(prompt))]
    one = [rate for rate, depth in zip(rates, depths, strict=True) if depth == 1 and rate is not None]
    three = [rate for rate, depth in zip(rates, depths, strict=True) if depth == 3 and rate is not None]
    assert sum(one) / len(one) < 0.1 and sum(three) / len(three) > 0.9


def test_copies_and_order_change_no_rate_and_the_seed_may() -> None:
    write = base_writer(base_of(TASK))
    rates = fail_rates(write, PROMPTS, TASK.verify, SHORT)
    assert fail_rates(write, [*PROMPTS[::-1], *PROMPTS], TASK.verify, SHORT) == (*rates[::-1], *rates)
    hot = [Drawing(samples=4, most_tokens=16, temperature=3.0, seed=seed) for seed in (1, 2)]
    assert len({fail_rates(write, PROMPTS, TASK.verify, drawing) for drawing in hot}) == 2


def test_a_prompt_outside_the_task_has_no_rate() -> None:
    rates = fail_rates(base_writer(base_of(TASK)), ["Tell me a story.", PROMPTS[0]], TASK.verify, SHORT)
    assert rates[0] is None and rates[1] is not None


@torch.no_grad()
def greedy(folder: Path, text: str, most: int) -> str:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    found = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False)
    return str(tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True))


def test_any_causal_model_answers_and_cold_ones_greedily(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    write = model_writer(causal_model(str(folder)))
    prompts = ["Add 1 to 2", "Say it twice: no, and a little longer", "x"]
    cold = Drawing(samples=1, most_tokens=8, temperature=1e-4)
    assert write(prompts, cold, [0, 0, 0]) == [greedy(folder, f"<user>{p}<assistant>", 8) for p in prompts]
    warm = Drawing(samples=3, most_tokens=8, temperature=1.0)
    once = write(["Add 1 to 2"] * 3, warm, [0, 1, 2])
    assert len(set(once)) == 3 and write(["Add 1 to 2"] * 3, warm, [2, 1, 0]) == once[::-1]
    first = {prompt: write([prompt], cold, [0])[0].strip() for prompt in prompts}
    right = {"Add 1 to 2": first["Add 1 to 2"], "x": "not this"}

    def verify(example: Example) -> Check:
        wanted = right.get(example.prompt)
        return Check(correct=None if wanted is None else example.completion == wanted)

    assert fail_rates(write, prompts, verify, cold) == (0.0, None, 1.0)


def test_a_prompt_too_long_for_the_model_keeps_its_end(tmp_path: Path) -> None:
    folder = save_model(tmp_path, positions=32, template=None)
    write = model_writer(causal_model(str(folder)))
    cold = Drawing(samples=1, most_tokens=8, temperature=1e-4)
    assert write(["x" * 90 + "end"], cold, [0]) == [greedy(folder, "x" * 20 + "end\n", 8)]


def test_a_drawing_out_of_range_is_refused() -> None:
    for wrong in ({"samples": 0}, {"temperature": 0.0}, {"most_tokens": 0}):
        with pytest.raises(ConfigError, match="at least 1 sample"):
            Drawing(**wrong)  # type: ignore[arg-type]
