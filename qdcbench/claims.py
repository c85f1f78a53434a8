"""The claims that every edition is asked about, and how a study's short names are spelled out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from qdcbench.errors import did_you_mean
from qdcbench.records import RunSpec, Study, StudyTest, group_of
from qdcbench.records.study import Expect

__all__ = [
    "AXES",
    "Known",
    "Primaries",
    "default_studies",
    "is_level",
    "promised_studies",
    "record_key",
    "spelled_out",
    "study_mistakes",
    "terms_of",
]

AXES = ("quality", "diversity", "complexity")

_MINUS = " - "
_OTHER_WAY: dict[Expect, Expect] = {"rises": "falls", "falls": "rises", "stays": "stays"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Primaries:
    """What short names stand for in one edition.

    ``names`` maps each axis to its primary measure and ``score`` to the primary metric, ``sets`` holds the short names
    of the evaluation sets. ``lower_scores`` and ``lower_measures`` are metrics and measures that are better lower.
    """

    names: Mapping[str, str]
    sets: tuple[str, ...]
    smallest_effect: float
    lower_scores: tuple[str, ...] = ()
    lower_measures: tuple[str, ...] = ()


def terms_of(outcome: str) -> tuple[str, ...]:
    """Return the one name of an outcome, or the two of a difference ``a - b``."""
    return tuple(part.strip() for part in outcome.split(_MINUS))


def is_level(value: object) -> TypeGuard[int | float]:
    """Whether a parameter's value is a level that a slope can be fitted over; a switch is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def default_studies(primaries: Primaries) -> tuple[Study, ...]:
    """Return F1 to F3 as observational studies, spelled out.

    F1 and F2 say more than that a score goes up: quality is what drives scores on the training distribution, diversity
    what drives them off it. So each is also asked whether its effect on the one is larger than on the other
    (standardised, from the same datasets), and is contradicted where the two are as good as equal: otherwise
    whatever helps everywhere would support both, and the two claims would say the same.
    """
    said: tuple[tuple[str, str, str, tuple[tuple[str, Expect], ...]], ...] = (
        ("F1", "Quality drives ID.", "quality", (("id", "rises"), ("id - ood", "rises"))),
        ("F2", "Diversity drives OOD.", "diversity", (("ood", "rises"), ("id - ood", "falls"))),
        ("F3", "Complexity helps both.", "complexity", (("id", "rises"), ("ood", "rises"))),
    )
    return tuple(_default(name, claim, axis, tests, primaries) for name, claim, axis, tests in said)


def _default(name: str, claim: str, axis: str, tests: tuple[tuple[str, Expect], ...], primaries: Primaries) -> Study:
    # More of a score that is better lower is worse: what helps makes it fall.
    turned = (primaries.names["score"] in primaries.lower_scores) != (primaries.names[axis] in primaries.lower_measures)
    study = Study(
        name=name,
        claim=claim,
        design="observational",
        factor=axis,
        tests=tuple(
            StudyTest(
                outcome=outcome,
                expect=_OTHER_WAY[expect] if turned else expect,
                smallest_effect=primaries.smallest_effect,
            )
            for outcome, expect in tests
        ),
    )
    return spelled_out(study, primaries)


def spelled_out(study: Study, primaries: Primaries) -> Study:
    """Return a study with measures and scores in full, so that its digest also holds what the short names stood for.

    An axis becomes its primary measure, ``id``, ``ood`` and a set's short name the primary score on it. A study that
    is spelled out already stays as it is.
    """

    def full(term: str) -> str:
        if term in AXES:
            return primaries.names[term]
        return f"{term}:{primaries.names['score']}" if term in ("id", "ood", *primaries.sets) else term

    return replace(
        study,
        factor=full(study.factor) if study.design == "observational" else study.factor,
        tests=tuple(replace(test, outcome=_MINUS.join(map(full, terms_of(test.outcome)))) for test in study.tests),
    )


def promised_studies(declared: Sequence[Study], primaries: Primaries) -> tuple[Study, ...]:
    """Return the studies of an edition, spelled out: those declared, and F1 to F3 where none of that name is.

    A declared study takes the place of the default one of its name and design.
    """
    mine = tuple(spelled_out(study, primaries) for study in declared)
    taken = {(study.name, study.design) for study in mine}
    return (*(s for s in default_studies(primaries) if (s.name, s.design) not in taken), *mine)


def record_key(study: Study) -> str:
    """Return the name under which a record keeps a study's digest: F1 may be asked in both designs."""
    return f"{study.name} {study.design}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Names that a study of one suite may use: all measures, the metrics of scores, the methods of the arms.

    ``sets`` maps each evaluation set to its distance, ``id`` or ``ood``; None where the task itself is unknown.
    """

    measures: frozenset[str]
    metrics: tuple[str, ...]
    sets: Mapping[str, str] | None
    methods: tuple[str, ...]


def study_mistakes(study: Study, known: Known, cells: Sequence[RunSpec]) -> list[str]:
    """Return what a study names that its suite, whose cells these are, does not have."""
    wrong = [line for test in study.tests for term in terms_of(test.outcome) for line in _term_mistakes(term, known)]
    wrong += [
        f"the outcome {test.outcome!r} has {len(terms_of(test.outcome))} names; write one, or a difference 'a - b'"
        for test in study.tests
        if len(terms_of(test.outcome)) > 2
    ]
    if study.design == "observational":
        wrong += _observational_mistakes(study, known)
    else:
        wrong += _interventional_mistakes(study, known, cells)
    return [f"study {study.name!r}: {sentence}" for sentence in dict.fromkeys(wrong)]


def _term_mistakes(term: str, known: Known) -> list[str]:
    """Return what is wrong with one name of an outcome: an axis, a measure, ``id``, ``ood``, a set or a set's score."""
    if term in AXES or term in known.measures or known.sets is None:
        return []
    place, _, metric = term.partition(":")
    sets = {*known.sets, *known.sets.values()}
    if place in {"id", "ood"} - sets:
        return [f"the outcome {term!r} cannot be had: the task has no {place} set"]
    if place not in sets:
        return [f"the outcome {term!r} is unknown, {_near(term, [*sorted(sets), *AXES], known)}"]
    if metric and metric not in known.metrics:
        return [f"the score {metric!r} of {place!r} is unknown, {did_you_mean(metric, known.metrics)}"]
    return []


def _near(name: str, short: Sequence[str], known: Known) -> str:
    """Return the nearest of all names; where none is near, the short ones, as measures are over a hundred."""
    near = did_you_mean(name, [*short, *known.measures])
    if not near.startswith("known:"):
        return near
    return f"known: {', '.join(short)} and the measures that `qdcbench list measures` shows"


def _observational_mistakes(study: Study, known: Known) -> list[str]:
    wrong = []
    if study.factor not in AXES and study.factor not in known.measures:
        wrong.append(f"the factor {study.factor!r} is no axis and no measure, {_near(study.factor, AXES, known)}")
    if study.method or study.against:
        wrong.append("an observational study is of all methods; leave method and against out")
    return wrong


def _interventional_mistakes(study: Study, known: Known, cells: Sequence[RunSpec]) -> list[str]:
    if not study.method:
        return ['an interventional study needs method = "...", whose arms set the factor']
    wrong = [
        f"the suite has no arm of {name!r}, {did_you_mean(name, known.methods)}"
        for name in (study.method, study.against)
        if name and name not in known.methods
    ]
    levels = {name: _levels(study.factor, name, cells) for name in (study.method, study.against) if name}
    for name, found in levels.items():
        if name in known.methods and isinstance(found, str):
            wrong.append(found)
    mine, other = levels[study.method], levels.get(study.against)
    if isinstance(mine, dict) and isinstance(other, dict):
        for group in sorted(mine):
            absent = sorted(mine[group] - other.get(group, set()))
            if absent:
                where = f"{', '.join(f'{level:g}' for level in absent)} in group {group!r}"
                wrong.append(f"{study.against!r} has no arm at {study.factor} = {where}, so nothing can be subtracted")
    return wrong


def _levels(factor: str, method: str, cells: Sequence[RunSpec]) -> dict[str, set[float]] | str | None:
    """Return a factor's levels by group among a method's cells, or the sentence that says why it is no factor.

    None where no cell of the method could be made, which is told elsewhere.
    """
    mine = [cell for cell in cells if cell.method == method]
    if not mine:
        return None
    numeric = sorted(name for name, value in mine[0].params.items() if is_level(value))
    if factor not in numeric:
        return f"the factor {factor!r} is no numeric parameter of {method!r}, {did_you_mean(factor, numeric)}"
    found: dict[str, set[float]] = {}
    for cell in mine:
        found.setdefault(group_of(cell), set()).add(float(cell.params[factor]))
    if all(len(levels) < 2 for levels in found.values()):
        return f"no two arms of {method!r} in one group set {factor!r} differently; give it two values or more"
    return found
