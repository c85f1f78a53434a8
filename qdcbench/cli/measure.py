"""``qdcbench measure``: the quality, diversity and complexity of data files, side by side."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from qdcbench.canon import pretty_json
from qdcbench.errors import ConfigError
from qdcbench.measures import METRICS, Rows, measure_rows
from qdcbench.measures.encoders import ENCODERS
from qdcbench.readers import FieldMap, ReadResult, read_examples
from qdcbench.records import Measurement
from qdcbench.seeds import array_stream

__all__ = ["Profile", "add_parser", "profiles", "run"]

EXAMPLES = """\
examples:
  qdcbench measure my_data.jsonl
  qdcbench measure old.csv new.parquet --sample 2000
  qdcbench measure data.jsonl --field prompt=task --field completion=reply --json
  qdcbench measure hf:openai/gsm8k:main:train --encoder hashed
"""

_NAMES_WIDTH = 66
_UNIT_WIDTH = 17
_FILE_WIDTH = 28
"""Characters that the first three columns take, the unit of these, and one file; a narrow terminal shows no units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One source: how many rows could be used, what was skipped, and its measurements."""

    source: str
    rows: int
    skipped: Mapping[str, int]
    mapping: str
    measurements: tuple[Measurement, ...]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "measure", help="measure quality, diversity and complexity of data files, side by side", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure data files side by side. Reads JSONL, JSON, CSV, TSV, Parquet, a folder of those, or a "
        "Hugging Face data set; finds the fields by itself.",
    )  # fmt: skip
    parser.add_argument("files", nargs="+", metavar="FILE", help="data file, folder, or hf:owner/name[:config[:split]]")
    parser.add_argument(
        "--sample", type=int, default=5000, metavar="N",
        help="rows drawn from each file; all get as many as the smallest has, because most measures depend on the "
        "number (default: 5000)",
    )  # fmt: skip
    parser.add_argument(
        "--own-size", action="store_true", help="draw N rows of each file even where another has fewer"
    )  # fmt: skip
    parser.add_argument("--encoder", choices=sorted(ENCODERS), default="minilm", help="embeddings (default: minilm)")
    parser.add_argument(
        "--field", action="append", default=[], metavar="SIDE=NAME",
        help="prompt=NAME or completion=NAME, instead of finding the field",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    parser.set_defaults(func=run)


def _fields(given: list[str]) -> FieldMap | None:
    chosen: dict[str, str] = {}
    for text in given:
        side, equals, name = text.partition("=")
        if side not in ("prompt", "completion") or not equals or not name:
            raise ConfigError(f"--field {text!r} is not understood; write prompt=NAME or completion=NAME")
        chosen[side] = name
    if not chosen:
        return None
    if "prompt" not in chosen:
        raise ConfigError("--field completion=NAME needs --field prompt=NAME beside it")
    return FieldMap(**chosen)


def _rows_of(read: ReadResult) -> Rows:
    return Rows(
        prompts=tuple(example.prompt for example in read.examples),
        completions=tuple(example.completion for example in read.examples),
    )


def _working(what: str) -> AbstractContextManager[object]:
    """Show what is being done while it is done, where someone watches."""
    return Console(stderr=True).status(escape(what)) if sys.stderr.isatty() else nullcontext()


def profiles(args: argparse.Namespace) -> tuple[Profile, ...]:
    """Read and measure every file.

    Raises:
        ConfigError: an option is wrong.
        DataError: a file cannot be read or holds no usable row.
    """
    if args.sample < 2:
        raise ConfigError(f"--sample must be at least 2, not {args.sample}")
    fields = _fields(args.field)
    reads = {source: read_examples(source, fields=fields) for source in args.files}
    smallest = min(len(read.examples) for read in reads.values())
    others = set(ENCODERS) - {args.encoder}
    names = [name for name in METRICS if not any(name.endswith(f"[{other}]") for other in others)]
    measured = []
    for source, read in reads.items():
        n = min(args.sample, len(read.examples) if args.own_size else smallest)
        draws = array_stream(args.seed, "measure", {"n": n})
        with _working(f"measuring {n} rows of {source}"):
            taken = measure_rows(_rows_of(read), n=n, names=names, seed_stream=draws)
        measured.append(
            Profile(
                source=source, rows=len(read.examples), skipped=read.skipped, mapping=read.mapping, measurements=taken
            )
        )  # fmt: skip
    return tuple(measured)


def _value(measurement: Measurement) -> str:
    if measurement.value is None:
        return "-"
    text = f"{measurement.value:.4g}"
    if measurement.low is None or measurement.high is None:
        return text
    return f"{text} [{measurement.low:.3g}, {measurement.high:.3g}]"


def _labels(measured: Sequence[Profile]) -> list[str]:
    """Return each file's name, or its whole path where two share a name."""
    names = [Path(profile.source).name or profile.source for profile in measured]
    return [name if names.count(name) == 1 else p.source for name, p in zip(names, measured, strict=True)]


def _table(measured: Sequence[Profile], labels: Sequence[str], boxed: bool, units: bool) -> Table:
    """Return one row a measure that some file has, one column a file."""
    table = Table(box=box.SIMPLE_HEAD if boxed else None, pad_edge=False)
    heads = 3 if units else 2
    for column in ("axis", "measure", "unit")[:heads]:
        table.add_column(column, no_wrap=True)
    for label in labels:
        table.add_column(Text(label), justify="right", no_wrap=True)
    sizes = (str(max(m.n for m in p.measurements)) for p in measured)
    table.add_row(*("", "rows measured", "rows")[:heads], *sizes)
    last = ""
    for taken in zip(*(profile.measurements for profile in measured), strict=True):
        if all(measurement.value is None for measurement in taken):
            continue
        axis, metric = taken[0].axis, METRICS[taken[0].metric].metric
        named = (axis if axis != last else "", metric.name, metric.unit)[:heads]
        table.add_row(*(Text(cell) for cell in (*named, *map(_value, taken))))
        last = axis
    return table


def _notes(measured: Sequence[Profile], labels: Sequence[str], args: argparse.Namespace) -> Iterator[str]:
    """Yield what a reader must know beside the numbers."""
    for profile, label in zip(measured, labels, strict=True):
        skipped = sum(profile.skipped.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in profile.skipped.items())
        yield f"{label}: {profile.rows} rows, {skipped} skipped{f' ({reasons})' if reasons else ''}; {profile.mapping}"
    absent: dict[str, list[str]] = defaultdict(list)
    for taken in zip(*(profile.measurements for profile in measured), strict=True):
        if all(measurement.value is None for measurement in taken):
            absent[taken[0].reason].append(taken[0].metric)
    for reason, names in absent.items():
        yield f"not measured: {', '.join(names)}: {reason}"
    sizes = {max(m.n for m in profile.measurements) for profile in measured}
    if len(sizes) > 1:
        yield "careful: the files were measured at different numbers of rows, and most diversity measures depend on it"
    elif len(measured) > 1 and sizes != {args.sample}:
        yield f"all were measured at {sizes.pop()} rows, the most that each has (--own-size: more where there is more)"
    yield "brackets: 95 % interval; high is more of the axis, except compression_ratio, where high is redundant"


def run(args: argparse.Namespace) -> int:
    """Print the profiles; return 0."""
    measured = profiles(args)
    if args.json:
        definitions = {m.metric: METRICS[m.metric].metric for m in measured[0].measurements}
        sys.stdout.write(pretty_json({"profiles": measured, "measures": definitions}))
        return 0
    labels = _labels(measured)
    terminal = sys.stdout.isatty()
    # In a terminal as many files stand side by side as fit; a program gets one line a measure, however long.
    console = Console(highlight=False) if terminal else Console(width=10_000, highlight=False, no_color=True)
    units = console.width >= _NAMES_WIDTH + _FILE_WIDTH
    names_width = _NAMES_WIDTH if units else _NAMES_WIDTH - _UNIT_WIDTH
    abreast = max(1, (console.width - names_width) // _FILE_WIDTH) if terminal else len(measured)
    for start in range(0, len(measured), abreast):
        stop = start + abreast
        console.print(_table(measured[start:stop], labels[start:stop], terminal, units))
    for note in _notes(measured, labels, args):
        console.print(note, markup=False)
    return 0
