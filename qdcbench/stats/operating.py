"""How often a test rejects and an interval covers, counted over simulated editions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import stats

__all__ = ["PARTS", "Part", "Rate", "SelfTest", "holds", "rate"]

Part = Literal["relations", "second looks", "verdicts", "interventions", "rankings"]

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """How often something happened in simulated editions.

    ``design`` is ``committed`` (the datasets of the edition where they lie) or ``drawn`` (covariates drawn anew in each
    edition); ``size`` counts methods, blocks or arms. ``scenario`` says what was planted, ``test`` what was tested,
    ``what`` what was counted, ``effect`` the planted effect in the unit of the test. ``value`` is ``hits / of`` with
    its Monte Carlo standard error and the exact 95 % interval of Clopper and Pearson (1934); None where ``of`` is 0.
    """

    part: Part
    design: str
    size: int
    scenario: str
    test: str
    what: str
    effect: float
    hits: int
    of: int
    value: float | None
    stderr: float | None
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTest:
    """What the engine does on planted editions.

    ``datasets`` counts those of the committed edition. ``spread`` maps a column, and what the columns leave of a score,
    to the share of its variance within settings at each level, as found there.
    """

    edition: str
    editions: int
    root_seed: int
    datasets: int
    spread: Mapping[str, Mapping[str, float]]
    rates: tuple[Rate, ...]


def rate(hits: int, of: int, **where: object) -> Rate:
    """Return the share of ``of`` editions in which something happened; ``where`` fills the other fields.

    The standard error is the binomial one at the share with one success and one failure more (Agresti and Coull 1998,
    rounded down), so that a share of 0 or 1 is not taken for certain.
    """
    value = hits / of if of else None
    smoothed = (hits + 1) / (of + 2)
    stderr = float(np.sqrt(smoothed * (1 - smoothed) / of)) if of else None
    low = float(stats.beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return Rate(hits=hits, of=of, value=value, stderr=stderr, low=low, high=high, **where)  # type: ignore[arg-type]


def holds(found: Rate, *, least: float = 0.0, most: float = 1.0) -> bool:
    """Whether a share between ``least`` and ``most`` could have given what was counted, at 95 %."""
    return found.low <= most and found.high >= least
