"""Commands as a user types them: exit codes and the one sentence that says what to do."""

import json
import os
import subprocess
import sys

import pytest


def qdcbench(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "qdcbench", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, **more},
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "usage"),
        (["frobnicate"], 2, "invalid choice"),
        (["run", "nosuch"], 1, "there is no suite 'nosuch'"),
        (["run", "missing.toml"], 1, "there is no suite file"),
        (["plan", "--method", "persna"], 1, "did you mean 'persona'"),
        (["plan", "--budget", "rows1k"], 1, "did you mean 'rows-1k'"),
        (["plan", "--probe", "nope"], 1, "there is no probe recipe"),
        (["plan", "--teacher", "scriptd:strong"], 1, "did you mean 'scripted'"),
        (["plan", "--teacher", "strong"], 1, "must be written kind:model"),
        (["plan", "--repetitions", "0"], 1, "must be at least 1"),
        (["plan", "--plugins", "nowhere"], 1, "does not exist"),
        (["status", "results/none"], 1, "there is no edition folder"),
        (["analyze", "results/none"], 1, "there is no edition folder"),
        (["measure", "none.jsonl"], 1, "none.jsonl"),
        (["measure", "empty.jsonl"], 1, "empty.jsonl"),
        (["measure", "junk.jsonl"], 1, "junk.jsonl"),
        (["check", "nosuch"], 1, "there is no method 'nosuch'"),
        (["new", "method", "Bad-Name"], 1, "is no method name"),
    ],
)
def test_a_mistake_is_one_sentence_without_a_traceback(tmp_path, arguments, code, words):
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "junk.jsonl").write_bytes(bytes(range(256)) * 20)
    ended = qdcbench(*arguments, cwd=tmp_path)
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1 or code == 2


def test_a_suite_with_several_mistakes_tells_all_of_them(tmp_path):
    (tmp_path / "s.toml").write_text(
        'name = "s"\nbudget = "row-1k"\n[[arm]]\nmethod = "persna"\n[[arm]]\nmethod = "simula"\nparams = { dept = 2 }\n'
    )
    ended = qdcbench("plan", "s.toml", cwd=tmp_path)
    assert ended.returncode == 1
    for words in ("did you mean 'rows-1k'", "did you mean 'persona'", "did you mean 'depth'"):
        assert words in ended.stderr


def test_help_has_an_example_for_every_verb(tmp_path):
    top = qdcbench("--help", cwd=tmp_path)
    assert top.returncode == 0
    for verb in (
        "run",
        "plan",
        "status",
        "measure",
        "analyze",
        "figures",
        "leaderboard",
        "list",
        "new",
        "check",
        "verify",
        "doctor",
    ):
        assert verb in top.stdout
        shown = qdcbench(verb, "--help", cwd=tmp_path)
        assert shown.returncode == 0
        assert "example" in shown.stdout, verb


def test_list_as_json_and_a_broken_plugin_in_it(tmp_path):
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug" / "bad.py").write_text("# @method\nimport nothing_there\n")
    ended = qdcbench("list", "--json", "--plugins", "plug", cwd=tmp_path)
    found = json.loads(ended.stdout)
    assert found["broken"][0]["name"] == "bad"
    assert "nothing_there" in found["broken"][0]["why"]
    assert len(found["methods"]) >= 12


def test_a_scaffold_passes_the_checks_as_it_is(tmp_path):
    made = qdcbench("new", "method", "my_idea", "--folder", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    again = qdcbench("new", "method", "my_idea", "--folder", "mine", cwd=tmp_path)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    checked = qdcbench("check", "my_idea", "--plugins", "mine", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "FAIL" not in checked.stdout


def test_plan_shows_cells_and_the_most_that_can_be_spent(tmp_path):
    ended = qdcbench("plan", "quick", "--json", cwd=tmp_path)
    facts = json.loads(ended.stdout)
    assert facts["cells"] == len(set(facts["run_ids"])) == 24
    assert facts["teacher_tokens_at_most"] == 8 * 8_000_000
    assert facts["finished"] == 0
