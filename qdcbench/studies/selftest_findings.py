"""What a self-test found, in lines: every kind of edition, and which promises do not hold there."""

from collections.abc import Sequence

from qdcbench.stats.operating import Rate, SelfTest, holds
from qdcbench.studies.selftest_batches import POWER
from qdcbench.studies.tally import LEVEL
from qdcbench.studies.trials_dials import MARGIN

__all__ = ["broken", "findings"]

_LOWEST_COVERAGE, _HIGHEST_COVERAGE = 0.93, 0.97


def findings(found: SelfTest) -> list[str]:
    """Return one line for each design, size and scenario: the range over its tests, and what does not hold.

    Scenarios about power have one only where the contrast of two equal effects rejects too often.
    """
    kinds: dict[tuple[str, str, int, str], list[Rate]] = {}
    for rate in found.rates:
        kinds.setdefault((rate.part, rate.design, rate.size, rate.scenario), []).append(rate)
    return [line for key, rates in kinds.items() if (line := _line(key, rates))]


def broken(rate: Rate) -> str:
    """Say what a share breaks beyond Monte Carlo error; an empty text where it breaks nothing."""
    wrong = rate.effect == 0 and rate.what.startswith(("rejected", "any wrong", "supported"))
    wrong = wrong or (rate.what == "called too small to matter" and rate.effect >= MARGIN)
    if wrong:
        return "" if holds(rate, most=LEVEL) else f"above {LEVEL:.0%}"
    if rate.what == "covered":
        if not holds(rate, least=_LOWEST_COVERAGE):
            return f"below {_LOWEST_COVERAGE:.0%}"
        return "" if holds(rate, most=_HIGHEST_COVERAGE) else f"above {_HIGHEST_COVERAGE:.0%}"
    return ""


def _line(key: tuple[str, str, int, str], rates: Sequence[Rate]) -> str:
    part, design, size, scenario = key
    if scenario.startswith(POWER) and not any(map(broken, rates)):
        return ""
    parts = []
    for what in dict.fromkeys(rate.what for rate in rates if not rate.what.startswith("answered")):
        own = [rate for rate in rates if rate.what == what and (rate.effect == 0 or not what.startswith("rejected"))]
        values = [rate.value for rate in own if rate.value is not None]
        if not values:
            continue
        wrong = [f"{rate.test} {words}" for rate in own if (words := broken(rate))]
        parts.append(f"{what} {_range(values)}" + (f" ({', '.join(wrong)})" if wrong else ""))
    return f"{part}, {design} {size}, {scenario}: {'; '.join(parts)}" if parts else ""


def _range(values: Sequence[float]) -> str:
    low, high = f"{100 * min(values):.1f}", f"{100 * max(values):.1f}"
    return f"{low} %" if low == high else f"{low}–{high} %"
