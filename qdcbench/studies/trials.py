"""Trials of the observational engine: what it says of planted editions, counted."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from qdcbench.editions import load_edition
from qdcbench.records import SuiteFacts
from qdcbench.stages.analysis.studies import study_results
from qdcbench.stages.analysis.units import Unit, ordered, units
from qdcbench.studies.nature import Nature, nature_of
from qdcbench.studies.planted import Planted, Truth, plant, units_of_truth
from qdcbench.studies.tally import Batch, Tally
from qdcbench.studies.tested import Tested, below, both_looks, covers, first_looks

__all__ = [
    "COMMITTED",
    "DRAWN",
    "Source",
    "relations_trial",
    "second_looks_trial",
    "source_of",
    "verdicts_trial",
]

COMMITTED = "committed"
"""Design in which datasets stay where they lie in the edition."""

DRAWN = "drawn"
"""Design in which methods and columns are drawn anew in every edition."""

RESAMPLES = 999
"""Draws of the permutation test and the bootstrap in the trials that are about them."""

CLAIMS = {"F1": (0, 0), "F2": (1, 1), "F3": (2, 0)}
"""Axis and score of what each claim says first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The committed edition that trials are made from: its method datasets, its promise and its chances."""

    units: tuple[Unit, ...]
    suite: SuiteFacts
    nature: Nature


@cache
def source_of(folder: Path) -> Source:
    """Read an edition once a process."""
    edition = load_edition(folder)
    found = tuple(u for u in units(ordered(edition.records), edition.facts) if u.record.spec.role == "method")
    return Source(units=found, suite=edition.facts, nature=nature_of(found, edition.facts))


def truth_of(batch: Batch[Planted], edition: int) -> Truth:
    """Plant one edition of a batch."""
    n_methods = None if batch.design == COMMITTED else batch.size
    return plant(source_of(batch.source).nature, batch.planted, n_methods, batch.stream(edition))


def relations_trial(batch: Batch[Planted]) -> Tally:
    """Count what the tests of the primaries say, and the contrasts of ID with OOD, each family adjusted by Holm."""
    suite, tally = source_of(batch.source).suite, Tally()
    for edition in batch.editions:
        for family, tested in first_looks(truth_of(batch, edition), suite).items():
            for one in tested:
                _count_one(tally, one)
            wrong = [below(one.p_adjusted) for one in tested if one.effect == 0]
            tally.count(family, "any wrong after Holm", 0.0, any(wrong))
            holding = [covers(one.adjusted, one.realised) for one in tested]
            tally.count(family, "all adjusted intervals cover", 0.0, False not in holding)
    return tally


def second_looks_trial(batch: Batch[Planted]) -> Tally:
    """Count what the permutation test and the cluster bootstrap say of the primaries and the contrasts."""
    suite, tally = replace(source_of(batch.source).suite, resamples=RESAMPLES), Tally()
    for edition in batch.editions:
        for one, relation in both_looks(truth_of(batch, edition), suite):
            tally.count(one.name, "answered by permutation", one.effect, relation.p_permutation is not None)
            tally.count(one.name, "rejected by permutation", one.effect, below(relation.p_permutation))
            holding = covers(relation.bootstrap, one.realised)
            if holding is not None:
                tally.count(one.name, "covered by bootstrap", one.effect, holding)
    return tally


def verdicts_trial(batch: Batch[Planted]) -> Tally:
    """Count the answers to F1, F2 and F3, under the effect of the axis on the score that each claims first."""
    source, tally = source_of(batch.source), Tally()
    suite = replace(source.suite, resamples=1)
    for edition in batch.editions:
        truth = truth_of(batch, edition)
        answers = {r.name: r.answer for r in study_results(units_of_truth(truth, source.units, suite), suite)}
        for name, (axis, score) in CLAIMS.items():
            effect = float(truth.effects[axis, score])
            for answer in ("supported", "contradicted"):
                tally.count(name, answer, effect, answers[name] == answer)
    return tally


def _count_one(tally: Tally, one: Tested) -> None:
    tally.count(one.name, "answered", one.effect, one.p_value is not None)
    tally.count(one.name, "rejected at 5 %", one.effect, below(one.p_value))
    tally.count(one.name, "rejected after Holm", one.effect, below(one.p_adjusted))
    for what, effect in (("covered", one.realised), ("population effect covered", one.effect)):
        holding = covers(one.interval, effect)
        if holding is not None:
            tally.count(one.name, what, one.effect, holding)
