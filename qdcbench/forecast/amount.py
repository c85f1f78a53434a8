"""Amounts that may be unknown, and how they add up."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

__all__ = ["Amount", "total"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """What something takes; ``None`` means not known.

    ``tokens`` are prompt and completion tokens together, and may be known where the two are not. ``money`` is in US
    dollars. ``seconds`` are those of one worker; ``seconds_at_least`` is the part of them that is known.
    """

    calls: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    tokens: float | None = None
    money: float | None = None
    seconds: float | None = None
    seconds_at_least: float = 0.0


NOTHING = Amount(calls=0.0, prompt_tokens=0.0, completion_tokens=0.0, tokens=0.0, money=0.0, seconds=0.0)


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum; what is unknown in one of them is unknown in the sum."""
    found = list(amounts)

    def added(name: str) -> float | None:
        known: list[float] = [value for amount in found if (value := getattr(amount, name)) is not None]
        return sum(known) if len(known) == len(found) else None

    return Amount(**{field.name: added(field.name) for field in fields(Amount)})  # type: ignore[arg-type]
