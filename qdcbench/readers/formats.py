"""Rows of one file, as it was written: JSON, JSON lines, CSV, Parquet and Arrow, packed or not."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from qdcbench.errors import DataError
from qdcbench.fields import BadRow

__all__ = ["ENDINGS", "is_data_file", "rows_of_file"]

_LIST_KEYS = ("data", "rows", "examples", "train")
_BATCH = 1024
_SPACE = re.compile(r"[ \t\r\n]*")
_MARK = b"\xef\xbb\xbf"


def _zstandard(path: Path) -> Any:
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))


_PACKED: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file and the two parts of its ending: ``x.jsonl.gz`` is ``.jsonl`` packed by ``.gz``."""

    path: Path
    kind: str
    packing: str

    def open(self) -> IO[bytes]:
        """Open the unpacked content for reading."""
        return cast(IO[bytes], _PACKED[self.packing](self.path) if self.packing else self.path.open("rb"))

    def arrow(self) -> Any:
        """Return what pyarrow reads from."""
        import pyarrow as pa

        if not self.packing:
            return pa.memory_map(str(self.path))
        with self.open() as file:
            return pa.BufferReader(file.read())


def _of(path: Path) -> _File:
    *_, before, last = ("", "", *(suffix.lower() for suffix in path.suffixes))
    return _File(path, before, last) if last in _PACKED else _File(path, last, "")


def is_data_file(path: Path) -> bool:
    """Return whether the file's ending says that it can be read."""
    return _of(path).kind in _READERS


def rows_of_file(path: Path) -> Iterator[Any]:
    """Yield a file's rows; one that could not be parsed comes as a `BadRow`.

    Raises:
        DataError: the ending is unknown, or the file is not what the ending says.
    """
    file = _of(path)
    reader = _READERS.get(file.kind)
    if reader is None:
        raise DataError(f"{path} has an ending this tool does not read; known are {ENDINGS}")
    return _guarded(file, reader)


def _guarded(file: _File, reader: Callable[[_File], Iterable[Any]]) -> Iterator[Any]:
    try:
        yield from reader(file)
    except EOFError:
        raise DataError(f"{file.path} ends in the middle of its packed content; copy it again") from None
    except (OSError, zlib.error, lzma.LZMAError) as error:
        said = (getattr(error, "strerror", None) or str(error)).splitlines() or [type(error).__name__]
        raise DataError(f"{file.path} cannot be read: {said[0]}") from None


def _lines(file: _File) -> Iterator[Any]:
    with file.open() as lines:
        for number, line in enumerate(lines):
            raw = line.removeprefix(_MARK) if number == 0 else line
            if number == 0 and raw[:1] == b"[":
                yield from _document(file)
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


def _document(file: _File) -> Iterable[Any]:
    with file.open() as whole:
        raw = whole.read().removeprefix(_MARK)
    if raw.lstrip()[:1] == b"[" and not _is_lines(raw):
        # Bytes that are no UTF-8 become surrogates, so that only their rows are lost.
        text = raw.decode("utf-8", "surrogateescape")
        del raw
        return _elements(text)
    if not raw.strip():
        return []
    value = _parsed(raw)
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


def _is_lines(raw: bytes) -> bool:
    """Return whether a first line that looks like a list is one row of many."""
    first, _, rest = raw.lstrip().partition(b"\n")
    return bool(rest.strip()) and not isinstance(_parsed(first), BadRow)


def _elements(text: str) -> Iterator[Any]:
    """Yield a list's elements one by one: all of them parsed take several times the memory of the text."""
    decoder = json.JSONDecoder()
    place = _after_space(text, text.index("[") + 1)
    if text[place : place + 1] == "]":
        return
    while True:
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            yield BadRow("not JSON, and so the rest of the list is lost")
            return
        yield value
        place = _after_space(text, place)
        mark, place = text[place : place + 1], _after_space(text, place + 1)
        if mark != ",":
            if mark != "]" or place != len(text):
                yield BadRow("not JSON, and so the rest of the list is lost")
            return


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _table(file: _File) -> Iterator[Any]:
    longest = csv.field_size_limit(sys.maxsize)
    try:
        with io.TextIOWrapper(file.open(), encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            head = lines.readline()
            separator = "\t" if file.kind == ".tsv" else max(",;\t", key=head.count)
            yield from _records(csv.reader(chain([head], lines), delimiter=separator))
    except csv.Error as error:
        raise DataError(f"{file.path} is no CSV ({error}); check its quotes and line ends") from None
    finally:
        csv.field_size_limit(longest)


def _records(reader: Any) -> Iterator[Any]:
    header: list[str] = next(reader, [])
    before = reader.line_num
    for record in reader:
        lines, before = reader.line_num - before, reader.line_num
        if len(record) == len(header):
            yield dict(zip(header, record, strict=True))
        elif record:
            # A quote that is never closed takes the lines after it along.
            swallowed = f", over {lines} lines (an open quote?)" if lines > 1 else ""
            yield BadRow(f"another number of columns than the header{swallowed}")


def _parquet(file: _File) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        yield from _batches(pq.ParquetFile(file.arrow()).iter_batches(batch_size=_BATCH))
    except pa.ArrowException as error:
        raise DataError(f"{file.path} is no Parquet file that can be read: {_sentence(error)}") from None


def _arrow(file: _File) -> Iterator[Any]:
    import pyarrow as pa

    try:
        source = file.arrow()
        try:
            table = pa.ipc.open_file(source)
            yield from _batches(table.get_batch(i) for i in range(table.num_record_batches))
        except pa.ArrowInvalid:
            # The form that the `datasets` library writes has no table of contents.
            yield from _batches(pa.ipc.open_stream(file.arrow()))
    except pa.ArrowException as error:
        raise DataError(f"{file.path} is no Arrow file that can be read: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _batches(batches: Iterable[Any]) -> Iterator[Any]:
    for whole in batches:
        for start in range(0, whole.num_rows, _BATCH):
            batch = whole.slice(start, _BATCH)
            try:
                yield from batch.to_pylist()
            except UnicodeDecodeError:
                yield from (_single(batch.slice(i, 1)) for i in range(batch.num_rows))


def _single(batch: Any) -> Any:
    try:
        return batch.to_pylist()[0]
    except UnicodeDecodeError:
        return BadRow("invalid UTF-8")


_READERS: Mapping[str, Callable[[_File], Iterable[Any]]] = {
    ".jsonl": _lines, ".ndjson": _lines, ".json": _document, ".csv": _table, ".tsv": _table, ".parquet": _parquet,
    ".arrow": _arrow, ".feather": _arrow,
}  # fmt: skip
ENDINGS = f"{', '.join(sorted(_READERS))}, and these packed as {', '.join(sorted(_PACKED))}"
"""What can be read, in words."""
