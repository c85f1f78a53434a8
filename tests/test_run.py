"""Whole runs as a user starts them: finished, failed, killed, on a full disk."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from short_edits import ITEMS, write_short_edits

SUITE = """
name = "small"
task = "{task}"
probe = "{probe}"
budget = "tiny"
repetitions = 1
measure_n = 30
cell_seconds = 20
{more}
[[arm]]
method = "persona"
[[arm]]
method = "oracle"
[[arm]]
method = "no_training"
"""
BAD = """
import os
from dataclasses import dataclass
from qdcbench.api import Example, method

@dataclass(frozen=True)
class Params:
    x: int = 1

@method(name="NAME", version=1, summary="s", reference="none", params=Params)
def generate(ctx, params):
    yield ctx.seed_examples[0]
    BODY
"""


def command(folder, *more):
    plugins = ["--plugins", "plugins"] if (folder / "plugins").is_dir() else []
    # One worker imports once; where two matter, a test says so.
    return [sys.executable, "-m", "qdcbench", "run", "small.toml", "--plain", "--workers", "1", *plugins, *more]


def run(folder, *more, **options):
    return subprocess.run(
        command(folder, *more), cwd=folder, capture_output=True, text=True, check=False, timeout=400, **options
    )


def records(folder):
    """Every record of the edition without its provenance, by run id."""
    found = {}
    for path in (folder / "results" / "small" / "runs").rglob("*.json"):
        record = json.loads(path.read_text())
        record.pop("provenance")
        found[record["run_id"]] = record
    return found


def write_suite(folder, more=""):
    """Write the suite on the short task, and the task."""
    write_short_edits(folder)
    (folder / "small.toml").write_text(SUITE.format(task="short_edits", probe="touch", more=more))


@pytest.fixture
def folder(tmp_path):
    write_suite(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "small.toml").write_text(SUITE.format(task="list_edits", probe="glance", more=""))
    ended = run(folder, "--workers", "2")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return folder, ended.stdout


def test_a_run_ends_with_records_analysis_figures_tables_and_page(unbroken):
    folder, output = unbroken
    edition = folder / "results" / "small"
    assert {record["status"] for record in records(folder).values()} == {"complete"}
    assert len(records(folder)) == 3
    for name in ("analysis.json", "suite.json", "page/index.html", "figures/qd_plane.png", "figures/qd_plane.pdf"):
        assert (edition / name).stat().st_size > 1000, name
    assert "leaderboard page" in output
    trained = next(r for r in records(folder).values() if r["spec"]["method"] == "oracle")
    base = next(r for r in records(folder).values() if r["spec"]["method"] == "no_training")
    assert trained["probes"][0]["steps"] == 100
    assert (base["probes"][0]["steps"], base["dataset"]["selected"]) == (0, 0)
    assert all(m["value"] is None and m["reason"] for m in base["measurements"])
    assert {s["n"] for s in trained["scores"]} == {1000}


def test_running_again_runs_nothing_and_verify_finds_no_difference(unbroken):
    folder, _ = unbroken
    before = {p: p.stat().st_mtime_ns for p in (folder / "results" / "small" / "runs").rglob("*.json")}
    again = run(folder)
    assert again.returncode == 0
    assert "0 to run" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in (folder / "results" / "small" / "runs").rglob("*.json")} == before
    verified = subprocess.run(
        [sys.executable, "-m", "qdcbench", "verify", "results/small"],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout


def test_an_edition_made_again_from_the_store_keeps_the_seconds_that_its_work_took(unbroken):
    folder, _ = unbroken
    ended = run(folder, "--edition", "again", "--no-report")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    took = [
        {path.name: json.loads(path.read_text())["provenance"]["seconds"] for path in edition.rglob("runs/**/*.json")}
        for edition in (folder / "results" / "small", folder / "results" / "again")
    ]
    assert took[0].keys() == took[1].keys() and max(stages["probe"] for stages in took[0].values()) > 1
    for name, stages in took[0].items():
        assert all(took[1][name][stage] >= seconds - 0.001 for stage, seconds in stages.items())


def kill(folder, ready):
    """Start the suite, wait until it is ``ready`` and end it by SIGKILL before it is finished."""
    process = subprocess.Popen(
        command(folder, "--workers", "2"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(records(folder)) < 3, "killed too late to show anything"


def test_a_killed_run_goes_on_to_the_same_records(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
        write_suite(folder)
    early = time.monotonic() + random.Random(7).uniform(1.0, 6.0)
    kill(killed, lambda: time.monotonic() > early)
    kill(killed, lambda: records(killed))
    for folder in (killed, whole):
        ended = run(folder, "--no-report")
        assert ended.returncode == 0, ended.stderr + ended.stdout
    assert records(killed) == records(whole)


def test_a_refused_run_leaves_the_promise_as_it_was(unbroken, tmp_path):
    copy = tmp_path / "results" / "small"
    shutil.copytree(unbroken[0] / "results" / "small", copy)
    (tmp_path / "small.toml").write_text(SUITE.format(task="list_edits", probe="glance", more="root_seed = 5"))
    before = (copy / "suite.json").read_bytes()
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "records of other code or parameters" in ended.stderr
    assert (copy / "suite.json").read_bytes() == before


def test_any_data_can_be_placed_on_any_evaluation(tmp_path):
    """A task of files and imported arms, with the default scripted teacher that such a task does not have."""
    rows = [
        {"question": f"What is {a} plus {b}?", "answer": f"The sum is {a + b}."} for a in range(8) for b in range(8)
    ]
    for name, part in (("seed", rows[::2]), ("id", rows[1::4]), ("far", rows[3::4]), ("arm", rows[::2])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)))
    (tmp_path / "sums.toml").write_text(
        'name = "sums"\nseed = "seed.jsonl"\n[id]\nnear = "id.jsonl"\n[ood]\nfar = "far.jsonl"\n'
    )
    (tmp_path / "small.toml").write_text(
        'name = "small"\ntask_file = "sums.toml"\nbudget = "tiny"\nprobe = "glance"\nrepetitions = 1\nmeasure_n = 30\n'
        '[[arm]]\nmethod = "imported"\nparams = { path = "arm.jsonl" }\n[[arm]]\nmethod = "no_training"\n'
    )
    ended = run(tmp_path)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    found = {record["spec"]["method"]: record for record in records(tmp_path).values()}
    measured = {m["metric"]: m for m in found["imported"]["measurements"]}
    assert measured["verified_share"]["value"] == 1.0
    assert "no scripted teacher" in measured["judge_score"]["reason"]
    scores = {s["eval_task"]: s["value"] for s in found["imported"]["scores"] if s["metric"] == "answer_nll"}
    fresh = {s["eval_task"]: s["value"] for s in found["no_training"]["scores"] if s["metric"] == "answer_nll"}
    assert set(scores) == {"sums_near", "sums_far"}
    assert scores["sums_near"] < fresh["sums_near"]


def test_broken_cells_are_rows_and_the_rest_is_finished(folder):
    plugins = folder / "plugins"
    bodies = {
        "raises": "raise ValueError('boom')",
        "hangs": "while True: pass",
        "dies": "os._exit(9)",
        "garbage": "yield 3",
    }
    for name, body in bodies.items():
        (plugins / f"{name}.py").write_text(BAD.replace("NAME", name).replace("BODY", body))
    arms = "".join(f'[[arm]]\nmethod = "{name}"\n' for name in bodies)
    text = (folder / "small.toml").read_text()
    (folder / "small.toml").write_text(text.replace("cell_seconds = 20", "cell_seconds = 12") + arms)
    ended = run(folder)
    assert ended.returncode == 3, ended.stderr + ended.stdout
    failures = {r["spec"]["method"]: r["failure"] for r in records(folder).values() if r["status"] == "failed"}
    assert set(failures) == set(bodies)
    assert "boom" in failures["raises"]["message"]
    assert "wall clock of 12 s" in failures["hangs"]["message"]
    assert "ended with code 9" in failures["dies"]["message"]
    assert "yielded a int" in failures["garbage"]["message"]
    assert sum(r["status"] == "complete" for r in records(folder).values()) == 3
    assert (folder / "results" / "small" / "page" / "index.html").is_file()


def test_an_unreachable_endpoint_is_a_sentence_and_controls_are_kept(folder):
    more = 'teacher = "openai:nobody"\nteacher_options = { base_url = "http://127.0.0.1:9/v1" }'
    write_suite(folder, more)
    ended = run(folder)
    assert ended.returncode == 3, ended.stderr + ended.stdout
    failed = [r for r in records(folder).values() if r["status"] == "failed"]
    assert [r["spec"]["method"] for r in failed] == ["persona"]
    assert "127.0.0.1:9" in failed[0]["failure"]["message"]


def test_a_full_disk_is_a_sentence_and_not_a_crash(folder):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ended = run(folder, "--no-report", preexec_fn=little_room)
    assert ended.returncode in {1, 3}, ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    whole = run(folder, "--retry-failed", "--no-report")
    assert whole.returncode == 0, whole.stderr + whole.stdout
    assert {s["n"] for r in records(folder).values() for s in r["scores"]} == {ITEMS}
    assert {r["status"] for r in records(folder).values()} == {"complete"}


def test_an_edited_record_is_refused(unbroken, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(unbroken[0] / "results" / "small", copy)
    path = sorted((copy / "runs").rglob("*.json"))[0]
    record = json.loads(path.read_text())
    record["spec"]["root_seed"] = 1
    path.write_text(json.dumps(record))
    ended = subprocess.run(
        [sys.executable, "-m", "qdcbench", "analyze", str(copy)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path("/"),
    )
    assert ended.returncode == 1
    assert "was edited" in ended.stderr
