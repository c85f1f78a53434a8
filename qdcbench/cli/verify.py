"""``qdcbench verify``: are the committed results what the records give?"""

import argparse
import tempfile
from pathlib import Path

from qdcbench.canon import pretty_json
from qdcbench.editions import load_edition, path_for
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


def _differences(folder: Path) -> list[str]:
    from qdcbench.report.files import write_report_files

    edition = load_edition(folder)
    wrong = [
        f"{path_for(folder, record.spec)} is missing: the record lies elsewhere"
        for record in edition.records if not path_for(folder, record.spec).is_file()
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        analysis = analyze(edition.records, edition.facts)
        (fresh / "analysis.json").write_text(pretty_json(analysis), encoding="utf-8")
        write_report_files(analysis, edition.records, fresh)
        for made in sorted(path for path in fresh.rglob("*") if path.is_file()):
            name = made.relative_to(fresh)
            committed = folder / name
            if not committed.is_file():
                wrong.append(f"{committed} is missing")
            elif committed.read_bytes() != made.read_bytes():
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
