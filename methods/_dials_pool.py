"""The verified pool inside which dials turn, and what is known of each of its rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from qdcbench.api import BudgetExhausted, DataError, Example, GenerationContext, PluginError

from ._clusters import clusters
from ._few_shot import IDLE_CALLS, few_shot_rows
from ._pool import STYLE

__all__ = ["DialPool", "dial_pool"]

KINDS = 24
"""Clusters of prompts, where the task knows no structure; assumed."""

SMALLEST = 0.05
"""Share of the pool below which a stratum of depth joins the next shallower one, so that no arm lacks its rows."""

SOURCES = ("pool", "reference")


@dataclass(frozen=True, kw_only=True)
class DialPool:
    """N right-answered rows in the order in which they came.

    ``kind`` (N,) is the number of a row's cluster, ``kinds`` (K,) all numbers in the order in which clusters are kept.
    ``stratum`` (N,) is its depth, 0 the shallowest, neighbours joined where there are few. ``words`` (N, 2) are those
    of prompt and answer. ``luck`` (N, 2) decides by chance which rows are taken and which are wrong, the same in all
    arms of a repetition: so arms share as many rows as they can. ``wanted`` is how many rows an arm gives.
    """

    rows: tuple[Example, ...]
    kind: NDArray[np.int64]
    kinds: NDArray[np.int64]
    stratum: NDArray[np.int64]
    words: NDArray[np.float64]
    luck: NDArray[np.float64]
    wanted: int
    ended: BudgetExhausted | None


def _right(ctx: GenerationContext) -> Iterator[Example]:
    """Yield rows of the shared baseline that the verifier calls right, until too many in a row are not.

    Those are no attempts of this method and are not logged.
    """
    in_vain = 0
    for row in few_shot_rows(ctx, STYLE):
        in_vain += 1
        if ctx.verify(row).correct is True:
            in_vain = 0
            yield row
        if in_vain >= IDLE_CALLS:
            return


def _kind_and_depth(ctx: GenerationContext, prompts: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Return each prompt's cluster and depth.

    Where the task knows the structure, a cluster is all that begins with the same part; else clusters are k-means of
    the prompts' vectors, and depth is their number of words, which cannot be told from length.
    """
    known = [ctx.structure(prompt) for prompt in prompts]
    leading = [found.parts[0] for found in known if found is not None and found.parts]
    if len(leading) < len(prompts):
        return clusters(ctx.embed(prompts), KINDS, seed).labels.tolist(), [len(prompt.split()) for prompt in prompts]
    names = sorted(set(leading))
    return [names.index(name) for name in leading], [found.depth for found in known if found is not None]


def _strata(depth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each row's stratum: one a depth, a rare one joined with the next shallower."""
    values, counts = np.unique(depth, return_counts=True)
    floors, held = [], 0
    for value, count in zip(values[::-1].tolist(), counts[::-1].tolist(), strict=True):
        held += count
        if held >= SMALLEST * len(depth):
            floors.append(value)
            held = 0
    # What is left at the shallow end joins the lowest stratum.
    return np.searchsorted(np.array(sorted(floors)[1:]), depth, side="right").astype(np.int64)


def _kept_first(kind: NDArray[np.int64], draws: np.random.Generator) -> NDArray[np.int64]:
    """Return the clusters in a random order in which larger ones tend to stay, as where a data set collapses."""
    numbers, counts = np.unique(kind, return_counts=True)
    found: NDArray[np.int64] = numbers[np.argsort(-(np.log(counts) + draws.gumbel(size=len(numbers))), kind="stable")]
    return found


def dial_pool(ctx: GenerationContext, source: str, factor: float) -> DialPool:
    """Draw ``factor`` rows for each row wanted, alike in all arms of a repetition.

    Where the budget or the teacher's ideas end early, fewer are ``wanted`` in proportion, so that a setting is as
    strict as it would have been.

    Raises:
        PluginError: there is no such source.
        DataError: no row is known to be right.
    """
    if source not in SOURCES:
        raise PluginError(f"dialled: there is no source {source!r}; known: {', '.join(SOURCES)}")
    size, ended = math.ceil(factor * ctx.remaining), None
    rows: list[Example] = []
    try:
        rows.extend(islice(_right(ctx), size) if source == "pool" else ctx.reference_rows(size))
    except BudgetExhausted as end:
        ended = end
    if not rows:
        raise DataError(
            "dialled: the verifier calls no row of the pool right; use source = 'reference' or another task"
        )
    draws = np.random.default_rng(ctx.shared_rng.getrandbits(64))
    kind, depth = map(np.array, _kind_and_depth(ctx, [row.prompt for row in rows], int(draws.integers(2**31))))
    words = [[len(row.prompt.split()), len(row.completion.split())] for row in rows]
    return DialPool(
        rows=tuple(rows), kind=kind, kinds=_kept_first(kind, draws), stratum=_strata(depth),
        words=np.array(words, dtype=np.float64), luck=draws.random((len(rows), 2)),
        wanted=max(1, min(ctx.remaining, int(len(rows) / factor + 1e-9))), ended=ended,
    )  # fmt: skip
