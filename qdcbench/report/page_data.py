"""All that the leaderboard page shows, as plain JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdcbench import __version__
from qdcbench.canon import plain
from qdcbench.records import Analysis, ArmSummary, Comparison, Interval, RunRecord
from qdcbench.report.cost import ALL_COSTS, cost_columns
from qdcbench.report.filters import filter_data
from qdcbench.report.groups import (
    group_facets,
    groups_in_order,
    is_simulated,
    scope_place,
    scope_title,
    shown_relations,
)
from qdcbench.report.method_data import page_names
from qdcbench.report.points import (
    AXES,
    DISTANCES,
    arm_score,
    arms_in_order,
    distance_of,
    headline,
    primary_measure,
    scores_at,
)
from qdcbench.report.text import decimals_for, group_title, set_title, title_of
from qdcbench.stages.analysis.cost import row_cost

__all__ = ["page_data"]

_FAMILIES = {"id": "In distribution", "ood": "Out of distribution"}
Json = dict[str, Any]


def page_data(analysis: Analysis, records: Sequence[RunRecord], methods_info: Mapping[str, Any]) -> Json:
    """Return the page's data; only JSON types, floats rounded as in every committed file."""
    groups = [_group(analysis, records, group) for group in groups_in_order(analysis)]
    known = {run_id for arm in analysis.arms for run_id in arm.run_ids}
    used = {arm.method for arm in analysis.arms}
    data = {
        "edition": analysis.edition,
        "version": __version__,
        "schema_version": analysis.schema_version,
        "inputs_sha256": analysis.inputs_sha256,
        "valid": analysis.valid,
        "invalid_because": analysis.invalid_because,
        "promised": analysis.promised,
        "complete": analysis.complete,
        "failed": analysis.failed,
        "smallest_effect": analysis.smallest_effect,
        "primary": dict(analysis.primary),
        "groups": groups,
        "controls": [{**plain(c), "group": group_title(c.group)} for c in analysis.controls],
        **_relations(analysis),
        "filters": filter_data(analysis),
        "methods": {name: _method(methods_info[name]) for name in sorted(used) if name in methods_info},
        "pages": {name: page for name, page in page_names(sorted(used)).items() if name in methods_info},
        "runs": {r.run_id: _run(r) for r in sorted(records, key=lambda r: r.run_id) if r.run_id in known},
    }
    result: Json = plain(data)
    return result


def _method(info: Mapping[str, Any]) -> Json:
    """What the main page says of a method; its own page has the rest."""
    return {key: info[key] for key in ("summary", "reference", "link", "version", "role", "params", "fidelity")}


def _cell(value: Interval) -> list[Any]:
    return [value.point, value.low, value.high, value.n, value.reason]


def _group(analysis: Analysis, records: Sequence[RunRecord], group: str) -> Json:
    """One table: its columns, its arms in order, and where each arm stands in each ranking."""
    arms = arms_in_order(analysis, group)
    columns = _columns(analysis, arms)
    rankings = {r.score: r for r in analysis.rankings if r.group == group}
    ranks = {}
    for column in columns:
        ranking = rankings.get(column["score"])
        if ranking is not None:
            ranks[column["key"]] = {
                "coverage": ranking.coverage,
                "places": {rank.arm: [rank.place, rank.tie_group] for rank in ranking.ranks},
            }
    return {
        "key": group,
        "title": group_title(group),
        "facets": dict(group_facets(group, records, analysis)),
        "simulated": is_simulated(analysis, group),
        "promised": sum(arm.promised for arm in arms),
        "complete": sum(arm.complete for arm in arms),
        "columns": columns,
        "ranks": ranks,
        "arms": [_arm(analysis, arm) for arm in arms],
    }


def _columns(analysis: Analysis, arms: Sequence[ArmSummary]) -> list[Json]:
    """Columns of the three sets a reader can show: ``main``, ``sets``, ``measures``."""

    def column(key: str, family: str, label: str, which: str, values: list[Interval], **more: Any) -> Json:
        ends = [v for i in values for v in (i.low, i.point, i.high) if v is not None]
        return {
            "key": key, "family": family, "label": label, "set": which, "kind": "number", "score": "",
            "decimals": decimals_for(values), "low": min(ends, default=0.0), "high": max(ends, default=1.0), **more,
        }  # fmt: skip

    found = []
    for axis in AXES:
        label = title_of(analysis, analysis.primary.get(axis, "not declared"))
        values = [primary_measure(a, analysis, axis) for a in arms]
        found.append(column(axis, axis.capitalize(), label, "main", values, axis=axis))
    for distance in DISTANCES:
        name, sets = headline(analysis, distance), scores_at(analysis, distance)
        label = "mean of sets" if len(sets) > 1 else "score"
        values = [arm_score(analysis, a, distance) for a in arms]
        found.append(column(distance, _FAMILIES[distance], label, "main", values, axis=distance, score=name or ""))
    for cost in cost_columns(arms):
        values = [cost.of(a) for a in arms]
        found.append(column(cost.page_key, cost.family, cost.label, cost.shown, values, kind=cost.kind, note=cost.note))
    shown = {headline(analysis, distance) for distance in DISTANCES}
    for name in analysis.score_names:
        if name not in shown:
            values = [a.scores[name] for a in arms if name in a.scores]
            metric = name.partition(":")[2]
            label = set_title(analysis, name)
            family = "Scores" if metric == analysis.primary.get("score", metric) else f"Scores: {metric}"
            found.append(
                column(f"score:{name}", family, label, "sets", values, axis=distance_of(analysis, name), score=name)
            )
    for name in analysis.measure_names:
        if name not in analysis.primary.values():
            values = [a.measures[name] for a in arms if name in a.measures]
            found.append(
                column(f"measure:{name}", "Exploratory measures", title_of(analysis, name), "measures", values)
            )
    return found


def _arm(analysis: Analysis, arm: ArmSummary) -> Json:
    cells = {axis: _cell(primary_measure(arm, analysis, axis)) for axis in AXES}
    cells |= {distance: _cell(arm_score(analysis, arm, distance)) for distance in DISTANCES}
    cells |= {cost.page_key: _cell(cost.of(arm)) for cost in ALL_COSTS}
    cells |= {f"score:{name}": _cell(value) for name, value in arm.scores.items()}
    cells |= {f"measure:{name}": _cell(value) for name, value in arm.measures.items()}
    against = [c for c in analysis.comparisons if c.group == arm.group and c.arm == arm.arm and c.arm != c.baseline]
    return {
        "arm": arm.arm,
        "method": arm.method,
        "role": arm.role,
        "promised": arm.promised,
        "complete": arm.complete,
        "failures": arm.failures,
        "runs": arm.run_ids,
        "cells": cells,
        "comparisons": [_comparison(analysis, c) for c in against if c.primary] or
                       [_comparison(analysis, c) for c in against[:4]],
    }  # fmt: skip


def _comparison(analysis: Analysis, item: Comparison) -> Json:
    return {
        "baseline": item.baseline, "score": set_title(analysis, item.score), "difference": _cell(item.difference),
        "p_adjusted": item.p_adjusted, "n": item.n_pairs,
    }  # fmt: skip


def _relations(analysis: Analysis) -> Json:
    """Relations to the ID and OOD scores by scope, primaries first in each, and the scopes without any estimate."""
    heads = {headline(analysis, distance) for distance in DISTANCES} - {None}
    order = {axis: i for i, axis in enumerate(AXES)}
    wanted = [r for r in analysis.relations if r.score in heads or (not heads and r.primary)]
    shown, left_out = shown_relations(analysis, wanted)
    shown.sort(key=lambda r: (scope_place(analysis, r.scope), not r.primary, order.get(r.axis, 9), r.measure, r.score))
    relations = [
        {
            "scope": scope_title(r.scope), "axis": r.axis, "measure": title_of(analysis, r.measure),
            "score": set_title(analysis, r.score), "distance": distance_of(analysis, r.score), "primary": r.primary,
            "effect": _cell(r.effect), "p_adjusted": r.p_adjusted, "detectable": r.detectable,
            "n": r.n_datasets, "clusters": r.n_clusters, "n_effective": r.n_effective,
            "p_permutation": r.p_permutation, "without_one": r.leave_one_out,
        }
        for r in shown
    ]  # fmt: skip
    not_held = dict.fromkeys(f"{scope_title(r.scope)}: {reason.rstrip('.')}" for r in shown for reason in r.not_held)
    return {
        "relations": relations, "without_relations": [scope_title(scope) for scope in left_out],
        "not_held": list(not_held),
    }  # fmt: skip


def _run(record: RunRecord) -> Json:
    """One run for the drill-down; package lists are left out, as they are long and in the record."""
    spec, dataset, provenance = record.spec, record.dataset, record.provenance
    return {
        "run_id": record.run_id,
        "status": record.status,
        "repetition": spec.repetition,
        "spec": {
            "method": f"{spec.method} (version {spec.method_version})", "params": dict(spec.params),
            "task": f"{spec.task} (version {spec.task_version})", "task_file": spec.task_file,
            "teacher": spec.teacher.name, "budget": plain(spec.budget), "selection": plain(spec.selection),
            "probe": spec.probe, "probe_repetitions": spec.probe_repetitions, "measure_n": spec.measure_n,
            "root_seed": spec.root_seed, "hashes": {name: value[:12] for name, value in spec.hashes.items()},
        },
        "dataset": plain(dataset) if dataset is not None else None,
        "tokens": dataset.usage.tokens if dataset is not None else None,
        "cost": plain(row_cost(dataset)) if dataset is not None else None,
        "measures": [[m.metric, m.axis, m.value, m.low, m.high, m.n, m.reason] for m in record.measurements],
        "scores": [
            [s.eval_task, s.metric, s.probe_repetition, s.value, s.stderr, s.n, s.reason] for s in record.scores
        ],
        "probes": [[p.repetition, p.recipe, p.steps, p.tokens_seen, p.final_loss] for p in record.probes],
        "failure": plain(record.failure) if record.failure is not None else None,
        "provenance": None if provenance is None else {
            "commit": provenance.commit, "dirty": provenance.dirty, "python": provenance.python,
            "platform": provenance.platform, "started": provenance.started, "seconds": dict(provenance.seconds),
        },
    }  # fmt: skip
