"""Every figure of an edition, from an analysis and its records to PNG, PDF and the numbers drawn."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from qdcbench.errors import ConfigError, StoreError, did_you_mean
from qdcbench.records import Analysis, RunRecord
from qdcbench.report import axis_effects, cost_score, qd_plane, scores_by_set
from qdcbench.report.style import FigureData, paper, save

__all__ = ["FIGURES", "FigureData", "draw_figures", "figure_data"]

FIGURES: Mapping[str, ModuleType] = {
    "qd_plane": qd_plane,
    "axis_effects": axis_effects,
    "scores_by_set": scores_by_set,
    "cost_score": cost_score,
}
"""Name to the module that has its ``data`` and ``draw``."""


def figure_data(analysis: Analysis, records: Sequence[RunRecord], name: str) -> FigureData:
    """Return the numbers a figure draws, one row per mark.

    Raises:
        ConfigError: there is no figure of that name.
    """
    if name not in FIGURES:
        raise ConfigError(f"there is no figure {name!r}; {did_you_mean(name, FIGURES)}")
    read: Callable[[Analysis, Sequence[RunRecord]], FigureData] = FIGURES[name].data
    return read(analysis, records)


def draw_figures(
    analysis: Analysis, records: Sequence[RunRecord], folder: Path, names: Sequence[str] = tuple(FIGURES)
) -> list[Path]:
    """Write ``NAME.png``, ``NAME.pdf`` and ``NAME.csv`` (the numbers drawn) for each figure; same input, same bytes.

    Raises:
        ConfigError: there is no figure of a name.
        StoreError: the folder cannot be written.
    """
    paths: list[Path] = []
    for name in names:
        numbers = figure_data(analysis, records, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}.csv"
            path.write_text(_csv(numbers), encoding="utf-8", newline="\n")
        except OSError as error:
            raise StoreError(f"cannot write to {folder}: {error.strerror}; choose another folder") from None
        with paper():
            paths += save(FIGURES[name].draw(numbers), folder, name)
        paths.append(path)
    return paths


def _csv(numbers: FigureData) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(numbers.rows[0]) if numbers.rows else ["empty"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(numbers.rows)
    return out.getvalue()
