"""What an analysis says beyond means and ranks: shares, factorial effects, spread, separation, budgets."""

from dataclasses import dataclass

from qdcbench.records.interval import Interval

__all__ = ["AxisShare", "BudgetPoint", "BudgetTrack", "Collinearity", "FactorEffect", "Separation", "VarianceShare"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisShare:
    """Share of the explained variance of a score that one regressor has by general dominance (Shapley).

    ``name`` is an axis, ``training words`` or ``length``; ``share`` is of the score's variance within settings, so
    that the shares of one score add to ``r_squared``. The interval resamples methods.
    """

    scope: str
    score: str
    name: str
    share: Interval
    r_squared: float | None
    n_datasets: int
    n_clusters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Collinearity:
    """How far one regressor can be told from the others within settings.

    ``vif`` is the variance inflation factor, None with a ``reason`` where it is infinite; ``correlations`` are with
    each other regressor by name.
    """

    scope: str
    name: str
    vif: float | None
    correlations: tuple[tuple[str, float], ...]
    n_datasets: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorEffect:
    """Effect of one dial, or interaction of several, on one outcome in a factorial.

    Each factor is coded from -1/2 at its lowest level to +1/2 at its highest, so a main effect is the change over the
    whole range at the middle of the others, and an interaction of two is how one's effect changes over the other's.
    ``interval`` is Student's t over repetitions of a task, each the mean of its groups: these share seeds.
    """

    scope: str
    method: str
    factors: tuple[str, ...]
    outcome: str
    interval: Interval
    p_value: float | None
    p_adjusted: float | None
    n_units: int
    n_repetitions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class VarianceShare:
    """Variance of a score within a group that has one source.

    ``source`` is ``arm``, ``repetition`` (what all arms of one share, which pairing removes), ``generation seed``,
    ``probe seed`` or ``items``; ``variance`` of one measurement is None with a ``reason`` where the design cannot tell
    (one probe a dataset, no standard errors). ``items`` has no share: all arms answer the same ones.
    """

    group: str
    score: str
    source: str
    variance: float | None
    share: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Separation:
    """Two arms beside each other in the order of a ranking.

    ``difference`` is better minus worse in the score's own unit, so negative where less is better. ``improvement`` is
    the probability that ``better`` scores above ``worse`` within one repetition (0.5 is a tie), ``p_adjusted`` as in
    the ranking's tie groups. ``repetitions_needed`` is how many repetitions in all would tell the observed difference
    from zero with 80 % power at the unadjusted 5 %; None with a ``reason`` where none would.
    """

    group: str
    score: str
    better: str
    worse: str
    difference: Interval
    improvement: Interval
    p_adjusted: float | None
    repetitions: int
    repetitions_needed: int | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetPoint:
    """One arm at one amount of one budget: its score, interpolated between budgets run, and its place."""

    amount: float
    arm: str
    value: Interval
    place: int
    tie_group: str
    interpolated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetTrack:
    """Arms ranked at equal amounts of one budget: ``rows``, ``training words`` or ``teacher tokens``.

    ``setting`` is the group without its budget. ``left_out`` says of each arm that is missing why.
    """

    setting: str
    score: str
    track: str
    points: tuple[BudgetPoint, ...]
    left_out: tuple[str, ...] = ()
