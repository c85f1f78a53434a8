"""``qdcbench verify``: are the committed results what the records give, and the records what the answers give?"""

import argparse
import json
import os
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qdcbench.bundles.archive import LARGEST, open_bundle
from qdcbench.bundles.compare import Difference
from qdcbench.canon import plain
from qdcbench.cli.regenerate import Options, regenerate
from qdcbench.editions import Edition, load_edition, path_for, write_analysis
from qdcbench.errors import ConfigError, QdcError

__all__ = ["add_parser", "run"]

CLOSE = 1e-3
"""Relative distance within which computed numbers of two processors agree; a larger one has another cause."""


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "verify",
        help="make the results of an edition or a bundle again and compare them to the byte",
        description="Make analysis, tables, figures and page of an edition again from its records. Of a bundle, also "
        "generate, take and measure the rows of every run again from the recorded answers, with no key and no network, "
        "and compare each data set and measure with its record. What differs is named, a line each. A bundle is "
        f"unpacked into a temporary folder; one of more than {LARGEST // 2**30} GiB unpacked is refused.",
        epilog="examples: qdcbench verify results/standard | qdcbench verify mine.qdcbundle.tar.gz --workers 4",
    )
    parser.add_argument("edition", metavar="path", type=Path, nargs="+", help="edition folders or bundles")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="worker processes for bundles (default: all cores)"
    )
    parser.add_argument("--probes", action="store_true", help="of a bundle: also train and evaluate again")
    parser.add_argument(
        "--tolerance", type=float, default=0.0, metavar="X",
        help="accept numbers of measures, trainings and scores that differ by a share of X at most, as on another "
        "processor (default: none; data sets must always be equal)",
    )  # fmt: skip
    parser.add_argument(
        "--trust-plugins", action="store_true",
        help="run the private plugins and the programs that a bundle holds: code of whoever made it, with your rights",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    parser.set_defaults(func=run)


@dataclass(kw_only=True, slots=True)
class _Findings:
    """Of one path: differences in fields of runs, other differences, remarks, and counts by kind."""

    path: Path
    differences: list[Difference] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)

    def within(self, tolerance: float) -> list[Difference]:
        """Return the differences of computed numbers that are at most that far from each other."""
        return [d for d in self.differences if d.distance is not None and d.distance <= tolerance]

    def equal(self, tolerance: float) -> bool:
        """Whether nothing differs, or no more than is tolerated."""
        return not self.sentences and len(self.within(tolerance)) == len(self.differences)

    def counts(self) -> str:
        """Return how much of each kind is equal."""
        return ", ".join(f"{total - self.different[kind]} of {total} {kind}" for kind, total in self.total.items())


_PICTURE = re.compile(rb"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")
_KINDS = {"tables": "tables", "figures": "figures", "page": "pages"}


def _same(made: Path, committed: Path) -> bool:
    """Whether two files say the same. Pictures are rendered by libraries whose versions differ in pixels, so it is
    the drawn numbers (the CSV beside each) that are compared to the byte, and the page without its pictures.
    """
    if made.suffix in {".png", ".pdf"}:
        return committed.stat().st_size > 0
    left, right = made.read_bytes(), committed.read_bytes()
    return left == right or (made.suffix == ".html" and _PICTURE.sub(b"", left) == _PICTURE.sub(b"", right))


def _compare_files(edition: Edition, found: _Findings) -> None:
    """Make analysis, tables, figures and page again from the records and note what differs."""
    from qdcbench.report.files import write_report_files
    from qdcbench.stages.analyze import analyze

    folder = edition.folder
    found.sentences += [
        f"{path_for(folder, record.spec)} is missing: the record lies elsewhere"
        for record in edition.records
        if not path_for(folder, record.spec).is_file()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        analysis = analyze(edition.records, edition.facts)
        write_analysis(fresh, analysis)
        write_report_files(analysis, edition.records, fresh)
        for made in sorted(path for path in fresh.rglob("*") if path.is_file()):
            name = made.relative_to(fresh)
            kind = _KINDS.get(name.parts[0], "analyses")
            committed = folder / name
            found.total[kind] += 1
            if not committed.is_file():
                found.sentences.append(f"{committed} is missing")
            elif not _same(made, committed):
                found.sentences.append(f"{committed} differs from what the records give")
            else:
                continue
            found.different[kind] += 1


def _verify_bundle(found: _Findings, options: Options) -> None:
    with tempfile.TemporaryDirectory(prefix="qdcbench-verify-") as place:
        inside, scratch = Path(place) / "bundle", Path(place) / "scratch"
        inside.mkdir()
        scratch.mkdir()
        opened = open_bundle(found.path, inside)
        found.sentences += opened.changed
        try:
            edition = load_edition(opened.edition)
            again = regenerate(opened, edition, scratch, options)
            _compare_files(edition, found)
        except ConfigError:
            raise
        except QdcError as error:
            found.sentences.append(f"{error}; the rest was not verified")
        else:
            found.differences, found.notes = again.differences, again.notes
            found.sentences += again.sentences
            found.total, found.different = again.total + found.total, again.different + found.different
            if edition.missing:
                found.notes.append(f"{len(edition.missing)} promised runs have no record")
            if not options.probes:
                found.notes.append("trainings and scores were not made again; --probes makes and compares them too")
        found.sentences = [sentence.replace(f"{inside}/", "") for sentence in found.sentences]


def _verify(path: Path, options: Options) -> _Findings:
    found = _Findings(path=path)
    if path.is_file() or (path.suffix == ".gz" and not path.exists()):
        _verify_bundle(found, options)
    else:
        _compare_files(load_edition(path), found)
    return found


def _print(found: _Findings, tolerance: float) -> None:
    for line in [*found.sentences, *(difference.sentence for difference in found.differences)]:
        print(line)
    for note in found.notes:
        print(f"note: {note}")
    near = len(found.within(tolerance))
    if near:
        print(f"{near} computed numbers differ by a share of {tolerance:g} at most, which --tolerance accepts")
    elif found.differences and found.equal(CLOSE):
        print(
            f"all differences are between computed numbers, by a share of {CLOSE:g} at most, as another processor "
            f"gives; --tolerance {CLOSE:g} accepts them"
        )
    wrong = len(found.sentences) + len(found.differences) - near
    print(f"{found.path}: {found.counts()}: {'equal' if not wrong else f'{wrong} differences'}")


def _as_json(found: _Findings, tolerance: float) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "equal": found.equal(tolerance),
        "differences": [plain(difference) for difference in found.differences],
        "other_differences": found.sentences,
        "notes": found.notes,
        "total": dict(found.total),
        "different": {kind: found.different[kind] for kind in found.total},
    }


def run(args: argparse.Namespace) -> int:
    """Print each difference; return 1 when there is one that is not tolerated."""
    options = Options(workers=max(1, args.workers), probes=args.probes, trust_plugins=args.trust_plugins)
    every = []
    for path in args.edition:
        every.append(_verify(path, options))
        if not args.json:
            _print(every[-1], args.tolerance)
    if args.json:
        print(json.dumps([_as_json(found, args.tolerance) for found in every], indent=1))
    return 0 if all(found.equal(args.tolerance) for found in every) else 1
