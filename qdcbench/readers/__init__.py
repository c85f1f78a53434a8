"""Texts from JSONL, JSON, CSV, Parquet, Arrow, a folder of those, or a Hugging Face data set."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from qdcbench.errors import DataError, did_you_mean
from qdcbench.fields import BadRow, FieldMap, example_of, plain_field, texts_of
from qdcbench.readers.formats import ENDINGS, is_data_file, rows_of_file
from qdcbench.records import Example

__all__ = ["Columns", "FieldMap", "ReadResult", "read_columns", "read_examples"]

_HUB = re.compile(r"(?:hf:)?(?P<name>[\w.-]+/[\w.-]+|[\w.-]+)(?::(?P<config>[\w.-]*))?(?::(?P<split>[\w.-]+))?")
_BATCH = 1024
_TELL_EVERY = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadResult:
    """Usable rows of a source in their order, the others counted by reason, and the mapping used.

    ``mapping`` says in words which fields became prompt and completion; a source with rows of several
    kinds has several, the most frequent first.
    """

    examples: tuple[Example, ...]
    skipped: Mapping[str, int]
    mapping: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The same as columns, which take less memory, with fields that the user named beside the two texts.

    ``fields`` holds one text a row under each name, None where the row has none. ``cut`` counts texts that were
    longer than what was to be read. ``notes`` are sentences about what was left unread.
    """

    prompts: tuple[str, ...]
    completions: tuple[str, ...]
    fields: Mapping[str, tuple[str | None, ...]]
    skipped: Mapping[str, int]
    mapping: str
    cut: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """What is counted while rows are read."""

    skipped: Counter[str] = field(default_factory=Counter)
    mappings: Counter[str] = field(default_factory=Counter)

    def reasons(self) -> dict[str, int]:
        """Return how many rows could not be used for which reason, the most frequent first."""
        return dict(sorted(self.skipped.items(), key=lambda item: (-item[1], item[0])))

    def mapping(self) -> str:
        """Return the mappings used, the most frequent first."""
        return "; ".join(name for name, _ in self.mappings.most_common())

    def nothing(self, source: Path | str) -> DataError:
        """Return the error of a source without a usable row."""
        said = ", ".join(f"{count} rows: {reason}" for reason, count in list(self.reasons().items())[:4])
        return DataError(
            f"{source} holds no usable row ({said or 'it is empty'}); rows need fields such as instruction and output, "
            "prompt and completion, question and answer, messages, or text, or name them with --field"
        )


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
    tally = _Tally()

    def usable() -> Iterator[Example]:
        for row in _rows(source, []):
            try:
                if isinstance(row, BadRow):
                    raise row
                example, mapping = example_of(row, fields)
            except BadRow as bad:
                tally.skipped[str(bad)] += 1
                continue
            tally.mappings[mapping] += 1
            yield example

    examples = tuple(islice(usable(), limit))
    if not examples:
        raise tally.nothing(source)
    return ReadResult(examples=examples, skipped=tally.reasons(), mapping=tally.mapping())


def read_columns(
    source: Path | str,
    fields: FieldMap | None = None,
    *,
    beside: Sequence[str] = (),
    longest: int | None = None,
    tell: Callable[[int], object] = lambda rows: None,
) -> Columns:
    """Read every usable row as columns.

    Args:
        source: as in `read_examples`.
        fields: which fields to use instead of looking for them.
        beside: names of other fields to keep, dotted (``meta.split``) where they stand inside of another.
        longest: characters of a text that are kept.
        tell: called now and then with the number of rows read so far.

    Raises:
        DataError: there is no such file, it cannot be read, or no row of it is usable.
    """
    tally, notes, cut = _Tally(), list[str](), 0
    prompts, completions = list[str](), list[str]()
    kept: dict[str, list[str | None]] = {name: [] for name in beside}
    same: dict[str | None, str | None] = {}
    for number, row in enumerate(_rows(source, notes), 1):
        if number % _TELL_EVERY == 0:
            tell(number)
        try:
            if isinstance(row, BadRow):
                raise row
            prompt, completion, mapping = texts_of(row, fields)
        except BadRow as bad:
            tally.skipped[str(bad)] += 1
            continue
        tally.mappings[mapping] += 1
        if longest is not None:
            cut += (len(prompt) > longest) + (len(completion) > longest)
            prompt, completion = prompt[:longest], completion[:longest]
        prompts.append(prompt)
        completions.append(completion)
        for name, column in kept.items():
            value = plain_field(row, name)
            # Groups are few: one string for all rows of a group.
            column.append(same.setdefault(value, value))
    if not prompts:
        raise tally.nothing(source)
    return Columns(
        prompts=tuple(prompts), completions=tuple(completions), cut=cut, notes=tuple(notes), mapping=tally.mapping(),
        fields={name: tuple(column) for name, column in kept.items()}, skipped=tally.reasons(),
    )  # fmt: skip


def _rows(source: Path | str, notes: list[str]) -> Iterable[Any]:
    """Return parsed rows; one that could not be parsed comes as a `BadRow`. What is left unread goes to ``notes``."""
    path = Path(source)
    try:
        if path.is_dir():
            return _folder(path, notes)
        if path.is_file():
            return rows_of_file(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    named = _HUB.fullmatch(str(source))
    is_path = isinstance(source, Path) or is_data_file(path) or path.is_absolute()
    if named and (str(source).startswith("hf:") or ("/" in str(source) and not is_path and not path.parent.is_dir())):
        return _hub(named["name"], named["config"] or None, named["split"], notes)
    raise DataError(f"there is no file {path}; {_nearest(path)}")


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    names = [p.name for p in folder.iterdir() if is_data_file(p) or p.suffix == path.suffix]
    if not names:
        return f"{folder} holds no data file; give a JSONL, JSON, CSV or Parquet file or hf:owner/name"
    return f"in {folder}: {did_you_mean(path.name, names)}"


def _folder(path: Path, notes: list[str]) -> Iterable[Any]:
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        return _saved(path, notes)
    files = [p for p in sorted(path.rglob("*")) if is_data_file(p) and p.is_file()]
    files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(path).parts)]
    if not files:
        raise DataError(f"the folder {path} holds no data file; it needs one that ends in {ENDINGS}")
    return (row for file in files for row in _one_of_many(file))


def _one_of_many(path: Path) -> Iterator[Any]:
    """Return a file's rows; one that cannot be read at all counts as one bad row, so the others are still used."""
    try:
        yield from rows_of_file(path)
    except DataError as error:
        yield BadRow(str(error))


def _iterate(dataset: Any, notes: list[str]) -> Iterator[Any]:
    """Yield rows of the training split of several, of the first, or of the data set itself where it has none."""
    if hasattr(dataset, "keys"):
        splits = list(dataset)
        chosen = "train" if "train" in splits else splits[0]
        if len(splits) > 1:
            others = ", ".join(name for name in splits if name != chosen)
            notes.append(f"the split {chosen} was read, not {others}: name one (owner/name::SPLIT, or its folder)")
        dataset = dataset[chosen]
    if not hasattr(dataset, "with_format"):
        yield from dataset
        return
    for batch in dataset.with_format("arrow").iter(batch_size=_BATCH):
        yield from batch.to_pylist()


def _saved(path: Path, notes: list[str]) -> Iterable[Any]:
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:
        raise DataError(f"the data set saved in {path} cannot be loaded: {_first_line(error)}") from None
    return _iterate(found, notes)


def _hub(name: str, config: str | None, split: str | None, notes: list[str]) -> Iterable[Any]:
    import datasets

    try:
        found = datasets.load_dataset(name, config, split=split)
    except Exception as error:
        # The library raises a dozen unrelated types here (network, missing name, wrong config, bad file).
        raise DataError(f"the data set {name} cannot be loaded: {_first_line(error)}") from None
    return _iterate(found, notes)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
