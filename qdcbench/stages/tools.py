"""What a method may use beside its teachers, for one run: reference rows, programs, vectors, a small learner."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from qdcbench.api import Asker, Example, PluginError, Program, ProgramRun
from qdcbench.records import RunSpec
from qdcbench.seeds import seed_for, stream
from qdcbench.stages.bench import Bench
from qdcbench.stages.context import Tools
from qdcbench.teachers.desk import Desk

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["SLACK", "Run", "tools_of"]

PROGRAMS = "programs"
"""Folder in the store where foreign programs run and leave their logs."""

SLACK = 30.0
"""Seconds between the end of a clock that a budget or a program obeys and the moment a method is interrupted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One generation as its tools see it; ``key`` is its digest, ``desk`` pays what a program asks."""

    spec: RunSpec
    bench: Bench
    desk: Desk
    seeds: tuple[Example, ...]
    key: str

    @property
    def axes(self) -> dict[str, Any]:
        """What seeds depend on that every method of a repetition shares."""
        return {"task": self.spec.task, "repetition": self.spec.repetition}


def tools_of(run: Run) -> Tools:
    """Return the tools of a run."""
    return Tools(
        references=_references(run) if run.spec.role == "control" else None,
        program=lambda program: _run_program(run, program),
        embed=_embed,
        gradients=lambda rows: _gradients(run, rows),
        proxy=_proxies(run),
    )


def _references(run: Run) -> Callable[[int], Sequence[Example]]:
    # All controls of a repetition cut from the same rows, so that they differ only in what was done to them.
    spec, task = run.spec, run.bench.task(run.spec)

    def rows(n: int) -> Sequence[Example]:
        size = max(n, spec.budget.examples)
        return task.reference_rows(stream(spec.root_seed, "reference", run.axes), size)[:n]

    return rows


def _embed(texts: Sequence[str]) -> "npt.NDArray[np.float32]":
    # Loaded only for methods that compare meanings. float32 because bfloat16 differs between processors.
    from qdcbench.measures.encoders.minilm import minilm

    return minilm(texts, "float32")


def _gradients(run: Run, rows: Sequence[Example]) -> "npt.NDArray[np.float32]":
    from qdcbench.probes.gradients import row_gradients
    from qdcbench.probes.start import base_of

    return row_gradients(base_of(run.bench.task(run.spec)), [(row.prompt, row.completion) for row in rows])


def _proxies(run: Run) -> Callable[[Sequence[Example], Asker | None], Asker]:
    """Return the trainer of a run's proxies; each has a seed of its own, paired between methods by its number."""
    numbers = count()

    def trained(rows: Sequence[Example], after: Asker | None) -> Asker:
        from qdcbench.probes.start import base_of
        from qdcbench.stages.proxy import PROXY_RECIPE, Proxy, train_proxy

        if after is not None and not isinstance(after, Proxy):
            raise PluginError("proxy(after=...) takes what an earlier call of proxy() returned")
        return train_proxy(
            base_of(run.bench.task(run.spec)),
            [(row.prompt, row.completion) for row in rows],
            after=after,
            recipe=PROXY_RECIPE,
            seed=seed_for(run.spec.root_seed, "proxy", run.axes | {"number": next(numbers)}),
        )

    return trained


def _run_program(run: Run, program: Program) -> ProgramRun:
    # A server is loaded only where a program runs beside it.
    from qdcbench.stages.program import ProgramSite, run_program

    spec, bench = run.spec, run.bench
    run.desk.finish()  # nobody would settle what is open, and its room, while the program runs
    folder = bench.store.root / PROGRAMS / run.key[:16]
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted run; its answers are recorded
    site = ProgramSite(
        desk=run.desk,
        model=spec.teacher.name if spec.teacher.kind == "ensemble" else spec.teacher.model,
        seeds=run.seeds,
        folder=folder,
        base=bench.base,
        examples=spec.budget.examples,
        seed=seed_for(spec.root_seed, "teacher", run.axes | {"role": "teacher"}),
        seconds=spec.budget.seconds or max(1.0, bench.seconds - SLACK),
        key_variables=(
            "OPENAI_API_KEY",
            *(str(teacher.options.get("api_key_env", "")) for teacher in spec.teacher.each),
        ),
    )
    return run_program(program, site)
