"""What an edition found about one method: its arms in each group, and what their rows cost by intent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from qdcbench.records import Analysis, ArmSummary, Interval, RunRecord
from qdcbench.report.groups import groups_in_order, is_simulated
from qdcbench.report.points import AXES, DISTANCES, arm_score, arms_in_order, primary_measure
from qdcbench.stages.analysis.summaries import interval_over

__all__ = ["GroupProfile", "IntentCost", "intent_costs", "page_names", "profiles"]

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupProfile:
    """A method's arms in one group, best OOD score first; ``ends`` are the least and greatest of each column there.

    The ends are of all arms of the group, so that a mark says where the method stands among the others.
    """

    group: str
    simulated: bool
    arms: tuple[ArmSummary, ...]
    values: tuple[Mapping[str, Interval], ...]
    ends: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class IntentCost:
    """What one intent cost for an accepted row in one arm of a group."""

    group: str
    simulated: bool
    arm: str
    intent: str
    calls: Interval
    tokens: Interval


def page_names(methods: Sequence[str]) -> dict[str, str]:
    """Map each method to its page, ``methods/NAME.html``; a name that is no plain file name gets one by its digest."""
    return {
        name: f"methods/{name if name and set(name) <= _PLAIN else sha256(name.encode()).hexdigest()[:16]}.html"
        for name in sorted(set(methods))
    }


def _values(analysis: Analysis, arm: ArmSummary) -> dict[str, Interval]:
    values = {axis: primary_measure(arm, analysis, axis) for axis in AXES}
    return values | {distance: arm_score(analysis, arm, distance) for distance in DISTANCES}


def profiles(analysis: Analysis, method: str) -> list[GroupProfile]:
    """Return the method's arms with their measures and scores, group by group."""
    found = []
    for group in groups_in_order(analysis):
        arms = arms_in_order(analysis, group)
        mine = tuple(arm for arm in arms if arm.method == method)
        if not mine:
            continue
        table = [_values(analysis, arm) for arm in arms]
        ends = {}
        for key in table[0]:
            known = [end for row in table for end in (row[key].low, row[key].point, row[key].high) if end is not None]
            ends[key] = (min(known, default=0.0), max(known, default=1.0))
        values = tuple(_values(analysis, arm) for arm in mine)
        simulated = is_simulated(analysis, group)
        found.append(GroupProfile(group=group, simulated=simulated, arms=mine, values=values, ends=ends))
    return found


def intent_costs(analysis: Analysis, records: Sequence[RunRecord], method: str) -> list[IntentCost]:
    """Return calls and tokens for an accepted row by intent, means over the datasets of each arm of the method."""
    by_id = {record.run_id: record for record in records}
    found = []
    for profile in profiles(analysis, method):
        for arm in profile.arms:
            runs = [by_id[run_id] for run_id in arm.run_ids if run_id in by_id]
            sets = [r.dataset for r in runs if r.status == "complete" and r.dataset is not None and r.dataset.accepted]
            for intent in sorted({intent for made in sets for intent in made.usage.calls_by_intent}):
                calls = [made.usage.calls_by_intent.get(intent, 0) / made.accepted for made in sets]
                # Older records tell calls by intent and no tokens.
                tokens = [
                    made.usage.tokens_by_intent.get(intent, 0) / made.accepted if made.usage.tokens_by_intent else None
                    for made in sets
                ]
                found.append(
                    IntentCost(
                        group=profile.group, simulated=profile.simulated, arm=arm.arm, intent=intent,
                        calls=interval_over(calls), tokens=interval_over(tokens, ["not recorded"] * len(tokens)),
                    )
                )  # fmt: skip
    return found
