"""Refusal of records that differ where they must not."""

from collections import defaultdict
from collections.abc import Sequence

from qdcbench.canon import digest
from qdcbench.errors import RecordError, did_you_mean
from qdcbench.records import RunRecord, SuiteFacts, group_of

__all__ = ["require_comparable"]

VARY_BY_METHOD = frozenset({"method", "prompts", "data"})
"""Hashes that differ between the arms of one group, by design; ``data`` is the file of imported data."""

VARY_BY_REPETITION = frozenset({"seeds"})
"""Hashes that may differ between repetitions, and must agree within one."""


def require_comparable(records: Sequence[RunRecord], suite: SuiteFacts) -> None:
    """Check that the records of each group belong in one table, and that the suite promises them.

    Raises:
        RecordError: a run occurs twice, is not promised, or differs from its group; says in what.
    """
    _require_unique(records)
    _require_promised(records, suite)
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
        for score in record.scores:
            found[f"the version of {score.eval_task!r}"] = score.eval_version
        for fact, value in found.items():
            facts[fact][value].append(record.run_id)
    return facts
