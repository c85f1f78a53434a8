"""``qdcbench measure``: side by side, plain lines for programs, JSON, bad rows, and errors in one sentence."""

import argparse
import gzip
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chat_server import serving

from qdcbench.cli import measure
from qdcbench.errors import ConfigError, DataError
from qdcbench.measures import METRICS

VERBS = ("copy", "list", "name", "explain", "translate", "sum up")
THINGS = ("a poem", "two rivers", "three primes", "the moon", "a recipe", "old kings", "red birds")
FEW = ("--encoder", "hashed", "--measures", "*words", "--measures", "distinct_1", "--measures", "vendi_q1*")


def arguments(*given: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    measure.add_parser(top.add_subparsers(required=True))
    return top.parse_args(["measure", *given])


def write(path: Path, n: int, seed: int) -> str:
    rng = random.Random(seed)
    rows = [
        {"prompt": f"{rng.choice(VERBS)} {rng.choice(THINGS)} {i}", "completion": f"[b]ok {i}[/b]"} for i in range(n)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def measured(capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, object]:
    assert measure.run(arguments(*given, "--json")) == 0
    parsed: dict[str, object] = json.loads(capsys.readouterr().out)
    return parsed


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    first, second = write(tmp_path / "a.jsonl", 60, 1), write(tmp_path / "b[1].jsonl", 90, 2)
    with Path(second).open("a") as file:
        file.write("\n{broken\n{}\n")
    return [first, second]


def test_side_by_side_at_a_common_size(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert measure.run(arguments(*files, "--encoder", "hashed")) == 0
    out, told = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["axis", "measure", "unit", "a.jsonl", "b[1].jsonl"]
    assert lines[1].split() == ["rows", "measured", "rows", "60", "60"]
    shown = [word for line in lines for word in line.split()]
    assert "vendi_q1[hashed]" in shown
    assert "vendi_q1[minilm]" not in shown
    assert "b[1].jsonl: 90 rows, 2 skipped (1 no field that could be a prompt, 1 not JSON)" in out
    assert "prompt -> prompt, completion -> completion" in out
    assert "all were measured at 60 rows" in out
    assert "verified_share, checkable_share" in out
    assert "no row was checked by a verifier" in out
    assert "\x1b" not in out + told


def test_plain_lines_say_what_takes_long_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("qdcbench.cli.measure.time.monotonic", lambda: now[0])
    with measure._watching() as watch:
        for seconds, done in ((1, 5), (10, 20), (3, 30), (12, 80)):
            if done == 5:
                watch.step("reading a")
            now[0] += seconds
            watch.at(done, None if done < 50 else 100, "rows")
        watch.step("measuring a")
        now[0] += 2
        watch.step("reading b")
        now[0] += 4
    assert capsys.readouterr().err.splitlines() == [
        "reading a: 20 rows", "reading a: 80%, about 6 s to go", "reading a: 26 s", "reading b: 4 s"
    ]  # fmt: skip


def test_json_says_the_same_and_is_repeatable(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(*files, "--encoder", "hashed", "--json", "--own-size", "--sample", "80")
    measure.run(given)
    text = capsys.readouterr().out
    measure.run(given)
    assert capsys.readouterr().out == text
    parsed = json.loads(text)
    assert [p["rows"] for p in parsed["profiles"]] == [60, 90]
    assert [{m["n"] for m in p["measurements"]} for p in parsed["profiles"]] == [{60}, {80}]
    taken = {m["metric"]: m for m in parsed["profiles"][0]["measurements"]}
    assert taken["unique_rows"]["value"] == 1.0
    assert set(taken) == set(parsed["measures"]) == {name for name in METRICS if "minilm" not in name}
    assert parsed["measures"]["distinct_2"]["axis"] == "diversity"
    assert parsed["profiles"][1]["full_names"]["vendi_q1[hashed]:completion"] == "vendi_q1[hashed]:completion@80"


def test_what_an_encoder_reads_stands_in_the_name(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parsed = measured(capsys, files[0], "--sample", "20", "--measures", "vendi_q1*")
    name = parsed["profiles"][0]["full_names"]["vendi_q1[minilm]"]  # type: ignore[index]
    assert re.fullmatch(r"vendi_q1\[minilm:256:(mixed|float32)\]@20", name)


def test_sizes_that_differ_are_called_out(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    measure.run(arguments(*files, *FEW, "--own-size"))
    assert "careful: the files were measured at different numbers of rows" in capsys.readouterr().out


def test_measures_on_fewer_rows_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"Say {n} and {n * n}.", "completion": str(n)} for n in range(1100)]
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    measure.run(arguments(str(tmp_path / "many.jsonl"), "--measures", "rouge_l,distinct_1", "--own-size"))
    assert "taken on 1000 rows, as their cards say: rouge_l\n" in capsys.readouterr().out


def test_only_named_measures_and_brackets_are_no_pattern(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parsed = measured(capsys, files[0], "--encoder", "hashed", "--measures", "vendi_q1[hashed]", "--measures", "mtl?")
    assert set(parsed["measures"]) == {"vendi_q1[hashed]", "mtld"}  # type: ignore[call-overload]


def test_twins_stand_at_one_length_for_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(0)
    sources = []
    for name, longest in (("short", 6), ("long", 40)):
        rows = [
            {"prompt": " ".join(rng.choices(THINGS, k=rng.randint(1, longest))), "completion": "c"} for _ in range(300)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        sources.append(str(tmp_path / f"{name}.jsonl"))
    given = ("--encoder", "hashed", "--measures", "prompt_words")
    measure.run(arguments(*sources, *given))
    assert "~" not in capsys.readouterr().out
    measure.run(arguments(*sources, *given, "--twins"))
    assert "~" in capsys.readouterr().out
    each = [p["measurements"][0] for p in measured(capsys, *sources, *given)["profiles"]]  # type: ignore[attr-defined]
    assert abs(each[0]["at_length"] - each[1]["at_length"]) < abs(each[0]["value"] - each[1]["value"]) / 2


def test_named_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text('{"task": "do it", "reply": "done"}\n{"task": "do that", "reply": "no"}\n')
    file = str(tmp_path / "x.jsonl")
    with pytest.raises(DataError, match="--field"):
        measure.run(arguments(file, *FEW))
    assert measure.run(arguments(file, *FEW, "--field", "prompt=task", "--field", "completion=reply")) == 0
    assert "task -> prompt, reply -> completion" in capsys.readouterr().out


def test_gold_groups_reference_and_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"{v} {t}, {i} times", "response": f"So #### {i}", "meta": {"answer": i + (i % 4 == 0), "part": v}}
        for i, (v, t) in enumerate((v, t) for v in VERBS for t in THINGS * 3)
    ]
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, rows)))
    given = [str(tmp_path / "a.jsonl.gz"), "--encoder", "hashed", "--gold", "meta.answer", "--group-by", "meta.part"]
    beside = ["--reference", write(tmp_path / "r.jsonl", 200, 5), "--base", write(tmp_path / "b.jsonl", 50, 6)]
    names = ["gold_share", "gain*", "facility*", "between_gen*"]
    parsed = measured(capsys, *given, *beside, *(word for name in names for word in ("--measures", name)))
    whole, *groups = parsed["profiles"]  # type: ignore[misc]
    assert [g["group"] for g in groups] == sorted(VERBS)
    values = {m["metric"]: m["value"] for m in whole["measurements"]}
    assert len([v for v in values.values() if v is not None]) >= 4
    assert all(m["value"] is not None for m in groups[0]["measurements"] if "between" not in m["metric"])
    assert any("have a reference answer" in note for note in whole["notes"])
    assert parsed["notes"][1:] == [  # type: ignore[index]
        f"reference: 200 rows of {beside[1]}", f"base: 50 rows of {beside[3]}"
    ]  # fmt: skip
    everything = measured(capsys, *given[:3], "--gold", "meta.answer", "--measures", "gold_share")
    value = everything["profiles"][0]["measurements"][0]["value"]  # type: ignore[index]
    assert value == pytest.approx(sum(i % 4 != 0 for i in range(len(rows))) / len(rows))


def test_a_judge_on_a_server_is_asked_about_as_many_rows_as_were_named(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(delay=0.0) as server:
        given = (
            files[0],
            "--judge",
            "openai:m",
            "--base-url",
            server.base_url,
            "--judged",
            "30",
            "--encoder",
            "hashed",
        )
        assert measure.run(arguments(*given, "--measures", "judge_score,distinct_1")) == 0
        assert server.seen()["requests"] == 30
    out = capsys.readouterr().out
    assert "openai:m answered 30 questions with" in out
    assert "taken on 30 rows, as --judged says: judge_score" in out
    assert re.search(r"judge_score .*\[", out)


def test_nodes_that_rows_were_aimed_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"do {i}", "completion": "done", "node": f"/all/{'ab'[i % 2]}"} for i in range(40)]
    rows += [{"prompt": f"say {i}", "completion": "said", "node": "all/c"} for i in range(20)]
    for name, kept in (("some", rows[:40]), ("all", rows)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, kept)))
    given = [str(tmp_path / f"{name}.jsonl") for name in ("some", "all")]
    parsed = measured(capsys, *given, "--encoder", "hashed", "--field", "aimed=node", "--measures", "taxonomy_leaves*")
    some, every = ({m["metric"]: m["value"] for m in p["measurements"]} for p in parsed["profiles"])  # type: ignore[attr-defined]
    assert some["taxonomy_leaves_aimed"] == pytest.approx(2 / 3)
    assert every["taxonomy_leaves_aimed"] == 1
    assert any(note.startswith("taxonomy: the 3 nodes") for note in parsed["notes"])  # type: ignore[attr-defined]


BAD_ROWS = [
    b"{}",
    b'{"prompt": null, "completion": "c"}',
    b'{"prompt": "a", "completion": "c\\ud800"}',
    b'{"prompt": "a\\u0000b", "completion": "c"}',
    b'{"prompt": "", "completion": "c"}',
    b'{"prompt": "a", "completion": ""}',
    b'{"prompt": "\xff", "completion": "c"}',
    b'{"prompt": "cut off',
    b"[1]",
]


def test_bad_rows_are_counted_and_nothing_else_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [{"prompt": f"do {i} {THINGS[i % 7]}", "completion": f"done {i}"} for i in range(40)]
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"\n".join([*(json.dumps(row).encode() for row in good), *BAD_ROWS]))
    (profile,) = measured(capsys, str(file), "--encoder", "hashed")["profiles"]  # type: ignore[misc]
    assert profile["rows"] == 40
    assert sum(profile["skipped"].values()) == len(BAD_ROWS)
    assert len(profile["skipped"]) == len(BAD_ROWS)


CHINESE = ["今天天气很好我们去公园散步吧", "请用三句话介绍北京的历史", "把下面的句子翻译成英语"]
ARABIC = ["اكتب قصة قصيرة عن البحر", "ما هي عاصمة مصر", "اشرح قانون نيوتن الثاني"]
CODE = ["def f(x):\n    return {x: [(x,)]}", "#include <x>\nint main(){return 0;}", "SELECT * FROM t WHERE a='\\''"]
STRANGE = {
    "identical": ["the same prompt"] * 60,
    "chinese": [f"{text}{i}" for i in range(20) for text in CHINESE],
    "arabic": [f"{text} {i}" for i in range(20) for text in ARABIC],
    "code": [f"{text}  // {i}" for i in range(20) for text in CODE],
    "signs": [f"{'?!' * (i % 5)} \u200b \U0001f600 {chr(0x300)}" for i in range(60)],
    "one word": ["a"] * 30 + ["b"] * 30,
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_rows_are_measured(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": text, "completion": text} for text in STRANGE[name]]
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    page = tmp_path / "page.html"
    (profile,) = measured(capsys, str(file), "--encoder", "hashed", "--html", str(page))["profiles"]  # type: ignore[misc]
    assert profile["rows"] == 60
    assert {m["n"] for m in profile["measurements"]} == {60}
    assert all(m["value"] is not None or m["reason"] for m in profile["measurements"])
    assert page.stat().st_size > 10_000


def test_texts_of_a_megabyte_are_cut_counted_and_quick(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = [
        "x" * 1_000_000,
        "word " * 200_000,
        "".join(f"w{i} " for i in range(150_000)),
        "((((" * 250_000,
        "界" * 10**6,
    ]
    rows = [{"prompt": f"do {THINGS[i % 7]} {i}", "completion": f"done {i}"} for i in range(60)]
    rows += [{"prompt": text, "completion": text[::-1]} for text in long]
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    start = time.process_time()
    (profile,) = measured(capsys, str(file), "--encoder", "hashed")["profiles"]  # type: ignore[misc]
    assert time.process_time() - start < 60
    assert profile["rows"] == 65
    assert "10 texts were longer than 32000 characters and were cut there (--longest)" in profile["notes"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n", b"\x00" * 100])
def test_a_file_without_a_usable_row_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.jsonl holds no usable row"):
        measure.run(arguments(str(tmp_path / "x.jsonl"), *FEW))


def test_names_of_files_and_groups_may_be_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / os.fsdecode(b"bad\xff [red]name.jsonl")
    kinds = ["one\ntwo", "[bold]x[/bold]", "long" * 500_000]
    rows = [{"prompt": f"do {i}", "completion": f"done {i}", "kind": kinds[i % 3]} for i in range(60)]
    file.write_text("\n".join(map(json.dumps, rows)))
    given = (str(file), *FEW, "--group-by", "kind", "--html", str(tmp_path / "page.html"))
    assert measure.run(arguments(*given)) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert "bad\ufffd [red]name.jsonl" in head
    assert "kind=one two" in head
    assert "kind=[bold]x[/bold]" in head
    assert len(head) < 400
    assert len(measured(capsys, *given)["profiles"]) == 4  # type: ignore[arg-type]


def test_a_terminal_shows_a_bar_and_as_many_files_as_fit(files: list[str]) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "qdcbench", "measure", *files, *FEW]
    terminal = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=terminal) as p:
        os.close(slave)
        shown = b""
        while True:
            try:
                got = os.read(master, 65536)
            except OSError:
                break
            if not got:
                break
            shown += got
    os.close(master)
    assert p.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "measuring 60 rows" in text
    heads = [line.split() for line in text.splitlines() if line.strip().startswith("axis")]
    assert [head[-1] for head in heads] == ["a.jsonl", "b[1].jsonl"]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_very_few_rows_give_reasons(tmp_path: Path, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "x.jsonl", rows, 1)
    parsed = measured(capsys, file, "--encoder", "hashed", "--html", str(tmp_path / "p.html"))
    (profile,) = parsed["profiles"]  # type: ignore[misc]
    assert profile["rows"] == rows
    assert all(m["value"] is not None or m["reason"] for m in profile["measurements"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sample", "1"], "at least 2"),
        (["--longest", "0"], "at least 1"),
        (["--field", "task"], "write prompt=NAME"),
        (["--field", "aimed="], "aimed=NAME"),
        (["--judge", "gpt"], "kind:model"),
        (["--judge", "scripted:strong"], "name a language model"),
        (["--judge", "openai:m", "--judged", "1"], "at least 2"),
        (["--base-url", "http://127.0.0.1:1/v1"], "name one with --judge"),
        (["--gradients"], "--model"),
        (["--fail-rate", "2"], "--model"),
        (["--fail-rate", "2", "--model", "m"], "--gold"),
        (["--field", "completion=reply"], "needs --field prompt=NAME"),
        (["--encoder", "minilmm"], "there is no encoder 'minilmm'"),
        (["--measures", "nothing"], "names no measure"),
    ],
)
def test_wrong_options(files: list[str], options: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        measure.run(arguments(*files, *options))


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        arguments("--help")
    assert "qdcbench measure my_data.jsonl" in capsys.readouterr().out
