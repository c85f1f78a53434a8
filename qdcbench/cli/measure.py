"""``qdcbench measure``: the quality, diversity and complexity of data files, side by side."""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qdcbench.canon import pretty_json
from qdcbench.cli.scoring_options import SCORERS, add_scoring_options, close_of
from qdcbench.errors import ConfigError
from qdcbench.measures.encoders import ENCODERS
from qdcbench.measures.instrument import full_name
from qdcbench.profile.measured import Profile, Profiles, take_profiles
from qdcbench.profile.request import LONGEST, Request, Watch
from qdcbench.profile.terminal import FILE_WIDTH, NAMES_WIDTH, TWIN_WIDTH, UNIT_WIDTH, notes, profile_table
from qdcbench.readers import FieldMap

__all__ = ["add_parser", "run"]

EXAMPLES = """\
examples:
  qdcbench measure my_data.jsonl
  qdcbench measure old.csv new.parquet --sample 2000 --html profile.html
  qdcbench measure math.jsonl.gz --gold meta.answer --group-by meta.split
  qdcbench measure data.jsonl --field prompt=task --field completion=reply --json
  qdcbench measure hf:openai/gsm8k:main:train --encoder hashed --measures 'vendi*'
  qdcbench measure a.jsonl b.jsonl --judge openai:my-model --base-url http://127.0.0.1:8000/v1
"""

_TELL_SECONDS = 10.0
"""Between two plain lines about the same thing."""

_LONG_SECONDS = 3.0
"""What took less is not worth a line."""


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "measure", help="measure quality, diversity and complexity of data files, side by side", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure data files side by side. Reads JSONL, JSON, CSV, TSV, Parquet and Arrow, packed or not, a "
        "folder of those, or a Hugging Face data set; finds the fields by itself.",
    )  # fmt: skip
    parser.add_argument("files", nargs="+", metavar="FILE", help="data file, folder, or hf:owner/name[:config[:split]]")
    _add_rows(parser.add_argument_group("which rows"))
    looks = parser.add_argument_group("what looks at them")
    _add_looks(looks)
    add_scoring_options(looks, parser.add_argument_group("what looks at some of them only, since each row costs"))
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--measures", action="append", default=[], metavar="GLOB",
        help="only these measures, such as 'vendi*,rouge_l' (may be given again)",
    )  # fmt: skip
    shown.add_argument("--twins", action="store_true", help="show values moved to a shared length, and the slope")
    shown.add_argument("--html", type=Path, metavar="PAGE", help="write a page with plots and rows to this file")
    shown.add_argument("--json", action="store_true", help="JSON for programs")
    parser.set_defaults(func=run)


def _add_rows(group: Any) -> None:
    group.add_argument(
        "--sample", type=int, default=5000, metavar="N",
        help="rows drawn from each file; all get as many as the smallest has, because most measures depend on the "
        "number (default: 5000)",
    )  # fmt: skip
    group.add_argument(
        "--own-size", action="store_true", help="draw N rows of each file even where another has fewer"
    )  # fmt: skip
    group.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    group.add_argument(
        "--field", action="append", default=[], metavar="SIDE=NAME",
        help="prompt=NAME or completion=NAME, instead of finding the field; meta.NAME looks inside of meta; "
        "aimed=NAME: node of a taxonomy (a/b/c) that a row was aimed at",
    )  # fmt: skip
    group.add_argument(
        "--group-by", default="", metavar="FIELD",
        help="a column for each value of this field as well, such as meta.split",
    )  # fmt: skip
    group.add_argument(
        "--longest", type=int, default=LONGEST, metavar="N",
        help=f"characters of a text that are read; longer ones are cut and counted (default: {LONGEST})",
    )  # fmt: skip


def _add_looks(group: Any) -> None:
    group.add_argument(
        "--encoder", default="minilm", metavar="NAME",
        help=f"embeddings: {', '.join(sorted(ENCODERS))}, or st:NAME for a sentence-transformers model "
        "(default: minilm)",
    )  # fmt: skip
    group.add_argument(
        "--gold", default="", metavar="FIELD", help="field with the right answer; gives the share that matches it"
    )  # fmt: skip
    group.add_argument(
        "--reference", default="", metavar="FILE",
        help="corpus whose regions and density all files are compared with (default: rows of all files alike)",
    )  # fmt: skip
    group.add_argument("--base", default="", metavar="FILE", help="set the files are added to: what do they add?")


def _fields(given: list[str]) -> tuple[FieldMap | None, str]:
    """Return the fields of the two texts where they are named, and that of the node that rows were aimed at."""
    chosen: dict[str, str] = {}
    for text in given:
        side, equals, name = text.partition("=")
        if side not in ("prompt", "completion", "aimed") or not equals or not name:
            raise ConfigError(f"--field {text!r} is not understood; write prompt=NAME, completion=NAME or aimed=NAME")
        chosen[side] = name
    aimed = chosen.pop("aimed", "")
    if not chosen:
        return None, aimed
    if "prompt" not in chosen:
        raise ConfigError("--field completion=NAME needs --field prompt=NAME beside it")
    return FieldMap(**chosen), aimed


def _request(args: argparse.Namespace) -> Request:
    fields, aimed = _fields(args.field)
    return Request(
        files=tuple(args.files), sample=args.sample, own_size=args.own_size, encoder=args.encoder,
        fields=fields, aimed=aimed, seed=args.seed, gold=args.gold, group_by=args.group_by, base=args.base,
        reference=args.reference, measures=tuple(re.findall(r"[^,\s]+", " ".join(args.measures))),
        longest=args.longest, close=close_of(args),
        scorers={name: value for name in SCORERS if (value := getattr(args, name))},
    )  # fmt: skip


class _Bar:
    """A line on a terminal that is drawn again."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("", total=None, amount="")

    def step(self, what: str) -> None:
        """Begin a new line in place of the last one."""
        self.progress.remove_task(self.task)
        self.task = self.progress.add_task(escape(what), total=None, amount="")

    def at(self, done: float, whole: float | None, unit: str) -> None:
        """Move the bar."""
        self.progress.update(self.task, completed=done, total=whole, amount=f"{done:,.0f} {unit}" if unit else "")


class _Lines:
    """Plain lines: one for each step that took a while when it is over, and one now and then within a long one."""

    def __init__(self) -> None:
        self.what, self.start, self.said = "", time.monotonic(), 0.0

    def step(self, what: str) -> None:
        """Print how long the last step took where it was long; a quick command says nothing."""
        now = time.monotonic()
        if self.what and now - self.start >= _LONG_SECONDS:
            self._say(f"{now - self.start:.0f} s")
        self.what, self.start, self.said = what, now, now

    def at(self, done: float, whole: float | None, unit: str) -> None:
        """Print how far it is where the last line is old."""
        now = time.monotonic()
        if now - self.said < _TELL_SECONDS:
            return
        self.said = now
        share = done / whole if whole else 0.0
        left = f", about {(now - self.start) * (1 - share) / share:.0f} s to go" if share else ""
        self._say(f"{share:.0%}{left}" if whole else f"{done:,.0f} {unit}")

    def _say(self, said: str) -> None:
        print(f"{self.what}: {said}", file=sys.stderr, flush=True)


@contextmanager
def _watching() -> Iterator[Watch]:
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lines
        lines.step("")
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[amount]}"), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress)


def _as_json(profiles: Profiles) -> str:
    def one(profile: Profile) -> dict[str, object]:
        part = profile.part
        return {
            "source": part.source.path, "label": part.label, "group": part.group or None, "rows": part.total,
            "skipped": part.source.skipped, "mapping": part.source.mapping, "notes": [*part.source.notes, *part.notes],
            "measurements": profile.measurements,
            "full_names": {m.metric: full_name(m) for m in profile.measurements},
        }  # fmt: skip

    definitions = {name: row.metric for name, row in profiles.table.items()}
    return pretty_json(
        {"profiles": [one(profile) for profile in profiles.each], "measures": definitions, "notes": profiles.notes}
    )


def run(args: argparse.Namespace) -> int:
    """Print the profiles; return 0."""
    request = _request(args)
    with _watching() as watch:
        profiles = take_profiles(request, watch)
        if args.html is not None:
            from qdcbench.profile.page import write_page

            watch.step(f"writing {args.html}")
            write_page(profiles, args.html)
    if args.json:
        sys.stdout.write(_as_json(profiles))
        return 0
    terminal = sys.stdout.isatty()
    # In a terminal as many files stand side by side as fit; a program gets one line a measure, however long.
    console = Console(highlight=False) if terminal else Console(width=10_000, highlight=False, no_color=True)
    width = TWIN_WIDTH if args.twins else FILE_WIDTH
    units = console.width >= NAMES_WIDTH + width
    names = NAMES_WIDTH if units else NAMES_WIDTH - UNIT_WIDTH
    abreast = max(1, (console.width - names) // width) if terminal else len(profiles.each)
    for start in range(0, len(profiles.each), abreast):
        shown = slice(start, start + abreast)
        console.print(profile_table(profiles, shown, boxed=terminal, units=units, twins=args.twins))
    for note in notes(profiles):
        console.print(note, markup=False)
    if args.html is not None:
        console.print(f"page: {args.html}", markup=False)
    return 0
