"""What a study may name, what short names stand for, and how its digest reaches the records."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from qdcbench.canon import plain
from qdcbench.claims import AXES, Primaries, default_studies, promised_studies, record_key, spelled_out
from qdcbench.editions import facts_of, load_edition, path_for, write_plan, write_record
from qdcbench.errors import ConfigError
from qdcbench.plan import expand, primaries_of
from qdcbench.records import RunRecord, RunSpec, Study, StudyTest, from_json
from qdcbench.registry import discover
from qdcbench.suite import parse_suite

REGISTRY = discover()

SUITE = """
name = "s"
repetitions = 2
[[study]]
name = "T"
claim = "Stricter selection costs diversity."
design = "interventional"
method = "quality_only"
factor = "factor"
against = "qdc_balanced"
[[study.test]]
outcome = "diversity"
expect = "falls"
smallest_effect = 0.2
[[arm]]
method = "quality_only"
grid = { factor = [1.0, 2.0, 4.0] }
[[arm]]
method = "qdc_balanced"
grid = { factor = [1.0, 2.0, 4.0] }
"""


def planned(text):
    return expand(parse_suite(text, "s"), REGISTRY, Path())


def primaries(**changes):
    made = Primaries(
        names=dict(zip((*AXES, "score"), ("verified_share", "pair_entropy", "mean_depth", "exact_match"), strict=True)),
        sets=("id", "ood_pairs"),
        smallest_effect=0.1,
    )  # fmt: skip
    return replace(made, **changes)


def test_every_edition_is_asked_about_three_claims():
    told = {s.name: (s.factor, [(t.outcome, t.expect) for t in s.tests]) for s in default_studies(primaries())}
    up, far, gap = "id:exact_match", "ood:exact_match", "id:exact_match - ood:exact_match"
    assert told == {
        "F1": ("verified_share", [(up, "rises"), (gap, "rises")]),
        "F2": ("pair_entropy", [(far, "rises"), (gap, "falls")]),
        "F3": ("mean_depth", [(up, "rises"), (far, "rises")]),
    }


def test_what_is_better_lower_turns_the_claim():
    lower = default_studies(primaries(lower_scores=("exact_match",)))
    assert [[t.expect for t in s.tests] for s in lower] == [["falls", "falls"], ["falls", "rises"], ["falls", "falls"]]
    both = default_studies(primaries(lower_scores=("exact_match",), lower_measures=("mean_depth",)))
    assert both[:2] == lower[:2] and both[2] == default_studies(primaries())[2]


def test_the_default_rules_are_what_they_were():
    """A digest that changes, by a declaration or by ``RULES``, makes all records say that these rules came after."""
    assert [study.sha256[:12] for study in default_studies(primaries())] == [
        "718466e924f1",
        "21f7cb7dd471",
        "e53b5b5b3bbc",
    ]


def test_short_names_are_spelled_out_once():
    study = Study(
        name="x", claim="c", design="observational", factor="diversity",
        tests=tuple(StudyTest(outcome=o) for o in ("id - ood_pairs", "ood:answer_nll", "complexity", "vendi_q1")),
    )  # fmt: skip
    full = spelled_out(study, primaries())
    assert full.factor == "pair_entropy"
    assert [test.outcome for test in full.tests] == [
        "id:exact_match - ood_pairs:exact_match", "ood:answer_nll", "mean_depth", "vendi_q1",
    ]  # fmt: skip
    assert spelled_out(full, primaries()) == full
    other = spelled_out(study, primaries(names={**primaries().names, "diversity": "vendi_q1"}))
    assert other.sha256 != full.sha256, "another primary is another rule"


def test_a_parameter_that_is_called_like_an_axis_stays_one():
    study = Study(name="x", claim="c", design="interventional", factor="quality", method="m", tests=())
    assert spelled_out(study, primaries()).factor == "quality"


def test_a_declared_study_takes_the_place_of_its_default():
    mine = Study(name="F1", claim="mine", design="observational", factor="quality", tests=(StudyTest(outcome="id"),))
    dialled = replace(mine, design="interventional", factor="right", method="dialled")
    found = promised_studies((mine, dialled), primaries())
    assert sorted(record_key(study) for study in found) == [
        "F1 interventional", "F1 observational", "F2 observational", "F3 observational",
    ]  # fmt: skip
    assert {record_key(s): s.claim for s in found}["F1 observational"] == "mine"


def test_every_cell_keeps_the_digests_and_is_the_same_run():
    plan = planned(SUITE)
    promised = promised_studies(plan.suite.studies, primaries_of(plan.suite, plan.held_out))
    assert {record_key(s) for s in promised} == {
        "F1 observational", "F2 observational", "F3 observational", "T interventional",
    }  # fmt: skip
    assert all(cell.studies == {record_key(s): s.sha256 for s in promised} for cell in plan.cells)
    without = planned("\n".join(['name = "s"', "repetitions = 2", SUITE[SUITE.index("[[arm]]") :]]))
    assert [cell.run_id for cell in without.cells] == [cell.run_id for cell in plan.cells]
    assert facts_of(plan, "e").studies == promised[3:]


@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        ('factor = "factor"', 'factor = "faktor"', "'faktor' is no numeric parameter of 'quality_only', did you"),
        ('outcome = "diversity"', 'outcome = "diversty"', "'diversty' is unknown, did you mean 'diversity'"),
        ('outcome = "diversity"', 'outcome = "id - ood_pairz"', "'ood_pairz' is unknown, did you mean 'ood_pairs'"),
        ('outcome = "diversity"', 'outcome = "id:exact_mach"', "'exact_mach' of 'id' is unknown, did you mean"),
        ('outcome = "diversity"', 'outcome = "id - ood - id"', "has 3 names; write one, or a difference"),
        ('outcome = "diversity"', 'outcome = "wxyz"', "known: .*ood.*`qdcbench list measures`"),
        ('method = "quality_only"\nfactor', 'method = "quality_onl"\nfactor', "no arm of 'quality_onl', did you"),
        ('method = "quality_only"\nfactor', "factor", 'an interventional study needs method = "..."'),
        ('against = "qdc_balanced"', 'against = "qdc_balancd"', "no arm of 'qdc_balancd', did you mean 'qdc_balanced'"),
        ("[1.0, 2.0, 4.0]", "[2.0]", "no two arms of 'quality_only' in one group set 'factor' differently"),
        ("[1.0, 2.0, 4.0]", "[1.0, 2.0, 8.0]", r"'qdc_balanced' has no arm at factor = 8 in group 'list_edits\|"),
        ('"interventional"\nmethod = "quality_only"', '"observational"', "'factor' is no axis and no measure"),
        ('"interventional"', '"observational"', "an observational study is of all methods"),
    ],
)  # fmt: skip
def test_wrong_names_in_a_study_are_told_at_the_plan(old, new, pattern):
    assert old in SUITE
    with pytest.raises(ConfigError, match=pattern):
        planned(SUITE.replace(old, new, 1))


def test_mistakes_of_studies_and_arms_come_together():
    with pytest.raises(ConfigError) as caught:
        text = SUITE.replace('outcome = "diversity"', 'outcome = "diversty"').replace('factor = "fact', 'factor = "fat')
        planned(text + '[[arm]]\nmethod = "no_such_method"\n')
    assert all(word in str(caught.value) for word in ("'diversty'", "'fator'", "'no_such_method'"))


def test_a_study_of_a_task_without_an_ood_set_is_refused(tmp_path):
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"p{i}", "completion": "c"}) + "\n" for i in range(9))
    )
    (tmp_path / "task.toml").write_text(
        'name = "mine"\nseed = "rows.jsonl"\n[id]\nid = "rows.jsonl"\n'
    )  # fmt: skip
    text = SUITE.replace("repetitions = 2", 'task_file = "task.toml"').replace('"diversity"', '"ood"')
    with pytest.raises(ConfigError, match="'ood' cannot be had: the task has no ood set"):
        expand(parse_suite(text, "s"), REGISTRY, tmp_path)


def failed(spec):
    return RunRecord(run_id=spec.run_id, spec=spec, status="failed")


def test_records_keep_the_rules_they_were_made_under(tmp_path):
    old, new = planned(SUITE), planned(SUITE.replace("smallest_effect = 0.2", "smallest_effect = 0.9"))
    write_plan(tmp_path, old)
    write_record(tmp_path, failed(old.cells[0]))
    write_plan(tmp_path, new)
    write_record(tmp_path, failed(new.cells[1]))
    edition = load_edition(tmp_path)
    kept = {record.run_id: record.spec.studies["T interventional"] for record in edition.records}
    (study,) = edition.facts.studies
    assert kept == {
        old.cells[0].run_id: old.cells[0].studies["T interventional"], new.cells[1].run_id: study.sha256,
    }  # fmt: skip
    assert len(set(kept.values())) == 2
    assert edition.plan.suite == new.suite


def test_records_from_before_there_were_studies_are_read(tmp_path):
    plan = planned(SUITE)
    write_plan(tmp_path, plan)
    spec = plan.cells[0]
    aged = plain(failed(spec))
    del aged["spec"]["studies"]
    path = path_for(tmp_path, spec)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(aged))
    (record,) = load_edition(tmp_path).records
    assert record.spec.studies == {} and record.run_id == spec.run_id
    assert from_json(RunSpec, plain(spec), "s") == spec


def test_the_example_of_the_documentation_can_be_planned():
    page = Path(__file__).resolve().parent.parent / "docs" / "studies.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    plan = planned(text)
    assert len(plan.cells) == 3 * 2 * 3 and {cell.params["right"] for cell in plan.cells} == {0.5, 0.75, 1.0}
    (study,) = facts_of(plan, "e").studies
    assert plan.cells[0].studies["F1 interventional"] == study.sha256
