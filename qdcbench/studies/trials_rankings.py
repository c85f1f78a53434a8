"""Trials of the tie groups: how often equal arms are told apart."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.rank import pairwise
from qdcbench.studies.tally import LEVEL, Batch, Tally

__all__ = ["EqualArms", "Spreads", "rankings_trial"]

Spreads = Literal["equal", "differ", "one noisy"]

REPETITION_SPREAD = 0.5
"""Standard deviation of what a repetition adds to all arms, in that of one arm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EqualArms:
    """Arms without any difference, the batch's size of them.

    ``spreads`` says whether the arms are equally noisy, between half and twice as noisy, or one four times as the rest.
    """

    repetitions: int
    spreads: Spreads = "equal"


def rankings_trial(batch: Batch[EqualArms]) -> Tally:
    """Count editions in which some pair of equal arms is told apart."""
    tally = Tally()
    for edition in batch.editions:
        values = _equal_arms(batch.planted, batch.size, batch.stream(edition))
        with np.errstate(invalid="ignore"):
            wrong = bool((pairwise(values).p_adjusted < LEVEL).any())
        tally.count("tie groups", "any wrong after Holm", 0.0, wrong)
    return tally


def _equal_arms(planted: EqualArms, n_arms: int, rng: np.random.Generator) -> FloatArray:
    """Draw scores of equal arms, (arms, repetitions)."""
    spreads = np.ones(n_arms)
    if planted.spreads == "differ":
        spreads = np.exp(rng.uniform(-np.log(2), np.log(2), size=n_arms))
    elif planted.spreads == "one noisy":
        spreads[0] = 4.0
    noise = rng.standard_normal((n_arms, planted.repetitions)) * spreads[:, None]
    values: FloatArray = noise + REPETITION_SPREAD * rng.standard_normal(planted.repetitions)
    return values
