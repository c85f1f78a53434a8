"""Tables of studies and factorials: what each test of a claim found, and what each dial did to each outcome."""

from qdcbench.records import Analysis, FactorEffect, OutcomeResult, StudyResult
from qdcbench.report.cells import (
    INTERVAL,
    Cell,
    Column,
    Table,
    count,
    decimal,
    interval_cell,
    p_cell,
    where_changes,
    word,
)
from qdcbench.report.claims import studies_in_order, unit_words
from qdcbench.report.groups import scope_place, scope_title
from qdcbench.report.text import MISSING, decimals_alone, outcome_title

__all__ = ["factor_name", "factorial_in_order", "factorial_table", "study_table"]

_STUDY_WORDS = ("claim", "design", "scope", "declared", "answer", "outcome", "expected", "found")
_STUDY_NUMBERS = (
    ("p_adjusted", "p adj."), ("p_equivalence", "p equiv."), ("p_permutation", "p perm."),
    ("detectable", "detectable"), ("smallest_effect", "smallest"), ("n_units", "n"), ("n_clusters", "independent"),
)  # fmt: skip


def study_table(analysis: Analysis) -> Table | None:
    """Return a row for each test of each study, None where there is no study."""
    lines = [(study, test) for study in studies_in_order(analysis) for test in study.tests]
    if not lines:
        return None
    return Table(
        name="studies",
        title="Studies: what each claim says, and what was found",
        note=(
            f"edition {analysis.edition}; declared before: the rule was fixed before the runs and is in their records; "
            "effect with 95% interval, then at the level that Holm gives the test; p equiv.: of two one-sided tests "
            "against the smallest effect of interest; detectable: smallest effect with 80% power; independent: "
            "methods, or repetitions"
        ),
        columns=(
            *(Column(key=key, header=key, align="left") for key in _STUDY_WORDS),
            Column(key="effect", header="effect", parts=INTERVAL),
            Column(key="adjusted", header="adjusted interval", parts=INTERVAL),
            Column(key="unit", header="unit", align="left"),
            *(Column(key=key, header=header) for key, header in _STUDY_NUMBERS),
            Column(key="reason", header="reason", align="left"),
        ),
        rows=tuple(_study_row(analysis, study, test) for study, test in lines),
        rules=where_changes([(study.scope, study.name, study.design) for study, _ in lines]),
    )


def _study_row(analysis: Analysis, study: StudyResult, test: OutcomeResult) -> tuple[Cell, ...]:
    words = (
        study.name, study.design, scope_title(study.scope), study.declared, study.answer,
        outcome_title(analysis, test.outcome), test.expect, test.answer,
    )  # fmt: skip
    decimals = decimals_alone(test.effect)
    adjusted = test.adjusted
    return (
        *(word(text) for text in words),
        interval_cell(test.effect, decimals),
        Cell(text=MISSING, values=(None,) * 4) if adjusted is None else interval_cell(adjusted, decimals),
        word(unit_words(analysis, test)),
        *(p_cell(p) for p in (test.p_adjusted, test.p_equivalence, test.p_permutation)),
        decimal(test.detectable, decimals),
        Cell(text=f"{test.smallest_effect:g}", values=(test.smallest_effect,)),
        count(test.n_units),
        count(test.n_clusters),
        word(test.reason),
    )


def factor_name(effect: FactorEffect) -> str:
    """Return the dial's name, or those of an interaction with crosses between."""
    return " × ".join(name.replace("_", " ") for name in effect.factors)


def factorial_in_order(analysis: Analysis) -> list[FactorEffect]:
    """Return the effects by scope and method, main effects before interactions, else in the order of the analysis."""
    return sorted(analysis.factorial, key=lambda e: (scope_place(analysis, e.scope), e.method, len(e.factors)))


def factorial_table(analysis: Analysis) -> Table | None:
    """Return a row for each dial or interaction and outcome, None where the edition has no factorial."""
    effects = factorial_in_order(analysis)
    if not effects:
        return None
    return Table(
        name="factorial",
        title="What each dial does to each outcome",
        note=(
            f"edition {analysis.edition}; change of the outcome from a dial's lowest level to its highest, the other "
            "dials at their middle; an interaction is how that change differs over the other dial; 95% intervals of "
            "Student's t over repetitions, each the mean of its groups"
        ),
        columns=(
            *(Column(key=key, header=key, align="left") for key in ("scope", "method", "factor", "outcome")),
            Column(key="effect", header="effect", parts=INTERVAL),
            Column(key="p", header="p"),
            Column(key="p_adjusted", header="p adj."),
            Column(key="n_units", header="n"),
            Column(key="n_repetitions", header="repetitions"),
        ),
        rows=tuple(_factorial_row(analysis, effect) for effect in effects),
        rules=where_changes([(e.scope, e.method, len(e.factors)) for e in effects]),
    )


def _factorial_row(analysis: Analysis, effect: FactorEffect) -> tuple[Cell, ...]:
    words = (scope_title(effect.scope), effect.method, factor_name(effect), outcome_title(analysis, effect.outcome))
    return (
        *(word(text) for text in words),
        interval_cell(effect.interval, decimals_alone(effect.interval)),
        p_cell(effect.p_value),
        p_cell(effect.p_adjusted),
        count(effect.n_units),
        count(effect.n_repetitions),
    )
