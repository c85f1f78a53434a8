"""F1 to F3 and declared studies over methods: one rule, one family, and what is not known said."""

from dataclasses import replace

import numpy as np
import pytest
from test_analyze import PLANTED, PRIMARY, record, suite_for
from test_analyze import study as invented

from qdcbench.claims import AXES, Primaries, promised_studies
from qdcbench.records import Study, StudyTest
from qdcbench.stages.analysis.relations import fitted, table_of
from qdcbench.stages.analysis.studies import study_results
from qdcbench.stages.analysis.units import ordered, units


def results(records, studies=(), **changes):
    suite = suite_for(records, studies=tuple(studies), **changes)
    return study_results(units(ordered(records), suite), suite)


def by_name(records, studies=(), **changes):
    return {r.name: r for r in results(records, studies, **changes) if r.scope == "simulated"}


def test_planted_claims_are_supported_with_their_contrasts():
    found = by_name(invented(np.random.default_rng(3), PLANTED, methods=16))
    assert {name: r.answer for name, r in found.items()} == {"F1": "supported", "F2": "supported", "F3": "supported"}
    assert [t.outcome for t in found["F1"].tests] == ["id:exact_match", "id:exact_match - ood:exact_match"]
    assert {t.n_clusters for r in found.values() for t in r.tests} == {16}
    assert all(r.declared == "after" and "rule fixed after the runs" in r.sentence for r in found.values())
    assert "observation over methods with simulated teachers" in found["F1"].sentence


def test_what_helps_everywhere_alike_contradicts_that_it_drives_one():
    """A common cause of both scores passes each single test and not the contrast."""
    alike = dict.fromkeys(("id", "ood_pairs", "ood_depth"), (0.8, 0.8, 0.6))
    found = by_name(invented(np.random.default_rng(4), alike, methods=16, noise=0.02, shared=0.0))
    assert found["F1"].tests[0].answer == "supported" and found["F1"].tests[1].answer == "contradicted"
    assert found["F1"].answer == found["F2"].answer == "contradicted"
    assert found["F3"].answer == "supported"


def test_a_test_says_what_the_relation_says():
    records = invented(np.random.default_rng(5), PLANTED)
    suite = suite_for(records)
    members = units(ordered(records), suite)
    table = table_of("simulated", members, ("verified", "vendi", "depth"), ("id:exact_match", "ood:exact_match"))
    test = by_name(records)["F1"].tests[0]
    relation = fitted(table, "verified", "id:exact_match", suite)
    assert (test.effect.low, test.effect.high) == pytest.approx((relation.effect.low, relation.effect.high))
    assert (test.p_value, test.p_permutation, test.detectable) == (
        relation.p_value, relation.p_permutation, relation.detectable,
    )  # fmt: skip


def test_six_tests_are_one_family_and_declared_ones_join_it():
    records = invented(np.random.default_rng(6), PLANTED)
    tests = [t for r in by_name(records).values() for t in r.tests]
    raw = sorted(t.p_value for t in tests)
    assert len(tests) == 6 and min(t.p_adjusted for t in tests) == pytest.approx(6 * raw[0])
    mine = Study(name="X", claim="More of it.", design="observational", factor="distinct",
                 tests=(StudyTest(outcome="ood_pairs"), StudyTest(outcome="ood_depth")))  # fmt: skip
    joined = [t for r in by_name(records, [mine]).values() for t in r.tests]
    assert len(joined) == 8 and min(t.p_adjusted for t in joined) == pytest.approx(8 * raw[0])


def test_a_declared_study_takes_the_place_of_the_default():
    records = invented(np.random.default_rng(7), PLANTED)
    mine = Study(
        name="F2", claim="Mine.", design="observational", factor="diversity", tests=(StudyTest(outcome="ood"),)
    )
    found = by_name(records, [mine])
    assert found["F2"].claim == "Mine." and len(found["F2"].tests) == 1 and set(found) == {"F1", "F2", "F3"}


def test_the_adjusted_interval_and_the_adjusted_p_value_agree():
    for seed in range(6):
        for result in results(invented(np.random.default_rng(seed), PLANTED, methods=8, noise=1.0)):
            for test in result.tests:
                excludes = test.adjusted.low > 0 or test.adjusted.high < 0
                assert excludes == (test.p_adjusted < 0.05)


def test_few_methods_answer_nothing_and_say_how_many():
    found = by_name(invented(np.random.default_rng(8), PLANTED, methods=5))
    assert {r.answer for r in found.values()} == {"undetermined"}
    assert all("30 datasets of 5 methods are too few" in r.sentence for r in found.values())


def test_one_odd_method_decides_nothing():
    rng = np.random.default_rng(9)
    records = []
    for m in range(12):
        odd = 6.0 if m == 0 else 0.0
        for teacher in ("scripted:strong", "scripted:weak"):
            for r in range(3):
                x = 0.3 * rng.standard_normal(3) + [odd, 0, 0]
                scores = {s: float(odd + 0.3 * rng.standard_normal()) for s in ("id", "ood_pairs", "ood_depth")}
                values = {"verified": float(x[0]), "vendi": float(x[1]), "depth": float(x[2])}
                records.append(record(f"m{m:02d}", r, values, scores, teacher=teacher))
    test = by_name(records)["F1"].tests[0]
    assert test.effect.point > 0.5 and test.answer == "undetermined" and test.reason


def test_a_promised_scope_without_data_is_undetermined_and_one_not_promised_is_absent():
    records = [replace(r, status="failed") for r in invented(np.random.default_rng(10), PLANTED, methods=6)]
    found = results(records)
    assert {r.scope for r in found} == {"simulated"} and {r.answer for r in found} == {"undetermined"}
    assert all("no dataset of a method is complete" in r.sentence and r.declared == "after" for r in found)


def test_a_digest_in_every_record_means_before():
    records = invented(np.random.default_rng(11), PLANTED, methods=6)
    suite = suite_for(records)
    primaries = Primaries(
        names=PRIMARY, sets=("id", "ood_depth", "ood_pairs"), smallest_effect=suite.smallest_effect,
        lower_scores=suite.lower_is_better, lower_measures=(),
    )  # fmt: skip
    digests = {f"{s.name} observational": s.sha256 for s in promised_studies((), primaries)}
    marked = [replace(r, spec=replace(r.spec, studies=digests)) for r in records]
    assert {r.declared for r in results(marked)} == {"before"}
    assert {r.declared for r in results([*marked[:-1], records[-1]])} == {"after"}
    assert {r.declared for r in results(marked, smallest_effect=0.2)} == {"after"}, "another margin is another rule"


def test_an_outcome_may_be_an_axis():
    records = invented(np.random.default_rng(12), PLANTED)
    trade = Study(name="T", claim="Quality costs diversity.", design="observational", factor="quality",
                  tests=(StudyTest(outcome="diversity", expect="falls"),))  # fmt: skip
    (test,) = by_name(records, [trade])["T"].tests
    assert test.outcome == "vendi" and test.effect.low < test.effect.high
    assert AXES[1] not in test.outcome


def test_datasets_without_a_value_are_counted_in_the_sentence():
    records = invented(np.random.default_rng(13), PLANTED)
    measures = tuple(
        replace(m, value=None, reason="none") if m.metric == "verified" else m for m in records[0].measurements
    )
    found = by_name([replace(records[0], measurements=measures), *records[1:]])
    assert "1 of 72 complete datasets lack a value" in found["F1"].sentence
    assert found["F1"].tests[0].n_units == 71
