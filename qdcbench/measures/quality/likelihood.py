"""Quality as a reference model's likelihood of the texts says it: instruction-following difficulty and perplexity."""

import math

import numpy as np

from qdcbench.measures.cards import MeasureRow, cards, per_row, together
from qdcbench.measures.rows import FloatArray, Rows, Unmeasurable

__all__ = ["ifd", "ifd_above_one", "ifd_ppl", "measures", "perplexity"]


def _losses(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the losses of the completions with and without their prompts, (n,) each, nats a token."""
    return rows.numbers("answer_nll"), rows.numbers("blank_nll")


def ifd(rows: Rows) -> FloatArray:
    """Return the loss of each completion given its prompt over its loss without, (n,); NaN where there is no ratio.

    Raises:
        Unmeasurable: a loss is missing for every row, or every completion is certain without its prompt.
    """
    given, blank = _losses(rows)
    ratio: FloatArray = np.full(len(rows), math.nan)
    np.divide(given, blank, out=ratio, where=blank > 0)
    if np.isnan(ratio).all():
        raise Unmeasurable("no row has both losses, with its prompt and without, of which the second is above 0")
    return ratio


def ifd_above_one(rows: Rows) -> FloatArray:
    """Return 1 where the prompt makes the completion less likely, 0 for other rows, NaN where there is no ratio."""
    ratio = ifd(rows)
    return np.where(np.isnan(ratio), math.nan, ratio > 1)


def ifd_ppl(rows: Rows) -> FloatArray:
    """Return the perplexity of each completion given its prompt over its perplexity without, (n,)."""
    given, blank = _losses(rows)
    ratio: FloatArray = np.exp(np.minimum(given - blank, _LARGEST))
    if np.isnan(ratio).all():
        raise Unmeasurable("no row has both losses, with its prompt and without")
    return ratio


_LARGEST = 700.0
"""Exponents beyond this have no finite power."""


def perplexity(rows: Rows) -> float:
    """Return the exponential of the rows' mean token loss, so that a few broken rows do not decide it."""
    losses = rows.numbers("whole_nll")
    known = losses[~np.isnan(losses)]
    return math.exp(min(math.fsum(known.tolist()) / len(known), _LARGEST))


def measures() -> list[MeasureRow]:
    """Return the measures of quality by likelihood."""
    card = cards("quality", "likelihood.toml")
    return [
        per_row(card["ifd"], "ifd", ifd),
        per_row(card["ifd_above_one"], "ifd_above_one", ifd_above_one),
        per_row(card["ifd_ppl"], "ifd_ppl", ifd_ppl),
        together(card["perplexity"], "perplexity", perplexity),
    ]
