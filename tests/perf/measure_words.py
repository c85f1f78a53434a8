"""Measures of words beside rouge-score, nltk and plain formulas: cases for the table of speeds.

``python tests/perf/measure_words.py FILE.jsonl ...`` prints what `qdcbench.measures.complexity.size` expects of the
texts in those files at each length instead.
"""

import gzip
import math
import random
import sys
from collections import Counter
from itertools import combinations

import numpy as np
from cases import Case
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score.rouge_scorer import RougeScorer

from qdcbench.measures import Rows, measure_rows
from qdcbench.measures.complexity import texts
from qdcbench.measures.complexity.size import deflated
from qdcbench.measures.diversity import words
from qdcbench.measures.diversity.compression import compression_ratio_gzip
from qdcbench.measures.diversity.distinct import distinct, ngram_diversity
from qdcbench.measures.diversity.overlap import rouge_l, self_bleu
from qdcbench.measures.diversity.repetition import self_repetition
from qdcbench.measures.text import split_tokens
from qdcbench.readers import read_examples

__all__ = ["cases"]


_COMPARED = 1_000
"""Rows that self-BLEU and ROUGE-L are taken on at most, as their cards say."""


class _Tokens:
    """The interface that rouge-score asks of a tokeniser."""

    def tokenize(self, text: str) -> list[str]:
        return split_tokens(text)


def _tokens(rows: Rows) -> list[list[str]]:
    return [split_tokens(text) for text in rows.prompts]


def _grams(tokens: list[str], order: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[k:] for k in range(order)), strict=False))


def _distinct_plainly(rows: Rows, order: int) -> float:
    grams = [gram for tokens in _tokens(rows) for gram in _grams(tokens, order)]
    return len(set(grams)) / len(grams)


def _ngram_diversity_plainly(rows: Rows) -> float:
    return sum(_distinct_plainly(rows, order) for order in (1, 2, 3, 4))


def _self_repetition_plainly(rows: Rows) -> float:
    held = [set(_grams(tokens, 4)) for tokens in _tokens(rows)]
    holders = Counter(gram for grams in held for gram in grams)
    return sum(math.log(1 + sum(holders[gram] - 1 for gram in grams)) for grams in held) / len(held)


def _gzip_plainly(rows: Rows) -> float:
    text = " ".join(sorted(rows.prompts)).encode("utf-8", "surrogatepass")
    return len(text) / len(gzip.compress(text))


def _self_bleu_by_nltk(rows: Rows) -> float:
    tokens, smooth = _tokens(rows), SmoothingFunction().method1
    others = (tokens[:i] + tokens[i + 1 :] for i in range(len(tokens)))
    return float(
        np.mean([sentence_bleu(o, row, smoothing_function=smooth) for o, row in zip(others, tokens, strict=True)])
    )


def _rouge_l_by_package(rows: Rows) -> float:
    scorer = RougeScorer(["rougeL"], tokenizer=_Tokens())
    scores = [scorer.score(a, b)["rougeL"].fmeasure for a, b in combinations(rows.prompts, 2)]
    return float(np.mean(scores))


def _instrument(rows: Rows) -> float:
    """Return distinct-2 as the instrument takes it: with every measure of words, both sides, intervals and slopes."""
    table = {row.name: row for row in [*words.measures("prompt"), *words.measures("completion"), *texts.measures()]}
    found = measure_rows(rows, n=len(rows), seed_stream=np.random.default_rng(0), table=table)
    return next(m.value for m in found if m.metric == "distinct_2") or math.nan


def cases() -> list[Case]:
    """Return the cases, all on prompts but for the last.

    The two that compare rows with rows read as many as their cards allow.
    """
    plain = "plain formula"

    def allowed(rows: Rows) -> Rows:
        return rows.take(np.arange(min(len(rows), _COMPARED)))

    return [
        Case("distinct_2", plain, lambda r: distinct(r, 2), lambda r: _distinct_plainly(r, 2), 50_000, 1e-12),
        Case("ngram_diversity", plain, ngram_diversity, _ngram_diversity_plainly, 50_000, 1e-12),
        Case("self_repetition", plain, self_repetition, _self_repetition_plainly, 50_000, 1e-12),
        Case("compression_ratio_gzip", plain, compression_ratio_gzip, _gzip_plainly, 50_000, 1e-12),
        Case("self_bleu", "nltk sentence_bleu", lambda r: self_bleu(allowed(r)), _self_bleu_by_nltk, _COMPARED, 1e-12),
        Case("rouge_l", "rouge-score", lambda r: rouge_l(allowed(r)), _rouge_l_by_package, _COMPARED, 1e-6),
        Case("all measures of words, with intervals", "nothing", _instrument, None, 0, 0.0),
    ]


def _mean_deflated(texts: list[bytes], size: int, pieces: int, rng: random.Random) -> float:
    long_enough = [text for text in texts if len(text) >= size]
    total = 0
    for _ in range(pieces):
        text = rng.choice(long_enough)
        start = rng.randrange(len(text) - size + 1)
        total += deflated(text[start : start + size])
    return total / pieces


def _expected(files: list[str]) -> None:
    """Print the mean deflated bytes of pieces: of single texts to 512 bytes, beyond grown as joined texts grow."""
    rng = random.Random(0)
    examples = [example for file in files for example in read_examples(file).examples]
    sides = [side.encode() for example in examples for side in (example.prompt, example.completion)]
    joined = [b"\n".join(rng.sample(sides, len(sides)))]
    before, known = 0.0, 0.0
    for size in (2**k for k in range(15)):
        whole = _mean_deflated(joined, size, 4_000, rng) if size >= 512 else 0.0
        known = _mean_deflated(sides, size, 3_000, rng) if size <= 512 else known * whole / before
        before = whole
        sys.stdout.write(f"{size:8}{known:10.1f}\n")


if __name__ == "__main__":
    _expected(sys.argv[1:])
