"""A bundle made in one clone is made again in another, with the network off, and says what differs."""

import gzip
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from qdcbench.bundles.archive import Manifest
from qdcbench.canon import canonical_json, pretty_json
from qdcbench.cli import main
from qdcbench.cli.report import write_report
from qdcbench.editions import load_edition, write_plan, write_record
from qdcbench.executors.pool import Site, run_cells
from qdcbench.measures import METRICS
from qdcbench.plan import expand
from qdcbench.records import from_json
from qdcbench.registry import discover
from qdcbench.stages.bench import Spending
from qdcbench.suite import read_suite

serving = runpy.run_path(str(Path(__file__).with_name("chat_server.py")))["serving"]

COMMON = """
budget = "tiny"
probe = "glance"
repetitions = 1
measure_n = 30
cell_seconds = 60
"""
ECHO = """
from dataclasses import dataclass
from qdcbench.api import Example, method

@dataclass(frozen=True)
class Params:
    x: int = 1

@method(name="echo", version=1, summary="Answers seed prompts.", reference="none", params=Params, intents=("answer",))
def generate(ctx, params):
    for seed in ctx.seed_examples[:10]:
        text = ctx.answerer.ask("answer", prompt=seed.prompt)
        yield Example(prompt=seed.prompt, completion=text)
"""
GARBAGE = ECHO.replace('"echo"', '"garbage"').replace("    for seed", "    yield 3\n    for seed")


def run_here(root, suite, probes=False):
    """Run a suite as qdcbench does, by default without training; return its edition's folder, without a report."""
    suite, base = read_suite(str(root / "suites" / suite))
    plugins = discover([root / "plugins"] if (root / "plugins").is_dir() else [])
    plan = expand(suite, plugins, base)
    folder = root / "results" / suite.name
    write_plan(folder, plan)
    work = root / ".qdcbench"
    site = Site(
        edition=folder, store=work / "store", base=base, plugins=plugins.folders, cell_seconds=60, workers=1,
        spending=Spending(ledger=work / "ledger.sqlite", suite=suite.name), probes=probes,
    )  # fmt: skip
    for _ in run_cells(plan.cells, site):
        pass
    return folder


def packed(root, name, target, *more):
    plugins = ["--plugins", str(root / "plugins")] if (root / "plugins").is_dir() else []
    words = ["bundle", str(root / "results" / name), "-o", str(target), "--work", str(root / ".qdcbench")]
    assert main([*words, "--base", str(root / "suites"), *plugins, *more]) == 0
    return target


def answer_key(root):
    """Return the key of an answer that became a row and led to no other question of evol_instruct."""
    for path in sorted((root / ".qdcbench" / "store" / "generate").rglob("calls.jsonl")):
        calls = [json.loads(line) for line in path.read_text().splitlines()]
        if any(call["intent"] == "evolve" and call["key"] for call in calls):
            return next(call["key"] for call in calls if call["intent"] == "answer")
    raise AssertionError("no generation asked the server")


def can_leave_the_network():
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


OFFLINE = """
import socket

def refuse(*_, **__):
    raise OSError("the network is off")

for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse
"""


def offline(folder):
    """Return an environment without a key, in which no Python process reaches a network, not even this machine's."""
    (folder / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), kept.get("PYTHONPATH"))))}


def test_what_is_offline_reaches_nobody(tmp_path):
    code = "import sys, socket; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5).close()"
    with serving() as server:
        ended = [
            subprocess.run([sys.executable, "-c", code, str(server.port)], env=env, capture_output=True, check=False)
            for env in (None, offline(tmp_path))
        ]
    assert [end.returncode for end in ended] == [0, 1] and b"the network is off" in ended[1].stderr


def verify(path, cwd, *more):
    """Verify in a process of its own, in another folder, with no key and no network."""
    alone = ["unshare", "-rn"] if shutil.which("unshare") and can_leave_the_network() else []
    command = [*alone, sys.executable, "-m", "qdcbench", "verify", str(path), "--workers", "1", *more]
    with tempfile.TemporaryDirectory() as folder:
        env = offline(Path(folder))
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=400)


def edited(path, target, change, *, recompute=True):
    """Write a bundle again after ``change`` has been at its files, with the manifest's digests made to fit or not."""
    import hashlib

    with tarfile.open(path) as archive:
        files = {info.name: archive.extractfile(info).read() for info in archive}
    change(files)
    if recompute:
        manifest = from_json(Manifest, json.loads(files.pop("manifest.json")), "test")
        manifest = replace(manifest, files={n: hashlib.sha256(c).hexdigest() for n, c in sorted(files.items())})
        files["manifest.json"] = pretty_json(replace(manifest, sha256=manifest.digest)).encode()
    with gzip.open(target, "wb") as raw, tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target


def record_of(files, method, teacher):
    """Return the name and content of one run's record."""
    for name, content in files.items():
        if "/runs/" in name:
            record = json.loads(content)
            if record["spec"]["method"] == method and record["spec"]["teacher"]["kind"] == teacher:
                return name, record
    raise AssertionError(method)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A folder where a suite was run with a server that is gone now, and the bundle of it."""
    root = tmp_path_factory.mktemp("clone_a")
    for name in ("suites", "data", "plugins"):
        (root / name).mkdir()
    rows = [{"prompt": f"Reverse the list: {a} {b}", "completion": f"{b} {a}"} for a in range(7) for b in range(6)]
    (root / "data" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "plugins" / "prompts").mkdir()
    (root / "plugins" / "echo.py").write_text(ECHO)
    (root / "plugins" / "prompts" / "echo.toml").write_text('[answer]\nuser = "Do this: {prompt}"\n')
    with serving(faults=("reset", "too-many", "usage-missing")) as server:
        arms = (
            '[[arm]]\nmethod = "imported"\nparams = { path = "../data/rows.jsonl" }\n'
            '[[arm]]\nmethod = "echo"\n[[arm]]\nmethod = "evol_instruct"\n'
        )
        options = f'[teacher_options]\nbase_url = "{server.base_url}"\nbackoff = 0.01\n'
        teachers = 'name = "mixed"\nteachers = ["scripted:strong", "openai:m"]\n'
        (root / "suites" / "mixed.toml").write_text(teachers + COMMON + options + arms)
        write_report(load_edition(run_here(root, "mixed.toml")))
        assert server.seen()["requests"] > 150
    return root, packed(root, "mixed", root / "mixed.qdcbundle.tar.gz")


def test_a_bundle_verifies_equal_in_another_clone_with_the_network_off(clone, tmp_path):
    moved = shutil.copy(clone[1], tmp_path / "moved.tar.gz")
    ended = verify(moved, tmp_path, "--trust-plugins")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    all_measures = 6 * len(METRICS)
    assert f"6 of 6 data sets, {all_measures} of {all_measures} measures, 1 of 1 analyses" in ended.stdout
    assert ended.stdout.rstrip().endswith(": equal")
    assert "trainings and scores were not made again" in ended.stdout
    assert "[6/6, about 0 s left]" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["moved.tar.gz"]


def test_the_same_edition_gives_the_same_bytes_wherever_it_lies(clone, tmp_path):
    other = tmp_path / "clone_b"
    shutil.copytree(clone[0], other)
    again = packed(other, "mixed", tmp_path / "again.tar.gz")
    assert again.read_bytes() == clone[1].read_bytes()
    with tarfile.open(again) as archive:
        names = archive.getnames()
        assert {"inputs/0/rows.jsonl", "plugins/0/echo.py", "plugins/0/prompts/echo.toml"} <= set(names)
        assert not [name for name in names if "set-aside" in name or name.endswith((".sqlite", ".pyc"))]
        assert str(clone[0]).encode() not in b"".join(
            archive.extractfile(i).read() for i in archive if i.name.endswith("json")
        )


def test_code_in_a_bundle_runs_only_when_it_is_trusted(clone, tmp_path):
    ended = verify(clone[1], tmp_path)
    assert ended.returncode == 1
    assert "holds private plugins" in ended.stderr and "--trust-plugins" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_what_was_tampered_with_is_named(clone, tmp_path):
    """One answer's text, one record's numbers, a method's source, the manifest."""
    told = {}
    key = answer_key(clone[0])

    def change(files):
        name, record = record_of(files, "imported", "scripted")
        told["record"] = record["run_id"]
        record["dataset"]["accepted"] += 1
        next(m for m in record["measurements"] if m["metric"] == "mean_depth")["value"] = 7.5
        files[name] = pretty_json(record).encode()
        _, asked = record_of(files, "evol_instruct", "openai")
        told["answer"] = asked["run_id"]
        lines = [json.loads(line) for line in files["answers.jsonl"].splitlines()]
        row = next(row for row in lines if row["key"] == key)
        row["reply"]["text"] += "!"
        files["answers.jsonl"] = "".join(canonical_json(row) + "\n" for row in lines).encode()
        files["plugins/0/echo.py"] = ECHO.replace("x: int = 1", "x: int = 2").encode()
        manifest = json.loads(files["manifest.json"])
        manifest["commits"] = ["0" * 40]
        files["manifest.json"] = pretty_json(manifest).encode()

    path = edited(clone[1], tmp_path / "tampered.tar.gz", change, recompute=False)
    ended = verify(path, tmp_path, "--trust-plugins")
    lines = ended.stdout.splitlines()
    assert ended.returncode == 1, ended.stdout + ended.stderr
    for name in ("manifest.json", "answers.jsonl", "plugins/0/echo.py"):
        assert f"{name} was changed after the bundle was made" in lines
    found = [line for line in lines if told["record"] in line]
    assert any("dataset.accepted is 41 in the record and 40 made again" in line for line in found)
    assert any("mean_depth.value is 7.5 in the record" in line for line in found)
    assert any(told["answer"] in line and "dataset.sha256 is" in line for line in lines)
    versions = [line for line in lines if "made by another version of method 'echo'" in line]
    assert len(versions) == 1 and "2 runs were not made again" in versions[0]
    assert any("analysis.json differs from what the records give" in line for line in lines)
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A suite on a task of files, one run of which had no server to judge it, one a method that broke, one neither."""
    root = tmp_path_factory.mktemp("broken")
    for name in ("suites", "tasks", "plugins"):
        (root / name).mkdir()
    rows = [
        {"question": f"What is {a} plus {b}?", "answer": f"The sum is {a + b}."} for a in range(8) for b in range(8)
    ]
    for name, part in (("seed", rows[::2]), ("id", rows[1::4]), ("far", rows[3::4])):
        (root / "tasks" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)))
    task = 'name = "sums"\nseed = "../tasks/seed.jsonl"\n[id]\nnear = "id.jsonl"\n[ood]\nfar = "far.jsonl"\n'
    (root / "tasks" / "sums.toml").write_text(task)
    (root / "plugins" / "garbage.py").write_text(GARBAGE)
    arms = (
        '[[arm]]\nmethod = "imported"\nparams = { path = "../tasks/seed.jsonl" }\n'
        '[[arm]]\nmethod = "garbage"\n[[arm]]\nmethod = "evol_instruct"\n'
    )
    head = 'name = "sums"\ntask_file = "../tasks/sums.toml"\nteachers = ["openai:nobody"]\n'
    options = '[teacher_options]\nbase_url = "http://127.0.0.1:9/v1"\nretries = 0\n'
    (root / "suites" / "sums.toml").write_text(head + COMMON + options + arms)
    run_here(root, "sums.toml", probes=True)
    return root


def test_runs_that_failed_and_trainings_and_a_tolerance(broken, tmp_path):
    folder = broken / "results" / "sums"
    records = {record.spec.method: record for record in load_edition(folder).records}
    assert "there is no judge" in next(m for m in records["imported"].measurements if m.metric == "judge_score").reason
    assert [records[name].failure.kind for name in ("garbage", "evol_instruct")] == ["PluginError", "PartlyAnswered"]
    # As if another processor had measured it.
    name = next(m.metric for m in records["imported"].measurements if m.value and m.metric != "verified_share")
    near = [replace(m, value=m.value * (1 + 1e-7)) if m.metric == name else m for m in records["imported"].measurements]
    write_record(folder, replace(records["imported"], measurements=tuple(near)))
    write_report(load_edition(folder))
    path = packed(broken, "sums", tmp_path / "sums.tar.gz")

    ended = verify(path, tmp_path, "--trust-plugins", "--probes", "--tolerance", "1e-3", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (said,) = json.loads(ended.stdout)
    assert said["equal"] and said["other_differences"] == []
    (only,) = said["differences"]
    assert only["field"] == f"{name}.value" and 1e-8 < only["distance"] < 1e-6
    assert said["total"]["trainings"] == 1 and said["total"]["scores"] > 3
    assert said["different"]["trainings"] == said["different"]["scores"] == 0
    notes = " ".join(said["notes"])
    assert records["imported"].run_id in notes and "had no judge when it was run" in notes
    assert records["evol_instruct"].run_id in notes and "by no doing of its method (PartlyAnswered)" in notes
    assert records["garbage"].run_id not in notes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("param", "was edited: its run_id is"),
        ("request", "the key"),
        ("suite", "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_used_at_all_is_named_and_ends_it(clone, tmp_path, capsys, change, words):
    def at(files):
        if change == "param":
            name, record = record_of(files, "imported", "openai")
            record["spec"]["budget"]["examples"] = 41
            files[name] = pretty_json(record).encode()
        elif change == "request":
            first, *rest = files["answers.jsonl"].splitlines(keepends=True)
            row = json.loads(first)
            row["request"]["max_tokens"] += 1
            files["answers.jsonl"] = (canonical_json(row) + "\n").encode() + b"".join(rest)
        else:
            files["results/mixed/suite.json"] = b"{"

    path = edited(clone[1], tmp_path / "edited.tar.gz", at)
    assert main(["verify", str(path), "--trust-plugins"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert words in said[0] and "the rest was not verified" in said[0]
    assert said[-1].endswith("1 differences")
    assert "/tmp" not in said[0]


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        (".qdcbench/store/generate", "the generation of 2 runs, such as echo r0 openai:m"),
        (".qdcbench/store/judge", "the judging of 3 runs, such as"),
        (".qdcbench/ledger.sqlite", "recorded answers"),
        ("results/mixed/page", "page (qdcbench leaderboard"),
        ("results/mixed/analysis.json", "analysis.json (qdcbench analyze"),
        ("data/rows.jsonl", "the input ../data/rows.jsonl"),
    ],
)
def test_what_is_missing_for_a_bundle_is_listed(clone, tmp_path, capsys, remove, words):
    root = tmp_path / "copy"
    shutil.copytree(clone[0], root)
    gone = root / remove
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    given = ["--work", str(root / ".qdcbench"), "--base", str(root / "suites"), "--plugins", str(root / "plugins")]
    assert main(["bundle", str(root / "results/mixed"), "-o", str(tmp_path / "x.tar.gz"), *given]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "x.tar.gz").exists()


def test_a_private_method_must_be_at_hand_and_no_key_may_be_inside(clone, tmp_path, capsys, monkeypatch):
    root, target = clone[0], tmp_path / "x.tar.gz"
    given = ["--work", str(root / ".qdcbench"), "--base", str(root / "suites"), "-o", str(target)]
    assert main(["bundle", str(root / "results/mixed"), *given]) == 1
    assert "the method 'echo' (name its folder with --plugins)" in capsys.readouterr().err
    # What stands in each request of evol_instruct, as a key would that somebody wrote into a suite or a prompt.
    monkeypatch.setenv("SOME_API_KEY", "max_tokens")
    assert main(["bundle", str(root / "results/mixed"), *given, "--plugins", str(root / "plugins")]) == 1
    said = capsys.readouterr().err
    assert "answers.jsonl holds the value of the variable SOME_API_KEY" in said and "max_tokens" not in said
    assert not target.exists()


def test_an_edition_folder_is_still_compared(clone, tmp_path, capsys):
    folder = tmp_path / "mixed"
    shutil.copytree(clone[0] / "results" / "mixed", folder)
    table = next((folder / "tables").glob("*.csv"))
    table.write_text(table.read_text() + "x\n")
    assert main(["verify", str(folder), "--json"]) == 1
    (said,) = json.loads(capsys.readouterr().out)
    assert said["other_differences"] == [f"{table} differs from what the records give"]
    assert said["different"] == {"analyses": 0, "figures": 0, "pages": 0, "tables": 1} and not said["equal"]
