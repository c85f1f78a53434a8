"""Teachers that answer in batches under caps: as much of a batch as there is room for, and a scripted one's account."""

import os
import time
import uuid
from collections.abc import Sequence
from threading import Lock
from weakref import finalize

from qdcbench.api import Reply, Request, Teacher
from qdcbench.errors import TeacherError
from qdcbench.records import TeacherSpec
from qdcbench.teachers.account import Access, Account, CapReached, Order, Rates, Spent, Ticket
from qdcbench.teachers.faults import in_vain
from qdcbench.teachers.ledger.group_commit import open_account
from qdcbench.teachers.meter import bound_of
from qdcbench.teachers.prices import FREE

__all__ = ["CappedTeacher", "OpenAccount", "reserve_what_fits"]

BATCH = 64
"""Questions of a scripted teacher that are accounted for in one transaction."""


def reserve_what_fits(account: Account, orders: Sequence[Order]) -> list[Ticket | Reply]:
    """Take room for the first of the orders, all of them if possible; at least for one.

    Reservations are upper bounds, so what a smaller batch leaves unspent often makes room for the rest.

    Raises:
        CapReached: there is no room for a single one.
        NotRecorded: only recorded answers may be used.
    """
    while True:
        try:
            return account.reserve_now(orders)
        except CapReached:
            if len(orders) == 1:
                raise
            orders = orders[: len(orders) // 2]


class OpenAccount:
    """The account of one teacher in this process, opened when it is first needed."""

    def __init__(self, access: Access, rates: Rates) -> None:
        """See `qdcbench.teachers.ledger.open_account`."""
        self._access = access
        self._rates = rates
        self._lock = Lock()
        self._open: tuple[int, Account] | None = None

    def get(self) -> Account:
        """Return the account; a forked child opens its own."""
        with self._lock:
            if self._open is None or self._open[0] != os.getpid():
                account = open_account(self._access, self._rates)
                self._open = os.getpid(), account
                finalize(self, account.close)
            return self._open[1]

    def close(self) -> None:
        """Close the file; the next `get` opens it again."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None and opened[0] == os.getpid():
            opened[1].close()


class CappedTeacher:
    """A scripted teacher whose calls are charged to capped scopes: a suite's caps hold for every teacher.

    Nothing is recorded, for a script answers again at once.
    """

    def __init__(self, teacher: Teacher, spec: TeacherSpec, access: Access) -> None:
        """``access`` has a scope with a cap."""
        self.simulated = teacher.simulated
        self._teacher = teacher
        self._name = spec.name
        self._account = OpenAccount(access, Rates(endpoint=spec.name))

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests.

        Raises:
            TeacherError: from the teacher itself.
            CapReached: a cap has no room for all; it hands over the replies before.
        """
        account = self._account.get()
        replies: list[Reply] = []
        while len(replies) < len(requests):
            batch = requests[len(replies) : len(replies) + BATCH]
            try:
                tickets = reserve_what_fits(account, [self._order(request) for request in batch])
                replies += self._answer(account, batch[: len(tickets)], tickets, seed)
            except TeacherError as error:
                left = [None] * (len(requests) - len(replies))
                raise in_vain(error, [*replies, *left] if replies else ()) from None
        return replies

    def close(self) -> None:
        """Close the account; a later `complete` opens it again."""
        self._account.close()

    def _answer(
        self, account: Account, batch: Sequence[Request], tickets: Sequence[Ticket | Reply], seed: int
    ) -> list[Reply]:
        taken = [ticket for ticket in tickets if isinstance(ticket, Ticket)]
        started = time.monotonic()
        try:
            replies = self._teacher.complete(batch, seed)
        except BaseException as error:
            account.settle_now([(ticket, Spent(outcome=type(error).__name__), None) for ticket in taken])
            raise
        seconds = time.monotonic() - started
        spent = [
            Spent(
                outcome="answered", prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens,
                seconds=seconds,
            )
            for reply in replies
        ]  # fmt: skip
        account.settle_now([(ticket, one, None) for ticket, one in zip(taken, spent, strict=True)])
        return replies

    def _order(self, request: Request) -> Order:
        bound = bound_of(request)
        # The key is nobody else's: equal questions of two runs are two attempts.
        return Order(
            key=uuid.uuid4().hex, request={}, intent=request.intent, teacher=self._name,
            prompt_tokens=bound.prompt_tokens, completion_tokens=bound.completion_tokens, price=FREE,
        )  # fmt: skip
