"""The share of a pool that stays when it is halved again and again."""

from collections.abc import Iterator, Sequence

from qdcbench.api import Example, GenerationContext, PluginError

from ._pool import Pool, share_kept

__all__ = ["STRICTEST", "share_of"]

STRICTEST = 20
"""A millionth; beyond it no pool has rows."""


def share_of(ctx: GenerationContext, pool: Pool, strictness: float, worth: Sequence[float]) -> Iterator[Example]:
    """Yield the most worthy rows, a share of 2 to the power of minus ``strictness``, ties by lot; reject the others.

    What stays when it is stricter is part of what stays when it is less so.

    Raises:
        PluginError: the strictness is out of range.
    """
    if not 0 <= strictness <= STRICTEST:
        raise PluginError(f"strictness is {strictness:g}; it must be from 0, all rows, to {STRICTEST}")
    lots = [ctx.shared_rng.random() for _ in pool.rows]
    best = sorted(range(len(pool.rows)), key=lambda place: (-worth[place], lots[place]))
    yield from pool.given(ctx, sorted(best[: share_kept(ctx, pool, 2**strictness)]), {})
