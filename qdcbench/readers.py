"""Examples from JSONL, JSON, CSV, Parquet, a folder of those, or a Hugging Face data set."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from qdcbench.errors import DataError, did_you_mean
from qdcbench.fields import BadRow, FieldMap, example_of
from qdcbench.records import Example

__all__ = ["FieldMap", "ReadResult", "read_examples"]

_HUB = re.compile(r"(?:hf:)?(?P<name>[\w.-]+/[\w.-]+|[\w.-]+)(?::(?P<config>[\w.-]*))?(?::(?P<split>[\w.-]+))?")
_LIST_KEYS = ("data", "rows", "examples", "train")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadResult:
    """Usable rows of a source in their order, the others counted by reason, and the mapping used.

    ``mapping`` says in words which fields became prompt and completion; a source with rows of several
    kinds has several, the most frequent first.
    """

    examples: tuple[Example, ...]
    skipped: Mapping[str, int]
    mapping: str


def read_examples(source: Path | str, limit: int | None = None, fields: FieldMap | None = None) -> ReadResult:
    """Read every usable row, or the first ``limit``.

    Args:
        source: a file, a folder (all data files in it, by name), a data set saved by ``datasets``, or a
            hub name ``owner/name``, ``owner/name:config`` or ``owner/name:config:split`` (``hf:`` before it
            where a file could be meant).
        limit: at most that many usable rows, from the start.
        fields: which fields to use instead of looking for them.

    Raises:
        DataError: there is no such file, it cannot be read, or no row of it is usable.
    """
    where = str(source)
    skipped: Counter[str] = Counter()
    mappings: Counter[str] = Counter()

    def usable() -> Iterator[Example]:
        for row in _rows(source):
            try:
                if isinstance(row, BadRow):
                    raise row
                example, mapping = example_of(row, fields)
            except BadRow as bad:
                skipped[str(bad)] += 1
                continue
            mappings[mapping] += 1
            yield example

    examples = tuple(islice(usable(), limit))
    reasons = dict(sorted(skipped.items(), key=lambda item: (-item[1], item[0])))
    if not examples:
        said = ", ".join(f"{count} rows: {reason}" for reason, count in list(reasons.items())[:4])
        raise DataError(
            f"{where} holds no usable row ({said or 'it is empty'}); rows need fields such as instruction and output, "
            "prompt and completion, question and answer, messages, or text, or name them with --field"
        )
    return ReadResult(examples=examples, skipped=reasons, mapping="; ".join(name for name, _ in mappings.most_common()))


def _rows(source: Path | str) -> Iterable[Any]:
    """Return parsed rows; one that could not be parsed comes as a `BadRow`."""
    path = Path(source)
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _file(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    named = _HUB.fullmatch(str(source))
    is_path = isinstance(source, Path) or path.suffix.lower() in _READERS or path.is_absolute()
    if named and (str(source).startswith("hf:") or ("/" in str(source) and not is_path and not path.parent.is_dir())):
        return _hub(named["name"], named["config"] or None, named["split"])
    raise DataError(f"there is no file {path}; {_nearest(path)}")


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    names = [p.name for p in folder.iterdir() if p.suffix.lower() in _READERS or p.suffix == path.suffix]
    if not names:
        return f"{folder} holds no data file; give a JSONL, JSON, CSV or Parquet file or hf:owner/name"
    return f"in {folder}: {did_you_mean(path.name, names)}"


def _file(path: Path) -> Iterable[Any]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise DataError(f"{path} has an ending this tool does not read; known are {known}")
    return _guarded(path, reader)


def _guarded(path: Path, reader: Any) -> Iterator[Any]:
    try:
        yield from reader(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _folder(path: Path) -> Iterable[Any]:
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        return _saved(path)
    files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in _READERS and p.is_file()]
    files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(path).parts)]
    if not files:
        raise DataError(
            f"the folder {path} holds no data file; it needs one that ends in {', '.join(sorted(_READERS))}"
        )
    return (row for file in files for row in _one_of_many(file))


def _one_of_many(path: Path) -> Iterator[Any]:
    """Return a file's rows; one that cannot be read at all counts as one bad row, so the others are still used."""
    try:
        yield from _file(path)
    except DataError as error:
        yield BadRow(str(error))


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            raw = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
            if number == 0 and raw[:1] == b"[":
                yield from _document(path)
                return
            if raw.strip():
                yield _parsed(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return BadRow("invalid UTF-8")
    except (ValueError, RecursionError):
        return BadRow("not JSON")


def _document(path: Path) -> Iterable[Any]:
    raw = path.read_bytes()
    if not raw.strip():
        return []
    value = _parsed(raw.removeprefix(b"\xef\xbb\xbf"))
    if isinstance(value, BadRow):
        lines = [_parsed(line) for line in raw.split(b"\n") if line.strip()]
        # Files that end in .json often hold one object a line.
        return lines if sum(isinstance(row, Mapping) for row in lines) * 2 > len(lines) > 1 else [value]
    if isinstance(value, Mapping):
        for key in _LIST_KEYS:
            if isinstance(value.get(key), list):
                inner: list[Any] = value[key]
                return inner
        return [value]
    return value if isinstance(value, list) else [value]


def _table(path: Path) -> Iterator[Any]:
    # Bytes that are no UTF-8 become surrogates, so that only their rows are lost.
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    head = text.partition("\n")[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
    longest = csv.field_size_limit(max(len(text), 1))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        records = list(reader)
    except csv.Error as error:
        raise DataError(f"{path} is no CSV ({error}); check its quotes and line ends") from None
    finally:
        csv.field_size_limit(longest)
    header = records[0] if records else []
    for record in records[1:]:
        if record:
            wrong = len(record) != len(header)
            yield (
                BadRow("another number of columns than the header") if wrong else dict(zip(header, record, strict=True))
            )


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=1024):
            try:
                yield from batch.to_pylist()
            except UnicodeDecodeError:
                yield from (_single(batch.slice(i, 1)) for i in range(batch.num_rows))
    except pa.ArrowException as error:
        sentence = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path} is no Parquet file that can be read: {sentence}") from None


def _single(batch: Any) -> Any:
    try:
        return batch.to_pylist()[0]
    except UnicodeDecodeError:
        return BadRow("invalid UTF-8")


def _iterate(dataset: Any) -> Iterator[Any]:
    """Return rows of the training split of several, of the first, or of the data set itself where it has none."""
    if hasattr(dataset, "keys"):
        dataset = dataset["train"] if "train" in dataset else dataset[next(iter(dataset))]
    rows: Iterator[Any] = iter(dataset)
    return rows


def _saved(path: Path) -> Iterable[Any]:
    import datasets

    try:
        return _iterate(datasets.load_from_disk(str(path)))
    except Exception as error:
        raise DataError(f"the data set saved in {path} cannot be loaded: {_first_line(error)}") from None


def _hub(name: str, config: str | None, split: str | None) -> Iterable[Any]:
    import datasets

    try:
        return _iterate(datasets.load_dataset(name, config, split=split))
    except Exception as error:
        # The library raises a dozen unrelated types here (network, missing name, wrong config, bad file).
        raise DataError(f"the data set {name} cannot be loaded: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


_READERS = {
    ".jsonl": _lines, ".ndjson": _lines, ".json": _document, ".csv": _table, ".tsv": _table, ".parquet": _parquet,
}  # fmt: skip
