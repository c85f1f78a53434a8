"""Run records to the analysis: every number that tables, figures and the leaderboard draw."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qdcbench.errors import RecordError, did_you_mean
from qdcbench.records import (
    SCHEMA_VERSION,
    Analysis,
    ArmSummary,
    AxisShare,
    Collinearity,
    ControlCheck,
    Relation,
    RunRecord,
    StudyResult,
    SuiteFacts,
    group_of,
)
from qdcbench.stages.analysis.comparable import inputs_sha256, require_comparable
from qdcbench.stages.analysis.controls import control_checks
from qdcbench.stages.analysis.dials import dial_effects
from qdcbench.stages.analysis.factorial import factor_effects
from qdcbench.stages.analysis.filters import filtered_arms
from qdcbench.stages.analysis.rankings import comparisons, primary_scores, ranked_scores, rankings
from qdcbench.stages.analysis.relations import AXES, contrasts, relations, scopes, table_of
from qdcbench.stages.analysis.separations import separations
from qdcbench.stages.analysis.shares import axis_shares, collinearity
from qdcbench.stages.analysis.spread import variance_shares
from qdcbench.stages.analysis.studies import study_results
from qdcbench.stages.analysis.summaries import arm_summary
from qdcbench.stages.analysis.tracks import budget_tracks
from qdcbench.stages.analysis.units import Unit, axes_of, ordered, short_name, units
from qdcbench.stages.analysis.verdicts import verdicts

__all__ = ["analyze"]


def analyze(records: Sequence[RunRecord], suite: SuiteFacts) -> Analysis:
    """Return all numbers of an edition, the same for the same records in whatever order.

    Pure: reads no file, clock or global generator. Failed runs are counted and nothing is imputed.

    Raises:
        RecordError: records cannot be compared, are not promised by the suite, or state a value twice; or the
            suite names no primary for an axis or for the score.
    """
    _require_primaries(suite)
    records = ordered(records)
    # First, since it names the run whose number is not finite.
    inputs = inputs_sha256(records, suite)
    require_comparable(records, suite)
    complete = units(records, suite)
    axes = axes_of([unit.record for unit in complete])
    score_names = _score_names(complete, suite)
    arms = _arms(records, complete, (tuple(axes), score_names), suite)
    ranked = rankings(arms, complete, suite)
    groups = tuple(sorted({cell.group for cell in suite.promised}))
    checks = control_checks(complete, groups, suite)
    broken = tuple(f"{check.name}, group {check.group}: {check.detail}" for check in checks if _violated(check))
    related = _relate(complete, axes, score_names, suite)
    answered = _noted(study_results(complete, suite), checks, suite)
    return Analysis(
        schema_version=SCHEMA_VERSION,
        edition=suite.edition,
        inputs_sha256=inputs,
        primary=dict(suite.primary),
        valid=not broken,
        invalid_because=broken,
        promised=sum(cell.n for cell in suite.promised),
        complete=len(complete),
        failed=len(records) - len(complete),
        groups=groups,
        score_names=score_names,
        measure_names=tuple(axes),
        arms=arms,
        rankings=ranked,
        comparisons=comparisons(complete, suite, score_names),
        relations=related.relations,
        verdicts=verdicts(answered),
        controls=checks,
        contrasts=related.contrasts,
        smallest_effect=suite.smallest_effect,
        distances=_distances(score_names, suite),
        filters=filtered_arms(records),
        dials=dial_effects(complete, suite),
        studies=answered,
        factorial=factor_effects(complete, suite),
        shares=related.shares,
        collinearity=related.collinearity,
        variances=variance_shares(complete, suite),
        separations=separations(ranked, complete, suite),
        tracks=budget_tracks(complete, suite),
    )


def _distances(score_names: Sequence[str], suite: SuiteFacts) -> dict[str, str]:
    """Map each score to ``id`` or ``ood``; the derived means are named so themselves."""
    distance = {"id": "id", "ood": "ood"}
    for kind, sets in (("id", suite.id_sets), ("ood", suite.ood_sets)):
        distance |= {short_name(name, task): kind for task, names in sets.items() for name in names}
    return {score: distance[score.split(":")[0]] for score in score_names if score.split(":")[0] in distance}


def _require_primaries(suite: SuiteFacts) -> None:
    for key in (*AXES, "score"):
        if key not in suite.primary:
            raise RecordError(
                f"edition {suite.edition!r} names no primary for {key!r}; {did_you_mean(key, suite.primary)}"
            )


def _violated(check: ControlCheck) -> bool:
    return check.checked and not check.holds


def _score_names(complete: Sequence[Unit], suite: SuiteFacts) -> tuple[str, ...]:
    """Return every score that a record has or a ranking wants."""
    names = set(primary_scores(suite))
    for unit in complete:
        names.update(unit.scores)
        names.update(ranked_scores(suite, unit.record.spec.task))
    return tuple(sorted(names))


def _arms(
    records: Sequence[RunRecord],
    complete: Sequence[Unit],
    names: tuple[Sequence[str], Sequence[str]],
    suite: SuiteFacts,
) -> tuple[ArmSummary, ...]:
    """Summarise every promised cell, also those without a record."""
    by_cell: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for record in records:
        by_cell[group_of(record.spec), record.spec.arm].append(record)
    units_by_cell: dict[tuple[str, str], list[Unit]] = defaultdict(list)
    for unit in complete:
        units_by_cell[unit.group, unit.record.spec.arm].append(unit)
    cells = sorted(suite.promised, key=lambda cell: (cell.group, cell.arm))
    return tuple(
        arm_summary(cell, by_cell[cell.group, cell.arm], units_by_cell[cell.group, cell.arm], names) for cell in cells
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Related:
    """What is seen over the datasets of all scopes."""

    relations: tuple[Relation, ...]
    contrasts: tuple[Relation, ...]
    shares: tuple[AxisShare, ...]
    collinearity: tuple[Collinearity, ...]


def _relate(complete: Sequence[Unit], axes: dict[str, str], score_names: Sequence[str], suite: SuiteFacts) -> _Related:
    tables = [table_of(scope, members, tuple(axes), score_names) for scope, members in scopes(complete).items()]
    return _Related(
        relations=tuple(row for table in tables for row in relations(table, axes, suite)),
        contrasts=tuple(row for table in tables for row in contrasts(table, suite)),
        shares=tuple(row for table in tables for row in axis_shares(table, suite)),
        collinearity=tuple(row for table in tables for row in collinearity(table, suite)),
    )


def _noted(
    answered: Sequence[StudyResult], checks: Sequence[ControlCheck], suite: SuiteFacts
) -> tuple[StudyResult, ...]:
    """Say in the sentence where a control of the same scope is violated."""
    simulated = {cell.group: cell.simulated for cell in suite.promised}
    broken = {"simulated" if simulated[check.group] else "real" for check in checks if _violated(check)}
    return tuple(
        replace(result, sentence=f"{result.sentence} Controls of this scope are violated, so this does not stand.")
        if result.scope in broken
        else result
        for result in answered
    )
