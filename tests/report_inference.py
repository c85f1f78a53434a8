"""Invented studies, factorials, shares, spread and budgets for the tests of reports: the numbers mean nothing.

Loaded by runpy from the test files, as tests are no package; `fill` adds them to an edition of report_edition.py.
"""

import itertools
import math
from dataclasses import replace

from qdcbench.records import Analysis, Interval, LevelMean, OutcomeResult, RunRecord, StudyResult, Verdict
from qdcbench.records.inference import (
    AxisShare,
    BudgetPoint,
    BudgetTrack,
    Collinearity,
    FactorEffect,
    Separation,
    VarianceShare,
)

OUTCOMES = tuple(f"{name}:exact_match" for name in ("id", "ood", "ood_pairs", "ood_depth", "ood_surface", "ood_length"))
HEADS = ("id:exact_match", "ood:exact_match")
GAP = "id:exact_match - ood:exact_match"
DIALS = ("quality", "diversity", "complexity")
CLAIMS = {
    "F1": ("Quality drives ID.", "quality", ("id:exact_match", GAP)),
    "F2": ("Diversity drives OOD.", "diversity", ("ood:exact_match", GAP)),
    "F3": ("Complexity helps both.", "complexity", HEADS),
}
RULE = (
    "supported when the interval lies above the smallest effect of interest, contradicted when below, else undetermined"
)


def around(point: float, half: float, n: int = 36) -> Interval:
    return Interval(point=point, low=point - half, high=point + half, kind="t", n=n)


def test_of(outcome: str, point: float, half: float, smallest: float, unit: str, **more) -> OutcomeResult:
    """A test whose answer is what its interval says."""
    small = abs(point) + half < smallest
    answer = "supported" if point - half > 0 and not small else "contradicted" if small or point + half < 0 else (
        "undetermined"
    )  # fmt: skip
    fields = {
        "outcome": outcome, "expect": "rises", "answer": answer,
        "reason": "the interval holds zero and effects that matter" if answer == "undetermined" else "",
        "effect": around(point, half), "adjusted": around(point, 1.4 * half), "p_value": 0.01, "p_adjusted": 0.03,
        "p_equivalence": 0.4, "p_permutation": 0.02, "detectable": 2.8 * half / 2, "smallest_effect": smallest,
        "unit": unit, "n_units": 174, "n_clusters": 20,
    }  # fmt: skip
    return OutcomeResult(**{**fields, **more})


def levels(outcome: str, slope: float) -> tuple[LevelMean, ...]:
    base = 0.55 - 0.05 * (OUTCOMES.index(outcome) if outcome in OUTCOMES else 0)
    return tuple(LevelMean(level=x, mean=around(base + slope * (x - 0.5), 0.03, 27)) for x in (0.0, 0.5, 1.0))


def study(name: str, design: str, scope: str, groups: tuple[str, ...], rank: int) -> StudyResult:
    claim, factor, outcomes = CLAIMS[name]
    seen = design == "observational"
    tests = []
    for place, outcome in enumerate(outcomes):
        point = (0.29, 0.04, 0.3)[rank] * (1 - 0.6 * place) if seen else (0.21, -0.002, 0.05)[rank] * (1 - 0.5 * place)
        tests.append(
            test_of(
                outcome, point, 0.18 if seen else 0.012, 0.1 if seen else 0.02, "SD per SD" if seen else "exact match",
                curve=() if seen else levels(outcome, point),
                by_group=tuple((g, around(point + 0.02 * i, 0.1)) for i, g in enumerate(groups)),
                n_units=174 if seen else 54, n_clusters=20 if seen else 6,
            )
        )  # fmt: skip
    answers = {t.answer for t in tests}
    answer = (
        "contradicted" if "contradicted" in answers else "undetermined" if "undetermined" in answers else "supported"
    )
    return StudyResult(
        name=name, claim=claim, design=design, factor=factor, scope=scope, sha256=f"{rank}a" * 32,
        declared="after" if seen else "before", answer=answer, rule=RULE,
        sentence=f"{claim} is {answer} ({design}): {factor} on {outcomes[0]}, 174 datasets.", tests=tuple(tests),
    )  # fmt: skip


def sweep_study(scope: str) -> StudyResult:
    """The trade-off, whose outcome is a measure with a unit of its own."""
    test = test_of("pair_entropy", -0.31, 0.04, 0.05, "entropy of ordered pairs", expect="falls", answer="supported",
                   reason="", n_units=30, n_clusters=6)  # fmt: skip
    return StudyResult(
        name="T", claim="Selecting for quality costs diversity.", design="interventional", factor="shots", scope=scope,
        sha256="cc" * 32, declared="before", answer="supported", rule=RULE,
        sentence="Stricter selection lowers diversity by more than random thinning.", tests=(test,),
    )  # fmt: skip


def factorial(scope: str) -> tuple[FactorEffect, ...]:
    found = []
    terms = [c for n in (1, 2, 3) for c in itertools.combinations(DIALS, n)]
    for i, (outcome, factors) in enumerate(itertools.product(OUTCOMES, terms)):
        point = 0.2 / len(factors) ** 2 * math.cos(i)
        found.append(
            FactorEffect(scope=scope, method="dialled", factors=factors, outcome=outcome, interval=around(point, 0.03),
                         p_value=0.02, p_adjusted=0.06, n_units=162, n_repetitions=3)
        )  # fmt: skip
    return tuple(found)


def spread(groups: tuple[str, ...]) -> tuple[VarianceShare, ...]:
    shares = {"arm": 0.62, "generation seed": 0.21, "probe seed": None, "items": 0.17}
    return tuple(
        VarianceShare(group=g, score=s, source=source, share=share, variance=None if share is None else share * 4e-3,
                      reason="one probe a dataset" if share is None else "")
        for g in groups for s in HEADS for source, share in shares.items()
    )  # fmt: skip


def separations(analysis: Analysis) -> tuple[Separation, ...]:
    found = []
    for ranking in analysis.rankings:
        if ranking.score in HEADS:
            for i, (above, below) in enumerate(itertools.pairwise(ranking.ranks)):
                found.append(
                    Separation(
                        group=ranking.group, score=ranking.score, better=above.arm, worse=below.arm,
                        difference=around(0.02, 0.03, 4), improvement=around(0.7, 0.25, 4), p_adjusted=0.4,
                        repetitions=4, repetitions_needed=None if i == 2 else 9 + i,
                        reason="the two are equal" if i == 2 else "",
                    )
                )  # fmt: skip
    return tuple(found)


def tracks(analysis: Analysis, amounts: tuple[float, ...]) -> tuple[BudgetTrack, ...]:
    found = []
    for ranking in analysis.rankings:
        if ranking.score not in HEADS:
            continue
        for track in ("rows", "training words"):
            arms = [rank.arm for rank in ranking.ranks]
            points = []
            for step, amount in enumerate(amounts):
                order = arms if step % 2 == 0 else [*arms[2::-1], *arms[3:]]
                points += [
                    BudgetPoint(amount=amount, arm=arm, value=around(0.6 - 0.02 * i, 0.02), place=i + 1,
                                tie_group="ab"[i % 2], interpolated=step == 1 and track != "rows")
                    for i, arm in enumerate(order)
                ]  # fmt: skip
            setting = "|".join(p for i, p in enumerate(ranking.group.split("|")) if i != 2)
            found.append(
                BudgetTrack(setting=setting, score=ranking.score, track=track, points=tuple(points),
                            left_out=("copies: was run at one budget alone",))
            )  # fmt: skip
    return tuple(found)


def fill(analysis: Analysis, amounts: tuple[float, ...] = (500.0, 1000.0, 2000.0), **changes) -> Analysis:
    """Return the analysis with every part of inference; scopes are all simulated datasets and one group."""
    wide = "simulated"
    groups = analysis.groups[:2]
    found = tuple(
        study(name, design, wide, groups, rank)
        for design in ("observational", "interventional") for rank, name in enumerate(CLAIMS)
    )  # fmt: skip
    names = (*DIALS, "training words", "length")
    fields = {
        "studies": (*found, sweep_study(wide)),
        "verdicts": (
            *analysis.verdicts,
            *(
                Verdict(claim=s.name, statement=s.claim, answer=s.answer, rule=s.rule, evidence=s.sentence,
                        scope=s.scope, design=s.design, declared=s.declared)
                for s in found
            ),
        ),
        "shares": tuple(
            AxisShare(scope=wide, score=score, name=name, share=around(share, 0.05), r_squared=0.61, n_datasets=174,
                      n_clusters=20)
            for score in HEADS for name, share in zip(names, (0.22, 0.11, 0.02, 0.2, 0.06), strict=True)
        ),
        "collinearity": tuple(
            Collinearity(scope=wide, name=name, vif=None if name == "length" else 1.7,
                         correlations=tuple((other, 0.31) for other in names if other != name), n_datasets=174,
                         reason="constant" if name == "length" else "")
            for name in names
        ),
        "factorial": factorial(wide), "variances": spread(analysis.groups), "separations": separations(analysis),
        "tracks": tracks(analysis, amounts),
    }  # fmt: skip
    return replace(analysis, **{**fields, **changes})


def swept(records: list[RunRecord], arms: dict[str, tuple[str, float]]) -> list[RunRecord]:
    """Return the records with the named arms as levels of ``shots`` of the named methods."""
    return [
        replace(r, spec=replace(r.spec, method=arms[r.spec.arm][0], params={"shots": arms[r.spec.arm][1]}))
        if r.spec.arm in arms else r
        for r in records
    ]  # fmt: skip
