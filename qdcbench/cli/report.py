"""Analysis, figures and page of an edition, the end of ``qdcbench run``."""

from pathlib import Path

from rich.console import Console

from qdcbench.editions import Edition, write_analysis
from qdcbench.records import Analysis

__all__ = ["write_report"]


def write_report(edition: Edition) -> Analysis:
    """Write analysis, figures, tables and page; print the tables and where things are."""
    from qdcbench.report.files import write_report_files
    from qdcbench.report.tables import terminal_tables
    from qdcbench.stages.analyze import analyze

    analysis = analyze(edition.records, edition.facts)
    write_analysis(edition.folder, analysis)
    page = write_report_files(analysis, edition.records, edition.folder)
    console = Console()
    for table in terminal_tables(analysis):
        console.print(table)
    _closing(analysis, edition.folder, page)
    return analysis


def _closing(analysis: Analysis, folder: Path, page: Path) -> None:
    if not analysis.valid:
        print("INVALID edition: " + "; ".join(analysis.invalid_because))
    unchecked = sorted({check.name for check in analysis.controls if not check.checked})
    if unchecked:
        print(f"not validated by controls: {', '.join(unchecked)} could not be checked in every group")
    print(f"records and analysis: {folder}")
    print(f"figures: {folder / 'figures'}")
    print(f"leaderboard page: {page}")
