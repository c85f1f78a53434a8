"""How numbers and names are written, the same in figures, tables and on the page."""

import math
from collections.abc import Iterable
from statistics import median

from qdcbench.records import Analysis, Interval

__all__ = [
    "MISSING",
    "big_number",
    "decimals_alone",
    "decimals_for",
    "gaps",
    "group_title",
    "interval_text",
    "number",
    "outcome_title",
    "p_text",
    "percent",
    "set_title",
    "sign_text",
    "title_of",
]

MISSING = "–"


def number(value: float | None, decimals: int = 2) -> str:
    """Return a number with fixed decimals, a dash for None; minus zero becomes zero."""
    if value is None:
        return MISSING
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def interval_text(value: Interval, decimals: int = 2) -> str:
    """Return ``0.71 [0.69, 0.73]``, without brackets where there are no bounds."""
    point = number(value.point, decimals)
    if value.point is None or value.low is None or value.high is None:
        return point
    return f"{point} [{number(value.low, decimals)}, {number(value.high, decimals)}]"


def decimals_for(values: Iterable[Interval]) -> int:
    """Return how many decimals show a column's typical interval: 2 to 4, fewer for large numbers."""
    known = [v for v in values if v.point is not None]
    largest = max((abs(v.point) for v in known if v.point is not None), default=0.0)
    if largest >= 100:
        return 0
    if largest >= 10:
        return 1
    halves = [(v.high - v.low) / 2 for v in known if v.low is not None and v.high is not None and v.high > v.low]
    if not halves:
        return 2
    return min(4, max(2, math.ceil(-math.log10(median(halves)))))


def decimals_alone(value: Interval) -> int:
    """Return how many decimals show one interval by itself: two digits of its half width, as it has no column."""
    if value.point is None or value.low is None or value.high is None or value.high <= value.low:
        return decimals_for([value])
    return min(4, max(0, 1 + math.ceil(-math.log10((value.high - value.low) / 2))))


def gaps(values: Iterable[Interval]) -> str:
    """Return once why values that are known have no bounds, as a clause; empty where every one has."""
    open_ended = [v for v in values if v.point is not None and (v.low is None or v.high is None)]
    return "; ".join(dict.fromkeys(v.reason for v in open_ended if v.reason))


def big_number(value: float | None) -> str:
    """Return a count in three digits and a letter: 950, 12.3k, 4.56M."""
    if value is None:
        return MISSING
    for letter, size in (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)):
        scaled = float(f"{value / size:.3g}")
        if abs(scaled) < 1000 or letter == "T":
            break
    return f"{scaled:.3g}{letter}" if abs(scaled) < 1000 else f"{scaled:.0f}{letter}"


def p_text(value: float | None) -> str:
    """Return a p-value with three decimals, a dash for None."""
    return "<0.001" if value is not None and value < 0.001 else number(value, 3)


def percent(share: float | None) -> str:
    """Return a share as whole percent, with one decimal under ten percent."""
    if share is None:
        return MISSING
    return f"{100 * share:.0f}%" if share >= 0.0995 or share == 0 else f"{100 * share:.1f}%"


def title_of(analysis: Analysis, name: str) -> str:
    """Return the label the analysis gives a measure, else its name without underscores and the part it looks at."""
    if name in analysis.labels:
        return analysis.labels[name]
    measure, _, part = name.replace("_", " ").partition(":")
    return f"{measure} ({part})" if part else measure


def set_title(analysis: Analysis, score: str) -> str:
    """Return an evaluation set's name for a column: without its task's name, ID and OOD in capitals."""
    if score in analysis.labels:
        return analysis.labels[score]
    name = score.partition(":")[0]
    tasks = sorted({group.partition("|")[0] for group in analysis.groups}, key=len, reverse=True)
    if len(tasks) == 1:
        name = name.removeprefix(f"{tasks[0]}_")
    return " ".join(word.upper() if word in {"id", "ood"} else word for word in name.split("_"))


def outcome_title(analysis: Analysis, outcome: str) -> str:
    """Return a study's outcome for people: ``ID − OOD`` for ``id - ood``; a score has its metric unless primary."""
    parts = [_part_title(analysis, part.strip()) for part in outcome.split(" - ")]
    return " − ".join(parts)


def _part_title(analysis: Analysis, name: str) -> str:
    if name in analysis.measure_names:
        return title_of(analysis, name)
    _, _, metric = name.partition(":")
    shown = set_title(analysis, name)
    return shown if metric in {"", analysis.primary.get("score")} else f"{shown} {metric.replace('_', ' ')}"


def sign_text(analysis: Analysis, n: str, simulated: Iterable[bool]) -> str:
    """Return the line under a figure: edition, n, and whether a scripted teacher wrote all or some of the data."""
    flags = set(simulated)
    who = {True: "simulated teacher", False: ""}[True in flags] if len(flags) < 2 else "simulated where marked"
    parts = ["INVALID edition" if not analysis.valid else "edition", analysis.edition]
    return " · ".join(part for part in (" ".join(parts), f"{n} datasets", who) if part)


def group_title(group: str) -> str:
    """Return a group's name for people: its parts with dots between."""
    return " · ".join(part for part in group.split("|") if part)
