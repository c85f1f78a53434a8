"""The meter of a budget: reserve before asking, settle after, never above a cap."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from qdcbench.api import Reply, Request
from qdcbench.errors import BudgetExhausted, ConfigError
from qdcbench.records import Budget, Usage
from qdcbench.teachers.prices import Price

__all__ = ["Bound", "Meter", "bound_of", "json_bytes"]

MESSAGE_OVERHEAD = 16
"""Tokens allowed for the role marks a chat template puts around one message."""

TEMPLATE_TOKENS = 128
"""Tokens allowed once a request for what a chat template adds of its own, such as a default system text or a date."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """An upper bound on the tokens of one answer; also the reservation that holds room for it."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


def bound_of(request: Request) -> Bound:
    """Return an upper bound on what one answer can cost in tokens.

    No common tokenizer makes more tokens than there are UTF-8 bytes; the further fields are counted too, since a
    server may put them (tools, a schema) into the prompt. A template whose preamble is longer than `TEMPLATE_TOKENS`
    by more than the text leaves room for exceeds the bound. `Meter.settle` then charges the true number, so a budget
    can be passed by that excess for each answer that was open at its end, and no static bound could promise more.
    """
    sent = sum(len(text.encode("utf-8", "surrogatepass")) + MESSAGE_OVERHEAD for _, text in request.messages)
    prompt = sent + json_bytes(request.extra) + TEMPLATE_TOKENS
    return Bound(prompt_tokens=prompt, completion_tokens=request.max_tokens)


def json_bytes(fields: Mapping[str, Any]) -> int:
    """Return how many UTF-8 bytes further fields of a request are as JSON, 0 for none."""
    if not fields:
        return 0
    return len(json.dumps(dict(fields), ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))


class Meter:
    """Thread-safe meter of one budget, shared by all roles of a run.

    Charged are answers: one call and the tokens of the accepted answer each. Retries after faults are counted
    in `usage` but against no cap, so that a method's data do not depend on the network's weather; what the purse
    really spends is capped elsewhere (`qdcbench.teachers.account`).
    """

    def __init__(
        self,
        budget: Budget,
        *,
        prices: Mapping[str, Price | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the meter; the wall clock of ``budget.seconds`` starts now. ``clock`` returns seconds.

        ``prices`` maps the name of each teacher that may answer to its price; the name empty stands for the only one,
        and an empty mapping for teachers that nobody bills.

        Raises:
            ConfigError: the budget has no cap on tokens, calls or money, or caps money where a price is not known.
        """
        self._prices = dict(prices or {})
        capped = budget.teacher_tokens is not None or budget.teacher_calls is not None
        if not capped and (budget.money is None or prices == {}):
            raise ConfigError(
                f"budget {budget.name!r} caps neither teacher tokens nor calls nor money; set one of them"
            )
        unpriced = [name or "the teacher" for name, price in self._prices.items() if price is None]
        if budget.money is not None and (unpriced or prices is None):
            raise ConfigError(
                f"budget {budget.name!r} caps money, but there is no price of {', '.join(unpriced) or 'the teacher'}; "
                "add the option price to the teacher, or cap tokens instead"
            )
        self._budget = budget
        self._clock = clock
        self._start = clock()
        self._lock = Lock()
        self._open_tokens = 0
        self._open_calls = 0
        self._open_money = 0.0
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._failed = 0
        self._discarded = 0
        self._estimated = 0
        self._money = 0.0
        self._calls: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def reserve(self, bound: Bound) -> bool:
        """Take room for one call; False when only open calls stand in the way, so that settling some may make room.

        Raises:
            BudgetExhausted: ``teacher tokens``, ``teacher calls``, ``money`` or ``seconds`` can have no room for it.
        """
        with self._lock:
            limit, may_return = self._obstacle(bound)
            if limit and not (may_return and self._open_calls):
                raise BudgetExhausted(limit)
            if not limit:
                self._open_tokens += bound.tokens
                self._open_money += self._dearest(bound)
                self._open_calls += 1
            return not limit

    def limit(self, bound: Bound) -> str:
        """Return the name of the cap that has no room for one more call just now, empty where all have."""
        with self._lock:
            return self._obstacle(bound)[0]

    def settle(self, bound: Bound, intent: str, reply: Reply) -> float | None:
        """Replace a reservation by what the answer cost; return the cost in US dollars, None without a price."""
        price = self._prices.get(reply.teacher, self._prices.get(""))
        cost = price.of(reply.prompt_tokens, reply.completion_tokens) if price else None
        with self._lock:
            self._close(bound)
            self._calls[intent] += 1
            self._tokens[intent] += reply.prompt_tokens + reply.completion_tokens
            self._prompt_tokens += reply.prompt_tokens
            self._completion_tokens += reply.completion_tokens
            self._failed += reply.attempts - 1
            self._discarded += reply.discarded_tokens
            self._estimated += reply.usage_estimated
            self._money += cost or 0.0
        return cost

    def release(self, bound: Bound) -> None:
        """Give back a reservation that brought no answer."""
        with self._lock:
            self._close(bound)

    def write_off(self, calls: int, tokens: int) -> None:
        """Note requests sent in vain for answers that were given up, and the tokens reported for them."""
        with self._lock:
            self._failed += calls
            self._discarded += tokens

    def usage(self) -> Usage:
        """Return what has been charged so far; open reservations do not count."""
        priced = bool(self._prices) and all(self._prices.values())
        with self._lock:
            return Usage(
                calls=self._calls.total(),
                prompt_tokens=self._prompt_tokens,
                completion_tokens=self._completion_tokens,
                money=self._money if priced else None,
                calls_by_intent=dict(sorted(self._calls.items())),
                tokens_by_intent=dict(sorted(self._tokens.items())),
                failed_calls=self._failed,
                discarded_tokens=self._discarded,
                estimated_calls=self._estimated,
            )

    def _dearest(self, bound: Bound) -> float:
        return max((p.of(bound.prompt_tokens, bound.completion_tokens) for p in self._prices.values() if p), default=0)

    def _close(self, bound: Bound) -> None:
        self._open_tokens -= bound.tokens
        self._open_money -= self._dearest(bound)
        self._open_calls -= 1

    def _obstacle(self, bound: Bound) -> tuple[str, bool]:
        """Return the cap that stands in the way, empty for none, and whether open reservations hold it."""
        if self._budget.seconds is not None and self._clock() >= self._start + self._budget.seconds:
            return "seconds", False
        calls, spent = self._calls.total(), self._prompt_tokens + self._completion_tokens
        # The open sum is a float that was added to and taken from: what is left of it below a nano-dollar is noise.
        open_money = self._open_money if self._open_calls else 0.0
        rows = (
            ("teacher calls", self._budget.teacher_calls, calls + 1, self._open_calls),
            ("teacher tokens", self._budget.teacher_tokens, spent + bound.tokens, self._open_tokens),
            ("money", self._budget.money, self._money + self._dearest(bound), open_money),
        )
        for name, cap, closed, still_open in rows:
            if cap is not None and closed + still_open > cap:
                # An open call becomes a charged call, but most of an open bound on tokens comes back.
                return name, closed <= cap
        return "", False
