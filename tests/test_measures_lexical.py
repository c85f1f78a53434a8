"""Lexical measures against plain counting, hand-computed values, and what must happen when rows change."""

import gzip
import io
import lzma
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures import Rows, Unmeasurable
from qdcbench.measures.diversity.compression import compression_ratio, compression_ratio_gzip, window
from qdcbench.measures.diversity.distinct import distinct, ngram_diversity, unique_rows
from qdcbench.measures.text import count_words, split_tokens, tokenise

words = st.lists(st.sampled_from(["a", "b", "cat", "Dog", "7", "!", "été"]), max_size=8).map(" ".join)
datasets = st.lists(words, min_size=1, max_size=12)


def rows_of(texts: list[str]) -> Rows:
    return Rows(prompts=tuple(texts), completions=tuple(texts[::-1]))


def grams(texts: list[str], order: int) -> Counter[tuple[str, ...]]:
    """Count n-grams one by one, the obvious way."""
    found: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        tokens = split_tokens(text)
        found.update(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))
    return found


def test_tokens_by_hand() -> None:
    assert split_tokens("Don't STOP: 3.5 naïve_x!") == ["don", "'", "t", "stop", ":", "3", ".", "5", "naïve_x", "!"]
    assert split_tokens(" \n\t") == []
    assert count_words("Don't STOP: 3.5!") == 5


def test_values_by_hand() -> None:
    rows = rows_of(["the cat sat", "the cat ran"])
    assert distinct(rows, 1) == 4 / 6
    assert distinct(rows, 2) == 3 / 4
    assert distinct(rows, 3) == 1.0
    assert ngram_diversity(rows) == pytest.approx(4 / 6 + 3 / 4 + 1.0)
    assert unique_rows(rows_of(["a", "b", "a", "A"])) == 0.75


@settings(deadline=None)
@given(datasets)
def test_ngrams_equal_plain_counting(texts: list[str]) -> None:
    rows = rows_of(texts)
    for order in (1, 2, 3, 4):
        wanted = grams(texts, order)
        tokens = rows.ngrams(order)
        assert len(tokens.codes) == wanted.total()
        assert tokens.distinct() == len(wanted)
        assert sorted(Counter(tokens.codes.tolist()).values()) == sorted(wanted.values())


@settings(deadline=None)
@given(datasets, st.randoms(use_true_random=False))
def test_taken_rows_equal_rows_built_afresh(texts: list[str], rng: random.Random) -> None:
    rows = rows_of(texts)
    for order in (1, 2, 3):
        rows.ngrams(order)
    chosen = [rng.randrange(len(texts)) for _ in range(rng.randrange(1, 6))]
    taken = rows.take(np.asarray(chosen, dtype=np.int64))
    for order in (1, 2, 3, 4):
        wanted = grams([texts[i] for i in chosen], order)
        assert taken.ngrams(order).distinct() == len(wanted)
        assert len(taken.ngrams(order).codes) == wanted.total()


@settings(deadline=None)
@given(datasets, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(texts: list[str], rng: random.Random) -> None:
    shuffled = list(texts)
    rng.shuffle(shuffled)
    for measure in (
        ngram_diversity,
        unique_rows,
        compression_ratio,
        compression_ratio_gzip,
        lambda r: distinct(r, 2),
    ):
        try:
            value = measure(rows_of(texts))
        except Unmeasurable:
            with pytest.raises(Unmeasurable):
                measure(rows_of(shuffled))
        else:
            assert measure(rows_of(shuffled)) == value


@settings(deadline=None)
@given(datasets.filter(lambda texts: any(len(split_tokens(t)) > 1 for t in texts)), st.integers(2, 5))
def test_copying_the_whole_set_divides_distinct(texts: list[str], copies: int) -> None:
    once, many = rows_of(texts), rows_of(texts * copies)
    for order in (1, 2):
        assert distinct(many, order) == pytest.approx(distinct(once, order) / copies)
    assert unique_rows(many) == pytest.approx(unique_rows(once) / copies)
    assert ngram_diversity(many) == pytest.approx(ngram_diversity(once) / copies)


def test_the_window_is_never_larger_than_the_codec_takes() -> None:
    assert (window(1), window(10**6)) == (4096, 10**6)
    for size in (1 << 30, 2 << 30, 64 << 30):
        codec = {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": window(size)}
        assert lzma.compress(b"abc", format=lzma.FORMAT_RAW, filters=[codec])


def test_compression_sees_a_copy_however_far_away() -> None:
    rng = random.Random(5)
    texts = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=200)) for _ in range(2000)]
    once = compression_ratio(rows_of(texts))
    # The copies differ in their first letter, so sorting puts them 200 kB apart: out of gzip's window.
    apart = compression_ratio(rows_of(texts[:1000] + ["~" + text for text in texts[:1000]]))
    # Random letters hold log2(27) bits of the 8 that each takes; the codec comes near that, never below.
    assert 0.85 * 8 / math.log2(27) < once < 8 / math.log2(27)
    assert apart > 1.8 * once
    assert compression_ratio(rows_of(["same words here"] * 1000)) > 50


@settings(deadline=None)
@given(datasets.filter(lambda texts: any(text.strip() for text in texts)))
def test_gzip_form_equals_a_file_of_the_sorted_rows(texts: list[str]) -> None:
    text = " ".join(sorted(texts)).encode()
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as writer:
        writer.write(text)
    # A file written by name, as by hand, also holds that name; bytes of the stream alone are compared.
    assert compression_ratio_gzip(rows_of(texts)) == len(text) / len(file.getvalue())


def test_gzip_does_not_see_a_copy_far_away() -> None:
    rng = random.Random(5)
    texts = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=200)) for _ in range(1000)]
    apart = rows_of(texts + ["~" + text for text in texts])
    assert compression_ratio_gzip(apart) < 1.05 * compression_ratio_gzip(rows_of(texts))
    assert compression_ratio(apart) > 1.8 * compression_ratio(rows_of(texts))


@settings(deadline=None)
@given(datasets)
def test_ngrams_of_a_row_are_counted_once_on_demand(texts: list[str]) -> None:
    rows = rows_of(texts)
    for order in (1, 2):
        once = rows.ngrams(order).once_a_row()
        assert once.lengths.tolist() == [len(grams([text], order)) for text in texts]
        holders = Counter(gram for text in texts for gram in grams([text], order))
        assert sorted(Counter(once.codes.tolist()).values()) == sorted(holders.values())


def test_broken_text_is_measured() -> None:
    rows = rows_of(["half a pair \ud800", "nul \x00 byte", "", "long " * 50_000])
    assert 0 < distinct(rows, 1) < 1
    assert compression_ratio(rows) > 100
    assert compression_ratio_gzip(rows) > 100


def test_sides_are_separate() -> None:
    rows = Rows(prompts=("a b", "c d"), completions=("x", "x"))
    assert unique_rows(rows) == 1.0
    assert unique_rows(rows, "completion") == 0.5


def test_nothing_to_measure_is_refused() -> None:
    empty = Rows(prompts=("", " "), completions=("", ""))
    for measure in (ngram_diversity, compression_ratio, compression_ratio_gzip, lambda r: distinct(r, 1)):
        with pytest.raises(Unmeasurable):
            measure(empty)
    with pytest.raises(Unmeasurable, match="has 3 tokens"):
        distinct(rows_of(["one two"]), 3)
    assert len(tokenise([]).codes) == 0
