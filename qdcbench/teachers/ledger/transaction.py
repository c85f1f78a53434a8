"""One transaction on the ledger: many attempts may be reserved and settled in it, and all caps are decided here."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qdcbench.api import Reply
from qdcbench.errors import StoreError, TeacherError
from qdcbench.teachers.account import Access, CapReached, Order, Rates, Spent, Ticket
from qdcbench.teachers.ledger.answers import compact_json, read_reply, written_reply
from qdcbench.teachers.ledger.limits import Bound, Flow, Sums, bound_of_order, cap_sentence, obstacle, picodollars
from qdcbench.teachers.ledger.schema import EACH

__all__ = [
    "LOST",
    "NOT_SENT",
    "Asked",
    "Outcome",
    "Settlement",
    "Terms",
    "Transaction",
    "Wait",
    "recorded_reply",
    "settlement",
]

LOST = "lost"
"""Outcome of an attempt whose process ended before it was settled: it may have been paid."""


NOT_SENT = "not sent"
"""Outcome that gives a reservation back: no attempt was made, so none is charged or written into the journal."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ``for_what`` is ``answer`` (another holder asks the same), ``room`` (of a cap), ``place`` or ``rate``.

    ``seconds`` is how long, zero where nobody knows.
    """

    for_what: str
    seconds: float = 0.0


Outcome = Ticket | Reply | Wait | TeacherError | StoreError


@dataclass(slots=True)
class Batch:
    """What a batch has reserved so far: it cannot wait for itself."""

    keys: set[str] = field(default_factory=set)
    sums: Sums = field(default_factory=Sums)


@dataclass(slots=True)
class Asked:
    """An order and what it last waited for."""

    order: Order
    bound: Bound
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A settled attempt made ready to be written; ``request`` and ``reply`` are JSON, empty without an answer."""

    ticket: Ticket
    spent: Spent
    outcome: str
    picodollars: int | None
    request: str
    reply: str


def settlement(ticket: Ticket, spent: Spent, reply: Reply | None) -> Settlement:
    """Make a settled attempt ready, outside of any lock."""
    return Settlement(
        ticket=ticket,
        spent=spent,
        # A server's words may hold what no database stores as text.
        outcome=spent.outcome.encode("utf-8", "backslashreplace").decode(),
        picodollars=picodollars(ticket.order.price, spent.prompt_tokens, spent.completion_tokens),
        request=compact_json(ticket.order.request) if reply else "",
        reply=written_reply(reply) if reply else "",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Whose transaction it is: scopes and labels, rates, the holder's next numbers, the file's name for sentences."""

    access: Access
    rates: Rates
    numbers: Iterator[int]
    path: Path | None


def recorded_reply(text: str, key: str, path: Path | None) -> Reply | StoreError:
    """Return a recorded reply, or what is wrong with its row."""
    try:
        return read_reply(text, key)
    except ValueError as error:
        return StoreError(f"the answer {key} in the ledger {path} cannot be read: {error}; delete its row")


class Transaction:
    """Works on an open write transaction; sums are read once and written once, by `write_back`."""

    def __init__(self, connection: sqlite3.Connection, terms: Terms, now: float) -> None:
        """``now`` is wall-clock time, which all processes share."""
        self._db = connection
        self._terms = terms
        self._now = now
        self._sums: dict[str, Sums] = {}
        self._flows: dict[str, Flow] = {}

    def reserve(self, asked: Asked, batch: Batch | None = None) -> Outcome:
        """Decide about one attempt; ``batch`` is what was reserved before it, all to be sent together."""
        if asked.waits_for in {"room", "place", "rate"}:
            way = self._in_the_way(asked, batch)
            if isinstance(way, Wait):
                return way
        order = asked.order
        row = self._db.execute("SELECT reply FROM answers WHERE key = ?", (order.key,)).fetchone()
        if row is not None:
            return recorded_reply(row[0], order.key, self._terms.path)
        if batch is None or order.key not in batch.keys:
            if self._db.execute("SELECT 1 FROM open WHERE key = ?", (order.key,)).fetchone():
                return Wait("answer")
        way = self._in_the_way(asked, batch)
        return self._grant(asked) if way is None else way

    def settle(self, item: Settlement) -> StoreError | None:
        """Replace a reservation by what was spent; the error of one that was settled before harms no other."""
        order, spent = item.ticket.order, item.spent
        if spent.outcome == NOT_SENT:
            self.release(item.ticket)
            return None
        charged = Bound(spent.prompt_tokens + spent.completion_tokens, item.picodollars)
        if self._close(item.ticket):
            flow = self._flow(self._terms.rates.endpoint)
            flow.charge(self._terms.rates, charged.tokens - bound_of_order(order).tokens, 0)
            self._journal(item)
        elif not self._correct(item):
            return StoreError(f"the attempt {item.ticket.number} in the ledger {self._terms.path} was settled before")
        for sums in self._own_sums():
            sums.charge(charged, assumed=spent.assumed)
        if item.reply:
            self._db.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", (order.key, item.request, item.reply, self._now)
            )
        return None

    def release(self, ticket: Ticket) -> None:
        """Give back a reservation for which nothing was sent; one that is settled stays so."""
        if self._close(ticket):
            flow = self._flow(self._terms.rates.endpoint)
            flow.charge(self._terms.rates, -bound_of_order(ticket.order).tokens, -1)

    def write_back(self) -> None:
        """Write the sums and flows that were touched."""
        for name, sums in self._sums.items():
            self._db.execute(
                "REPLACE INTO totals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (name, sums.calls, sums.tokens, sums.picodollars, sums.unpriced, sums.assumed, sums.open_calls,
                 sums.open_tokens, sums.open_picodollars),
            )  # fmt: skip
        for name, flow in self._flows.items():
            self._db.execute(
                "REPLACE INTO rates VALUES (?, ?, ?, ?, ?)",
                (name, flow.open, flow.requests_ahead, flow.tokens_ahead, flow.at),
            )

    def _in_the_way(self, asked: Asked, batch: Batch | None) -> Wait | CapReached | None:
        for scope in self._terms.access.scopes:
            sums = self._totals(scope.name)
            cap, may_return = obstacle(scope, sums, asked.bound, batch.sums if batch else None)
            if cap and may_return:
                return Wait("room")
            if cap:
                return CapReached(cap_sentence(scope, sums, asked.bound, cap, asked.order.teacher), scope.name)
        # A batch of a teacher in this process is sent as one.
        if batch is not None and batch.keys:
            return None
        rates, flow = self._terms.rates, self._flow(self._terms.rates.endpoint)
        if rates.concurrency is not None and flow.open >= rates.concurrency:
            return Wait("place")
        seconds = flow.wait(rates)
        return Wait("rate", seconds) if seconds else None

    def _grant(self, asked: Asked) -> Ticket:
        order, terms = asked.order, self._terms
        number = next(terms.numbers)
        self._db.execute(
            "INSERT INTO open VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (order.key, number, terms.rates.endpoint, order.intent, order.teacher, order.attempt,
             order.prompt_tokens, order.completion_tokens, asked.bound.picodollars, self._now),
        )  # fmt: skip
        for sums in self._own_sums():
            sums.hold(asked.bound)
        flow = self._flow(terms.rates.endpoint)
        flow.open += 1
        flow.charge(terms.rates, asked.bound.tokens)
        return Ticket(number=number, order=order)

    def _close(self, ticket: Ticket) -> bool:
        place = (ticket.order.key, ticket.number)
        if not self._db.execute("DELETE FROM open WHERE key = ? AND number = ?", place).rowcount:
            return False
        bound = bound_of_order(ticket.order)
        for sums in self._own_sums():
            sums.hold(bound, -1)
        self._flow(self._terms.rates.endpoint).open -= 1
        return True

    def _journal(self, item: Settlement) -> None:
        order, spent = item.ticket.order, item.spent
        self._db.execute(
            "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (item.ticket.number, order.key, order.intent, order.teacher, order.attempt, item.outcome,
             spent.prompt_tokens, spent.completion_tokens, spent.assumed, item.picodollars, spent.seconds, self._now),
        )  # fmt: skip

    def _correct(self, item: Settlement) -> bool:
        """Take back a loss, False where there is none: who was thought dead has come back with what it really spent."""
        number, spent = item.ticket.number, item.spent
        row = self._db.execute(
            "SELECT prompt_tokens + completion_tokens, picodollars FROM attempts WHERE number = ? AND outcome = ?",
            (number, LOST),
        ).fetchone()
        if row is None:
            return False
        for sums in self._own_sums():
            sums.charge(Bound(*row), assumed=True, times=-1)
        self._db.execute(
            "UPDATE attempts SET outcome = ?, prompt_tokens = ?, completion_tokens = ?, assumed = ?, picodollars = ?, "
            "seconds = ?, settled = ? WHERE number = ?",
            (item.outcome, spent.prompt_tokens, spent.completion_tokens, spent.assumed, item.picodollars,
             spent.seconds, self._now, number),
        )  # fmt: skip
        return True

    def lose_all(self, holder: int) -> None:
        """Charge what a dead holder had open at its bounds."""
        row = self._db.execute("SELECT scopes FROM holders WHERE number = ?", (holder,)).fetchone()
        names = json.loads(row[0])
        rows = self._db.execute(
            "SELECT number, endpoint, prompt_tokens + completion_tokens, picodollars FROM open WHERE number / ? = ?",
            (EACH, holder),
        ).fetchall()
        for number, endpoint, tokens, cost in rows:
            self._db.execute(
                "INSERT INTO attempts SELECT number, key, intent, teacher, attempt, ?, prompt_tokens, "
                "completion_tokens, 1, picodollars, 0.0, ? FROM open WHERE number = ?",
                (LOST, self._now, number),
            )
            self._db.execute("DELETE FROM open WHERE number = ?", (number,))
            bound = Bound(tokens, cost)
            for name in names:
                self._totals(name).hold(bound, -1)
                self._totals(name).charge(bound, assumed=True)
            self._flow(endpoint).open -= 1

    def _own_sums(self) -> list[Sums]:
        return [self._totals(scope.name) for scope in self._terms.access.scopes]

    def _totals(self, scope: str) -> Sums:
        sums = self._sums.get(scope)
        if sums is None:
            row = self._db.execute(
                "SELECT calls, tokens, picodollars, unpriced, assumed, open_calls, open_tokens, open_picodollars "
                "FROM totals WHERE scope = ?",
                (scope,),
            ).fetchone()
            sums = self._sums[scope] = Sums(*row) if row else Sums()
        return sums

    def _flow(self, endpoint: str) -> Flow:
        flow = self._flows.get(endpoint)
        if flow is None:
            row = self._db.execute(
                "SELECT open, requests_ahead, tokens_ahead, at FROM rates WHERE endpoint = ?", (endpoint,)
            ).fetchone()
            flow = self._flows[endpoint] = Flow(*row) if row else Flow()
            flow.advance(self._now)
        return flow
