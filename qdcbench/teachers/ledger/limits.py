"""Caps and rates as plain arithmetic: what stands in the way of an attempt, and how long it must wait."""

from dataclasses import dataclass

from qdcbench.teachers.account import Order, Rates, Scope
from qdcbench.teachers.prices import Price

__all__ = ["PICO", "Bound", "Flow", "Sums", "bound_of_order", "cap_sentence", "obstacle", "picodollars"]

PICO = 10**12
"""Picodollars in a dollar. Money is summed in whole picodollars, so that no rounding can add up."""

BURST = 1.0
"""Seconds of a rate that may pass at once after a pause; one request always may."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most one attempt can cost; ``picodollars`` is None without a price."""

    tokens: int
    picodollars: int | None


@dataclass(slots=True)
class Sums:
    """What one scope has spent, and what is held open; money in picodollars of the attempts that have a price."""

    calls: int = 0
    tokens: int = 0
    picodollars: int = 0
    unpriced: int = 0
    assumed: int = 0
    open_calls: int = 0
    open_tokens: int = 0
    open_picodollars: int = 0

    def hold(self, bound: Bound, times: int = 1) -> None:
        """Add an open attempt; with ``times`` -1 take it away."""
        self.open_calls += times
        self.open_tokens += times * bound.tokens
        self.open_picodollars += times * (bound.picodollars or 0)

    def charge(self, spent: Bound, *, assumed: bool, times: int = 1) -> None:
        """Add a settled attempt; with ``times`` -1 take it away."""
        self.calls += times
        self.tokens += times * spent.tokens
        self.picodollars += times * (spent.picodollars or 0)
        self.unpriced += times * (spent.picodollars is None)
        self.assumed += times * assumed


def picodollars(price: Price | None, prompt_tokens: int, completion_tokens: int) -> int | None:
    """Return the cost in whole picodollars, None without a price."""
    return None if price is None else round(price.of(prompt_tokens, completion_tokens) * PICO)


def bound_of_order(order: Order) -> Bound:
    """Return the most an order can cost."""
    return Bound(
        order.prompt_tokens + order.completion_tokens,
        picodollars(order.price, order.prompt_tokens, order.completion_tokens),
    )


def obstacle(scope: Scope, sums: Sums, bound: Bound, own: Sums | None = None) -> tuple[str, bool]:
    """Return the cap without room for the bound, empty for none, and whether settling what is open may make some.

    ``own`` is what the same batch holds: it is among the open, and nobody will settle it before the batch is sent.
    """
    caps, own = scope.caps, own or Sums()
    if caps.calls is not None and sums.calls + sums.open_calls + 1 > caps.calls:
        # A reservation that is given back unsent makes room again.
        return "calls", sums.calls + own.open_calls + 1 <= caps.calls
    if caps.tokens is not None and sums.tokens + sums.open_tokens + bound.tokens > caps.tokens:
        return "tokens", sums.tokens + own.open_tokens + bound.tokens <= caps.tokens
    if caps.money is None:
        return "", False
    if bound.picodollars is None:
        return "price", False
    cap, cost = round(caps.money * PICO), bound.picodollars
    if sums.picodollars + sums.open_picodollars + cost > cap:
        return "money", sums.picodollars + own.open_picodollars + cost <= cap
    return "", False


def cap_sentence(scope: Scope, sums: Sums, bound: Bound, cap: str, teacher: str) -> str:
    """Return the sentence for a cap that has no room."""
    if cap == "price":
        return (
            f"{scope.name} caps money, but there is no price of {teacher}; "
            "add the option price to the teacher, or cap tokens instead"
        )
    caps = scope.caps
    amounts = {
        "calls": (f"{caps.calls} calls", f"{sums.calls}", "1"),
        "tokens": (f"{caps.tokens} tokens", f"{sums.tokens}", f"{bound.tokens}"),
        "money": (f"${caps.money}", f"${sums.picodollars / PICO:.6f}", f"${(bound.picodollars or 0) / PICO:.6f}"),
    }
    most, spent, needed = amounts[cap]
    return (
        f"the cap of {most} on {scope.name} has no room left ({spent} spent, the next attempt could need {needed}); "
        "raise it and run the same command again: nothing paid is asked again"
    )


@dataclass(slots=True)
class Flow:
    """One endpoint's traffic over all processes (the generic cell rate algorithm).

    ``requests_ahead`` and ``tokens_ahead`` are how many seconds of the allowed rate are used in advance, as of the
    wall-clock time ``at``: lengths of time, so that a clock set back does not make anyone wait for the old time.
    Negative ones are what came back after it had been waited for, at most one second's worth.
    """

    open: int = 0
    requests_ahead: float = 0.0
    tokens_ahead: float = 0.0
    at: float = 0.0

    def advance(self, now: float) -> None:
        """Let the time since the last look pass."""
        passed = max(0.0, now - self.at)
        self.requests_ahead = max(min(0.0, self.requests_ahead), self.requests_ahead - passed)
        self.tokens_ahead = max(min(0.0, self.tokens_ahead), self.tokens_ahead - passed)
        self.at = now

    def wait(self, rates: Rates) -> float:
        """Return the seconds until something may be sent.

        After a pause one second's worth may pass at once, one request always, and any number of tokens in it: were a
        long request to wait for more than a short one must, short ones would keep it waiting for ever.
        """
        seconds = 0.0
        if rates.requests_per_minute is not None:
            each = 60 / rates.requests_per_minute
            seconds = self.requests_ahead + each - max(BURST, each)
        if rates.tokens_per_minute is not None:
            seconds = max(seconds, self.tokens_ahead - BURST)
        # Less than a microsecond is what is left of a float that was added to and taken from.
        return seconds if seconds > 1e-6 else 0.0

    def charge(self, rates: Rates, tokens: int, requests: int = 1) -> None:
        """Add what is sent; negative numbers give back what was charged and not used."""
        if rates.requests_per_minute is not None:
            self.requests_ahead = max(-BURST, self.requests_ahead + 60 / rates.requests_per_minute * requests)
        if rates.tokens_per_minute is not None:
            self.tokens_ahead = max(-BURST, self.tokens_ahead + 60 / rates.tokens_per_minute * tokens)
