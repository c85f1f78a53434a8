"""Expected ratings: what is read, which tokens count, and a value known by hand."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from qdcbench.errors import ConfigError, DataError
from qdcbench.scorers.causal import causal_model
from qdcbench.scorers.pretrained import ModelOptions
from qdcbench.scorers.rating import rating_template, score_ratings
from tests.tiny_models import save_model

ROWS = [("Add 1 to 2", "3"), ("Say {completion} twice: no", "no {prompt} no"), ("Explain", "long " * 20)]
SHORT = "Q {prompt} A {completion} R: "


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("text"), template=None)


@torch.no_grad()
def loop(folder: Path, texts: list[str]) -> list[tuple[float, float]]:
    """Expected rating and mass of the ratings after each text, by whole probabilities."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer.convert_tokens_to_ids(list("123456"))
    found = []
    for text in texts:
        shares = model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1].double().softmax(-1)
        six = shares[tokens]
        found.append((float(sum(k * p for k, p in enumerate(six.tolist(), 1)) / six.sum()), float(six.sum())))
    return found


def test_ratings_are_those_of_a_plain_loop(text_folder: Path) -> None:
    found = score_ratings(causal_model(str(text_folder)), ROWS, SHORT)
    texts = [f"<eos>Q {prompt} A {completion} R: " for prompt, completion in ROWS]
    expected = loop(text_folder, texts)
    assert found.rating == pytest.approx([rating for rating, _ in expected], abs=1e-5)
    assert found.mass == pytest.approx(sum(mass for _, mass in expected) / len(ROWS), abs=1e-6)
    assert found.cut == 0 and all(1 < rating < 6 for rating in found.rating) and len(set(found.rating)) == 3


def test_a_chat_model_is_asked_in_its_template(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    found = score_ratings(causal_model(str(folder)), ROWS[:1], SHORT)
    expected = loop(folder, ["<user>Q Add 1 to 2 A 3 R: <assistant>"])
    assert found.rating == pytest.approx([expected[0][0]], abs=1e-5)
    as_text = score_ratings(causal_model(str(folder), chat=False), ROWS[:1], SHORT)
    assert as_text.rating != found.rating


def test_a_model_without_an_opinion_rates_in_the_middle(tmp_path: Path) -> None:
    folder = save_model(tmp_path, template=None)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.nn.init.zeros_(model.lm_head.weight)
    model.save_pretrained(folder)
    found = score_ratings(causal_model(str(folder)), ROWS, rating_template("quality"))
    assert found.rating == pytest.approx([3.5] * 3)
    assert found.mass == pytest.approx(6 / len(AutoTokenizer.from_pretrained(folder)))


def test_a_long_row_loses_its_middle_and_is_still_asked(text_folder: Path) -> None:
    model = causal_model(str(text_folder), ModelOptions(longest=20))
    found = score_ratings(model, [("a" * 50, "b" * 50)], SHORT)
    # Ten tokens from its start mark on, then the last ten.
    assert found.rating == pytest.approx([loop(text_folder, ["<eos>Q aaaaaaa" + "bbbbbb R: "])[0][0]], abs=1e-5)
    assert found.cut == 1
    assert score_ratings(model, [], SHORT).rating == ()


def test_templates_are_ours_a_file_or_a_text(tmp_path: Path) -> None:
    for kind, places in (("quality", ("{prompt}", "{completion}")), ("complexity", ("{prompt}",))):
        assert all(place in rating_template(kind) for place in places)  # type: ignore[arg-type]
    own = tmp_path / "own.txt"
    own.write_text(SHORT, encoding="utf-8")
    assert rating_template("quality", own) == rating_template("quality", SHORT) == SHORT
    with pytest.raises(ConfigError, match=r"no place \{completion\}"):
        rating_template("quality", "Rate {prompt}: ")
    assert rating_template("complexity", "Rate {prompt}: ") == "Rate {prompt}: "
    with pytest.raises(ConfigError, match="cannot be read"):
        rating_template("quality", tmp_path / "none.txt")
    own.write_text("nothing to fill in", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no place \{prompt\} and no \{completion\}"):
        rating_template("quality", own)


def test_a_tokenizer_without_digits_is_refused(tmp_path: Path) -> None:
    from qdcbench.probes.tiny import Shape, make_model, save
    from qdcbench.probes.tokenizer import make_tokenizer

    tokenizer = make_tokenizer(["rate", "1", "2", "3", "4", "5"])
    save(make_model(tokenizer, Shape(layers=1, width=16, heads=2, inner=16), 1), tokenizer, tmp_path)
    with pytest.raises(DataError, match="no token of its own for the rating 6"):
        score_ratings(causal_model(str(tmp_path)), ROWS, SHORT)
