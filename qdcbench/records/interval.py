"""A number with what is known of its error."""

from dataclasses import dataclass

__all__ = ["Interval"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A point estimate with bounds; bounds are None with a ``reason`` where they cannot be had."""

    point: float | None
    low: float | None
    high: float | None
    level: float = 0.95
    kind: str = ""
    n: int = 0
    reason: str = ""
