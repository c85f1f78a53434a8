"""The ledger: every attempt really made, what it cost, and its answer, in one file that all processes share."""

import asyncio
import os
import time
from asyncio import AbstractEventLoop, CancelledError, Future, Handle
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import finalize

from qdcbench.api import Reply
from qdcbench.errors import QdcError, StoreError
from qdcbench.teachers.account import Access, Account, Order, Rates, Spent, Ticket
from qdcbench.teachers.ledger.book import Book
from qdcbench.teachers.ledger.limits import bound_of_order
from qdcbench.teachers.ledger.schema import PATIENCE, RETRY, Locked, jitter, patiently
from qdcbench.teachers.ledger.transaction import Asked, Outcome, Settlement, Wait, settlement

__all__ = ["LedgerAccount", "open_account"]

SHORTEST_POLL, LONGEST_POLL = 0.005, 0.1
"""Seconds between two looks at what other processes hold, first and at last."""


def open_account(access: Access, rates: Rates) -> Account:
    """Open the ledger of ``access`` for one teacher; attempts of dead processes are charged at their bounds.

    An account without a file has a ledger of its own in memory.

    Raises:
        StoreError: the file cannot be opened, is damaged, no ledger, or of a newer version.
    """
    return LedgerAccount(access, rates)


@dataclass(slots=True, eq=False)
class _Waiting:
    """An order of a task that waits for its outcome."""

    asked: Asked
    future: "Future[Outcome]"


@dataclass(slots=True, eq=False)
class _Settling:
    """A settled attempt of a task that waits until it is written."""

    item: Settlement
    future: "Future[None]"


@dataclass(slots=True)
class _Gathering:
    """What the tasks of one event loop have asked since the last transaction, and the orders that must wait."""

    loop: AbstractEventLoop
    settling: list[_Settling] = field(default_factory=list)
    waiting: list[_Waiting] = field(default_factory=list)
    poll: float = SHORTEST_POLL
    locked_since: float | None = None
    next: Handle | None = None
    due: float = 0.0
    pid: int = field(default_factory=os.getpid)


class LedgerAccount:
    """One run's hold on the ledger, see `qdcbench.teachers.account.Account`.

    What all tasks of an event loop ask in one of its turns is decided in one transaction.
    """

    def __init__(self, access: Access, rates: Rates) -> None:
        """See `open_account`."""
        self.replay_only = access.replay_only
        self._book = Book(access, rates)
        self._gatherings: dict[AbstractEventLoop, _Gathering] = {}
        finalize(self, self._book.close)
        patiently(self._book.search)

    def find(self, key: str) -> Reply | None:
        """Return the recorded answer, ``cached`` set, None when there is none."""
        return patiently(lambda: self._book.find(key))

    async def reserve(self, order: Order) -> Ticket | Reply:
        """Wait for the rates' permission and take room for one attempt in every scope; see `Account.reserve`."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(Asked(order, bound_of_order(order)), loop.create_future())
        gathering = self._gathering(loop)
        gathering.waiting.append(waiting)
        self._soon(gathering)
        try:
            outcome = await waiting.future
        except CancelledError:
            future = waiting.future
            if future.done() and not future.cancelled() and not future.exception():
                taken = future.result()
                if isinstance(taken, Ticket):
                    patiently(lambda: self._book.release([taken]))
            raise
        assert isinstance(outcome, Ticket | Reply)
        return outcome

    async def settle(self, ticket: Ticket, spent: Spent, reply: Reply | None) -> None:
        """Replace the reservation by what was spent and record the answer, in one transaction."""
        loop = asyncio.get_running_loop()
        settling = _Settling(settlement(ticket, spent, reply), loop.create_future())
        gathering = self._gathering(loop)
        gathering.settling.append(settling)
        self._soon(gathering)
        try:
            await settling.future
        except CancelledError:
            # The loop may be ending: what was spent is written before the task goes.
            if settling in gathering.settling:
                gathering.settling.remove(settling)
                self._write([settling.item])
            raise

    def reserve_now(self, orders: Sequence[Order]) -> list[Ticket | Reply]:
        """Do the same for a batch of a teacher in this process, sleeping where it must wait; all or none."""
        asked = [Asked(order, bound_of_order(order)) for order in orders]
        poll = SHORTEST_POLL
        while isinstance(outcomes := patiently(lambda: self._book.reserve_all(asked)), Wait):
            for one in asked:
                one.waits_for = outcomes.for_what
            time.sleep(_pause(outcomes, poll))
            poll = min(LONGEST_POLL, poll * 1.5)
        if isinstance(outcomes, QdcError):
            raise outcomes
        return [one for one in outcomes if isinstance(one, Ticket | Reply)]

    def settle_now(self, settled: Sequence[tuple[Ticket, Spent, Reply | None]]) -> None:
        """Settle a batch in one transaction."""
        items = [settlement(*one) for one in settled]
        self._write(items)

    def close(self) -> None:
        """Close the file; open reservations stay charged, as after a kill."""
        try:
            for gathering in list(self._gatherings.values()):
                # A parent's tasks settle for themselves.
                if gathering.pid == os.getpid() and gathering.settling:
                    taken, gathering.settling = gathering.settling, []
                    self._write([one.item for one in taken])
                    if not gathering.loop.is_closed():
                        gathering.loop.call_soon_threadsafe(_tell, taken, [None] * len(taken))
        finally:
            self._book.close()

    def _write(self, items: list[Settlement]) -> None:
        """Write settled attempts at once; all that can be written are, then the first error is raised."""
        errors, _ = patiently(lambda: self._book.transact(items, []))
        for error in errors:
            if error is not None:
                raise error

    def _gathering(self, loop: AbstractEventLoop) -> _Gathering:
        gathering = self._gatherings.get(loop)
        if gathering is None:
            for old in list(self._gatherings):
                if old.is_closed():
                    self._gatherings.pop(old, None)
            gathering = self._gatherings[loop] = _Gathering(loop)
        return gathering

    def _soon(self, gathering: _Gathering, seconds: float = 0.0) -> None:
        """Have what is gathered decided in the next turn of the loop, or after so many seconds."""
        due = gathering.loop.time() + seconds
        if gathering.next is not None:
            if gathering.due <= due:
                return
            gathering.next.cancel()
        gathering.due = due
        if seconds:
            gathering.next = gathering.loop.call_later(seconds, self._decide, gathering)
        else:
            gathering.next = gathering.loop.call_soon(self._decide, gathering)

    def _decide(self, gathering: _Gathering) -> None:
        gathering.next = None
        settling, gathering.settling = gathering.settling, []
        waiting = gathering.waiting = [one for one in gathering.waiting if not one.future.done()]
        errors: Sequence[StoreError | None]
        outcomes: Sequence[Outcome]
        try:
            errors, outcomes = self._book.transact([one.item for one in settling], [one.asked for one in waiting])
        except Exception as error:
            gathering.locked_since = gathering.locked_since or time.monotonic()
            if isinstance(error, Locked) and time.monotonic() < gathering.locked_since + PATIENCE:
                gathering.settling[:0] = settling
                self._soon(gathering, jitter(RETRY))
                return
            # Nothing was written, and everyone who asked must know.
            refused = error if isinstance(error, StoreError) else self._unexpected(error)
            errors, outcomes = _copies(refused, len(settling)), _copies(refused, len(waiting))
        gathering.locked_since = None
        _tell(settling, errors)
        self._deliver(gathering, waiting, outcomes, progress=bool(settling))

    def _unexpected(self, error: Exception) -> StoreError:
        where = self._book.path or "in memory"
        return StoreError(
            f"the ledger {where} wrote nothing of this transaction ({type(error).__name__}: {error}); check what the "
            "teacher's server reports as usage and run the same command again"
        )

    def _deliver(
        self, gathering: _Gathering, waiting: list[_Waiting], outcomes: Sequence[Outcome], *, progress: bool
    ) -> None:
        gathering.waiting = []
        pause = LONGEST_POLL
        for one, outcome in zip(waiting, outcomes, strict=True):
            if isinstance(outcome, Wait):
                one.asked.waits_for = outcome.for_what
                pause = min(pause, _pause(outcome, gathering.poll))
                gathering.waiting.append(one)
            elif isinstance(outcome, QdcError):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)
        progress = progress or len(gathering.waiting) < len(waiting)
        gathering.poll = SHORTEST_POLL if progress else min(LONGEST_POLL, gathering.poll * 1.5)
        if gathering.waiting:
            self._soon(gathering, pause)


def _pause(wait: Wait, poll: float) -> float:
    """Return the seconds until it is worth to ask again."""
    return min(LONGEST_POLL, wait.seconds + jitter(RETRY) if wait.seconds else jitter(poll))


def _tell(settling: Sequence[_Settling], errors: Sequence[StoreError | None]) -> None:
    for one, error in zip(settling, errors, strict=True):
        if one.future.done():
            continue
        if error is None:
            one.future.set_result(None)
        else:
            one.future.set_exception(error)


def _copies(error: StoreError, number: int) -> list[StoreError]:
    """Return an error for each of many tasks: one that is raised in several places collects all their tracebacks."""
    return [StoreError(str(error)) for _ in range(number)]
