"""Claims with their answers in the order that tables, figures and the page show them: scope, claim, design."""

from dataclasses import dataclass

from qdcbench.records import Analysis, OutcomeResult, StudyResult, Verdict
from qdcbench.records.study import Answer, Design
from qdcbench.report.groups import WIDE_SCOPES, is_simulated, scope_place
from qdcbench.report.points import yardstick
from qdcbench.report.text import decimals_alone, interval_text, number, outcome_title, p_text

__all__ = [
    "DESIGNS",
    "Claim",
    "claims_in_order",
    "outcome_words",
    "simulated_scope",
    "studies_in_order",
    "told",
    "unit_words",
]

DESIGNS: tuple[Design, ...] = ("observational", "interventional")


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One answer to one claim by one design within one scope.

    ``evidence`` is the sentence that a paper could print. ``tests`` and ``sha256`` (digest of the declaration) are
    empty for a verdict that no study gave.
    """

    scope: str
    name: str
    statement: str
    design: Design
    declared: str
    answer: Answer
    evidence: str
    rule: str
    factor: str = ""
    sha256: str = ""
    tests: tuple[OutcomeResult, ...] = ()


def simulated_scope(analysis: Analysis, scope: str) -> bool:
    """Return True where no language model wrote the data of a scope."""
    return scope == WIDE_SCOPES[0] or is_simulated(analysis, scope)


def studies_in_order(analysis: Analysis) -> list[StudyResult]:
    """Return the studies by scope, then in the order their names first come in, observational before interventional."""
    names = list(dict.fromkeys([v.claim for v in analysis.verdicts] + [s.name for s in analysis.studies]))
    return sorted(
        analysis.studies,
        key=lambda s: (scope_place(analysis, s.scope), names.index(s.name), DESIGNS.index(s.design)),
    )


def claims_in_order(analysis: Analysis) -> list[Claim]:
    """Return every study and every verdict that no study gave, those of a claim beside each other."""
    found = [_of_study(study) for study in studies_in_order(analysis)]
    known = {(claim.scope, claim.name, claim.design) for claim in found}
    found += [_of_verdict(v) for v in analysis.verdicts if (v.scope, v.claim, v.design) not in known]
    names = list(dict.fromkeys([v.claim for v in analysis.verdicts] + [claim.name for claim in found]))
    return sorted(found, key=lambda c: (scope_place(analysis, c.scope), names.index(c.name), DESIGNS.index(c.design)))


def _of_study(study: StudyResult) -> Claim:
    return Claim(
        scope=study.scope, name=study.name, statement=study.claim, design=study.design, declared=study.declared,
        answer=study.answer, evidence=study.sentence, rule=study.rule, factor=study.factor, sha256=study.sha256,
        tests=study.tests,
    )  # fmt: skip


def _of_verdict(verdict: Verdict) -> Claim:
    return Claim(
        scope=verdict.scope, name=verdict.claim, statement=verdict.statement, design=verdict.design,
        declared=verdict.declared, answer=verdict.answer, evidence=verdict.evidence, rule=verdict.rule,
    )  # fmt: skip


def told(analysis: Analysis, test: OutcomeResult) -> tuple[str, ...]:
    """Return what a test found as short parts of a sentence, those that there are: effect, tests, reach, size."""
    decimals = decimals_alone(test.effect)
    parts = [f"effect {interval_text(test.effect, decimals)} ({unit_words(analysis, test)})"]
    parts += [
        f"{name} {p_text(value)}"
        for name, value in (
            ("adjusted p", test.p_adjusted), ("p of equivalence", test.p_equivalence),
            ("p by permutation", test.p_permutation),
        )
        if value is not None
    ]  # fmt: skip
    parts.append(f"smallest effect of interest {test.smallest_effect:g}")
    if test.detectable is not None:
        parts.append(f"smallest detectable {number(test.detectable, max(2, decimals))}")
    return (*parts, f"{test.n_units} datasets, {test.n_clusters} independent")


def unit_words(analysis: Analysis, test: OutcomeResult) -> str:
    """Return what a test's effect is counted in: its unit, or where that is the outcome itself, its metric."""
    return yardstick(analysis, test.outcome).replace("_", " ") if test.unit in {"", test.outcome} else test.unit


def outcome_words(analysis: Analysis, test: OutcomeResult) -> str:
    """Return what a test expects: ``OOD rises``."""
    return f"{outcome_title(analysis, test.outcome)} {test.expect}"
