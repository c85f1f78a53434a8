"""Every study of an edition answered: F1 to F3 from what methods happened to make, and what the suite declares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qdcbench.claims import AXES, Primaries, promised_studies, record_key, terms_of
from qdcbench.records import OutcomeResult, Relation, Study, StudyResult, StudyTest, SuiteFacts
from qdcbench.records.study import Design
from qdcbench.stages.analysis.decisions import Estimate, combined, decided, rule_of
from qdcbench.stages.analysis.interventions import estimates
from qdcbench.stages.analysis.relations import Table, fitted, table_of
from qdcbench.stages.analysis.units import Unit, short_name
from qdcbench.stats.compare import holm, holm_levels

__all__ = ["SCOPES", "study_results"]

SCOPES = ("simulated", "real")
"""Kinds of teacher; studies never pool the two."""

_DESIGNS: tuple[Design, ...] = ("observational", "interventional")

_PER_DEVIATION = "standard deviations per standard deviation"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tested:
    """One test of a study with what the data say of it."""

    study: Study
    test: StudyTest
    estimate: Estimate


def study_results(units: Sequence[Unit], suite: SuiteFacts) -> tuple[StudyResult, ...]:
    """Return every study's answer in each scope that the suite promises cells of, by name, scope by scope.

    All tests of one design and scope are one family for Holm, whichever study they are of.
    """
    studies = promised_studies(suite.studies, _primaries(suite))
    found: list[StudyResult] = []
    for scope in SCOPES:
        members = [unit for unit in units if _scope_of(unit) == scope]
        for design in _DESIGNS:
            asked = [study for study in studies if study.design == design and _promised(study, scope, suite)]
            family = [tested for study in asked for tested in _tested(study, scope, members, suite)]
            found += _results(asked, family, scope, members)
    return tuple(sorted(found, key=lambda r: (SCOPES.index(r.scope), r.name, _DESIGNS.index(r.design))))


def _primaries(suite: SuiteFacts) -> Primaries:
    sets = {
        short_name(name, task)
        for by_task in (suite.id_sets, suite.ood_sets)
        for task, names in by_task.items()
        for name in names
    }
    return Primaries(
        names=suite.primary,
        sets=tuple(sorted(sets)),
        smallest_effect=suite.smallest_effect,
        lower_scores=suite.lower_is_better,
        lower_measures=suite.lower_is_better_measures,
    )


def _scope_of(unit: Unit) -> str:
    return "simulated" if unit.record.spec.teacher.simulated else "real"


def _promised(study: Study, scope: str, suite: SuiteFacts) -> bool:
    cells = [cell for cell in suite.promised if cell.simulated == (scope == "simulated")]
    if study.design == "observational":
        return any(cell.role == "method" for cell in cells)
    return any(cell.method == study.method for cell in cells)


def _used(study: Study, members: Sequence[Unit]) -> list[Unit]:
    """Return the datasets of a scope that a study looks at."""
    if study.design == "observational":
        return [unit for unit in members if unit.record.spec.role == "method"]
    return [unit for unit in members if unit.record.spec.method in (study.method, study.against)]


def _tested(study: Study, scope: str, members: Sequence[Unit], suite: SuiteFacts) -> list[_Tested]:
    used = _used(study, members)
    if study.design == "interventional":
        found = estimates(study, scope, used, suite)
    else:
        terms = {term for test in study.tests for term in terms_of(test.outcome)}
        measured = {study.factor, *(suite.primary[axis] for axis in AXES)}
        measured |= {term for term in terms if any(term in unit.measures for unit in used)}
        table = table_of(scope, used, sorted(measured), sorted(terms - measured))
        found = tuple(_observed(table, study, test, suite) for test in study.tests)
    return [_Tested(study=study, test=test, estimate=one) for test, one in zip(study.tests, found, strict=True)]


def _observed(table: Table, study: Study, test: StudyTest, suite: SuiteFacts) -> Estimate:
    if not table.groups:
        return Estimate(unit=_PER_DEVIATION, reason="no dataset of a method is complete in this scope")
    return _estimate_of(fitted(table, study.factor, test.outcome, suite), len(table.groups))


def _estimate_of(relation: Relation, n_complete: int) -> Estimate:
    absent = n_complete - relation.n_datasets
    parts = list(relation.not_held)
    if absent:
        parts.append(f"{absent} of {n_complete} complete datasets lack a value or are alone in their setting")
    return Estimate(
        unit=_PER_DEVIATION,
        point=relation.effect.point,
        stderr=relation.stderr,
        df=relation.df,
        p_value=relation.p_value,
        n_units=relation.n_datasets,
        n_clusters=relation.n_clusters,
        reason=relation.effect.reason,
        left_out="; ".join(part.rstrip(".") for part in parts),
        p_permutation=relation.p_permutation,
        detectable=relation.detectable,
        leave_one_out=relation.leave_one_out,
    )


def _results(
    asked: Sequence[Study], family: Sequence[_Tested], scope: str, members: Sequence[Unit]
) -> list[StudyResult]:
    p = np.array([np.nan if (v := t.estimate.p_claimed(t.test)) is None else v for t in family], dtype=np.float64)
    adjusted = holm(p)
    found = []
    for study in asked:
        levels = holm_levels(p, study.alpha)
        mine = [
            (
                _outcome(t, float(levels[i]), None if np.isnan(adjusted[i]) else float(adjusted[i]), len(family)),
                t.estimate,
            )
            for i, t in enumerate(family)
            if t.study is study
        ]
        found.append(_result(study, scope, mine, _declared(study, _used(study, members))))
    return found


def _outcome(tested: _Tested, level: float, p_adjusted: float | None, n_tests: int) -> OutcomeResult:
    test, estimate = tested.test, tested.estimate
    # Two one-sided tests at alpha are the interval at 1 - 2 alpha, so that the answer is that of the p-value.
    own = 1 - 2 * (1 - level) if test.expect == "stays" else level
    widest = estimate.interval(1 - tested.study.alpha / n_tests)
    answer, reason = decided(tested.study, test, estimate, estimate.interval(own), widest)
    return OutcomeResult(
        outcome=test.outcome,
        expect=test.expect,
        answer=answer,
        reason=reason,
        effect=estimate.interval(),
        adjusted=None if p_adjusted is None else estimate.interval(own),
        p_value=estimate.p_value,
        p_adjusted=p_adjusted,
        p_equivalence=estimate.p_equivalence(test.smallest_effect),
        p_permutation=estimate.p_permutation,
        detectable=estimate.detectable,
        smallest_effect=test.smallest_effect,
        unit=estimate.unit,
        n_units=estimate.n_units,
        n_clusters=estimate.n_clusters,
        curve=estimate.curve,
        by_group=estimate.by_group,
    )


def _declared(study: Study, used: Sequence[Unit]) -> Literal["before", "after"]:
    digests = {unit.record.spec.studies.get(record_key(study)) for unit in used}
    return "before" if digests == {study.sha256} else "after"


def _result(
    study: Study, scope: str, tests: Sequence[tuple[OutcomeResult, Estimate]], declared: Literal["before", "after"]
) -> StudyResult:
    answer = combined([test.answer for test, _ in tests])
    how = "observation over methods" if study.design == "observational" else f"turning {study.factor} of {study.method}"
    parts = "; ".join(_part(study, test, estimate) for test, estimate in tests)
    claim = study.claim[:1].upper() + study.claim[1:].rstrip(".")
    return StudyResult(
        name=study.name,
        claim=study.claim,
        design=study.design,
        factor=study.factor,
        scope=scope,
        sha256=study.sha256,
        declared=declared,
        answer=answer,
        rule=rule_of(study),
        sentence=f"{claim}: {answer} by {how} with {scope} teachers, rule fixed {declared} the runs; {parts}.",
        tests=tuple(test for test, _ in tests),
        method=study.method,
        against=study.against,
    )


def _part(study: Study, test: OutcomeResult, estimate: Estimate) -> str:
    """Return what one test says, as a clause of the sentence."""
    clustered = "methods" if study.design == "observational" else "repetitions"
    size = f"{test.n_units} datasets of {test.n_clusters} {clustered}"
    shown = test.adjusted
    notes = [size]
    if shown is None or shown.low is None or shown.high is None or test.p_adjusted is None:
        number = "no estimate" if test.effect.point is None else f"{test.effect.point:+.3g} without an interval"
    else:
        number = f"{shown.point:+.3g} [{shown.low:+.3g}, {shown.high:+.3g}]"
        notes = [f"{100 * shown.level:.4g} % interval", f"Holm-adjusted p {test.p_adjusted:.2g}", *notes]
    if estimate.leave_one_out is not None:
        notes.append("without any one method {:+.3g} to {:+.3g}".format(*sorted(estimate.leave_one_out)))
    if test.answer == "undetermined" and test.detectable is not None:
        notes.append(f"smallest detectable effect {test.detectable:.2g}")
    if estimate.left_out:
        notes.append(estimate.left_out)
    clause = f"{test.outcome} {test.expect}: {number} ({estimate.unit}, {', '.join(notes)})"
    return clause + (f", undetermined because {test.reason}" if test.reason else f", {test.answer}")
