"""Readers: each format gives the same rows, bad rows are counted with their reason, bad files are one sentence."""

import csv
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.errors import DataError
from qdcbench.fields import FieldMap
from qdcbench.readers import ReadResult, read_columns, read_examples
from qdcbench.records import Example

ROWS = [{"instruction": f"Do thing {i}, now", "output": f'It is "{i}"\ndone'} for i in range(5)]
EXPECTED = [(row["instruction"], row["output"]) for row in ROWS]


def pairs(result: ReadResult) -> list[tuple[str, str]]:
    return [(e.prompt, e.completion) for e in result.examples]


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(ROWS))
    under_data = tmp_path / "data.json"
    under_data.write_text(json.dumps({"data": ROWS, "version": 1}))
    lines_named_json = write_lines(tmp_path / "lines.json", ROWS)
    list_named_lines = tmp_path / "list.jsonl"
    list_named_lines.write_text(json.dumps(ROWS))
    with_mark = tmp_path / "mark.jsonl"
    with_mark.write_bytes(
        b"\xef\xbb\xbf" + write_lines(tmp_path / "a.jsonl", ROWS).read_bytes().replace(b"\n", b"\r\n")
    )
    files = [
        listed,
        under_data,
        lines_named_json,
        list_named_lines,
        with_mark,
        write_lines(tmp_path / "b.jsonl", ROWS),
        write_csv(tmp_path / "c.csv", ROWS),
        write_csv(tmp_path / "semicolons.csv", ROWS, ";"),
        write_csv(tmp_path / "tabs.tsv", ROWS, "\t"),
        write_parquet(tmp_path / "d.parquet", ROWS),
    ]
    for file in files:
        result = read_examples(file)
        assert pairs(result) == EXPECTED, file.name
        assert not result.skipped
        assert result.mapping == "instruction -> prompt, output -> completion"


@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"instruction": "a", "input": "b", "output": "c"}, "a\nb", "c"),
        ({"instruction": "a", "input": "", "response": "c"}, "a", "c"),
        ({"instruction": "a", "input": None, "completion": "c"}, "a", "c"),
        ({"prompt": "a", "completion": "c"}, "a", "c"),
        ({"Prompt": "a", "Response": "c"}, "a", "c"),
        ({"question": "a", "answer": "c"}, "a", "c"),
        ({"question": "how many", "answer": 72}, "how many", "72"),
        ({"input": "a", "output": "c"}, "a", "c"),
        ({"text": "a"}, "a", ""),
        ({"prompt": [{"role": "user", "content": "a"}], "completion": [{"content": "c"}]}, "a", "c"),
        (
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
                          {"role": "assistant", "content": "c"}, {"role": "user", "content": "x"}]},
            "a", "c",
        ),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "c"}]}, "a", "c"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
                       {"role": "assistant", "content": "c"}]}, "a", "c"),
    ],
)  # fmt: skip
def test_common_field_names(tmp_path: Path, row: dict[str, Any], prompt: str, completion: str) -> None:
    result = read_examples(write_lines(tmp_path / "x.jsonl", [row]))
    assert pairs(result) == [(prompt, completion)]
    assert "prompt" in result.mapping


def test_named_fields_win(tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "x.jsonl", [{"prompt": "no", "completion": "no", "task": "a", "reply": "c"}, {"task": "d"}]
    )
    both = read_examples(file, fields=FieldMap(prompt="task", completion="reply"))
    assert pairs(both) == [("a", "c")]
    assert both.skipped == {"no field reply": 1}
    assert pairs(read_examples(file, fields=FieldMap(prompt="task"))) == [("a", ""), ("d", "")]


def test_right_answers_are_kept(tmp_path: Path) -> None:
    rows = [
        {"instruction": "a", "output": "c", "meta": {"answer": "7"}},
        {"prompt": "a", "completion": "c", "gold": 8},
        {"question": "a", "answer": "c"},
    ]
    read = read_examples(write_lines(tmp_path / "x.jsonl", rows))
    assert [dict(e.lineage) for e in read.examples] == [{"answer": "7"}, {"answer": "8"}, {}]


BAD = [
    (b"\xff\xfe\x00 junk", "invalid UTF-8"),
    (b"{broken", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b"9" * 5_000, "not JSON"),
    (b"[1, 2]", "not an object"),
    (b'"text"', "not an object"),
    (b"null", "not an object"),
    (b"{}", "no field that could be a prompt"),
    (b'{"prompt": "a"}', "no field that could be a completion"),
    (b'{"prompt": null, "completion": "c"}', "prompt is null"),
    (b'{"prompt": "a", "completion": null}', "completion is null"),
    (b'{"prompt": {"x": 1}, "completion": "c"}', "prompt is not text"),
    (b'{"prompt": "  ", "completion": "c"}', "empty prompt"),
    (b'{"prompt": "a", "completion": ""}', "empty completion"),
    (b'{"prompt": "a\\ud800", "completion": "c"}', "lone surrogate in the prompt"),
    (b'{"prompt": "a", "completion": "c\\u0000"}', "NUL character in the completion"),
    (b'{"messages": "hello"}', "messages is not a list of turns"),
    (b'{"messages": [{"role": "user", "content": "a"}]}', "messages has no user turn with an assistant turn after it"),
    (
        b'{"messages": [{"role": ["user"], "content": "a"}]}',
        "messages has no user turn with an assistant turn after it",
    ),
]


def test_bad_rows_are_counted_with_their_reason(tmp_path: Path) -> None:
    good = b'{"prompt": "good", "completion": "c"}'
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"\n".join([good, *(line for line, _ in BAD), b"", good]))
    result = read_examples(file)
    assert pairs(result) == [("good", "c")] * 2
    wanted: dict[str, int] = {}
    for _, reason in BAD:
        wanted[reason] = wanted.get(reason, 0) + 1
    assert dict(result.skipped) == wanted
    counts = list(result.skipped.values())
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(("line", "reason"), BAD[2:])
def test_a_file_of_bad_rows_only_is_an_error(tmp_path: Path, line: bytes, reason: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"{}\n" + line)
    with pytest.raises(DataError, match=r"x\.jsonl holds no usable row"):
        read_examples(file)


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.parquet"])
@pytest.mark.parametrize("content", [b"", b"\n\n", bytes(range(256)) * 40, b"\x89PNG\r\n\x1a\n" + b"\x00" * 500])
def test_junk_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_examples(file)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_names_near_ones(tmp_path: Path) -> None:
    write_lines(tmp_path / "alpaca5k.jsonl", ROWS)
    with pytest.raises(DataError, match=r"there is no file .*alpaka5k.*did you mean 'alpaca5k\.jsonl'"):
        read_examples(tmp_path / "alpaka5k.jsonl")
    with pytest.raises(DataError, match="there is no folder"):
        read_examples(str(tmp_path / "nowhere" / "x.csv"))
    (tmp_path / "notes.docx").write_text("hello")
    with pytest.raises(DataError, match=r"known are .*\.parquet"):
        read_examples(tmp_path / "notes.docx")


def test_csv_loses_only_rows_with_wrong_bytes_or_columns(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b'prompt,completion\na,b\nbad\xff,b\nshort\n"long, ""quoted""\nline",' + b"w" * 200_000 + b"\n")
    before = csv.field_size_limit()
    result = read_examples(file)
    assert csv.field_size_limit() == before
    assert pairs(result) == [("a", "b"), ('long, "quoted"\nline', "w" * 200_000)]
    assert dict(result.skipped) == {"another number of columns than the header": 1, "invalid UTF-8": 1}


def test_parquet_loses_only_rows_with_wrong_bytes(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = pa.array([b"good", b"bad\xff", b"fine"]).view(pa.utf8())
    pq.write_table(pa.table({"prompt": data, "completion": pa.array(["c"] * 3)}), tmp_path / "x.parquet")
    result = read_examples(tmp_path / "x.parquet")
    assert pairs(result) == [("good", "c"), ("fine", "c")]
    assert dict(result.skipped) == {"invalid UTF-8": 1}


def test_folder_reads_all_files_by_name(tmp_path: Path) -> None:
    write_lines(tmp_path / "b.jsonl", ROWS[2:])
    write_csv(tmp_path / "a.csv", ROWS[:2])
    (tmp_path / "README.md").write_text("not data")
    (tmp_path / "broken.parquet").write_bytes(b"junk")
    (tmp_path / ".hidden").mkdir()
    write_lines(tmp_path / ".hidden" / "c.jsonl", ROWS)
    result = read_examples(tmp_path)
    assert pairs(result) == EXPECTED
    assert [count for reason, count in result.skipped.items() if "broken.parquet" in reason] == [1]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no data file"):
        read_examples(empty)


def test_saved_hugging_face_data_set(tmp_path: Path) -> None:
    import datasets

    table = datasets.Dataset.from_list(ROWS)
    table.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"test": table.select([0]), "train": table}).save_to_disk(str(tmp_path / "two"))
    assert pairs(read_examples(tmp_path / "one")) == EXPECTED
    assert pairs(read_examples(tmp_path / "two")) == EXPECTED
    (tmp_path / "one" / "state.json").write_text("{")
    with pytest.raises(DataError, match="cannot be loaded"):
        read_examples(tmp_path / "one")


def test_limit_takes_the_first_usable(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "x.jsonl", [{}, *ROWS, {}])
    result = read_examples(file, limit=2)
    assert pairs(result) == EXPECTED[:2]
    assert dict(result.skipped) == {"no field that could be a prompt": 1}


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
def test_jsonl_and_json_round_trip_any_text(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    objects = [{"prompt": p, "completion": c} for p, c in rows]
    raw = "\n".join(json.dumps(o, ensure_ascii=False) for o in objects)
    (folder / "x.jsonl").write_bytes(raw.encode())
    assert pairs(read_examples(folder / "x.jsonl")) == rows
    (folder / "x.json").write_bytes(json.dumps(objects, ensure_ascii=False).encode())
    assert pairs(read_examples(folder / "x.json")) == rows


@settings(deadline=None, max_examples=150)
@given(content=st.binary(max_size=300), name=st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.parquet"]))
def test_any_bytes_give_rows_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    file = tmp_path_factory.mktemp("junk") / name
    file.write_bytes(content)
    try:
        result = read_examples(file)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(e, Example) and e.prompt.strip() for e in result.examples)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["prompt", "completion", "instruction", "input", "messages", "text", "answer", "meta", "role"])


@settings(deadline=None, max_examples=200)
@given(rows=st.lists(st.dictionaries(names, json_values, max_size=5), min_size=1, max_size=4))
def test_any_json_objects_give_rows_or_reasons(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    file = write_lines(tmp_path_factory.mktemp("any") / "x.jsonl", rows)
    try:
        result = read_examples(file)
    except DataError:
        return
    assert len(result.examples) + sum(result.skipped.values()) == len(rows)
    for example in result.examples:
        (example.prompt + example.completion + "".join(example.lineage.values())).encode("utf-8")


@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz", ".zst"])
def test_packed_files_read_as_unpacked_ones(tmp_path: Path, packing: str) -> None:
    import pyarrow as pa

    plain = [
        write_lines(tmp_path / "a.jsonl", ROWS),
        write_csv(tmp_path / "b.csv", ROWS),
        write_parquet(tmp_path / "c.parquet", ROWS),
    ]
    codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
    for file in plain:
        packed = file.with_name(file.name + packing)
        if packing == ".xz":
            packed.write_bytes(lzma.compress(file.read_bytes()))
        else:
            with pa.output_stream(str(packed), compression=codec[packing]) as out:
                out.write(file.read_bytes())
        assert pairs(read_examples(packed)) == EXPECTED
        whole = packed.read_bytes()
        packed.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError) as caught:
            read_examples(packed)
        assert packed.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_arrow_files_of_both_forms(tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.Table.from_pylist(ROWS)
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(tmp_path / "b.arrow", table.schema) as stream:
        stream.write_table(table)
    for name in ("a.arrow", "b.arrow"):
        assert pairs(read_examples(tmp_path / name)) == EXPECTED
    (tmp_path / "c.arrow").write_bytes(b"junk" * 50)
    with pytest.raises(DataError, match=r"c\.arrow is no Arrow file"):
        read_examples(tmp_path / "c.arrow")


def test_columns_hold_what_examples_hold_and_fields_beside(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a" * 50, "completion": "b", "meta": {"split": "x", "n": 3}},
        {"prompt": "c", "completion": "d" * 90, "meta": {"split": None}},
        {"prompt": "e", "completion": "f", "meta.split": "named so"},
        {"prompt": "g", "completion": "h", "meta": ["no object"]},
        {"prompt": "i", "completion": "j", "meta": {"split": "\ud800"}},
        {"prompt": None, "completion": "j"},
    ]
    file = write_lines(tmp_path / "x.jsonl", rows)
    told: list[int] = []
    read = read_columns(file, beside=["meta.split", "meta.n"], longest=40, tell=told.append)
    assert list(zip(read.prompts, read.completions, strict=True)) == [
        (p[:40], c[:40]) for p, c in pairs(read_examples(file))
    ]
    assert read.fields == {"meta.split": ("x", None, "named so", None, None), "meta.n": ("3", None, None, None, None)}
    assert read.cut == 2
    assert dict(read.skipped) == {"prompt is null": 1}


def test_named_fields_may_be_dotted(tmp_path: Path) -> None:
    rows = [{"meta": {"q": "a"}, "out": {"text": "b"}}, {"meta": {"q": "a"}, "out": {}}]
    read = read_examples(
        write_lines(tmp_path / "x.jsonl", rows), fields=FieldMap(prompt="meta.q", completion="out.text")
    )
    assert pairs(read) == [("a", "b")]
    assert dict(read.skipped) == {"no field out.text": 1}


def test_a_split_that_is_not_read_is_named(tmp_path: Path) -> None:
    import datasets

    table = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"test": table, "train": table}).save_to_disk(str(tmp_path / "two"))
    (note,) = read_columns(tmp_path / "two").notes
    assert "the split train was read, not test" in note
    assert read_columns(tmp_path / "two" / "test").notes == ()


def test_rows_after_a_break_in_a_list_are_not_lost_in_silence(tmp_path: Path) -> None:
    whole = json.dumps(ROWS)
    (tmp_path / "x.json").write_text(whole[:-20])
    read = read_examples(tmp_path / "x.json")
    assert pairs(read) == EXPECTED[:-1]
    assert dict(read.skipped) == {"not JSON, and so the rest of the list is lost": 1}
    (tmp_path / "y.json").write_text(whole + "]")
    assert sum(read_examples(tmp_path / "y.json").skipped.values()) == 1
    (tmp_path / "z.json").write_bytes(whole.encode().replace(b"Do thing 2", b"Do thing \xff"))
    read = read_examples(tmp_path / "z.json")
    assert len(read.examples) == 4
    assert dict(read.skipped) == {"invalid UTF-8": 1}


def test_an_open_quote_says_how_many_lines_it_took(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('prompt,completion\na,b\n"never closed,b\nc,d\ne,f\n')
    read = read_examples(tmp_path / "x.csv")
    assert pairs(read) == [("a", "b")]
    assert list(read.skipped) == ["another number of columns than the header, over 3 lines (an open quote?)"]
