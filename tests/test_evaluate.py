"""Evaluation through lm-eval: our probe wrapper, the YAML files and lm-eval's own `hf` model agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import qdcbench.tasks
from qdcbench.tasks._list_edits_grammar import answer, render
from qdcbench.tasks._list_edits_sets import EVAL_SETS
from qdcbench.tasks._list_edits_sets import held_out as programs_of

from qdcbench.api import HeldOut
from qdcbench.errors import DataError
from qdcbench.probes.base import make_base
from qdcbench.probes.tiny import Shape, save
from qdcbench.probes.train import ProbeRecipe
from qdcbench.records import Example
from qdcbench.stages.evaluate import Evaluation, _number, evaluate

YAML = Path(qdcbench.tasks.__file__).parent / "lm_eval"
ROOT = Path(qdcbench.__path__[0]).parent
ITEMS = 60


def held_out(count: int = ITEMS) -> list[HeldOut]:
    return [
        HeldOut(
            name=name,
            distance="id" if name == "id" else "ood",
            summary="",
            items=[Example(prompt=render(p), completion=answer(p)) for p in programs_of(name)[:count]],
        )
        for name in EVAL_SETS
    ]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object, Path]:
    recipe = ProbeRecipe(name="short", steps=60, batch_size=32, matrix_rate=0.01, vector_rate=0.004)
    model, tokenizer, _ = make_base(recipe, shape=Shape(layers=2, width=32, inner=64), count=1000)
    folder = tmp_path_factory.mktemp("probe")
    save(model, tokenizer, folder)
    return model, tokenizer, folder


@pytest.fixture(scope="module")
def evaluation(probe: tuple[object, object, Path]) -> Evaluation:
    model, tokenizer, _ = probe
    return evaluate(model, tokenizer, held_out(), task="list_edits", version=1, probe_repetition=2)


def test_each_held_out_set_has_both_metrics(evaluation: Evaluation) -> None:
    found = {(score.eval_task, score.metric) for score in evaluation.scores}
    assert found == {(f"list_edits_{name}", metric) for name in EVAL_SETS for metric in ("exact_match", "answer_nll")}
    assert {(score.n, score.eval_version, score.probe_repetition) for score in evaluation.scores} == {(ITEMS, "1", 2)}


def test_values_are_means_of_the_outcomes_with_their_standard_errors(evaluation: Evaluation) -> None:
    for score in evaluation.scores:
        outcomes = evaluation.outcomes[score.eval_task, score.metric]
        mean = sum(outcomes) / len(outcomes)
        spread = sum((value - mean) ** 2 for value in outcomes) / (len(outcomes) - 1)
        assert score.value == pytest.approx(mean)
        assert score.stderr == pytest.approx((spread / len(outcomes)) ** 0.5, abs=1e-9)
        assert len(outcomes) == ITEMS
        if score.metric == "exact_match":
            assert set(outcomes) <= {0.0, 1.0}


def test_evaluation_is_repeatable_and_silent(
    probe: tuple[object, object, Path], evaluation: Evaluation, capfd: pytest.CaptureFixture[str]
) -> None:
    again = evaluate(probe[0], probe[1], held_out(), task="list_edits", version=1, probe_repetition=2)
    assert again == evaluation
    assert capfd.readouterr() == ("", "")


def test_what_lm_eval_could_not_compute_is_none() -> None:
    assert _number("N/A") is None and _number(float("nan")) is None
    assert _number(0.5) == 0.5


def test_a_held_out_set_without_items_is_refused(probe: tuple[object, object, Path]) -> None:
    empty = HeldOut(name="id", distance="id", summary="", items=[])
    with pytest.raises(DataError, match="held-out set id of task mine has no items"):
        evaluate(probe[0], probe[1], [empty], task="mine", version=1)


def test_lm_evals_own_model_gives_the_same_from_the_plain_command_line(
    probe: tuple[object, object, Path], evaluation: Evaluation, tmp_path: Path
) -> None:
    names = ["list_edits_id", "list_edits_id_nll"]
    command = [
        sys.executable, "-m", "lm_eval", "run", "--include_path", str(YAML), "--tasks", ",".join(names),
        "--model", "hf", "--model_args", f"pretrained={probe[2]},dtype=float32", "--device", "cpu",
        "--batch_size", "32", "--limit", str(ITEMS), "--output_path", str(tmp_path / "out"), "--log_samples",
    ]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, metric in zip(names, ("exact_match", "answer_nll"), strict=True):
        (samples,) = (tmp_path / "out").rglob(f"samples_{name}_2*.jsonl")
        rows = sorted(map(json.loads, samples.read_text().splitlines()), key=lambda row: int(row["doc_id"]))
        theirs = [row[metric] for row in rows]
        assert theirs == pytest.approx(evaluation.outcomes["list_edits_id", metric], abs=1e-4)


def test_every_held_out_set_has_its_two_yaml_files() -> None:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_defaults=False, include_path=str(YAML))
    assert set(manager.all_subtasks) == {f"list_edits_{name}{end}" for name in EVAL_SETS for end in ("", "_nll")}
    assert manager.all_groups == ["list_edits"]
