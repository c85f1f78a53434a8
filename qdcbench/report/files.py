"""Write everything that is drawn from an analysis: figures, tables and the page."""

from collections.abc import Sequence
from pathlib import Path

from qdcbench.records import Analysis, RunRecord

__all__ = ["write_report_files"]


def write_report_files(analysis: Analysis, records: Sequence[RunRecord], folder: Path) -> Path:
    """Write ``figures/``, ``tables/`` and ``page/`` under ``folder``; return the page's path."""
    from qdcbench.registry import discover
    from qdcbench.report.figures import write_figures
    from qdcbench.report.methods import methods_info
    from qdcbench.report.site import build_site
    from qdcbench.report.tables import write_tables

    write_figures(analysis, records, folder / "figures")
    write_tables(analysis, folder / "tables")
    return build_site(analysis, records, methods_info(discover()), folder / "figures", folder / "page")
