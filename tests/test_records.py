import json
from dataclasses import replace

import pytest

from qdcbench.budgets import BUDGETS, budget_named
from qdcbench.canon import pretty_json
from qdcbench.errors import ConfigError, RecordError
from qdcbench.migrate import to_current
from qdcbench.records import SCHEMA_VERSION, Failure, RunRecord, RunSpec, SelectionSpec, TeacherSpec, from_json

SPEC = RunSpec(
    arm="a",
    method="m",
    method_version=1,
    role="method",
    params={"x": 1.5, "y": "z"},
    task="t",
    task_version=1,
    teacher=TeacherSpec(kind="scripted", model="strong"),
    budget=budget_named("tiny"),
    selection=SelectionSpec(),
    probe="p",
    probe_repetitions=1,
    measure_n=100,
    repetition=0,
    root_seed=1,
    hashes={"task": "abc"},
)
RECORD = RunRecord(
    run_id=SPEC.run_id, spec=SPEC, status="failed", failure=Failure(stage="generate", kind="K", message="why")
)


def test_a_record_survives_its_json():
    assert from_json(RunRecord, json.loads(pretty_json(RECORD)), "here") == RECORD


def test_an_explicit_default_and_an_implicit_one_are_the_same_run():
    assert replace(SPEC, params_given={"x": 1.5}).run_id == SPEC.run_id
    assert replace(SPEC, arm="another label").run_id == SPEC.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"repetition": 1},
        {"root_seed": 2},
        {"params": {"x": 2.5, "y": "z"}},
        {"measure_n": 101},
        {"probe": "q"},
        {"hashes": {"task": "abd"}},
        {"budget": budget_named("rows-1k")},
        {"selection": SelectionSpec(n=5)},
        {"teacher": TeacherSpec(kind="scripted", model="weak")},
        {"method_version": 2},
        {"task": "u"},
    ],
)
def test_every_field_that_changes_the_run_changes_its_id(change):
    assert replace(SPEC, **change).run_id != SPEC.run_id


def test_where_a_file_lies_is_not_part_of_the_id_but_its_content_is():
    one = replace(SPEC, params={"path": "/a/x.jsonl"}, hashes={"data": "1"})
    assert replace(one, params={"path": "/b/x.jsonl"}).run_id == one.run_id
    assert replace(one, hashes={"data": "2"}).run_id != one.run_id


def test_all_wrong_fields_are_told_at_once():
    broken = json.loads(pretty_json(RECORD))
    del broken["status"]
    broken["spec"]["repetition"] = "one"
    with pytest.raises(RecordError, match=r"^r\.json is not a valid RunRecord.*repetition.*status"):
        from_json(RunRecord, broken, "r.json")


def test_a_record_from_the_future_is_refused():
    with pytest.raises(RecordError, match="upgrade qdcbench"):
        to_current({"schema_version": SCHEMA_VERSION + 1}, "f.json")


@pytest.mark.parametrize("bad", [[], "x", {"schema_version": "1"}, {}, {"schema_version": True}, {"schema_version": 0}])
def test_what_is_no_record_is_refused(bad):
    with pytest.raises(RecordError, match=r"f\.json"):
        to_current(bad, "f.json")


def test_every_budget_caps_the_teacher_and_an_unknown_one_gets_its_neighbour():
    assert all(b.teacher_tokens or b.teacher_calls for b in BUDGETS.values())
    with pytest.raises(ConfigError, match="did you mean 'rows-1k'"):
        budget_named("row-1k")
