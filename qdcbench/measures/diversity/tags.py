"""Diversity as the tags that occur."""

from qdcbench.measures.rows import Rows, Unmeasurable

__all__ = ["tag_coverage", "tags_seen"]


def tags_seen(rows: Rows) -> float:
    """Return how many different tags occur.

    Raises:
        Unmeasurable: nobody tagged a row.
    """
    column = [tags for tags in rows.column("tags") if tags is not None]
    if not column:
        raise Unmeasurable("no row has tags")
    return float(len({tag for tags in column for tag in tags}))


def tag_coverage(rows: Rows) -> float:
    """Return the different tags that occur over the tags of the pool, in [0, 1].

    Raises:
        Unmeasurable: nobody tagged a row or counted the pool's tags, or more occur than the pool has.
    """
    seen, universe = tags_seen(rows), rows.around.tag_universe
    if not universe:
        raise Unmeasurable("nobody counted the tags of the pool that the rows are compared with")
    if seen > universe:
        raise Unmeasurable(f"{seen:.0f} tags occur where the pool is said to have {universe}")
    return seen / universe
