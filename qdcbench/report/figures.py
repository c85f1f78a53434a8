"""Every figure of an edition, from an analysis and its records to PNG, PDF and the numbers drawn."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from qdcbench.errors import ConfigError, StoreError, did_you_mean
from qdcbench.records import Analysis, RunRecord
from qdcbench.report import (
    axis_effects,
    cost_score,
    dose_response,
    factorial_effects,
    qd_plane,
    rank_curve,
    scores_by_set,
    stacked,
    study_forest,
    tradeoff,
)
from qdcbench.report.points import as_written
from qdcbench.report.style import FigureData, paper, save

__all__ = ["FIGURES", "FigureData", "Plot", "figure_data", "write_figures"]


@dataclass(frozen=True, slots=True)
class Plot:
    """The two halves of a figure: what it draws, and how.

    One that ``may_lack`` its numbers is not drawn where it has no row: not every edition was made for it.
    """

    data: Callable[[Analysis, Sequence[RunRecord]], FigureData]
    draw: Callable[[FigureData], Figure]
    may_lack: bool = False


FIGURES: Mapping[str, Plot] = {
    "studies": Plot(study_forest.data, study_forest.draw, may_lack=True),
    "factorial": Plot(factorial_effects.data, factorial_effects.draw, may_lack=True),
    "dose_response": Plot(dose_response.data, dose_response.draw, may_lack=True),
    "tradeoff": Plot(tradeoff.data, tradeoff.draw, may_lack=True),
    "qd_plane": Plot(qd_plane.data, qd_plane.draw),
    "axis_effects": Plot(axis_effects.data, axis_effects.draw),
    "scores_by_set": Plot(scores_by_set.data, scores_by_set.draw),
    "cost_score": Plot(cost_score.data, cost_score.draw),
    "rank_curve": Plot(rank_curve.data, rank_curve.draw, may_lack=True),
    "shares": Plot(stacked.share_data, stacked.draw, may_lack=True),
    "spread": Plot(stacked.spread_data, stacked.draw, may_lack=True),
    "axis_effects_all": Plot(axis_effects.all_data, axis_effects.draw),
}
"""Figures by name, in the order reports show them."""


def figure_data(analysis: Analysis, records: Sequence[RunRecord], name: str) -> FigureData:
    """Return the numbers a figure draws, one row per mark.

    Raises:
        ConfigError: there is no figure of that name.
    """
    if name not in FIGURES:
        raise ConfigError(f"there is no figure {name!r}; {did_you_mean(name, FIGURES)}")
    return FIGURES[name].data(analysis, records)


def write_figures(
    analysis: Analysis, records: Sequence[RunRecord], folder: Path, names: Sequence[str] = tuple(FIGURES)
) -> list[Path]:
    """Write ``NAME.png``, ``NAME.pdf`` and ``NAME.csv`` (the numbers drawn) for each figure; same input, same bytes.

    A figure that not every edition was made for is left out where it has nothing to draw.

    Raises:
        ConfigError: there is no figure of a name, or the edition has nothing to draw in any that is asked for.
        StoreError: the folder cannot be written.
    """
    paths: list[Path] = []
    analysis = as_written(analysis)
    for name in names:
        numbers = figure_data(analysis, records, name)
        if FIGURES[name].may_lack and not numbers.rows:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}.csv"
            path.write_text(_csv(numbers), encoding="utf-8", newline="\n")
        except OSError as error:
            raise StoreError(f"cannot write to {folder}: {error.strerror}; choose another folder") from None
        with paper():
            paths += save(FIGURES[name].draw(numbers), folder, name)
        paths.append(path)
    if names and not paths:
        raise ConfigError(
            f"edition {analysis.edition} has nothing to draw in {', '.join(names)}; leave --only out for all it has"
        )
    return paths


def _csv(numbers: FigureData) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(numbers.rows[0]) if numbers.rows else ["empty"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(numbers.rows)
    return out.getvalue()
