"""Answers to the claims F1 to F3, by rules fixed before the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qdcbench.records import Relation, SuiteFacts, Verdict
from qdcbench.stages.analysis.rankings import primary_scores

__all__ = ["FEWEST_CLUSTERS", "FEWEST_DATASETS", "verdicts"]

FEWEST_CLUSTERS = 6
FEWEST_DATASETS = 12

Answer = Literal["supported", "contradicted", "undetermined"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claim:
    """A claim: a higher axis raises the named scores (0 is ID, 1 is OOD)."""

    name: str
    statement: str
    axis: str
    scores: tuple[int, ...]
    contrast: Literal["id", "ood", ""]


CLAIMS = (
    _Claim(name="F1", statement="Quality drives ID.", axis="quality", scores=(0,), contrast="id"),
    _Claim(name="F2", statement="Diversity drives OOD.", axis="diversity", scores=(1,), contrast="ood"),
    _Claim(name="F3", statement="Complexity helps both.", axis="complexity", scores=(0, 1), contrast=""),
)


def verdicts(
    scope: str, relations: Sequence[Relation], contrasts: Sequence[Relation], suite: SuiteFacts
) -> tuple[Verdict, ...]:
    """Return one verdict per claim within one scope."""
    found = []
    for claim in CLAIMS:
        names = [primary_scores(suite)[i] for i in claim.scores]
        tested = [r for r in relations if r.primary and r.axis == claim.axis and r.score in names]
        tested.sort(key=lambda r: names.index(r.score))
        contrast = next((c for c in contrasts if c.axis == claim.axis), None)
        answers = [_answer(relation, suite) for relation in tested]
        found.append(
            Verdict(
                claim=claim.name,
                statement=claim.statement,
                answer=_combine([answer for answer, _ in answers]),
                rule=_rule(claim, suite),
                evidence=_evidence(claim, list(zip(tested, answers, strict=True)), contrast),
                scope=scope,
            )
        )
    return tuple(found)


def _rule(claim: _Claim, suite: SuiteFacts) -> str:
    names = " and on ".join(primary_scores(suite)[i] for i in claim.scores)
    they_lie, either = ("both intervals lie", "either") if len(claim.scores) > 1 else ("it lies", "it")
    margin = f"±{suite.smallest_effect:g} standard deviations"
    return (
        f"Effect of {suite.primary[claim.axis]} on {names}, the other axes and the log of training words held, "
        f"methods as clusters, interval at the level Holm gives it. Supported if {they_lie} on the helpful side of "
        f"zero and not within {margin}. Contradicted if {either} lies on the harmful side of zero or within {margin}. "
        "Either answer must outlive leaving out any one method: half of the effect stays, or a small effect stays "
        f"small. Undetermined otherwise, and with fewer than {FEWEST_CLUSTERS} methods or {FEWEST_DATASETS} datasets."
    )


def _combine(answers: Sequence[Answer]) -> Answer:
    """Supported only if all are; contradicted as soon as one is."""
    if "contradicted" in answers:
        return "contradicted"
    return "supported" if answers and all(answer == "supported" for answer in answers) else "undetermined"


def _direction(relation: Relation, suite: SuiteFacts) -> float:
    """Return +1 where a higher value of the measure should come with a higher value of the score, else -1."""
    metric = relation.score.partition(":")[2]
    return -1.0 if (metric in suite.lower_is_better) != (relation.measure in suite.lower_is_better_measures) else 1.0


def _answer(relation: Relation, suite: SuiteFacts) -> tuple[Answer, str]:
    """Apply the rule to one effect; the second item is the reason where the answer is undetermined."""
    if relation.n_clusters < FEWEST_CLUSTERS or relation.n_datasets < FEWEST_DATASETS:
        return "undetermined", (
            f"{relation.n_datasets} datasets of {relation.n_clusters} methods are too few "
            f"(at least {FEWEST_DATASETS} of {FEWEST_CLUSTERS})"
        )
    interval = relation.effect_adjusted
    if interval is None or interval.point is None or interval.low is None or interval.high is None:
        return "undetermined", relation.effect.reason or "there is no interval"
    sign, margin = _direction(relation, suite), suite.smallest_effect
    low, high = sorted(sign * bound for bound in (interval.low, interval.high))
    small = -margin < low and high < margin
    if low <= 0 <= high and not small:
        return "undetermined", "the interval holds zero and effects that matter"
    if relation.leave_one_out is None:
        return "undetermined", "the effect cannot be fitted without one of the methods"
    least, greatest = sorted(sign * value for value in relation.leave_one_out)
    point = sign * interval.point
    if small:
        stays = -margin < least and greatest < margin
    else:
        stays = least >= point / 2 if low > 0 else greatest <= point / 2
    if not stays:
        return "undetermined", "it hangs on one method"
    return ("supported" if low > 0 and not small else "contradicted"), ""


def _evidence(claim: _Claim, tested: Sequence[tuple[Relation, tuple[Answer, str]]], contrast: Relation | None) -> str:
    parts = [_sentence(relation) + (f" Undetermined: {why}." if why else "") for relation, (_, why) in tested]
    if claim.contrast and contrast is not None and contrast.effect.low is not None:
        effect = contrast.effect
        parts.append(
            f"Effect on ID minus effect on OOD: {_number(effect.point)} [{_number(effect.low)}, "
            f"{_number(effect.high)}]; the claim wants it {'above' if claim.contrast == 'id' else 'below'} zero."
        )
    return " ".join(parts) if parts else "No dataset of a method is complete in this scope."


def _sentence(relation: Relation) -> str:
    interval = relation.effect_adjusted
    units = f"{relation.n_datasets} datasets, {relation.n_clusters} methods"
    if interval is None or interval.low is None:
        return f"{relation.measure} on {relation.score}: no estimate ({units})."
    text = (
        f"{relation.measure} on {relation.score}: {_number(interval.point)} [{_number(interval.low)}, "
        f"{_number(interval.high)}] at level {interval.level:.4g}, adjusted p {relation.p_adjusted:.3g}; {units}, "
        f"effective number {relation.n_effective:.3g}; smallest detectable effect {relation.detectable:.2f}"
    )
    if relation.leave_one_out is not None:
        low, high = relation.leave_one_out
        text += f"; without one method between {_number(low)} and {_number(high)}"
    return text + "."


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f}"
