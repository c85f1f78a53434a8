"""Records of the cheap half: everything that tables, figures and the leaderboard draw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qdcbench.records.inference import AxisShare, BudgetTrack, Collinearity, FactorEffect, Separation, VarianceShare
from qdcbench.records.interval import Interval
from qdcbench.records.run import RunSpec
from qdcbench.records.study import Design, Study, StudyResult

__all__ = [
    "Analysis",
    "ArmSummary",
    "Comparison",
    "ControlCheck",
    "DialEffect",
    "FilteredArms",
    "PromisedCell",
    "Rank",
    "Ranking",
    "Relation",
    "SuiteFacts",
    "Verdict",
    "group_of",
]


def group_of(spec: RunSpec) -> str:
    """Return what a table may compare within: task, teacher, budget and selection (the setting without the arm)."""
    return "|".join([spec.task, spec.teacher.name, spec.budget.name, spec.selection.rule])


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedCell:
    """``n`` repetitions of one arm in one group that a suite promises."""

    group: str
    arm: str
    method: str
    role: str
    simulated: bool
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteFacts:
    """What was fixed before the runs and the analysis needs to know.

    ``primary`` names one measure for ``quality``, ``diversity`` and ``complexity`` and one metric for
    ``score``. ``id_sets`` and ``ood_sets`` map a task to its evaluation sets (eval task names).
    ``smallest_effect`` is the smallest standardised effect of interest. ``copy_measures`` must fall when rows
    are copied, ``instruction_measures`` read prompts only; ``lower_is_better`` names
    score metrics, ``lower_is_better_measures`` measures: answer NLL is both, and as complexity more is higher.
    """

    edition: str
    primary: Mapping[str, str]
    promised: tuple[PromisedCell, ...]
    id_sets: Mapping[str, tuple[str, ...]]
    ood_sets: Mapping[str, tuple[str, ...]]
    root_seed: int
    baseline: str = "seeds_only"
    smallest_effect: float = 0.1
    copy_measures: tuple[str, ...] = ()
    instruction_measures: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ("answer_nll",)
    lower_is_better_measures: tuple[str, ...] = ()
    resamples: int = 5_000
    studies: tuple[Study, ...] = ()
    """Declared in the suite; see `qdcbench.stages.analysis.studies` for those that every edition has."""


def _not_recorded() -> Interval:
    return Interval(point=None, low=None, high=None, reason="not recorded")


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmSummary:
    """One arm in one group (task, teacher, budget, selection): means over its datasets.

    ``measures`` and ``scores`` map a name to an interval over datasets (generation repetitions), a score's
    name being ``eval_task:metric``. What a row cost is given at n (all over accepted rows) and amortised (the set-up
    left out): see `qdcbench.stages.analysis.cost`.
    """

    group: str
    arm: str
    method: str
    role: str
    simulated: bool
    promised: int
    complete: int
    failures: tuple[str, ...]
    run_ids: tuple[str, ...]
    measures: Mapping[str, Interval]
    scores: Mapping[str, Interval]
    teacher_tokens: Interval
    teacher_calls: Interval
    accepted_share: Interval
    selected_rows: Interval
    setup_tokens: Interval = field(default_factory=_not_recorded)
    row_tokens: Interval = field(default_factory=_not_recorded)
    row_tokens_amortised: Interval = field(default_factory=_not_recorded)
    money: Interval = field(default_factory=_not_recorded)
    row_money: Interval = field(default_factory=_not_recorded)
    row_money_amortised: Interval = field(default_factory=_not_recorded)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Paired difference of an arm against a baseline, the same repetition on both sides.

    ``p_value`` is Student's; ``p_sign_flip`` assumes only symmetry and cannot go below 2 / 2**n_pairs. Primary
    comparisons are adjusted by Holm within their group, all others by Benjamini and Hochberg.
    """

    group: str
    arm: str
    baseline: str
    score: str
    difference: Interval
    p_value: float | None
    p_adjusted: float | None
    n_pairs: int
    primary: bool = False
    p_sign_flip: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rank:
    """Place of an arm: ``tie_group`` letters are shared by arms that cannot be told apart.

    An arm that is listed but not ranked (a control, imported data) has place 0 and no letter.
    """

    place: int
    arm: str
    value: Interval
    tie_group: str
    role: str = "method"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Arms in order for one score in one group, with the share of promised cells that are complete.

    ``unranked`` lists controls and imported data, ``missing`` the promised arms without any value.
    """

    group: str
    score: str
    coverage: float
    ranks: tuple[Rank, ...]
    unranked: tuple[Rank, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """Standardised effect of one measure on one score over datasets (observational).

    ``effect`` is in standard deviations of the score per standard deviation of the measure, the other two primary
    axes, the log of training words and the log of a row's mean words held fixed as far as ``held`` says.
    ``detectable`` is the smallest effect with 80 % power at this standard error. ``effect_adjusted`` is the interval
    at the level that Holm gives this relation, ``bootstrap`` the cluster bootstrap's, ``leave_one_out`` the least and
    greatest estimate with one method left out (primaries only). ``n_effective`` is the number of independent datasets
    that would give the same standard error.
    """

    scope: str
    axis: str
    measure: str
    score: str
    primary: bool
    effect: Interval
    p_value: float | None
    p_adjusted: float | None
    detectable: float | None
    n_datasets: int
    n_clusters: int
    correlation: float | None
    effect_adjusted: Interval | None = None
    bootstrap: Interval | None = None
    leave_one_out: tuple[float, float] | None = None
    stderr: float | None = None
    df: float | None = None
    n_effective: float | None = None
    p_permutation: float | None = None
    """Share of exchanges of whole methods' residuals within settings with a studentised effect as large."""
    held: tuple[str, ...] = ()
    """What is held fixed, by name."""
    not_held: tuple[str, ...] = ()
    """What could not be held, as sentences: constant, or told apart from nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Answer to a claim by a rule fixed before the data."""

    claim: str
    statement: str
    answer: Literal["supported", "contradicted", "undetermined"]
    rule: str
    evidence: str
    scope: str
    design: Design = "observational"
    declared: Literal["before", "after"] = "after"
    """Whether the rule was fixed before the runs; see `StudyResult`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlCheck:
    """One order the controls must come out in, with the repetitions where they did not.

    ``holds`` is False also where nothing could be checked; ``checked`` tells the two apart.
    """

    name: str
    group: str
    holds: bool
    detail: str
    checked: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class FilteredArms:
    """Arms of one method that differ in the selection rule alone.

    ``arm`` names them together, ``setting`` is their group without the rule, ``rules`` maps each rule to the arm that
    has it, in the group ``setting|rule``; the numbers are in the arms' summaries.
    """

    arm: str
    method: str
    setting: str
    simulated: bool
    rules: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DialEffect:
    """Two arms of one method in one group, and how the second differs from the first.

    ``changed`` maps each parameter that differs to its two values; ``differences`` has the primaries of the three axes
    by the axis' name and the primary scores as ``id`` and ``ood``, each the second arm minus the first.
    """

    group: str
    method: str
    simulated: bool
    arm: str
    other: str
    changed: Mapping[str, tuple[Any, Any]]
    differences: Mapping[str, Interval]


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """All numbers of an edition.

    ``contrasts`` are effects on ID minus effects on OOD, each axis once per scope. ``filters`` is empty where no
    method has records that differ in the selection rule alone.
    """

    schema_version: int
    edition: str
    inputs_sha256: str
    primary: Mapping[str, str]
    valid: bool
    invalid_because: tuple[str, ...]
    promised: int
    complete: int
    failed: int
    groups: tuple[str, ...]
    score_names: tuple[str, ...]
    measure_names: tuple[str, ...]
    arms: tuple[ArmSummary, ...]
    rankings: tuple[Ranking, ...]
    comparisons: tuple[Comparison, ...]
    relations: tuple[Relation, ...]
    verdicts: tuple[Verdict, ...]
    controls: tuple[ControlCheck, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    contrasts: tuple[Relation, ...] = ()
    smallest_effect: float | None = None
    distances: Mapping[str, str] = field(default_factory=dict)
    """Score name to ``id`` or ``ood``; a name that is missing is read from its own words (see report.points)."""
    filters: tuple[FilteredArms, ...] = ()
    dials: tuple[DialEffect, ...] = ()
    studies: tuple[StudyResult, ...] = ()
    shares: tuple[AxisShare, ...] = ()
    collinearity: tuple[Collinearity, ...] = ()
    factorial: tuple[FactorEffect, ...] = ()
    variances: tuple[VarianceShare, ...] = ()
    separations: tuple[Separation, ...] = ()
    tracks: tuple[BudgetTrack, ...] = ()
