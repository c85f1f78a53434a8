"""Which groups are shown, and in what order: the same on the page, in figures and in tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from qdcbench.records import Analysis, Relation, RunRecord
from qdcbench.report.text import group_title

__all__ = [
    "WIDE_SCOPES",
    "group_facets",
    "groups_in_order",
    "groups_with_panels",
    "is_simulated",
    "left_out_note",
    "scope_place",
    "scope_title",
    "shown_relations",
]

WIDE_SCOPES = ("simulated", "real")
"""Scopes of relations and verdicts over all groups of a kind."""
FEWEST_ARMS = 3
"""A plane with one or two names in it compares nothing."""
_WIDE_TITLES = ("all simulated datasets", "all datasets from language models")
_FACETS = ("task", "teacher", "budget", "selection")


def groups_in_order(analysis: Analysis) -> list[str]:
    """Return the groups, that with most promised datasets first, ties by name."""
    sizes: Counter[str] = Counter()
    for arm in analysis.arms:
        sizes[arm.group] += arm.promised
    return sorted(analysis.groups, key=lambda group: (-sizes[group], group))


def groups_with_panels(analysis: Analysis) -> tuple[list[str], list[str]]:
    """Return the groups to draw and those left out, as they have fewer than three arms; all where none has three."""
    groups = groups_in_order(analysis)
    arms = Counter(arm.group for arm in analysis.arms)
    large = [group for group in groups if arms[group] >= FEWEST_ARMS]
    return (large, [group for group in groups if group not in large]) if large else (groups, [])


def left_out_note(groups: Sequence[str]) -> str:
    """Return what a caption says of groups that got no panel, with a space before; empty where there are none."""
    if not groups:
        return ""
    return f" Not drawn, with fewer than three arms: {'; '.join(map(group_title, groups))} (in the tables)."


def is_simulated(analysis: Analysis, group: str) -> bool:
    """Return True when no language model wrote the data of a group."""
    return any(arm.simulated for arm in analysis.arms if arm.group == group)


def group_facets(group: str, records: Sequence[RunRecord], analysis: Analysis) -> Mapping[str, str]:
    """Return task, teacher, budget and selection of a group, read from one of its runs, else from its name."""
    ids = {run_id for arm in analysis.arms if arm.group == group for run_id in arm.run_ids}
    for record in records:
        if record.run_id in ids:
            spec = record.spec
            names = (spec.task, spec.teacher.name, spec.budget.name, spec.selection.rule)
            return dict(zip(_FACETS, names, strict=True))
    parts = group.split("|")
    return dict(zip(_FACETS, parts, strict=True)) if len(parts) == len(_FACETS) else {"task": group}


def scope_place(analysis: Analysis, scope: str) -> tuple[int, str]:
    """Return a key that sorts scopes: all groups of a kind, then the groups in order, then any other by name."""
    scopes = [*WIDE_SCOPES, *groups_in_order(analysis)]
    return (scopes.index(scope) if scope in scopes else len(scopes), scope)


def scope_title(scope: str) -> str:
    """Return a scope's name for people."""
    return dict(zip(WIDE_SCOPES, _WIDE_TITLES, strict=True)).get(scope, group_title(scope))


def _alone_in_kind(analysis: Analysis, scopes: set[str], estimated: set[str]) -> set[str]:
    """Groups that alone of their kind have an estimate, so that theirs equal those of a shown scope over the kind."""
    found = set()
    for kind, wide in zip((True, False), WIDE_SCOPES, strict=True):
        alike = [g for g in analysis.groups if g in estimated and is_simulated(analysis, g) == kind]
        if wide in scopes and len(alike) == 1:
            found.update(alike)
    return found


def shown_relations(analysis: Analysis, relations: Iterable[Relation]) -> tuple[list[Relation], list[str]]:
    """Return relations without scopes that repeat a wider one, and scopes left out as nothing could be estimated.

    Where there is no estimate at all every scope stays, as the reasons are all there is to show.
    """
    relations = list(relations)
    scopes = {r.scope for r in relations}
    estimated = {r.scope for r in relations if r.effect.point is not None}
    kept = (estimated or scopes) - _alone_in_kind(analysis, scopes, estimated)
    left_out = sorted(scopes - estimated, key=lambda scope: scope_place(analysis, scope)) if estimated else []
    return [r for r in relations if r.scope in kept], left_out
