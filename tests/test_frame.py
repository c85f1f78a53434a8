"""The tidy frame has a row per dataset and the numbers of the records."""

from dataclasses import replace

import pytest

from qdcbench.errors import RecordError
from qdcbench.records import (
    Budget,
    DatasetSummary,
    Failure,
    Measurement,
    RunRecord,
    RunSpec,
    Score,
    SelectionSpec,
    SuiteFacts,
    TeacherSpec,
    Usage,
)
from qdcbench.stages.frame import tidy


def record(arm: str) -> RunRecord:
    spec = RunSpec(
        arm=arm, method=arm, method_version=1, role="method", params={}, task="toy", task_version=1, probe="tiny",
        teacher=TeacherSpec(kind="scripted", model="weak"), selection=SelectionSpec(), probe_repetitions=2,
        budget=Budget(name="rows", examples=100, teacher_tokens=1000, teacher_calls=None), measure_n=50,
        repetition=0, root_seed=7,
    )  # fmt: skip
    dataset = DatasetSummary(
        sha256="a", training_sha256="b", attempts=120, accepted=100, contaminated=0, selected=50, rejected_by={},
        stopped_by="examples", usage=Usage(calls=10, prompt_tokens=400, completion_tokens=100),
        mean_prompt_words=8.0, mean_completion_words=2.0,
    )  # fmt: skip
    scores = tuple(
        Score(probe_repetition=k, eval_task=f"toy_{name}", eval_version="1", metric="exact_match", filter="none",
              value=0.25 + k / 2, stderr=None, n=10)
        for name in ("id", "ood_pairs") for k in (0, 1)
    )  # fmt: skip
    vendi = Measurement(metric="vendi", axis="diversity", value=None, n=50, reason="too few rows")
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=dataset, measurements=(vendi,), scores=scores
    )


def test_a_row_per_record_with_probes_averaged() -> None:
    failure = Failure(stage="train", kind="DataError", message="empty")
    failed = replace(record("b"), status="failed", dataset=None, failure=failure)
    frame = tidy([failed, record("a")])
    assert list(frame["arm"]) == ["a", "b"]
    assert frame.loc[0, "id:exact_match"] == 0.5 and frame.loc[0, "training_words"] == 500.0
    assert frame["vendi"].isna().all() and frame.loc[1, ["selected", "id:exact_match"]].isna().all()
    assert "ood:exact_match" not in frame.columns


def test_a_suite_adds_the_mean_over_its_sets() -> None:
    suite = SuiteFacts(edition="e", primary={}, promised=(), root_seed=7, id_sets={"toy": ("toy_id",)},
                       ood_sets={"toy": ("toy_ood_pairs",)})  # fmt: skip
    assert tidy([record("a")], suite).loc[0, "ood:exact_match"] == 0.5


def test_no_records_and_clashing_names() -> None:
    assert len(tidy([])) == 0
    odd = replace(record("a"), measurements=(Measurement(metric="arm", axis="quality", value=1.0, n=5),))
    with pytest.raises(RecordError, match="'arm'"):
        tidy([odd])
