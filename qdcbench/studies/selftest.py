"""The self-test of the engine: planted effects and planted nulls over the datasets of a committed edition.

It counts how often each test rejects where nothing is planted, how often intervals hold what is planted, and how large
an effect must be to be found, by the number of methods. The engine's own functions are asked, on tables such as
`qdcbench.stages.analysis.relations` reads.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import qdcbench
from qdcbench.canon import digest, plain, pretty_json
from qdcbench.records import from_json
from qdcbench.report.selftest import rates_table, write_selftest_figure
from qdcbench.stats.operating import Part, Rate, SelfTest
from qdcbench.store import Store, read_jsonl, write_atomic, write_jsonl
from qdcbench.studies.nature import COLUMNS, LEVELS, Nature
from qdcbench.studies.selftest_batches import POWER, Plan, batches
from qdcbench.studies.tally import Batch, Tally
from qdcbench.studies.trials import relations_trial, second_looks_trial, source_of, verdicts_trial
from qdcbench.studies.trials_dials import dials_trial
from qdcbench.studies.trials_rankings import rankings_trial
from qdcbench.studies.workers import spread_out

__all__ = ["selftest", "write_selftest"]

_TRIALS: Mapping[Part, Callable[[Batch[Any]], Tally]] = {
    "relations": relations_trial,
    "second looks": second_looks_trial,
    "verdicts": verdicts_trial,
    "interventions": dials_trial,
    "rankings": rankings_trial,
}


def selftest(plan: Plan, tell: Callable[[int, int], None] = lambda done, of: None) -> SelfTest:
    """Plant all editions and count; the same plan and code give the same result with any number of workers.

    A batch that is in the store is not counted again, so that a run that was interrupted goes on where it was.

    Args:
        plan: which edition, how many.
        tell: called with the batches done so far and their number.
    """
    nature = source_of(plan.source).nature
    jobs = batches(plan)
    tallies = spread_out(partial(_tried, plan.store), jobs, plan.workers, tell)
    kinds: dict[tuple[Part, str, int, str], tuple[Batch[Any], Tally]] = {}
    for batch, tally in zip(jobs, tallies, strict=True):
        key = (batch.part, batch.design, batch.size, batch.scenario)
        kinds.setdefault(key, (batch, Tally()))[1].add(tally)
    return SelfTest(
        edition=plan.source.name,
        editions=plan.editions,
        root_seed=plan.root_seed,
        datasets=len(nature.x),
        spread=_spread(nature),
        rates=tuple(rate for batch, tally in kinds.values() for rate in tally.rates(batch) if _wanted(rate)),
    )


def _tried(store: Path, batch: Batch[Any]) -> Tally:
    """Return the counts of a batch, from the store or counted now."""
    key = digest({"batch": repr(replace(batch, source=Path())), "code": _code(), "source": _source(batch.source)})
    kept = Store(store)
    if (folder := kept.find("selftest", key)) is not None:
        return Tally.of_rows(read_jsonl(folder / "counts.jsonl"))
    tally = _TRIALS[batch.part](batch)
    with kept.create("selftest", key) as folder:
        write_jsonl(folder / "counts.jsonl", tally.rows())
    return tally


@cache
def _code() -> str:
    """Digest of every source that can change a count."""
    root = Path(qdcbench.__file__).parent
    files = [path for name in ("records", "stages/analysis", "stats") for path in (root / name).glob("*.py")]
    files += [root / name for name in ("canon.py", "claims.py", "seeds.py")]
    files += [root / "studies" / f"{name}.py" for name in ("nature", "planted", "tally", "tested")]
    files += (root / "studies").glob("trials*.py")
    return _digest_of(files)


@cache
def _source(folder: Path) -> str:
    """Digest of the committed edition's promise and records."""
    return _digest_of([folder / "suite.json", *(folder / "runs").rglob("*.json")])


def _digest_of(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _wanted(rate: Rate) -> bool:
    """Whether a share is written: where one axis alone is planted, how often its tests reject.

    Among them is the contrast of ID with OOD, on which the axis has equal effects: it should reject seldom.
    """
    if not rate.scenario.startswith(POWER):
        return True
    return rate.what.startswith("rejected") and rate.scenario.startswith(f"{POWER}, {rate.test.split(' on ')[0]}")


def _spread(nature: Nature) -> dict[str, dict[str, float]]:
    """Return the share of each column's variance at each level."""
    columns = {name: nature.columns[:, place, place] for place, name in enumerate(COLUMNS)}
    errors = {f"rest of {name}": nature.errors[:, place, place] for place, name in enumerate(("ID", "OOD"))}
    return {
        name: dict(zip(LEVELS, map(float, np.round(shares, 6)), strict=True))
        for name, shares in {**columns, **errors}.items()
    }


def write_selftest(found: SelfTest, folder: Path) -> list[Path]:
    """Write ``selftest.json``, ``selftest.csv`` and the figure; same result, same bytes; return their paths.

    Table and figure are made from what the JSON file holds, so that they can be made again from it.
    """
    kept = plain(found)
    paths = [folder / "selftest.json", folder / "selftest.csv"]
    read = from_json(SelfTest, kept, str(paths[0]))
    for path, text in zip(paths, (pretty_json(kept), rates_table(read)), strict=True):
        write_atomic(path, text)
    return [*paths, *write_selftest_figure(read, folder)]
