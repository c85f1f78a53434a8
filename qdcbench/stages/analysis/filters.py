"""Arms of one method that differ in the selection rule alone: what a filter does, apart from the method."""

from collections import defaultdict
from collections.abc import Sequence

from qdcbench.canon import digest, plain
from qdcbench.records import FilteredArms, RunRecord, RunSpec, group_of
from qdcbench.stages.analysis.comparable import VARY_BY_REPETITION

__all__ = ["filtered_arms"]

_NOT_THE_SAME = frozenset({"arm", "params_given", "task_file", "repetition", "selection", "hashes", "studies"})
"""Fields of a spec that may differ or that are looked at apart."""


def filtered_arms(records: Sequence[RunRecord]) -> tuple[FilteredArms, ...]:
    """Return the methods (no controls) that have at least two rules and nothing else that differs, by setting."""
    by_spec: dict[str, list[RunSpec]] = defaultdict(list)
    for record in records:
        if record.spec.role != "control":
            by_spec[_without_rule(record.spec)].append(record.spec)
    found = []
    for specs in by_spec.values():
        rules = {str(spec.selection.rule): spec.arm for spec in sorted(specs, key=lambda spec: spec.arm, reverse=True)}
        if len(rules) > 1:
            found.append(_together(specs[0], rules))
    return tuple(sorted(found, key=lambda arms: (arms.setting, arms.arm)))


def _without_rule(spec: RunSpec) -> str:
    """Digest of all that must agree, the code of the method included."""
    fields = {name: value for name, value in plain(spec).items() if name not in _NOT_THE_SAME}
    hashes = {name: value for name, value in spec.hashes.items() if name not in VARY_BY_REPETITION}
    return digest([fields, hashes, spec.selection.n])


def _together(spec: RunSpec, rules: dict[str, str]) -> FilteredArms:
    return FilteredArms(
        arm=min(rules.values(), key=lambda arm: (len(arm), arm)),
        method=spec.method,
        setting=group_of(spec).removesuffix(f"|{spec.selection.rule}"),
        simulated=spec.teacher.simulated,
        rules=dict(sorted(rules.items())),
    )
