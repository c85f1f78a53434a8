"""Probes: the tokenizer, the written-out forward pass, Muon, training and scoring."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import qdcbench.tasks
import torch
from qdcbench.tasks._list_edits_grammar import answer, render, vocabulary
from qdcbench.tasks._list_edits_sets import draw_held_out, draw_seed, draw_single
from scipy.stats import chisquare

from qdcbench.probes.base import make_base
from qdcbench.probes.muon import Muon, orthogonalize
from qdcbench.probes.score import Sampling, generate, log_likelihoods
from qdcbench.probes.tiny import Cache, Shape, answer_logits, is_tiny, load, make_model, next_logits, one_thread, save
from qdcbench.probes.tokenizer import EOS, PAD, UNKNOWN, make_tokenizer
from qdcbench.probes.train import ProbeRecipe, encode, fit, prompt_text, train_probe

SHIPPED = Path(qdcbench.tasks.__file__).parent / "data" / "list_edits_base"
TOKENIZER = make_tokenizer([*vocabulary(), "answer"])
SMALL = Shape(layers=3, width=32, heads=4, inner=48)
QUICK = ProbeRecipe(name="quick", steps=6, batch_size=16, matrix_rate=0.01, vector_rate=0.004, warmup_steps=2)


def drawn(count: int, seed: int = 0) -> list[tuple[str, str]]:
    rng = Random(seed)
    programs = [draw_seed(rng) for _ in range(count)]
    return [(render(program), answer(program)) for program in programs]


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_tokenizer_knows_words_and_single_digits_whatever_case_and_punctuation() -> None:
    tokens = TOKENIZER("Reverse the LIST, then: 3 14\nAnswer:")["input_ids"]
    assert TOKENIZER.decode(tokens) == "reverse the list then 3 1 4 answer"
    assert TOKENIZER.convert_ids_to_tokens([0, 1, 2]) == [PAD, UNKNOWN, EOS]
    assert TOKENIZER("quagmire")["input_ids"] == [TOKENIZER.unk_token_id]


def test_tokenizer_is_the_same_whatever_the_order_of_words() -> None:
    assert make_tokenizer(reversed([*vocabulary(), "answer"])).get_vocab() == TOKENIZER.get_vocab()


def test_a_prompt_and_its_answer_split_where_they_meet() -> None:
    for prompt, completion in drawn(50):
        whole = TOKENIZER(f"{prompt_text(prompt)} {completion}")["input_ids"]
        assert whole == TOKENIZER(prompt_text(prompt))["input_ids"] + TOKENIZER(completion)["input_ids"]


def test_long_prompts_lose_their_beginning_and_keep_the_list() -> None:
    ((prompt, completion),) = encode(TOKENIZER, [("then " * 500 + "3 1 4", "4 1 3")], 40)
    assert len(prompt) + len(completion) == 40
    assert TOKENIZER.decode(prompt).endswith("then 3 1 4 answer")
    assert completion[-1] == TOKENIZER.eos_token_id


def test_written_out_forward_pass_equals_that_of_transformers() -> None:
    model = make_model(TOKENIZER, SMALL, 1)
    assert is_tiny(model)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, len(TOKENIZER), (5, 17), generator=generator)
    lengths = torch.tensor([17, 9, 12, 4, 16])
    with torch.inference_mode():
        whole = model(input_ids=ids).logits
        places = torch.tensor([[0, 16], [3, 8], [7, 11], [2, 3], [1, 15]])
        expected = torch.stack([whole[row, places[row]] for row in range(5)])
        torch.testing.assert_close(answer_logits(model, ids, places), expected, atol=1e-5, rtol=1e-5)
        starts = lengths - 1
        cache = Cache([], 20)
        answer_logits(model, ids, starts[:, None] - 1, cache)
        stepped = next_logits(model, ids[range(5), starts], starts, cache)
        torch.testing.assert_close(stepped, whole[range(5), starts], atol=1e-5, rtol=1e-5)


def test_orthogonalized_matrices_have_singular_values_about_one() -> None:
    matrices = torch.randn(3, 24, 8, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert 0.6 < values.min() and values.max() < 1.3


def test_muon_equals_that_of_torch() -> None:
    ours = [torch.nn.Parameter(torch.randn(8, 12, generator=torch.Generator().manual_seed(n))) for n in range(2)]
    theirs = [torch.nn.Parameter(parameter.detach().clone()) for parameter in ours]
    reference = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    muon = Muon(ours, weight_decay=0.1)
    for step in range(3):
        for left, right in zip(ours, theirs, strict=True):
            left.grad = torch.randn(8, 12, generator=torch.Generator().manual_seed(step))
            right.grad = left.grad.clone()
        muon.step(0.01)
        reference.step()
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, atol=2e-4, rtol=0)  # torch orthogonalises in 16 bits


def test_same_seed_same_weights_other_seed_others() -> None:
    examples = drawn(100)
    found = []
    for seed in (1, 1, 2):
        model = make_model(TOKENIZER, SMALL, 0)
        fit(model, TOKENIZER, examples, QUICK, seed)
        found.append(weights(model))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_training_leaves_global_generators_and_thread_count_alone() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state(), torch.get_num_threads()  # noqa: NPY002
    model = make_model(TOKENIZER, SMALL, 0)
    fit(model, TOKENIZER, drawn(50), QUICK, 0)
    generate(model, TOKENIZER, ["reverse the list: 3 1 4"])
    assert before[0] == random.getstate()
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[2], torch.get_rng_state())
    assert before[3] == torch.get_num_threads()


def test_training_says_what_it_used_and_learns() -> None:
    model = make_model(TOKENIZER, SMALL, 0)
    recipe = ProbeRecipe(name="learn", steps=200, batch_size=16, matrix_rate=0.01, vector_rate=0.004)
    trained = fit(
        model, TOKENIZER, [("reverse the list: 3 1 4", "4 1 3"), ("drop the last number: 3 1", "3")], recipe, 0
    )
    assert trained.steps == len(trained.losses) == 200
    assert trained.tokens_seen > 200 * 16 * 8
    assert trained.final_loss < 0.1 < trained.losses[0]
    assert generate(model, TOKENIZER, [prompt_text("reverse the list: 3 1 4")]) == ["4 1 3"]


def test_fewer_examples_than_a_batch_are_enough_and_none_is_refused() -> None:
    model = make_model(TOKENIZER, SMALL, 0)
    assert fit(model, TOKENIZER, drawn(3), QUICK, 0).steps == 6
    with pytest.raises(ValueError, match="no examples"):
        fit(model, TOKENIZER, [], QUICK, 0)


def test_scores_do_not_depend_on_batches_or_order() -> None:
    model = make_model(TOKENIZER, SMALL, 3)
    examples = drawn(40)
    prompts = [prompt_text(prompt) for prompt, _ in examples]
    assert generate(model, TOKENIZER, prompts) == generate(model, TOKENIZER, prompts, batch_size=1)
    pairs = [(prompt, " " + completion) for prompt, (_, completion) in zip(prompts, examples, strict=True)]
    forward = log_likelihoods(model, TOKENIZER, pairs)
    backward = log_likelihoods(model, TOKENIZER, pairs[::-1], batch_size=7)[::-1]
    for left, right in zip(forward, backward, strict=True):
        assert left[0] == pytest.approx(right[0], abs=1e-4) and left[1:] == right[1:]


def test_log_likelihood_is_that_of_transformers() -> None:
    model = make_model(TOKENIZER, SMALL, 3)
    ((prompt, completion),) = drawn(1)
    start, rest = TOKENIZER(prompt_text(prompt))["input_ids"], TOKENIZER(completion)["input_ids"]
    with torch.inference_mode():
        logs = model(input_ids=torch.tensor([start + rest])).logits[0].log_softmax(-1)
    expected = sum(float(logs[len(start) - 1 + place, token]) for place, token in enumerate(rest))
    ((found, _, count),) = log_likelihoods(model, TOKENIZER, [(prompt_text(prompt), " " + completion)])
    assert found == pytest.approx(expected, abs=1e-4) and count == len(rest)


def test_any_other_causal_model_is_trained_and_scored_too() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(TOKENIZER), hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        pad_token_id=0, eos_token_id=2, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
    assert not is_tiny(model)
    fit(model, TOKENIZER, [("reverse the list: 3 1 4", "4 1 3")], ProbeRecipe(name="any", steps=30, batch_size=4), 0)
    prompts = [prompt_text("reverse the list: 3 1 4"), prompt_text("3 1 4")]
    assert generate(model, TOKENIZER, prompts)[0] == "4 1 3"
    assert log_likelihoods(model, TOKENIZER, [(prompts[0], " 4 1 3")])[0][1]


def test_a_saved_probe_answers_as_before(tmp_path: Path) -> None:
    base = tmp_path / "base"
    save(make_model(TOKENIZER, SMALL, 0), TOKENIZER, base)
    model, tokenizer, _ = train_probe(base, drawn(60), QUICK, 0, tmp_path / "probe")
    again, other = load(tmp_path / "probe")
    assert same(weights(model), weights(again))
    prompts = [prompt_text(prompt) for prompt, _ in drawn(20)]
    assert generate(model, tokenizer, prompts) == generate(again, other, prompts)
    assert not list(tmp_path.rglob("*.bin")) and not list(tmp_path.rglob("*.pt"))


def test_one_thread_ends_as_it_began() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_base_recipe_gives_the_same_weights_twice() -> None:
    recipe = ProbeRecipe(name="cut", steps=3, matrix_rate=0.01, vector_rate=0.004)
    assert same(weights(make_base(recipe, count=500)[0]), weights(make_base(recipe, count=500)[0]))


def test_the_shipped_base_knows_single_operations_and_cannot_compose() -> None:
    model, tokenizer = load(SHIPPED)
    assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 2_000_000
    rng = Random(11)
    singles = [draw_single(rng) for _ in range(400)]
    composed = [program for program in (draw_held_out("ood_pairs", rng) for _ in range(400)) if len(program.steps) == 2]
    shares = []
    for programs in (singles, composed):
        texts = generate(model, tokenizer, [prompt_text(render(program)) for program in programs])
        shares.append(
            sum(text == answer(program) for text, program in zip(texts, programs, strict=True)) / len(programs)
        )
    assert shares[0] > 0.95
    assert shares[1] < 0.15


# Sampling

SAMPLED = [prompt_text(prompt) for prompt, _ in drawn(24, seed=4)]


def test_a_sample_is_the_same_in_any_batch_and_order() -> None:
    model, tokenizer = load(SHIPPED)
    numbers = tuple(number % 5 for number in range(len(SAMPLED)))
    sampling = Sampling(temperature=1.3, top_p=0.9, seed=7, numbers=numbers)
    texts = generate(model, tokenizer, SAMPLED, sampling=sampling)
    assert texts == generate(model, tokenizer, SAMPLED, batch_size=1, sampling=sampling)
    turned = replace(sampling, numbers=numbers[::-1])
    assert texts[::-1] == generate(model, tokenizer, SAMPLED[::-1], batch_size=5, sampling=turned)
    for other in (replace(sampling, seed=8), replace(sampling, numbers=(*numbers[1:], 9))):
        assert texts != generate(model, tokenizer, SAMPLED, sampling=other)


def test_the_coldest_sample_and_the_smallest_nucleus_are_the_greedy_answer() -> None:
    model, tokenizer = load(SHIPPED)
    greedy = generate(model, tokenizer, SAMPLED)
    assert greedy == generate(model, tokenizer, SAMPLED, sampling=Sampling(temperature=1e-4))
    assert greedy == generate(model, tokenizer, SAMPLED, sampling=Sampling(temperature=1.5, top_p=1e-6))
    assert greedy != generate(model, tokenizer, SAMPLED, sampling=Sampling(temperature=1.5))


def next_shares(model: torch.nn.Module, prompt: str, temperature: float) -> dict[str, float]:
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([TOKENIZER(prompt)["input_ids"]])).logits[0, -1].double()
    shares = (logits / temperature).softmax(-1).tolist()
    return {TOKENIZER.decode([token]): share for token, share in enumerate(shares)}


@pytest.mark.parametrize(("temperature", "top_p"), [(0.7, 1.0), (1.5, 1.0), (1.5, 0.6)])
def test_tokens_come_as_often_as_the_model_says(temperature: float, top_p: float) -> None:
    model = make_model(TOKENIZER, SMALL, 3)
    prompt, count = SAMPLED[0], 4000
    sampling = Sampling(temperature=temperature, top_p=top_p, seed=1, numbers=tuple(range(count)))
    found = Counter(generate(model, TOKENIZER, [prompt] * count, max_new_tokens=1, sampling=sampling))
    nucleus: dict[str, float] = {}
    for token, share in sorted(next_shares(model, prompt, temperature).items(), key=lambda item: -item[1]):
        if sum(nucleus.values()) >= top_p:
            break
        nucleus["" if token == EOS else token] = share
    assert set(found) <= set(nucleus)
    total = sum(nucleus.values())
    # Tokens that are expected less than ten times are one class.
    likely = {token: share / total * count for token, share in nucleus.items() if share / total * count >= 10}
    observed = [found[token] for token in likely]
    expected = list(likely.values())
    if count - sum(expected) > 1e-6:
        observed.append(count - sum(observed))
        expected.append(count - sum(expected))
    assert chisquare(observed, expected).pvalue > 1e-4


def test_any_other_causal_model_samples_as_the_written_out_pass_does() -> None:
    model = make_model(TOKENIZER, SMALL, 3)
    sampling = Sampling(temperature=0.8, top_p=0.95, seed=2)
    texts = generate(model, TOKENIZER, SAMPLED, sampling=sampling), generate(model, TOKENIZER, SAMPLED)
    model.config.hidden_act = "another"  # its layers are built; only the written-out pass asks for the name
    assert not is_tiny(model)
    assert (generate(model, TOKENIZER, SAMPLED, sampling=sampling), generate(model, TOKENIZER, SAMPLED)) == texts


def test_sampling_leaves_global_generators_alone() -> None:
    before = random.getstate(), torch.get_rng_state()
    generate(make_model(TOKENIZER, SMALL, 0), TOKENIZER, SAMPLED, sampling=Sampling())
    assert before[0] == random.getstate() and torch.equal(before[1], torch.get_rng_state())
