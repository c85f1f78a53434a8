"""Jobs spread over processes of one thread each, so that sums keep their order whatever the number of workers."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["spread_out"]

Job = TypeVar("Job")
Result = TypeVar("Result")


def spread_out(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, tell: Callable[[int, int], None]
) -> list[Result]:
    """Return the result of every job, in the order of the jobs; ``tell`` hears how many of how many are done."""
    with _one_thread_each(), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(work, job) for job in jobs]
        for done, _ in enumerate(as_completed(waiting), start=1):
            tell(done, len(jobs))
        return [future.result() for future in waiting]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Start workers with one thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
