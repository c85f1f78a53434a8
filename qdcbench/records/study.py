"""Studies: what is claimed and how it will be decided, fixed before the runs, and what came out."""

from dataclasses import dataclass, field
from typing import Literal

from qdcbench.canon import digest, plain
from qdcbench.records.interval import Interval

__all__ = ["RULES", "Answer", "Design", "Expect", "LevelMean", "OutcomeResult", "Study", "StudyResult", "StudyTest"]

RULES = 2
"""Version of all that decides a study beside its declaration: effect, error, adjustment, guards.

It is part of every digest; raised whenever the code would decide otherwise. 1: the error of interventions over blocks,
2: over repetitions.
"""

Answer = Literal["supported", "contradicted", "undetermined"]

Design = Literal["observational", "interventional"]

Expect = Literal["rises", "falls", "stays"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyTest:
    """One thing a claim says: what the outcome does as the factor goes up.

    ``outcome`` is ``id``, ``ood``, the short name of an evaluation set, a full score such as ``id:answer_nll``, an
    axis (its primary measure), a measure, or the difference of two of these, written ``id - ood``. ``smallest_effect``
    is the smallest effect of interest: standard deviations of the outcome per standard deviation of the factor where
    the design is observational; else units of the outcome from the factor's lowest level to its highest.
    """

    outcome: str
    expect: Expect = "rises"
    smallest_effect: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A claim with its rule of decision.

    ``factor`` is an axis or a measure in an observational study, a numeric parameter of the arms of ``method`` in an
    interventional one. ``against`` names a method whose arms at the same level of the factor are subtracted,
    repetition by repetition: the null of a sweep. All tests must hold for the claim to be supported; one that fails
    contradicts it.
    """

    name: str
    claim: str
    design: Design
    factor: str
    tests: tuple[StudyTest, ...]
    method: str = ""
    against: str = ""
    alpha: float = 0.05

    @property
    def sha256(self) -> str:
        """Digest of declaration and ``RULES``; a record carries it, so that a rule changed after the runs is seen."""
        return digest({"study": plain(self), "rules": RULES})


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelMean:
    """Mean outcome at one level of a factor, over repetitions, the other factors averaged."""

    level: float
    mean: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeResult:
    """What one test of a study found.

    ``effect`` has the 95 % interval, ``adjusted`` the one at the level that Holm gives this test among all tests of its
    design and scope. ``p_equivalence`` is of two one-sided tests against ``smallest_effect`` (None where not tested).
    ``detectable`` is the smallest true effect found with 80 % power at this standard error. ``n_units`` counts
    datasets, ``n_clusters`` what is independent: methods, or repetitions.
    """

    outcome: str
    expect: Expect
    answer: Answer
    reason: str
    effect: Interval
    adjusted: Interval | None
    p_value: float | None
    p_adjusted: float | None
    p_equivalence: float | None
    p_permutation: float | None
    detectable: float | None
    smallest_effect: float
    unit: str
    n_units: int
    n_clusters: int
    curve: tuple[LevelMean, ...] = ()
    by_group: tuple[tuple[str, Interval], ...] = ()
    """The effect in each group alone: a pooled effect whose groups disagree is no effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult:
    """The verdict on a study within one scope (simulated or real).

    ``declared`` is ``before`` where every record used carries the declaration's digest, ``after`` where one carries
    another or none. ``sentence`` is what a paper could print.
    """

    name: str
    claim: str
    design: Design
    factor: str
    scope: str
    sha256: str
    declared: Literal["before", "after"]
    answer: Answer
    rule: str
    sentence: str
    tests: tuple[OutcomeResult, ...] = field(default=())
    method: str = ""
    against: str = ""
