"""The small model that learns from a method's rows and answers in a teacher's place."""

import random
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qdcbench.tasks.list_edits import ListEdits

from qdcbench.api import BudgetExhausted, PluginError
from qdcbench.probes.recipe import ProbeRecipe
from qdcbench.probes.score import generate
from qdcbench.probes.start import Base, base_of
from qdcbench.probes.train import prompt_text
from qdcbench.stages.proxy import PASSES, Proxy, train_proxy

TASK = ListEdits()
BASE = base_of(TASK)
ROWS = [(row.prompt, row.completion) for row in TASK.reference_rows(random.Random(3), 60)]
PROMPTS = [prompt for prompt, _ in ROWS]
RECIPE = ProbeRecipe(name="proxy_test", steps=4, batch_size=16, matrix_rate=0.01, vector_rate=0.004, warmup_steps=1)


def proxy(
    rows: list[tuple[str, str]], after: Proxy | None = None, recipe: ProbeRecipe = RECIPE, seed: int = 5
) -> Proxy:
    return train_proxy(BASE, rows, after=after, recipe=recipe, seed=seed)


@cache
def untrained() -> Proxy:
    return proxy([])


def asked(prompts: list[str]) -> list[Mapping[str, Any]]:
    return [{"prompt": prompt, "description": "anything", "examples": []} for prompt in prompts]


def greedy(learner: Proxy, prompts: list[str] = PROMPTS) -> list[str]:
    return learner.ask_many("answer", asked(prompts), temperature=0.0)


def weights(learner: Proxy) -> list[torch.Tensor]:
    return list(learner.copy_model()[0].parameters())


def same(left: Proxy, right: Proxy) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(left), weights(right), strict=True))


def test_no_rows_leave_the_start_as_it_is() -> None:
    model, tokenizer = BASE.open()
    expected = generate(model, tokenizer, [prompt_text(prompt) for prompt in PROMPTS], max_new_tokens=48)
    assert greedy(untrained()) == expected
    learned = proxy(ROWS)
    assert same(proxy([], after=learned), learned)


def test_it_learns_from_its_rows() -> None:
    rows = [("reverse the list then reverse the list: 3 1 4", "7 7 7"), ("drop the last number: 3 1", "9")]
    recipe = ProbeRecipe(name="learn", steps=60, batch_size=4, matrix_rate=0.01, vector_rate=0.004, warmup_steps=2)
    prompts = [prompt for prompt, _ in rows]
    learned = proxy(rows * 30, recipe=recipe)
    assert greedy(learned, prompts) == ["7 7 7", "9"] != greedy(untrained(), prompts)


def test_the_seed_decides_and_training_starts_from_the_base_or_from_an_earlier_proxy() -> None:
    first = proxy(ROWS)
    before = [parameter.clone() for parameter in weights(first)]
    again, other, further = proxy(ROWS), proxy(ROWS, seed=6), proxy(ROWS, after=first)
    assert same(first, again) and not same(first, other) and not same(first, further)
    # Continuing leaves the one it continues from as it was.
    assert all(torch.equal(a, b) for a, b in zip(before, weights(first), strict=True))


def test_few_rows_are_not_passed_over_and_over() -> None:
    rows = ROWS[:6]
    steps = -(-PASSES * len(rows) // RECIPE.batch_size)
    assert steps < RECIPE.steps
    short = ProbeRecipe(
        name="proxy_test", steps=steps, batch_size=16, matrix_rate=0.01, vector_rate=0.004, warmup_steps=1
    )
    assert same(proxy(rows), proxy(rows, recipe=short))


def test_a_task_without_a_base_of_its_own_has_proxies_too() -> None:
    fresh = Base(sha256="none", folder=None, words=("reverse", "the", "list", "answer", "3", "1", "4"))
    rows = [("reverse the list: 3 1 4", "4 1 3")] * 64
    recipe = ProbeRecipe(name="fresh", steps=64, batch_size=8, matrix_rate=0.01, vector_rate=0.004, warmup_steps=2)
    learned = train_proxy(fresh, rows, after=None, recipe=recipe, seed=0)
    assert learned.ask("answer", prompt="reverse the list: 3 1 4", temperature=0.0) == "4 1 3"


def test_the_three_ways_to_ask_agree() -> None:
    prompts = PROMPTS[:8]
    each = list(untrained().ask_each("answer", asked(prompts), ahead=3, temperature=0.0, template="answer"))
    assert each == greedy(untrained(), prompts)
    assert each == [untrained().ask("answer", prompt=prompt, temperature=0.0) for prompt in prompts]
    assert untrained().ask_many("answer", []) == [] == list(untrained().ask_each("answer", []))


def test_equal_questions_are_told_apart_and_repeat_in_another_proxy_of_that_seed() -> None:
    prompts = [PROMPTS[0]] * 12 + [PROMPTS[1]] * 12
    texts = proxy([]).ask_many("answer", asked(prompts), temperature=2.0)
    assert len(set(texts[:12])) > 6 and texts == proxy([]).ask_many("answer", asked(prompts), temperature=2.0)
    assert texts != proxy([], seed=6).ask_many("answer", asked(prompts), temperature=2.0)


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(12)), ahead=st.integers(1, 13))
def test_a_sample_depends_on_prompt_and_number_and_not_on_company(order: list[int], ahead: int) -> None:
    straight = proxy([]).ask_many("answer", asked(PROMPTS[:12]), temperature=1.5, top_p=0.9)
    shuffled = asked([PROMPTS[number] for number in order])
    found = list(proxy([]).ask_each("answer", shuffled, ahead=ahead, temperature=1.5, top_p=0.9))
    assert found == [straight[number] for number in order]


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_a_stream_is_drawn_no_further_ahead_than_said(ahead: int) -> None:
    used = 0
    leads = []

    def materials() -> Iterator[Mapping[str, Any]]:
        for number, material in enumerate(asked(PROMPTS[:10])):
            leads.append(number - used)
            yield material

    for _ in untrained().ask_each("answer", materials(), ahead=ahead, temperature=0.0):
        used += 1
    assert used == 10 and max(leads) == min(ahead, 10) - 1


def test_where_the_stream_ends_with_the_budget_what_was_drawn_is_answered_first() -> None:
    def materials() -> Iterator[Mapping[str, Any]]:
        yield from asked(PROMPTS[:5])
        raise BudgetExhausted("tokens")

    found = []
    with pytest.raises(BudgetExhausted, match="tokens"):
        for text in untrained().ask_each("answer", materials(), ahead=3, temperature=0.0):
            found.append(text)
    assert found == greedy(untrained(), PROMPTS[:5])


def test_answers_end_where_they_are_told_to() -> None:
    (whole,) = greedy(untrained(), PROMPTS[:1])
    words = whole.split()
    assert len(words) > 2
    assert untrained().ask("answer", prompt=PROMPTS[0], temperature=0.0, max_tokens=2) == " ".join(words[:2])
    cut = untrained().ask("answer", prompt=PROMPTS[0], temperature=0.0, stop=[words[1]])
    assert cut == whole.split(words[1])[0]


@pytest.mark.parametrize(
    ("intent", "material", "sentence"),
    [
        ("propose", {"prompt": "x"}, "only answers"),
        ("answer", {"question": "x"}, "no text under the name 'prompt'"),
        ("answer", {"prompt": "x", "hint": "3"}, "'hint'"),
        ("answer", {"prompt": "x", "form": "labels"}, "'form'"),
    ],
)
def test_it_says_what_it_cannot_do(intent: str, material: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PluginError, match=sentence):
        untrained().ask(intent, **material)
    with pytest.raises(PluginError, match=sentence):
        list(untrained().ask_each(intent, [material]))


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"max_tokens": 0}])
def test_numbers_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match="cannot answer at"):
        untrained().ask("answer", prompt="x", **options)


def test_nothing_global_is_touched() -> None:
    before = random.getstate(), torch.get_rng_state(), torch.get_num_threads()
    proxy(ROWS).ask_many("answer", asked(PROMPTS[:4]), temperature=1.0)
    assert before[0] == random.getstate() and before[2] == torch.get_num_threads()
    assert torch.equal(before[1], torch.get_rng_state())
