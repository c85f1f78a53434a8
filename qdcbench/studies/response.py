"""What a measure did while a dial was turned, and which measures pass the rule for being recommended."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from qdcbench.measures.behaviour import Behaviour, Response
from qdcbench.studies.dials import AXIS_DIALS

__all__ = ["RULE", "at_one_n_only", "recommended", "refusals", "respond", "shared_out"]

MOVED_ERRORS = 3.0
"""A change is beyond the noise where it is this many standard errors of a difference of two means."""
LEAST_RANK = 0.9
LEAST_EFFECT = 3.0
MOST_LEAK = 0.25
LEAST_RANK_OF_DIVERSITY = 0.5

RULE = (
    f"its value follows the dial of its own axis with a rank correlation of {LEAST_RANK} or more",
    f"its change over that dial is {LEAST_EFFECT:g} standard deviations of repetitions or more",
    f"over the dial of either other axis, over 40 words of filler and over longer lists, it changes by at most "
    f"{MOST_LEAK:g} of that",
    f"a measure of diversity follows copies and clumps too, each with {LEAST_RANK_OF_DIVERSITY} or more",
    f"one that changes by more than {MOST_LEAK:g} of that over ten times the rows is recommended at one n only",
    "of those that pass, those for any n come before those at one n; among either the one with the smallest worst leak "
    "comes first, among equals the one with the larger effect",
)
"""What makes a measure recommended as primary of its axis.

All of it but lists and n was written down before the study was first run. These two came after: without them a measure
was recommended that ten times the rows move more than its own dial does.
"""


def respond(values: Sequence[Sequence[float | None]], direction: int) -> Response:
    """Return what a measure did on one dial.

    Args:
        values: (settings, repetitions), None where it has no value.
        direction: 1 where a higher value is more of what is measured, -1 where a lower one is.
    """
    table = np.array([[math.nan if v is None else v for v in row] for row in values], dtype=np.float64)
    counts = (~np.isnan(table)).sum(axis=1)
    means = tuple(float(np.nanmean(row)) if count else None for row, count in zip(table, counts, strict=True))
    if counts[0] == 0 or counts[-1] == 0:
        return Response(means=means, change=None, noise=None, effect=None, rank=None, share=None, moved=False)
    first, last = means[0], means[-1]
    assert first is not None and last is not None
    change = direction * (last - first)
    several = [np.nanvar(row, ddof=1) for row, count in zip(table, counts, strict=True) if count > 1]
    noise = float(np.sqrt(np.mean(several))) if several else 0.0
    scale = max(abs(first), abs(last))
    error = noise * math.sqrt(1 / counts[0] + 1 / counts[-1])
    moved = abs(change) > max(MOVED_ERRORS * error, 1e-9 * scale)
    effect = change / noise if noise > 1e-9 * scale else None
    return Response(
        means=means, change=change, noise=noise, effect=effect, rank=_rank(table, direction), share=None, moved=moved
    )


def _rank(table: np.ndarray[tuple[int, int], np.dtype[np.float64]], direction: int) -> float:
    """Return Spearman's correlation of setting and value; 0 where the value never changes."""
    places = np.repeat(np.arange(len(table)), table.shape[1])
    values = table.ravel()
    there = ~np.isnan(values)
    # The last bits of sums differ between settings that the measure does not tell apart.
    known = np.array([float(f"{value:.9g}") for value in values[there]])
    if np.ptp(known) == 0:
        return 0.0
    return direction * float(stats.spearmanr(places[there], known).statistic)


def shared_out(responses: Mapping[str, Response], own: str) -> dict[str, Response]:
    """Return the responses with ``share`` filled in, where the measure moves along the dial of its own axis."""
    unit = responses[own]
    if unit.change is None or not unit.moved:
        return dict(responses)
    size = abs(unit.change)
    return {
        name: found if found.change is None else replace(found, share=found.change / size)
        for name, found in responses.items()
    }


def recommended(measures: Sequence[Behaviour]) -> dict[str, tuple[str, ...]]:
    """Return the measures of each axis that pass `RULE`, best first."""
    found: dict[str, tuple[str, ...]] = {}
    for axis in AXIS_DIALS:
        passed = [m for m in measures if m.axis == axis and not m.reason and not refusals(m)]
        ranked = sorted(passed, key=lambda m: (at_one_n_only(m), round(_worst_leak(m), 3), -_effect(m), m.measure))
        found[axis] = tuple(m.measure for m in ranked)
    return found


def at_one_n_only(measure: Behaviour) -> bool:
    """Say whether the number of rows moves a measure too far for values of different n to be compared."""
    return _leaks(measure, ("n",))["n"] > MOST_LEAK


def refusals(measure: Behaviour) -> tuple[str, ...]:
    """Return what `RULE` has against a measure that has values, a few words each; nothing where it passes."""
    own = measure.responses[measure.own]
    found = []
    if own.rank is None or own.rank < LEAST_RANK:
        found.append("has no rank" if own.rank is None else f"rank {own.rank:+.2f}")
    if not own.moved or _effect(measure) < LEAST_EFFECT:
        found.append("change within the noise")
    if measure.axis == "diversity":
        for name in ("copies", "clumps"):
            rank = measure.responses[name].rank
            if rank is None or rank < LEAST_RANK_OF_DIVERSITY:
                found.append(f"rank on {name} {'unknown' if rank is None else f'{rank:+.2f}'}")
    if own.moved:
        leaks = _leaks(measure, _elsewhere(measure))
        found += [f"{name} {_told(measure.responses[name])}" for name, size in leaks.items() if size > MOST_LEAK]
    return tuple(found)


def _told(response: Response) -> str:
    return "unknown" if response.share is None else f"{response.share:+.2f}"


def _effect(measure: Behaviour) -> float:
    own = measure.responses[measure.own]
    return math.inf if own.effect is None else abs(own.effect)


def _elsewhere(measure: Behaviour) -> tuple[str, ...]:
    """Return the dials over which a measure should not change."""
    return (*(dial for axis, dial in AXIS_DIALS.items() if axis != measure.axis), "filler", "lists")


def _leaks(measure: Behaviour, dials: Sequence[str]) -> dict[str, float]:
    """Return the sizes of changes as shares of the one over the own dial; infinite where unknown."""
    shares = {name: measure.responses[name].share for name in dials}
    return {name: math.inf if share is None else abs(share) for name, share in shares.items()}


def _worst_leak(measure: Behaviour) -> float:
    return max(_leaks(measure, _elsewhere(measure)).values())
