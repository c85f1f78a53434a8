"""``qdcbench verify``: are the committed results what the records give?"""

import argparse
import re
import tempfile
from pathlib import Path

from qdcbench.editions import load_edition, path_for, write_analysis
from qdcbench.stages.analyze import analyze

__all__ = ["add_parser", "run"]


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "verify", help="make an edition's analysis, tables, figures and page again from its records and compare bytes",
        epilog="example: qdcbench verify results/standard",
    )  # fmt: skip
    parser.add_argument("edition", type=Path, nargs="+", help="edition folders")
    parser.set_defaults(func=run)


_PICTURE = re.compile(rb"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")


def _same(made: Path, committed: Path) -> bool:
    """Whether two files say the same. Pictures are rendered by libraries whose versions differ in pixels, so it is
    the drawn numbers (the CSV beside each) that are compared to the byte, and the page without its pictures.
    """
    if made.suffix in {".png", ".pdf"}:
        return committed.stat().st_size > 0
    left, right = made.read_bytes(), committed.read_bytes()
    return left == right or (made.suffix == ".html" and _PICTURE.sub(b"", left) == _PICTURE.sub(b"", right))


def _differences(folder: Path) -> list[str]:
    from qdcbench.report.files import write_report_files

    edition = load_edition(folder)
    wrong = [
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
            committed = folder / made.relative_to(fresh)
            if not committed.is_file():
                wrong.append(f"{committed} is missing")
            elif not _same(made, committed):
                wrong.append(f"{committed} differs from what the records give")
    return wrong


def run(args: argparse.Namespace) -> int:
    """Print each difference; return 1 when there is one."""
    code = 0
    for folder in args.edition:
        wrong = _differences(folder)
        for sentence in wrong:
            print(sentence)
        print(f"{folder}: {'equal' if not wrong else f'{len(wrong)} differences'}")
        code = code or int(bool(wrong))
    return code
