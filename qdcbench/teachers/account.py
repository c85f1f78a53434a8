"""What a teacher that costs something must have at hand: the cache of answers, the caps, the journal of attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from qdcbench.api import Reply
from qdcbench.errors import TeacherError
from qdcbench.records import Caps
from qdcbench.teachers.prices import Price

__all__ = ["Access", "Account", "CapReached", "NotRecorded", "Order", "Rates", "Scope", "Spent", "Ticket"]


class CapReached(TeacherError):
    """A cap on what may be really spent has no room for another attempt; nothing was sent.

    ``scope`` is the name of the scope whose cap it is.
    """

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope

    def __reduce__(self) -> tuple[type["CapReached"], tuple[str, str]]:
        return (CapReached, (str(self), self.scope))


class NotRecorded(TeacherError):
    """Only recorded answers may be used, and there is none to this question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Something whose spending is capped, such as ``suite:standard`` or ``run:0123456789abcdef``."""

    name: str
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How the teachers of one run reach the ledger: plain values, so that they travel to any process.

    ``ledger`` is the database file; None gives every account a ledger of its own in memory, so caps that several
    teachers share need a file. ``scopes`` are charged together; the first is the widest. ``labels`` (run, method,
    stage) are written beside every attempt.
    """

    ledger: Path | None = None
    replay_only: bool = False
    scopes: tuple[Scope, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What one endpoint allows, over all processes that share a ledger; None means no limit."""

    endpoint: str
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One attempt about to be made.

    ``key`` is the digest of the canonical ``request`` (which holds the sample index); ``prompt_tokens`` and
    ``completion_tokens`` are upper bounds; ``attempt`` counts from 1.
    """

    key: str
    request: Mapping[str, Any]
    intent: str
    teacher: str
    prompt_tokens: int
    completion_tokens: int
    attempt: int = 1
    price: Price | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """Room taken for one attempt until it is settled."""

    number: int
    order: Order


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What an attempt came to: ``outcome`` is ``answered`` or a few words on the fault, ``seconds`` its latency.

    With the outcome ``not sent`` the room is given back and nothing is charged or written.
    ``assumed`` is true where the server may have charged but did not say how much: then the tokens are the bound.
    """

    outcome: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    assumed: bool = False


class Account(Protocol):
    """One run's hold on the ledger. Safe to use from several threads; its file, from many processes."""

    replay_only: bool

    def find(self, key: str) -> Reply | None:
        """Return the recorded answer, ``cached`` set, None when there is none."""
        ...

    async def reserve(self, order: Order) -> Ticket | Reply:
        """Wait for the rates' permission and take room for one attempt in every scope.

        A request that another holder has under way is waited for, and its answer is returned instead of a ticket.

        Raises:
            CapReached: some scope has no room, and what is under way would not make any.
            NotRecorded: only recorded answers may be used.
        """
        ...

    async def settle(self, ticket: Ticket, spent: Spent, reply: Reply | None) -> None:
        """Replace the reservation by what was spent and, in the same transaction, record the answer if there is one."""
        ...

    def reserve_now(self, orders: Sequence[Order]) -> list[Ticket | Reply]:
        """Do the same for a batch of a teacher in this process, sleeping where it must wait; all or none."""
        ...

    def settle_now(self, settled: Sequence[tuple[Ticket, Spent, Reply | None]]) -> None:
        """Settle a batch in one transaction."""
        ...

    def close(self) -> None:
        """Close the file; open reservations stay charged, as after a kill."""
        ...
