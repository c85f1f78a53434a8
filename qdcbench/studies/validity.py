"""The validity study: every measure on data whose quality, diversity, complexity, length and number are turned alone.

The rows are those of list_edits, where all of this is known exactly; see `recipes` and `dials`. Columns that a task,
a judge or a model fills are filled as the measure stage fills them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qdcbench.api import Example
from qdcbench.canon import plain, pretty_json, round_float
from qdcbench.measures.behaviour import Behaviour, DialTruth, Study, behaviour_table
from qdcbench.measures.table import METRICS
from qdcbench.records import Measurement, from_json
from qdcbench.report.validity import write_validity_figure
from qdcbench.store import write_atomic
from qdcbench.studies.dataset import TASK, Job, lacking, measured, needs_models, rows_of, task_of_study, texts
from qdcbench.studies.dials import AXIS_DIALS, CENTRE, DIALS
from qdcbench.studies.recipes import Recipe, SeenThrough, bare
from qdcbench.studies.response import RULE, at_one_n_only, recommended, respond, shared_out
from qdcbench.studies.validity_summary import summary
from qdcbench.studies.workers import spread_out

__all__ = ["LEAST_ROWS", "Plan", "study", "write_study"]

_DIGITS = 6
"""Digits of a number that are written: more than repetitions bear out."""

LEAST_ROWS = 100
"""With fewer the smallest setting of n has too few rows to be measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How large the study is and where its datasets' measurements are kept; ``n`` scales every recipe's rows."""

    store: Path
    repetitions: int = 4
    root_seed: int = 0
    workers: int = 2
    n: int = CENTRE.n
    measures: tuple[str, ...] = tuple(METRICS)


_Key = tuple[Recipe, int]
_Taken = Mapping[_Key, Mapping[str, Measurement]]


def study(plan: Plan, tell: Callable[[int, int], None] = lambda done, of: None) -> Study:
    """Run the study; what is in the store is not measured again.

    The same plan and code give the same bytes on one machine. On another the last digits of vectors can differ: MiniLM
    computes in the precision that the processor is fast at.

    Args:
        plan: size and store.
        tell: called with the datasets measured so far and their number.
    """
    needs = lacking(_rows(plan, CENTRE, 0), plan.measures)
    jobs = _jobs(plan, models=needs_models(needs))
    taken: dict[_Key, Mapping[str, Measurement]] = {}
    for job, found in zip(jobs, spread_out(measured, jobs, plan.workers, tell), strict=True):
        taken[job.recipe, job.repetition] = {m.metric: m for m in found}
    measures = tuple(_behaviour(plan, taken, name, needs[name]) for name in plan.measures)
    passed = recommended(measures)
    return Study(
        task=TASK,
        n=plan.n,
        repetitions=plan.repetitions,
        root_seed=plan.root_seed,
        rule=RULE,
        dials=tuple(_truth(plan, name) for name in DIALS),
        measures=measures,
        recommended=passed,
        one_n=tuple(m.measure for m in measures if m.measure in sum(passed.values(), ()) and at_one_n_only(m)),
    )


def _scaled(plan: Plan, recipe: Recipe) -> Recipe:
    return replace(recipe, n=recipe.n * plan.n // CENTRE.n)


def _jobs(plan: Plan, *, models: bool) -> list[Job]:
    """Return every dataset once, those of most rows first so that no worker is left alone with them."""
    wanted = sorted({_scaled(plan, recipe) for name in DIALS for recipe in DIALS[name].settings}, key=repr)
    centre = texts(_rows(plan, CENTRE, 0))
    words = {side: float(centre.words(side).mean()) for side in ("prompt", "completion", "both")}
    jobs = [
        Job(
            recipe=recipe, measures=plan.measures, models=models, repetition=repetition,
            root_seed=plan.root_seed, words=words, store=plan.store,
        )
        for recipe in wanted
        for repetition in range(plan.repetitions)
    ]  # fmt: skip
    return sorted(jobs, key=lambda job: -job.recipe.n)


def _rows(plan: Plan, recipe: Recipe, repetition: int) -> tuple[Example, ...]:
    return rows_of(_scaled(plan, recipe), plan.root_seed, repetition)


def _behaviour(plan: Plan, taken: _Taken, name: str, needs: str) -> Behaviour:
    metric = METRICS[name].metric
    direction = 1 if metric.higher_is_better else -1
    own = AXIS_DIALS[metric.axis]
    responses, twins = {}, {}
    for dial in DIALS:
        cells = [
            [taken[_scaled(plan, recipe), repetition][name] for repetition in range(plan.repetitions)]
            for recipe in DIALS[dial].settings
        ]
        responses[dial] = respond([[m.value for m in row] for row in cells], direction)
        twins[dial] = respond([[m.at_length for m in row] for row in cells], direction)
    reasons = {m[name].reason for m in taken.values()}
    nothing = all(m[name].value is None for m in taken.values())
    return Behaviour(
        measure=name,
        axis=metric.axis,
        own=own,
        needs=needs,
        reason=sorted(reasons)[-1] if nothing else "",
        responses=shared_out(responses, own),
        twins=shared_out(twins, own),
    )


def _truth(plan: Plan, name: str) -> DialTruth:
    dial = DIALS[name]
    truths = []
    for recipe in dial.settings:
        each = [_known_of(_rows(plan, recipe, repetition)) for repetition in range(plan.repetitions)]
        truths.append({fact: sum(one[fact] for one in each) / len(each) for fact in each[0]})
    return DialTruth(name=name, axis=dial.axis, summary=dial.summary, labels=dial.labels, truth=tuple(truths))


def _known_of(rows: Sequence[Example]) -> dict[str, float]:
    """Return what is true of a dataset, by the task itself."""
    task, n = SeenThrough(task_of_study()), len(rows)
    structures = [found for row in rows if (found := task.structure(row.prompt)) is not None]
    known = texts(rows)
    return {
        "rows": float(n),
        "right": sum(task.verify(row).correct is True for row in rows) / n,
        "operations": float(len({part for found in structures for part in found.parts})),
        "pairs": float(len({pair for found in structures for pair in found.pairs})),
        "different": len({(row.prompt, row.completion) for row in rows}) / n,
        "depth": sum(found.depth for found in structures) / n,
        "prompt_words": sum(len(text.split()) for text in known.prompts) / n,
        "filler_words": sum(len(row.prompt.split()) - len(bare(row.prompt).split()) for row in rows) / n,
        "completion_words": sum(len(text.split()) for text in known.completions) / n,
    }


def write_study(found: Study, folder: Path) -> list[Path]:
    """Write ``validity.json``, ``validity.csv``, ``summary.md`` and the figure; same study, same bytes; return paths.

    Tables and figure are made from what the JSON file holds, so that they can be made again from it.
    """
    kept = _rounded(plain(found))
    paths = [folder / "validity.json", folder / "validity.csv", folder / "summary.md"]
    read = from_json(Study, kept, str(paths[0]))
    for path, text in zip(paths, (pretty_json(kept), behaviour_table(read), summary(read)), strict=True):
        write_atomic(path, text)
    return [*paths, *write_validity_figure(read, folder)]


def _rounded(value: Any) -> Any:
    """Return JSON values, their floats cut to the digits that are written."""
    if isinstance(value, float):
        return round_float(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
