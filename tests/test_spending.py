"""Whole runs against a real server: spending stays under its caps, nothing paid is asked twice, no key is found."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import serving
from short_edits import write_short_edits

KEY = "sk-to-be-found-nowhere-8c1f37"
SUITE = """
name = "chat"
task = "short_edits"
budget = "tiny"
probe = "touch"
repetitions = 1
measure_n = 30
teacher = "openai:m"
[teacher_options]
base_url = "{url}"
concurrency = 8
{more}
[[arm]]
method = "persona"
params = {{ n_personas = 10 }}
[[arm]]
method = "self_instruct"
"""

pytestmark = pytest.mark.slow


def write_suite(folder: Path, url: str, more: str = "") -> None:
    write_short_edits(folder)
    (folder / "chat.toml").write_text(SUITE.format(url=url, more=more), encoding="utf-8")


def command(*more: str) -> list[str]:
    return [
        sys.executable, "-m", "qdcbench", "run", "chat.toml", "--plain", "--no-report", "--edition", "chat",
        "--plugins", "plugins", "--workers", "1", *more,
    ]  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "OPENAI_API_KEY": KEY}


def run(folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*more), cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=300
    )


def _hear_interrupts() -> None:
    # A shell starts what runs in the background deaf to interrupts, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def records(folder: Path) -> dict[str, Any]:
    """Every record without its provenance, by run id."""
    found = {}
    for path in (folder / "results" / "chat" / "runs").rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record.pop("provenance")
        found[record["run_id"]] = record
    return found


def asked(folder: Path, question: str) -> int:
    with sqlite3.connect(folder / ".qdcbench" / "ledger.sqlite") as ledger:
        count = int(ledger.execute(question).fetchone()[0])
    ledger.close()
    return count


def test_a_cap_of_the_suite_ends_the_run_and_a_larger_one_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(delay=0.01) as server:
        write_suite(tmp_path, server.base_url)
        short = run(tmp_path, "--cap", "calls=30", "--workers", "2")
        assert (short.returncode, short.stderr.count("\n")) == (1, 1), short.stderr
        assert "calls" in short.stderr and "suite:chat" in short.stderr
        assert 0 < server.seen()["requests"] <= 30
        assert records(tmp_path) == {}
        whole = run(tmp_path, "--cap", "calls=2000")
        assert whole.returncode == 0, whole.stderr + whole.stdout
        seen = server.seen()
    assert set(seen["by_key"].values()) == {1}
    assert asked(tmp_path, "SELECT count(*) FROM attempts") == seen["requests"]
    made = records(tmp_path)
    assert [record["status"] for record in made.values()] == ["complete"] * 2
    # The server is gone and so is the store: only what was recorded is left.
    shutil.rmtree(tmp_path / ".qdcbench" / "store")
    shutil.rmtree(tmp_path / "results")
    replayed = run(tmp_path, "--replay-only")
    assert replayed.returncode == 0, replayed.stderr + replayed.stdout
    assert records(tmp_path) == made
    # Another repetition was never asked.
    absent = run(tmp_path, "--replay-only", "--repetitions", "2")
    assert absent.returncode == 1
    assert "--replay-only" in absent.stderr


def test_a_run_that_a_cap_or_an_interrupt_ends_records_what_it_paid_for(tmp_path: Path) -> None:
    with serving(delay=0.3) as server:
        write_suite(tmp_path, server.base_url)
        short = run(tmp_path, "--cap", "tokens=12000")
        assert short.returncode == 1
        assert "tokens on suite:chat" in short.stderr
        with (tmp_path / "out.txt").open("wb") as out:
            process = subprocess.Popen(
                command("--workers", "2"), cwd=tmp_path, env=environment(), stdout=out, stderr=out,
                preexec_fn=_hear_interrupts,
            )  # fmt: skip
            before = server.seen()["requests"]
            while process.poll() is None and server.seen()["requests"] < before + 20:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        seen = server.seen()
    assert seen["in_flight"] == 0
    assert set(seen["by_key"].values()) == {1}
    assert asked(tmp_path, "SELECT count(*) FROM attempts WHERE assumed") == 0
    assert asked(tmp_path, "SELECT count(*) FROM answers") == seen["requests"]


def test_the_cap_of_a_cell_fails_that_cell_alone(tmp_path: Path) -> None:
    with serving(delay=0.0) as server:
        write_suite(tmp_path, server.base_url, "[cell_caps]\ncalls = 60\n")
        ended = run(tmp_path, "--method", "persona", "--method", "no_training")
    made = {record["spec"]["method"]: record for record in records(tmp_path).values()}
    assert ended.returncode == 3
    assert made["no_training"]["status"] == "complete"
    assert made["persona"]["failure"]["kind"] == "CapReached"
    assert "run:" in made["persona"]["failure"]["message"]
    assert 0 < made["persona"]["dataset"]["usage"]["calls"] <= 60


def test_the_clock_of_a_suite_ends_the_run(tmp_path: Path) -> None:
    with serving(delay=1.0) as server:
        write_suite(tmp_path, server.base_url)
        start = time.monotonic()
        ended = run(tmp_path, "--cap", "seconds=6")
    assert ended.returncode == 1
    assert "clock of 6 s ended" in ended.stderr
    assert time.monotonic() - start < 40


def test_killed_at_random_moments_nothing_paid_is_asked_again(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    moments = random.Random(20261123)
    with serving(delay=0.05) as server:
        write_suite(killed, server.base_url)
        for _ in range(4):
            with (killed / "out.txt").open("ab") as out:
                process = subprocess.Popen(
                    command("--method", "self_instruct"),
                    cwd=killed,
                    env=environment(),
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            before = server.seen()["requests"]
            while process.poll() is None and server.seen()["requests"] == before:
                time.sleep(0.02)
            time.sleep(moments.uniform(0.0, 0.6))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.2)  # for the workers, which end with their parent
        assert run(killed, "--method", "self_instruct").returncode == 0
        seen, port = server.seen(), server.port
    again = sum(count - 1 for count in seen["by_key"].values())
    # Only what was under way when a process died may be asked again, and it is charged as if it had been paid.
    lost = asked(killed, "SELECT count(*) FROM attempts WHERE outcome = 'lost'")
    assert again <= lost <= 4 * 8
    assert seen["requests"] <= asked(killed, "SELECT count(*) FROM attempts") <= seen["requests"] + lost
    with serving(port=port, delay=0.0) as server:
        write_suite(whole, server.base_url)
        assert run(whole, "--method", "self_instruct").returncode == 0
    assert records(killed) == records(whole)


def test_the_key_is_found_nowhere(tmp_path: Path) -> None:
    listings = set()
    with serving(delay=0.02, faults=("server-error", "not-json"), share=0.1) as server, (
        tmp_path / "out.txt"
    ).open("wb") as out:  # fmt: skip
        write_suite(tmp_path, server.base_url)
        process = subprocess.Popen(
            command("--method", "persona"), cwd=tmp_path, env=environment(), stdout=out, stderr=out
        )
        while process.poll() is None:
            listings.add(
                subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
            )
            time.sleep(0.2)
        assert process.returncode == 0, (tmp_path / "out.txt").read_text()
        # Also where it fails: nobody there, and no such model.
        wrong = run(tmp_path, "--teacher", "openai:other", "--edition", "wrong", "--method", "persona")
        assert server.seen()["authorizations"] == [f"Bearer {KEY}"]
    gone = run(tmp_path, "--edition", "gone", "--root-seed", "5", "--method", "persona")
    (tmp_path / "more.txt").write_text(wrong.stdout + wrong.stderr + gone.stdout + gone.stderr, encoding="utf-8")
    assert gone.returncode == 3
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / ".qdcbench" / "ledger.sqlite") in files
    assert len(files) > 20
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert any("qdcbench" in listing for listing in listings)
    assert not any(KEY in listing for listing in listings)
