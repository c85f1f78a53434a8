"""Trials of the interventional engine: a factorial of dials in every block, one of which does what is planted."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.compare import sign_flip_p
from qdcbench.stats.equivalence import equivalence_p
from qdcbench.stats.factorial import Blocks, block_mean, coded, partial_effect
from qdcbench.studies.tally import LEVEL, Batch, Tally

__all__ = ["MARGIN", "TurnedDial", "dials_trial"]

LEVELS = np.array(list(product((0.0, 1.0, 2.0), repeat=3)))
"""Datasets of a block: three dials at three levels each, all combinations."""

MARGIN = 0.5
"""Effects nearer to zero than this are to be called too small to matter."""

SHARED_SLOPE, SHARED_NOISE = 0.9, 0.25
"""Share of the variance of a dial's effect, and of a dataset's noise, that settings of a repetition have in common.

Assumed: three repetitions of `results/factorial` cannot tell how much it is.
"""

OTHER_EFFECTS = np.array([0.8, -0.5])
BLOCK_SPREAD = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnedDial:
    """One dial of three that moves the outcome by ``effect`` over its range, in standard deviations of a dataset.

    ``settings`` times ``repetitions`` are the blocks. ``own_slopes`` is the standard deviation of the effect between
    blocks, most of which settings of a repetition share; ``errors`` are normal, have the tails of Student's t with 3
    degrees of freedom, or are twice as large in one setting.
    """

    settings: int
    repetitions: int
    effect: float = 0.0
    own_slopes: float = 0.3
    errors: Literal["normal", "heavy tails", "one setting noisier"] = "normal"


def dials_trial(batch: Batch[TurnedDial]) -> Tally:
    """Count what the t over repetitions, the sign flips and the two one-sided tests say of the first dial."""
    tally, planted = Tally(), batch.planted
    places = [(f"setting {place}", turn) for place in range(planted.settings) for turn in range(planted.repetitions)]
    settings, turns = zip(*places, strict=True)
    blocks = Blocks(settings=settings, tasks=("task",) * len(places), repetitions=turns)
    for edition in batch.editions:
        rng = batch.stream(edition)
        common = [_Common.drawn(rng) for _ in range(planted.repetitions)]
        slopes = np.array([_slope(_block(planted, setting, common[turn], rng)) for setting, turn in places])
        found, name = block_mean(slopes, blocks), "first dial"
        interval, p_value = found.interval(), found.p_value
        if p_value is None or found.stderr is None or found.df is None or found.estimate is None:
            tally.count(name, "answered", planted.effect, False)
            continue
        assert interval.low is not None and interval.high is not None
        tally.count(name, "rejected at 5 %", planted.effect, p_value < LEVEL)
        tally.count(name, "covered", planted.effect, interval.low <= planted.effect <= interval.high)
        tally.count(name, "rejected by sign flips", planted.effect, sign_flip_p(_by_turn(slopes, turns), rng) < LEVEL)
        small = equivalence_p(found.estimate, found.stderr, found.df, MARGIN) < LEVEL
        tally.count(name, "called too small to matter", planted.effect, small)
    return tally


@dataclass(frozen=True, kw_only=True, slots=True)
class _Common:
    """What the settings of a repetition share: a deviation of the slope and of each dataset."""

    slope: float
    noise: FloatArray

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_Common":
        """Draw both, standard normal."""
        return cls(slope=float(rng.standard_normal()), noise=rng.standard_normal(len(LEVELS)))


def _by_turn(slopes: FloatArray, turns: tuple[int, ...]) -> FloatArray:
    return np.array([slopes[np.array(turns) == turn].mean() for turn in sorted(set(turns))])


def _block(planted: TurnedDial, setting: str, common: _Common, rng: np.random.Generator) -> FloatArray:
    """Draw the outcomes of a block, (datasets,)."""
    dials = coded(LEVELS, 0.0, 2.0)
    own = np.sqrt(SHARED_SLOPE) * common.slope + np.sqrt(1 - SHARED_SLOPE) * rng.standard_normal()
    effects = np.concatenate([[planted.effect + planted.own_slopes * own], OTHER_EFFECTS])
    noise = np.sqrt(SHARED_NOISE) * common.noise + np.sqrt(1 - SHARED_NOISE) * rng.standard_normal(len(dials))
    if planted.errors == "heavy tails":
        noise = noise * np.sqrt(1.0 / rng.chisquare(3, size=len(dials)))
    elif planted.errors == "one setting noisier" and setting == "setting 0":
        noise = 2.0 * noise
    outcomes: FloatArray = dials @ effects + BLOCK_SPREAD * rng.standard_normal() + noise
    return outcomes


def _slope(outcomes: FloatArray) -> float:
    dials = coded(LEVELS, 0.0, 2.0)
    held = np.column_stack([np.ones(len(dials)), dials[:, 1:]])
    slope = partial_effect(dials[:, 0], held, outcomes)
    assert slope is not None
    return slope
