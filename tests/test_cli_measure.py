"""``qdcbench measure``: side by side, plain lines for programs, JSON, and errors in one sentence."""

import argparse
import json
import random
from pathlib import Path

import pytest

from qdcbench.cli import measure
from qdcbench.errors import ConfigError, DataError
from qdcbench.measures import METRICS

VERBS = ("copy", "list", "name", "explain", "translate", "sum up")
THINGS = ("a poem", "two rivers", "three primes", "the moon", "a recipe", "old kings", "red birds")


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


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    first, second = write(tmp_path / "a.jsonl", 60, 1), write(tmp_path / "b[1].jsonl", 90, 2)
    with Path(second).open("a") as file:
        file.write("\n{broken\n{}\n")
    return [first, second]


def test_side_by_side_at_a_common_size(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert measure.run(arguments(*files, "--encoder", "hashed")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["axis", "measure", "unit", "a.jsonl", "b[1].jsonl"]
    assert lines[1].split() == ["rows", "measured", "rows", "60", "60"]
    shown = [word for line in lines for word in line.split()]
    assert "vendi_q1[hashed]" in shown
    assert "vendi_q1[minilm]" not in shown
    text = "\n".join(lines)
    assert "b[1].jsonl: 90 rows, 2 skipped (1 no field that could be a prompt, 1 not JSON)" in text
    assert "prompt -> prompt, completion -> completion" in text
    assert "all were measured at 60 rows" in text
    assert "verified_share, checkable_share: no row was checked by a verifier" in text
    assert "\x1b" not in text


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


def test_sizes_that_differ_are_called_out(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    measure.run(arguments(*files, "--encoder", "hashed", "--own-size"))
    assert "careful: the files were measured at different numbers of rows" in capsys.readouterr().out


def test_named_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text('{"task": "do it", "reply": "done"}\n{"task": "do that", "reply": "no"}\n')
    file = str(tmp_path / "x.jsonl")
    with pytest.raises(DataError, match="--field"):
        measure.run(arguments(file, "--encoder", "hashed"))
    assert (
        measure.run(arguments(file, "--encoder", "hashed", "--field", "prompt=task", "--field", "completion=reply"))
        == 0
    )
    assert "task -> prompt, reply -> completion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sample", "1"], "at least 2"),
        (["--field", "task"], "write prompt=NAME"),
        (["--field", "completion=reply"], "needs --field prompt=NAME"),
    ],
)
def test_wrong_options(files: list[str], options: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        measure.run(arguments(*files, *options))


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        arguments("--help")
    assert "qdcbench measure my_data.jsonl" in capsys.readouterr().out
