"""The table of all measures: a definition that reports read, and the function that takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Literal

from qdcbench.measures import complexity, coverage, embedding, lexical, quality
from qdcbench.measures.encoders import ENCODERS
from qdcbench.measures.rows import FloatArray, Rows, Side
from qdcbench.records import Metric

__all__ = ["METRICS", "MeasureRow"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureRow:
    """One measure: exactly one of the two functions is given.

    ``each`` gives one number a row and the measure is their mean, which does not depend on n.
    ``whole`` gives the measure of the rows together; it depends on n unless ``size_free``.
    """

    metric: Metric
    each: Callable[[Rows], FloatArray] | None = None
    whole: Callable[[Rows], float] | None = None
    size_free: bool = False


Axis = Literal["quality", "diversity", "complexity"]


def _mean(name: str, axis: Axis, each: Callable[[Rows], FloatArray], *, low: float | None = 0.0,
          high: float | None = None, unit: str, cost: str = "O(n)", summary: str,
          reference: str = "none") -> MeasureRow:  # fmt: skip
    metric = Metric(name=name, axis=axis, higher_is_better=True, low=low, high=high, unit=unit, cost=cost,
                    summary=summary, reference=reference)  # fmt: skip
    return MeasureRow(metric=metric, each=each, size_free=True)


def _spread(name: str, whole: Callable[[Rows], float], *, low: float, high: float | None, unit: str, cost: str,
            summary: str, reference: str = "none", sees_copies: bool = False, size_free: bool = False,
            higher_is_better: bool = True) -> MeasureRow:  # fmt: skip
    metric = Metric(name=name, axis="diversity", higher_is_better=higher_is_better, low=low, high=high, unit=unit,
                    cost=cost, summary=summary, reference=reference, sees_copies=sees_copies)  # fmt: skip
    return MeasureRow(metric=metric, whole=whole, size_free=size_free)


def _quality() -> list[MeasureRow]:
    return [
        _mean("verified_share", "quality", quality.verified, high=1.0, unit="share", cost="n checks",
              summary="Rows whose answer the task's verifier confirms; one it cannot tell about is not confirmed."),
        _mean("checkable_share", "quality", quality.checkable, high=1.0, unit="share", cost="n checks",
              summary="Rows that the task's verifier can tell about."),
        _mean("judge_score", "quality", quality.judge_scores, low=None, unit="judge's scale", cost="n judge calls",
              summary="Mean score that the judge gave.", reference="arXiv:2306.05685"),
    ]  # fmt: skip


def _complexity() -> list[MeasureRow]:
    return [
        _mean("mean_depth", "complexity", complexity.depths, unit="operations",
              summary="Mean number of operations in a prompt, exact."),
        _mean("prompt_words", "complexity", partial(complexity.word_counts, side="prompt"), unit="words",
              cost="O(nL)", summary="Mean words in a prompt; report it beside every lexical measure."),
        _mean("completion_words", "complexity", partial(complexity.word_counts, side="completion"), unit="words",
              cost="O(nL)", summary="Mean words in a completion.", reference="arXiv:2312.15685"),
        _mean("answer_nll", "complexity", complexity.answer_nll, low=0.0, unit="nats a token",
              cost="n forward passes",
              summary="Mean negative log-likelihood of the completion; cannot tell hard from wrong.",
              reference="arXiv:2312.15685"),
    ]  # fmt: skip


def _coverage() -> list[MeasureRow]:
    return [
        _spread("pair_coverage", coverage.pair_coverage, low=0.0, high=1.0, unit="share", cost="O(n)",
                summary="Ordered pairs of operations that occur, of those that exist, exact."),
        _spread("pair_entropy", coverage.pair_entropy, low=0.0, high=None, unit="nats", cost="O(n)",
                summary="Entropy of the ordered pairs of operations."),
        _spread("effective_pairs", coverage.effective_pairs, low=1.0, high=None, unit="pairs", cost="O(n)",
                summary="Exponential of pair_entropy."),
        _spread("operations_seen", coverage.operations_seen, low=0.0, high=None, unit="operations", cost="O(n)",
                summary="Different operations that occur."),
        _spread("effective_operations", coverage.effective_operations, low=1.0, high=None, unit="operations",
                cost="O(n)", summary="Exponential of the entropy of single operations."),
    ]  # fmt: skip


def _lexical(side: Side) -> list[MeasureRow]:
    suffix = "" if side == "prompt" else f":{side}"
    rows = [
        _spread(f"distinct_{k}{suffix}", partial(lexical.distinct, order=k, side=side), low=0.0, high=1.0, unit="share",
                cost="O(nL)", summary=f"Different {k}-grams of the {side}s over all; falls with n and length.",
                reference="arXiv:1510.03055")
        for k in (1, 2, 3)
    ]  # fmt: skip
    return [
        *rows,
        _spread(f"ngram_diversity{suffix}", partial(lexical.ngram_diversity, side=side), low=0.0, high=4.0,
                unit="sum of shares", cost="O(nL)", summary=f"Sum of distinct-1 to distinct-4 of the {side}s.",
                reference="arXiv:2403.00553", sees_copies=side == "prompt"),
        _spread(f"unique_rows{suffix}", partial(lexical.unique_rows, side=side), low=0.0, high=1.0, unit="share",
                cost="O(n)", summary=f"Different {side}s over all.", sees_copies=side == "prompt"),
        _spread(f"compression_ratio{suffix}", partial(lexical.compression_ratio, side=side), low=0.0, high=None,
                unit="bytes a byte", cost="O(nL)", higher_is_better=False,
                summary=f"Bytes of the sorted {side}s over their LZMA2-compressed bytes; rises with redundancy.",
                reference="arXiv:2403.00553"),
    ]  # fmt: skip


def _embedding(encoder: str) -> list[MeasureRow]:
    orders = {"0.1": 0.1, "1": 1.0, "2": 2.0, "inf": inf}
    distance = _spread(
        f"mean_cosine_distance[{encoder}]", partial(embedding.mean_cosine_distance, encoder=encoder), low=0.0, high=2.0,
        unit="distance", cost="O(nd)", summary=f"Mean cosine distance of two prompts, encoder {encoder}.",
        reference="arXiv:2502.17184", size_free=True,
    )  # fmt: skip
    return [
        distance,
        *(
            _spread(f"vendi_q{name}[{encoder}]", partial(embedding.vendi, encoder=encoder, q=q), low=1.0, high=None,
                    unit="effective rows", cost="O(nd^2)",
                    summary=f"Effective number of different prompts, order {name}, encoder {encoder}.",
                    reference="arXiv:2310.12952")
            for name, q in orders.items()
        ),
    ]  # fmt: skip


_ALL = [
    *_quality(),
    *_coverage(),
    *(row for encoder in ENCODERS for row in _embedding(encoder)),
    *_lexical("prompt"),
    *_lexical("completion"),
    *_complexity(),
]

METRICS: dict[str, MeasureRow] = {row.metric.name: row for row in _ALL}
"""Every measure by its name. Brackets name the encoder; ``:completion`` marks the response side."""
