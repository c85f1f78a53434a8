import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdcbench.errors import StoreError
from qdcbench.store import Store, read_jsonl, write_atomic, write_jsonl


def test_an_artefact_appears_whole_or_not_at_all(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.create("generate", "abc") as folder:
        (folder / "rows.jsonl").write_text("half")
        raise RuntimeError
    assert store.find("generate", "abc") is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    with store.create("generate", "abc") as folder:
        write_jsonl(folder / "rows.jsonl", [{"a": 1}])
    found = store.find("generate", "abc")
    assert found is not None
    assert read_jsonl(found / "rows.jsonl") == [{"a": 1}]


def test_the_second_of_two_equal_artefacts_is_dropped_silently(tmp_path):
    store = Store(tmp_path)
    with store.create("s", "k1") as outer:
        (outer / "f").write_text("1")
        with store.create("s", "k1") as inner:
            (inner / "f").write_text("1")
    assert (store.path("s", "k1") / "f").read_text() == "1"


def test_a_process_killed_while_writing_leaves_no_artefact(tmp_path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom qdcbench.store import Store\n"
        "with Store(Path(sys.argv[1])).create('s', 'key') as folder:\n"
        "    (folder / 'f').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env={**os.environ})
    assert ended.returncode == -9
    assert Store(tmp_path).find("s", "key") is None
    with Store(tmp_path).create("s", "key") as folder:
        (folder / "f").write_text("whole")
    assert (Store(tmp_path).path("s", "key") / "f").read_text() == "whole"


def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    write_atomic(path, "old")
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom qdcbench.store import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "write_atomic(Path(sys.argv[1]), 'x' * 1000)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "StoreError" in ended.stderr
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_the_full_device_says_no_space(tmp_path):
    with pytest.raises(StoreError, match="no space left"):
        write_jsonl(Path("/dev/full"), [{"a": "b" * 100_000}])


def test_rows_with_lone_surrogates_survive(tmp_path):
    rows = [{"text": "a\ud800b\x00\u202e"}]
    write_jsonl(tmp_path / "r.jsonl", rows)
    assert read_jsonl(tmp_path / "r.jsonl") == rows
    json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))
