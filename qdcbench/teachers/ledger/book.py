"""One hold on the ledger file: its connection, who holds it, and transactions that any thread may ask for."""

import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from threading import Lock
from typing import TypeVar

from qdcbench.api import Reply
from qdcbench.errors import QdcError, StoreError
from qdcbench.teachers.account import Access, NotRecorded, Order, Rates, Ticket
from qdcbench.teachers.ledger.answers import compact_json
from qdcbench.teachers.ledger.holders import Process, this_process
from qdcbench.teachers.ledger.schema import EACH, connect, connect_to_read, patiently, refusal
from qdcbench.teachers.ledger.transaction import (
    Asked,
    Batch,
    Outcome,
    Settlement,
    Terms,
    Transaction,
    Wait,
    recorded_reply,
)

__all__ = ["Book"]

SEARCH = 0.2
"""Seconds between two searches for reservations of dead processes, while something waits."""

T = TypeVar("T")


class Book:
    """The ledger as one account sees it. Every method is one transaction at most, and safe to call from any thread.

    A method raises `Locked` at once when another process writes; `patiently` tries again.
    """

    def __init__(self, access: Access, rates: Rates) -> None:
        """Nothing is opened yet."""
        self.path = access.ledger
        self._access = access
        self._rates = rates
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._holder = 0
        self._numbers: Iterator[int] = count()
        self._pid = os.getpid()
        self._searched = 0.0
        self._closed = False
        _BOOKS.add(self)

    def find(self, key: str) -> Reply | None:
        """Return a recorded answer."""
        with self._lock:
            row = self._try(lambda db: db.execute("SELECT reply FROM answers WHERE key = ?", (key,)).fetchone())
        found = None if row is None else recorded_reply(row[0], key, self.path)
        if isinstance(found, StoreError):
            raise found
        return found

    def transact(
        self, settled: Sequence[Settlement], asked: Sequence[Asked]
    ) -> tuple[list[StoreError | None], list[Outcome]]:
        """Settle all, then decide about each order by itself, in one transaction.

        Raises:
            StoreError: nothing of it was written.
        """
        if self._access.replay_only:
            if settled:
                raise StoreError(f"the ledger {self.path} was opened to be read only; open it without replay_only")
            return [], [self._replayed(one.order) for one in asked]
        return self._write(
            lambda work: ([work.settle(item) for item in settled], [work.reserve(one) for one in asked]),
            waiting=any(one.waits_for for one in asked),
        )

    def reserve_all(self, asked: Sequence[Asked]) -> list[Outcome] | Wait | QdcError:
        """Take room for all of a batch or, when one must wait or is refused, for none."""
        if self._access.replay_only:
            found: list[Outcome] = [self._replayed(one.order) for one in asked]
            return next((one for one in found if isinstance(one, QdcError)), found)

        def act(work: Transaction) -> list[Outcome] | Wait | QdcError:
            outcomes: list[Outcome] = []
            batch = Batch()
            for one in asked:
                outcome = work.reserve(one, batch)
                if isinstance(outcome, Wait | QdcError):
                    for taken in outcomes:
                        if isinstance(taken, Ticket):
                            work.release(taken)
                    return outcome
                if isinstance(outcome, Ticket):
                    batch.keys.add(one.order.key)
                    batch.sums.hold(one.bound)
                outcomes.append(outcome)
            return outcomes

        return self._write(act, waiting=any(one.waits_for for one in asked))

    def release(self, tickets: Sequence[Ticket]) -> None:
        """Give back reservations for which nothing was sent."""

        def act(work: Transaction) -> None:
            for ticket in tickets:
                work.release(ticket)

        self._write(act)

    def search(self) -> None:
        """Open the file and charge what dead processes have left open."""
        with self._lock:
            some = self._try(lambda db: db.execute("SELECT 1 FROM open LIMIT 1").fetchone())
            if some and not self._access.replay_only:
                self._searched = 0.0
                self._work(lambda work: None, waiting=True)

    def close(self) -> None:
        """Charge what is still open here at its bounds and close the file; harmless a second time."""
        with self._lock:
            if self._closed:
                return
            try:
                if self._holder and self._pid == os.getpid():
                    patiently(lambda: self._work(lambda work: work.lose_all(self._holder), waiting=False))
            finally:
                self._closed = True
                self._drop()

    def before_fork(self) -> None:
        """Let go of the file: SQLite's own note of its locks would be wrong in a child."""
        self._lock.acquire()
        if self.path is not None:
            self._drop()

    def after_fork(self) -> None:
        """Go on, in the parent or in the child."""
        if self._pid != os.getpid():
            self._pid, self._holder = os.getpid(), 0
        self._lock.release()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _replayed(self, order: Order) -> Reply | NotRecorded:
        reply = self.find(order.key)
        if reply is not None:
            return reply
        messages = order.request.get("messages") or [["", ""]]
        where = f"the ledger {self.path}" if self.path else "the empty ledger in memory"
        return NotRecorded(
            f"there is no recorded answer to the {order.intent} request that begins {str(messages[-1][-1])[:60]!r} "
            f"in {where}; run without --replay-only to ask for it"
        )

    def _write(self, act: Callable[[Transaction], T], *, waiting: bool = False) -> T:
        with self._lock:
            return self._work(act, waiting=waiting)

    def _work(self, act: Callable[[Transaction], T], *, waiting: bool) -> T:
        """Run in one write transaction; the lock is held."""

        def transaction(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            try:
                holder = self._holder or self._enrol(db)
                if holder != self._holder:
                    self._numbers = count(holder * EACH)
                terms = Terms(access=self._access, rates=self._rates, numbers=self._numbers, path=self.path)
                searched = waiting and time.monotonic() - self._searched > SEARCH
                work = Transaction(db, terms, time.time())
                for dead in self._dead(db) if searched else ():
                    work.lose_all(dead)
                result = act(work)
                work.write_back()
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            self._holder = holder
            if searched:
                self._searched = time.monotonic()
            return result

        return self._try(transaction)

    def _try(self, act: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise StoreError(f"the ledger {self.path or 'in memory'} was closed; open the account again")
        try:
            if self._connection is None:
                open_file = connect_to_read if self._access.replay_only else connect
                self._connection = open_file(self.path)
            return act(self._connection)
        except sqlite3.Error as error:
            raise refusal(self.path, error) from error

    def _enrol(self, db: sqlite3.Connection) -> int:
        """Write down who we are, so that others can see when we are dead."""
        me = this_process()
        scopes = [scope.name for scope in self._access.scopes]
        number = db.execute(
            "INSERT INTO holders (place, pid, started, labels, scopes, since) VALUES (?, ?, ?, ?, ?, ?)",
            (me.place, me.pid, me.started, compact_json(dict(self._access.labels)), compact_json(scopes), time.time()),
        ).lastrowid
        assert number is not None
        return number

    def _dead(self, db: sqlite3.Connection) -> list[int]:
        rows = db.execute(
            "SELECT holders.number, place, pid, started, max(open.since) FROM open JOIN holders "
            "ON holders.number = open.number / ? GROUP BY 1",
            (EACH,),
        ).fetchall()
        now = time.time()
        return [
            holder
            for holder, place, pid, started, since in rows
            if not Process(place=place, pid=pid, started=started).lives(now - since)
        ]


_BOOKS: "weakref.WeakSet[Book]" = weakref.WeakSet()
_HELD: list[Book] = []
"""Books whose locks a fork holds just now."""


def _before_fork() -> None:
    for book in list(_BOOKS):
        book.before_fork()
        _HELD.append(book)


def _after_fork() -> None:
    while _HELD:
        _HELD.pop().after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
