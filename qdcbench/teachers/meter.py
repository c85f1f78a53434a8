"""The ledger of a budget: reserve before asking, settle after, never above a cap."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from qdcbench.api import Reply, Request
from qdcbench.errors import BudgetExhausted, ConfigError
from qdcbench.records import Budget, Usage

__all__ = ["Meter", "Reservation", "most_tokens"]

MESSAGE_OVERHEAD = 16
"""Tokens allowed for the role marks a chat template puts around one message."""


def most_tokens(request: Request) -> int:
    """Return an upper bound on what one answer can cost in tokens, prompt and completion together.

    No common tokenizer makes more tokens than there are UTF-8 bytes. A chat template that adds a long preamble
    of its own can exceed the bound for very short prompts; `Meter.settle` then charges the true number.
    """
    sent = sum(len(text.encode("utf-8", "surrogatepass")) + MESSAGE_OVERHEAD for _, text in request.messages)
    return sent + request.max_tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """Room for one call of at most ``tokens`` tokens, taken out of a meter."""

    tokens: int


class Meter:
    """Thread-safe ledger of one budget, shared by all roles of a run.

    Charged are answers: one call and the tokens of the accepted answer each. Retries after faults are counted
    in `usage` but against no cap, so that a method's data do not depend on the network's weather.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        """Open the ledger; the wall clock of ``budget.seconds`` starts now. ``clock`` returns seconds.

        Raises:
            ConfigError: the budget has no cap on tokens or calls, or one on money, for which there are no prices.
        """
        if budget.teacher_tokens is None and budget.teacher_calls is None:
            raise ConfigError(f"budget {budget.name!r} caps neither teacher tokens nor teacher calls; set one of them")
        if budget.money is not None:
            raise ConfigError(f"budget {budget.name!r} caps money, but there is no price table; cap tokens instead")
        self._budget = budget
        self._clock = clock
        self._start = clock()
        self._changed = Condition()
        self._open_tokens = 0
        self._open_calls = 0
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._failed = 0
        self._discarded = 0
        self._estimated = 0
        self._calls: Counter[str] = Counter()

    def reserve(self, tokens: int, *, wait: bool = True) -> Reservation:
        """Take room for one call of at most ``tokens`` tokens.

        While other threads hold reservations that may come back, ``wait`` sleeps until they settle. A thread
        that holds reservations itself must not wait.

        Raises:
            BudgetExhausted: ``teacher tokens``, ``teacher calls`` or ``seconds`` has no room for it.
        """
        with self._changed:
            while True:
                limit, may_return = self._obstacle(tokens)
                if not limit:
                    self._open_tokens += tokens
                    self._open_calls += 1
                    return Reservation(tokens=tokens)
                if not (wait and may_return):
                    raise BudgetExhausted(limit)
                self._changed.wait(self._seconds_left())

    def settle(self, reservation: Reservation, intent: str, reply: Reply) -> None:
        """Replace a reservation by what the answer cost."""
        with self._changed:
            self._close(reservation)
            self._calls[intent] += 1
            self._prompt_tokens += reply.prompt_tokens
            self._completion_tokens += reply.completion_tokens
            self._failed += reply.attempts - 1
            self._discarded += reply.discarded_tokens
            self._estimated += reply.usage_estimated

    def release(self, reservation: Reservation) -> None:
        """Give back a reservation that brought no answer."""
        with self._changed:
            self._close(reservation)

    def write_off(self, calls: int, tokens: int) -> None:
        """Note requests sent in vain for answers that were given up, and the tokens reported for them."""
        with self._changed:
            self._failed += calls
            self._discarded += tokens

    def usage(self) -> Usage:
        """Return what has been charged so far; open reservations do not count."""
        with self._changed:
            return Usage(
                calls=self._calls.total(),
                prompt_tokens=self._prompt_tokens,
                completion_tokens=self._completion_tokens,
                calls_by_intent=dict(sorted(self._calls.items())),
                failed_calls=self._failed,
                discarded_tokens=self._discarded,
                estimated_calls=self._estimated,
            )

    def _close(self, reservation: Reservation) -> None:
        self._open_tokens -= reservation.tokens
        self._open_calls -= 1
        self._changed.notify_all()

    def _obstacle(self, tokens: int) -> tuple[str, bool]:
        """Return the cap that stands in the way, empty for none, and whether open reservations hold it."""
        left = self._seconds_left()
        if left is not None and left <= 0:
            return "seconds", False
        calls, spent = self._calls.total(), self._prompt_tokens + self._completion_tokens
        rows = (
            ("teacher calls", self._budget.teacher_calls, calls + 1, self._open_calls),
            ("teacher tokens", self._budget.teacher_tokens, spent + tokens, self._open_tokens),
        )
        for name, cap, closed, still_open in rows:
            if cap is not None and closed + still_open > cap:
                # An open call becomes a charged call, but most of an open bound on tokens comes back.
                return name, closed <= cap
        return "", False

    def _seconds_left(self) -> float | None:
        if self._budget.seconds is None:
            return None
        return self._start + self._budget.seconds - self._clock()
