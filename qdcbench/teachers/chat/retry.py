"""When to ask a server again, and how long to wait before."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from qdcbench.seeds import stream

__all__ = ["LONGEST_WAIT", "Fault", "backoff_seconds", "retry_after", "worth_retrying"]

LONGEST_WAIT = 600.0
"""Seconds; a server that asks for more is out of quota rather than busy."""

LONGEST_BACKOFF = 30.0
"""Seconds; cap of the exponential wait where the server names none."""

_BUSY_OR_TIMED_OUT = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One attempt that brought no answer.

    ``outcome`` is a few words for the journal, ``sentence`` says what the server did, ``retry`` whether asking again
    can help, ``wait`` the seconds the server asked for. The tokens are what it reported as spent all the same;
    ``silent`` is true where it may have spent some and did not say how many. ``named`` is true where the model's name
    may be the reason.
    """

    outcome: str
    sentence: str
    retry: bool
    wait: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    silent: bool = False
    named: bool = False

    @property
    def tokens(self) -> int:
        """Reported tokens, prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


def worth_retrying(status: int) -> bool:
    """Return True for a status that a later attempt can change."""
    return status in _BUSY_OR_TIMED_OUT or status >= 500


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float:
    """Return the seconds of a Retry-After header, given as a number or as a date; 0 without a readable one."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        # RFC 9110 dates are in GMT; a date without a zone is read as such.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - (time.time() if now is None else now)
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def backoff_seconds(first: float, attempt: int, seed: int, key: str) -> float:
    """Return the wait after failed attempt number ``attempt`` (from 1): doubling, and jittered down to a half.

    The jitter derives from the seed and the request's ``key``, so a batch spreads out the same way each time.
    """
    longest = min(LONGEST_BACKOFF, first * 2.0 ** min(attempt - 1, 30))
    return longest * stream(seed, "retry", {"request": key, "attempt": attempt}).uniform(0.5, 1.0)
