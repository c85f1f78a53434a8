"""What an analysis is made from: the digest of it, and refusal of records that differ where they must not."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from qdcbench.canon import canonical_json, digest
from qdcbench.errors import RecordError, did_you_mean
from qdcbench.records import RunRecord, SuiteFacts, group_of
from qdcbench.stages.analysis.units import ordered

__all__ = ["inputs_sha256", "require_comparable"]

VARY_BY_METHOD = frozenset({"method", "prompts", "data"})
"""Hashes that differ between the arms of one group, by design; ``data`` is the file of imported data."""

VARY_BY_REPETITION = frozenset({"seeds"})
"""Hashes that may differ between repetitions, and must agree within one."""


def inputs_sha256(records: Sequence[RunRecord], suite: SuiteFacts) -> str:
    """Return the digest of all that an analysis depends on; when and where the runs were made is no part of it.

    Raises:
        RecordError: a record holds a number that is not finite; says which, of which run.
    """
    parts = [_text_of(record) for record in ordered(records)] + [canonical_json(suite)]
    return hashlib.sha256(f"[{','.join(parts)}]".encode("ascii")).hexdigest()


def _text_of(record: RunRecord) -> str:
    try:
        return canonical_json(replace(record, provenance=None))
    except RecordError as error:
        raise RecordError(f"run {record.run_id} cannot be analysed: {error}") from None


def require_comparable(records: Sequence[RunRecord], suite: SuiteFacts) -> None:
    """Check that the records of each group belong in one table, and that the suite promises them.

    Raises:
        RecordError: a run occurs twice, is not promised, or differs from its group; says in what. Or the suite's
            primaries are not among what was measured.
    """
    _require_unique(records)
    _require_promised(records, suite)
    _require_primaries(records, suite)
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        groups[group_of(record.spec)].append(record)
    for group, members in groups.items():
        for fact, runs in _facts(members).items():
            if len(runs) > 1:
                shown = "; ".join(f"{value[:12]} in {_some(ids)}" for value, ids in sorted(runs.items()))
                raise RecordError(
                    f"the runs of group {group!r} cannot be compared: {fact} differs ({shown}); run the outdated "
                    "ones again or put them in another edition"
                )


def _some(run_ids: Sequence[str]) -> str:
    more = f" and {len(run_ids) - 2} more" if len(run_ids) > 2 else ""
    return ", ".join(run_ids[:2]) + more


def _require_unique(records: Sequence[RunRecord]) -> None:
    seen: set[str] = set()
    cells: dict[tuple[str, str, int], str] = {}
    for record in records:
        if record.run_id in seen:
            raise RecordError(f"run {record.run_id} occurs twice among the records; remove one of the two files")
        seen.add(record.run_id)
        cell = (group_of(record.spec), record.spec.arm, record.spec.repetition)
        if cell in cells:
            raise RecordError(
                f"runs {cells[cell]} and {record.run_id} are both repetition {cell[2]} of arm {cell[1]!r} in group "
                f"{cell[0]!r}; remove the outdated one"
            )
        cells[cell] = record.run_id


def _require_promised(records: Sequence[RunRecord], suite: SuiteFacts) -> None:
    promised = {(cell.group, cell.arm): cell.n for cell in suite.promised}
    for record in records:
        spec = record.spec
        if spec.root_seed != suite.root_seed:
            raise RecordError(
                f"run {record.run_id} has root seed {spec.root_seed} and edition {suite.edition!r} has "
                f"{suite.root_seed}; put it in the edition it was made for"
            )
        n = promised.get((group_of(spec), spec.arm))
        if n is None:
            near = did_you_mean(spec.arm, {arm for group, arm in promised if group == group_of(spec)})
            raise RecordError(
                f"run {record.run_id} is of arm {spec.arm!r} in group {group_of(spec)!r}, which edition "
                f"{suite.edition!r} does not promise ({near}); move the file elsewhere or add the arm to the suite"
            )
        if spec.repetition >= n:
            raise RecordError(
                f"run {record.run_id} is repetition {spec.repetition} of arm {spec.arm!r}, of which edition "
                f"{suite.edition!r} promises {n}; move the file elsewhere or raise the suite's repetitions"
            )


def _require_primaries(records: Sequence[RunRecord], suite: SuiteFacts) -> None:
    """Refuse a primary that no dataset of a method has, though others of its axis, or that is of another axis."""
    complete = [record for record in records if record.status == "complete" and record.spec.role == "method"]
    axes = {item.metric: item.axis for record in complete for item in record.measurements}
    for axis in ("quality", "diversity", "complexity"):
        name = suite.primary.get(axis, "")
        if name in axes and axes[name] != axis:
            raise RecordError(
                f"edition {suite.edition!r} declares {name!r} as primary of {axis}, and its axis is {axes[name]}; "
                "correct primary in suite.json"
            )
        others = [measure for measure, its in axes.items() if its == axis]
        if name and name not in axes and others:
            raise RecordError(_not_measured(suite, f"measure {name!r} as primary of {axis}", name, others))
    metrics = {score.metric for record in complete for score in record.scores}
    if metrics and suite.primary.get("score", "") not in {"", *metrics}:
        name = suite.primary["score"]
        raise RecordError(_not_measured(suite, f"score {name!r} as primary", name, metrics))


def _not_measured(suite: SuiteFacts, what: str, name: str, known: Iterable[str]) -> str:
    near = did_you_mean(name, known)
    return f"edition {suite.edition!r} declares the {what}, which no dataset of a method has; {near}"


def _facts(records: Sequence[RunRecord]) -> dict[str, dict[str, list[str]]]:
    """Return for each fact that must agree the runs by value."""
    facts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    names = sorted({name for record in records for name in record.spec.hashes} - VARY_BY_METHOD)
    for record in records:
        spec = record.spec
        found = {
            "the task version": str(spec.task_version),
            "the number of rows measured": str(spec.measure_n),
            "the probe": spec.probe,
            "the number of probes": str(spec.probe_repetitions),
            "the teacher's options": digest(spec.teacher.identity),
            "the budget": digest(spec.budget),
            "the number of rows selected": str(spec.selection.n),
        }
        for name in names:
            value = spec.hashes.get(name)
            # A control or imported data may lack a hash of what it does not use; a method may not.
            if value is not None or spec.role == "method":
                within = f" of repetition {spec.repetition}" if name in VARY_BY_REPETITION else ""
                found[f"the hash of {name!r}{within}"] = value or "absent"
        for probe in record.probes:
            # Where nothing was trained there is no recipe to differ.
            if probe.steps > 0:
                found[f"the recipe of probe {probe.repetition}"] = probe.recipe_digest
            found[f"the base of probe {probe.repetition}"] = probe.base_sha256
        for fact, value in found.items():
            facts[fact][value].append(record.run_id)
        # Two scores of one run may differ too.
        for eval_task, version in sorted({(score.eval_task, score.eval_version) for score in record.scores}):
            facts[f"the version of {eval_task!r}"][version].append(record.run_id)
    return facts
