"""Records that say just enough for rankings, spread and tracks: scores of each probe, and what a dataset spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qdcbench.records import (
    ArmSummary,
    Budget,
    DatasetSummary,
    PromisedCell,
    Ranking,
    RunRecord,
    RunSpec,
    Score,
    SelectionSpec,
    SuiteFacts,
    TeacherSpec,
    Usage,
    group_of,
)
from qdcbench.stages.analysis.rankings import rankings
from qdcbench.stages.analysis.summaries import arm_summary
from qdcbench.stages.analysis.units import Unit, ordered, units

METRIC = "exact_match"
SETS = {"id": ("toy_id",), "ood": ("toy_pairs", "toy_depth")}


@dataclass(frozen=True, kw_only=True)
class Spent:
    rows: int = 100
    words: float = 10.0
    tokens: int = 500


def run(
    arm: str,
    repetition: int,
    scores: Mapping[str, Sequence[float | None]],
    *,
    spent: Spent = Spent(),
    budget: str = "rows",
    stderr: float | None = 0.01,
    **changes: Any,
) -> RunRecord:
    """One complete run; ``scores`` has a value for each probe by evaluation set (``id``, ``pairs``, ``depth``)."""
    probes = len(next(iter(scores.values())))
    spec = RunSpec(
        arm=arm, method=arm, method_version=1, role="method", params={}, task="toy", task_version=1, probe="tiny",
        teacher=TeacherSpec(kind="scripted", model="strong"), selection=SelectionSpec(), probe_repetitions=probes,
        budget=Budget(name=budget, examples=spent.rows, teacher_tokens=9_000, teacher_calls=None), measure_n=50,
        repetition=repetition, root_seed=7, hashes={"method": arm, "probe": "p0", "task": "t0"},
    )  # fmt: skip
    spec = replace(spec, **changes)
    dataset = DatasetSummary(
        sha256="a", training_sha256="b", attempts=spent.rows, accepted=spent.rows, contaminated=0, selected=spent.rows,
        rejected_by={}, stopped_by="examples", mean_prompt_words=spent.words / 2,
        mean_completion_words=spent.words / 2, usage=Usage(calls=1, prompt_tokens=spent.tokens, completion_tokens=0),
    )  # fmt: skip
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=dataset,
        scores=tuple(
            Score(probe_repetition=probe, eval_task=f"toy_{name}", eval_version="1", metric=METRIC, filter="none",
                  value=value, stderr=stderr, n=100)
            for name, values in scores.items() for probe, value in enumerate(values)
        ),
    )  # fmt: skip


def facts(records: Sequence[RunRecord], **changes: Any) -> SuiteFacts:
    """What a suite would have promised of these records."""
    cells: dict[tuple[str, str], PromisedCell] = {}
    for one in records:
        key = (group_of(one.spec), one.spec.arm)
        n = max(one.spec.repetition + 1, cells[key].n if key in cells else 0)
        cells[key] = PromisedCell(group=key[0], arm=key[1], method=one.spec.method, role=one.spec.role,
                                  simulated=True, n=n)  # fmt: skip
    primary = {"quality": "q", "diversity": "d", "complexity": "c", "score": METRIC}
    suite = SuiteFacts(edition="test", primary=primary, promised=tuple(cells.values()), root_seed=7,
                       id_sets={"toy": SETS["id"]}, ood_sets={"toy": SETS["ood"]})  # fmt: skip
    return replace(suite, **changes)


def ranked(records: Sequence[RunRecord], suite: SuiteFacts) -> tuple[tuple[Ranking, ...], tuple[Unit, ...]]:
    """Rankings and units of records, as the analysis makes them."""
    found = units(ordered(records), suite)
    names = tuple(sorted({name for unit in found for name in unit.scores} | {f"id:{METRIC}", f"ood:{METRIC}"}))
    arms: list[ArmSummary] = []
    for cell in suite.promised:
        mine = [unit for unit in found if (unit.group, unit.record.spec.arm) == (cell.group, cell.arm)]
        arms.append(arm_summary(cell, [unit.record for unit in mine], mine, ((), names)))
    return rankings(arms, found, suite), found


def same_everywhere(value: float | None, probes: int = 1) -> dict[str, list[float | None]]:
    """The same score on every evaluation set and probe."""
    return {name: [value] * probes for name in ("id", "pairs", "depth")}
