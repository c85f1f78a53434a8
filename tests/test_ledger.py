"""The ledger keeps caps over any order of events, finds every answer again, and says in a sentence what went wrong."""

import asyncio
import importlib.util
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qdcbench.api import Reply, Request
from qdcbench.errors import QdcError, StoreError
from qdcbench.records import Caps, TeacherSpec
from qdcbench.teachers.account import Access, Account, CapReached, NotRecorded, Order, Rates, Scope, Spent, Ticket
from qdcbench.teachers.canonical import canonical_request, request_key
from qdcbench.teachers.chat.teacher import chat_teacher
from qdcbench.teachers.ledger import schema
from qdcbench.teachers.ledger.book import Book
from qdcbench.teachers.ledger.group_commit import open_account
from qdcbench.teachers.ledger.limits import Flow, bound_of_order
from qdcbench.teachers.ledger.read import Spend, export_answers, import_answers, journal, spent
from qdcbench.teachers.ledger.schema import LEDGER_VERSION
from qdcbench.teachers.ledger.transaction import NOT_SENT, Asked, Outcome, settlement
from qdcbench.teachers.prices import Price

IDENTITY = {"kind": "openai", "model": "m", "options": {"base_url": "http://127.0.0.1:1/v1"}}
PRICE = Price(input=0.15, output=0.6, dated="2026-11-01", source="a page")
FREE = Rates(endpoint="here")

_SPEC = importlib.util.spec_from_file_location("chat_server", Path(__file__).with_name("chat_server.py"))
assert _SPEC is not None and _SPEC.loader is not None
chat_server = sys.modules.setdefault("chat_server", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(chat_server)


def order(text: str, *, prompt: int = 10, completion: int = 20, price: Price | None = None, sample: int = 0) -> Order:
    request = Request(intent="answer", material={}, messages=(("user", text),), sample=sample)
    canonical = canonical_request(IDENTITY, request, 7)
    return Order(
        key=request_key(canonical), request=canonical, intent="answer", teacher="openai:m",
        prompt_tokens=prompt, completion_tokens=completion, price=price,
    )  # fmt: skip


def answer(text: str = "an answer", **fields: Any) -> Reply:
    return Reply(**{"text": text, "prompt_tokens": 4, "completion_tokens": 6, "seconds": 0.25} | fields)


def charge(tokens: tuple[int, int] = (4, 6), outcome: str = "answered", **fields: Any) -> Spent:
    return Spent(outcome=outcome, prompt_tokens=tokens[0], completion_tokens=tokens[1], seconds=0.25, **fields)


def access(path: Path | None, *scopes: Scope, run: str = "r1", replay_only: bool = False) -> Access:
    return Access(ledger=path, scopes=scopes, labels={"run": run, "stage": "generate"}, replay_only=replay_only)


def ask(account: Account, asked: Order, reply: Reply | None = None) -> Reply:
    """Reserve, settle and return; an answer found is returned as it is."""
    (found,) = account.reserve_now([asked])
    if isinstance(found, Reply):
        return found
    reply = reply or answer()
    account.settle_now([(found, charge((reply.prompt_tokens, reply.completion_tokens)), reply)])
    return reply


def take(account: Account, asked: Order) -> Ticket:
    (ticket,) = account.reserve_now([asked])
    assert isinstance(ticket, Ticket)
    return ticket


def ask_database(path: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement, values).fetchall()


SUITE = Scope(name="suite:s", caps=Caps(calls=40, tokens=900, money=0.0003))
RUNS = (Scope(name="run:1", caps=Caps(calls=25)), Scope(name="run:2", caps=Caps(tokens=500)))
bounds = st.tuples(st.integers(0, 60), st.integers(1, 60))
picks = st.integers(0, 10**6)


class Ledgers(RuleBasedStateMachine):
    """Two holders of one file do anything in any order, and die, and come back."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "ledger.sqlite"
        self.books = [self.open(i) for i in (0, 1)]
        for book in self.books:
            book.search()
        self.asked = 0
        self.open_tickets: list[tuple[int, Ticket]] = []
        self.dead_tickets: list[tuple[int, Ticket]] = []
        self.answered: dict[str, str] = {}

    def open(self, which: int) -> Book:
        return Book(access(self.file, SUITE, RUNS[which], run=f"r{which}"), Rates(endpoint="here", concurrency=6))

    def teardown(self) -> None:
        for book in self.books:
            book.close()
        self.folder.cleanup()

    def new_order(self, bound: tuple[int, int]) -> Asked:
        self.asked += 1
        one = order(f"question {self.asked}", prompt=bound[0], completion=bound[1], price=PRICE)
        return Asked(one, bound_of_order(one))

    def note(self, which: int, outcome: Outcome) -> None:
        if isinstance(outcome, Ticket):
            self.open_tickets.append((which, outcome))

    @rule(which=st.integers(0, 1), asked=st.lists(bounds, min_size=1, max_size=4))
    def reserve(self, which: int, asked: list[tuple[int, int]]) -> None:
        _, outcomes = self.books[which].transact([], [self.new_order(bound) for bound in asked])
        for outcome in outcomes:
            self.note(which, outcome)

    @rule(which=st.integers(0, 1), asked=st.lists(bounds, min_size=1, max_size=6))
    def reserve_batch(self, which: int, asked: list[tuple[int, int]]) -> None:
        outcomes = self.books[which].reserve_all([self.new_order(bound) for bound in asked])
        if isinstance(outcomes, list):
            assert len(outcomes) == len(asked)
            for outcome in outcomes:
                self.note(which, outcome)

    @precondition(lambda self: self.open_tickets)
    @rule(pick=picks, share=st.floats(0, 1), answered=st.booleans(), assumed=st.booleans())
    def settle(self, pick: int, share: float, answered: bool, assumed: bool) -> None:
        which, ticket = self.open_tickets.pop(pick % len(self.open_tickets))
        self.settle_one(which, ticket, share, answered, assumed)

    def settle_one(self, which: int, ticket: Ticket, share: float, answered: bool, assumed: bool) -> None:
        used = int(ticket.order.prompt_tokens * share), int(ticket.order.completion_tokens * share)
        reply = answer(f"to {ticket.order.key}", prompt_tokens=used[0], completion_tokens=used[1])
        cost = charge(used, "answered" if answered else "status 500", assumed=assumed)
        errors, _ = self.books[which].transact([settlement(ticket, cost, reply if answered else None)], [])
        assert errors == [None]
        if answered:
            self.answered.setdefault(ticket.order.key, reply.text)

    @precondition(lambda self: self.open_tickets)
    @rule(pick=picks)
    def give_back(self, pick: int) -> None:
        which, ticket = self.open_tickets.pop(pick % len(self.open_tickets))
        self.books[which].transact([settlement(ticket, Spent(outcome=NOT_SENT), None)], [])

    @precondition(lambda self: self.open_tickets)
    @rule(pick=picks)
    def settle_twice(self, pick: int) -> None:
        which, ticket = self.open_tickets.pop(pick % len(self.open_tickets))
        self.settle_one(which, ticket, 0.5, False, False)
        errors, _ = self.books[which].transact([settlement(ticket, charge(), answer("late"))], [])
        assert isinstance(errors[0], StoreError)

    @rule(which=st.integers(0, 1))
    def close_and_open(self, which: int) -> None:
        """What is open stays charged."""
        self.books[which].close()
        self.books[which] = self.open(which)
        self.open_tickets = [pair for pair in self.open_tickets if pair[0] != which]

    @rule(which=st.integers(0, 1))
    def be_thought_dead(self, which: int) -> None:
        """The process seems gone, so another charges its bounds."""
        of_it = "WHERE json_extract(labels, '$.run') = ?"
        ask_database(self.file, f"UPDATE holders SET started = 'another' {of_it}", f"r{which}")
        self.books[1 - which].search()
        ask_database(self.file, "UPDATE holders SET started = ?", started())
        self.dead_tickets += [pair for pair in self.open_tickets if pair[0] == which]
        self.open_tickets = [pair for pair in self.open_tickets if pair[0] != which]
        left = ask_database(self.file, "SELECT number FROM open")
        assert sorted(left) == sorted((ticket.number,) for _, ticket in self.open_tickets)

    @precondition(lambda self: self.dead_tickets)
    @rule(pick=picks, share=st.floats(0, 1))
    def come_back(self, pick: int, share: float) -> None:
        """It was not dead at all: what it really spent replaces the bound."""
        which, ticket = self.dead_tickets.pop(pick % len(self.dead_tickets))
        self.settle_one(which, ticket, share, True, False)

    @precondition(lambda self: self.answered)
    @rule(pick=picks, which=st.integers(0, 1))
    def ask_again(self, pick: int, which: int) -> None:
        key = sorted(self.answered)[pick % len(self.answered)]
        known = Order(key=key, request={}, intent="answer", teacher="t", prompt_tokens=9, completion_tokens=9)
        _, (outcome,) = self.books[which].transact([], [Asked(known, bound_of_order(known))])
        assert isinstance(outcome, Reply) and outcome.cached and outcome.text == self.answered[key]

    @invariant()
    def every_sum_is_right_and_below_its_cap(self) -> None:
        entries = list(journal(self.file))
        with closing(sqlite3.connect(self.file)) as database:
            totals = {row[0]: row[1:] for row in database.execute("SELECT * FROM totals")}
            held = database.execute(
                "SELECT scopes, prompt_tokens + completion_tokens, open.picodollars FROM open "
                "JOIN holders ON holders.number = open.number >> 40"
            ).fetchall()
            under_way = database.execute("SELECT sum(open) FROM rates").fetchone()[0] or 0
        assert under_way == len(held)
        for scope in (SUITE, *RUNS):
            calls, tokens, money, _, assumed, *opened = totals.get(scope.name, (0,) * 8)
            own = [entry for entry in entries if scope.name in entry.scopes]
            assert calls == len(own)
            assert tokens == sum(entry.prompt_tokens + entry.completion_tokens for entry in own)
            assert money == sum(round((entry.cost or 0) * 10**12) for entry in own)
            assert assumed == sum(entry.assumed for entry in own)
            mine = [row for row in held if scope.name in json.loads(row[0])]
            assert opened == [len(mine), sum(row[1] for row in mine), sum(row[2] for row in mine)]
            caps = scope.caps
            assert caps.calls is None or calls + opened[0] <= caps.calls
            assert caps.tokens is None or tokens + opened[1] <= caps.tokens
            assert caps.money is None or money + opened[2] <= round(caps.money * 10**12)


def started() -> str:
    return Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work" / "ledger.sqlite"


def test_an_answer_is_found_again_as_it_was(path):
    first = answer("Żółw\ud800 🐢\n", attempts=3, discarded_tokens=17, usage_estimated=True, finish_reason="length",
                   teacher="openai:big", cached=False)  # fmt: skip
    with closing(open_account(access(path), FREE)) as account:
        asked = order("hello")
        assert account.find(asked.key) is None
        ask(account, asked, first)
    with closing(open_account(access(path, run="r2"), FREE)) as account:
        again = account.find(asked.key)
        assert again == ask(account, asked)
    assert again is not None and again.cached and again.key == asked.key
    kept = ("text", "prompt_tokens", "completion_tokens", "finish_reason", "attempts", "discarded_tokens",
            "usage_estimated", "teacher", "seconds")  # fmt: skip
    assert [getattr(again, name) for name in kept] == [getattr(first, name) for name in kept]
    assert len(list(journal(path))) == 1


GOLDEN_REQUEST = (
    '{"extra":{},"max_tokens":512,"messages":[["user","hello"]],"sample":0,"seed":1998498587,"stop":[],'
    '"teacher":{"kind":"openai","model":"m","options":{"base_url":"http://127.0.0.1:1/v1"}},"temperature":1.0,"top_p":1.0}'
)
GOLDEN_KEY = "edc3c8f32042707c532d48c35d7f3caf89d851320fa7c725c2988d4113ff7fbb"
GOLDEN_REPLY = (
    '{"attempts":1,"completion_tokens":6,"discarded_tokens":0,"finish_reason":"stop","prompt_tokens":4,"seconds":0.25,'
    '"teacher":"","text":"an answer","usage_estimated":false}'
)


def test_the_format_of_an_answer_stays(path):
    """Whoever changes these literals loses all answers that were ever paid for."""
    with closing(open_account(access(path), FREE)) as account:
        ask(account, order("hello"))
    assert ask_database(path, "SELECT key, request, reply FROM answers") == [(GOLDEN_KEY, GOLDEN_REQUEST, GOLDEN_REPLY)]
    assert ask_database(path, "PRAGMA user_version") == [(1,)]


def test_a_row_written_by_another_version_is_found(path):
    with closing(open_account(access(path), FREE)):
        pass
    asked = order("hello")
    reply = '{"text": "an old answer", "completion_tokens": 5, "colour": "green"}'
    ask_database(path, "INSERT INTO answers VALUES (?, ?, ?, ?)", GOLDEN_KEY, GOLDEN_REQUEST, reply, 1.0)
    with closing(open_account(access(path, replay_only=True), FREE)) as account:
        found = account.find(asked.key)
    assert found == Reply(text="an old answer", prompt_tokens=0, completion_tokens=5, key=GOLDEN_KEY, cached=True)


@pytest.mark.parametrize("reply", ["not JSON", '{"prompt_tokens": 3}', '{"text": "t", "attempts": "two"}', "[]"])
def test_an_unreadable_answer_is_a_sentence(path, reply):
    with closing(open_account(access(path), FREE)) as account:
        asked, other = order("hello"), order("other")
        ask_database(path, "INSERT INTO answers VALUES (?, '{}', ?, 0)", asked.key, reply)
        with pytest.raises(StoreError, match=f"answer {asked.key} in the ledger .* cannot be read"):
            account.find(asked.key)
        with pytest.raises(StoreError, match="cannot be read"):
            account.reserve_now([asked])

        async def both() -> list[Any]:
            return await asyncio.gather(account.reserve(asked), account.reserve(other), return_exceptions=True)

        broken, whole = asyncio.run(both())
        assert isinstance(broken, StoreError) and isinstance(whole, Ticket)


def test_a_ledger_in_memory_keeps_caps_and_answers():
    with closing(open_account(access(None, Scope(name="run:a", caps=Caps(calls=2))), FREE)) as account:
        for text in ("one", "two"):
            ask(account, order(text))
        with pytest.raises(CapReached):
            account.reserve_now([order("three")])
        assert ask(account, order("one")).cached
    with closing(open_account(access(None, Scope(name="run:a", caps=Caps(calls=2))), FREE)) as account:
        assert account.find(order("one").key) is None


CAPS = {
    "calls": Caps(calls=3),
    "tokens": Caps(tokens=10 * 3 + 20),
    "money": Caps(money=PRICE.of(4, 6) * 3 + PRICE.of(10, 20) - PRICE.of(4, 6)),
}


@pytest.mark.parametrize("cap", sorted(CAPS))
def test_a_cap_says_what_to_do_and_a_raised_one_goes_on(path, cap):
    scopes = Scope(name="suite:s"), Scope(name="run:a", caps=CAPS[cap])
    with closing(open_account(access(path, *scopes), FREE)) as account:
        for i in range(3):
            ask(account, order(f"q{i}", price=PRICE))
        with pytest.raises(CapReached) as refused:
            account.reserve_now([order("q3", price=PRICE)])
    sentence = str(refused.value)
    unit = "$" if cap == "money" else cap
    assert unit in sentence and "run:a" in sentence and "raise it and run the same command again" in sentence
    with closing(open_account(access(path, Scope(name="suite:s"), Scope(name="run:a")), FREE)) as account:
        assert [ask(account, order(f"q{i}", price=PRICE)).cached for i in range(5)] == [True] * 3 + [False] * 2
    assert spent(path, "run:a") == spent(path, "suite:s") == Spend(calls=5, tokens=50, money=PRICE.of(20, 30))


def test_a_cap_on_money_needs_a_price():
    with closing(open_account(access(None, Scope(name="suite:s", caps=Caps(money=9.0))), FREE)) as account:
        with pytest.raises(CapReached, match=r"no price of openai:m; add the option price"):
            account.reserve_now([order("q")])
        assert ask(account, order("q", price=PRICE))


def test_a_batch_is_taken_whole_or_not_at_all(path):
    scope = Scope(name="run:a", caps=Caps(calls=5))
    with closing(open_account(access(path, scope), Rates(endpoint="here", concurrency=1))) as account:
        ask(account, order("known"))
        with pytest.raises(CapReached):
            account.reserve_now([order(f"q{i}") for i in range(5)])  # it does not wait for its own four
        batch = account.reserve_now([order("q0"), order("known"), *[order(f"q{i}") for i in range(1, 4)]])
        assert [type(one) for one in batch] == [Ticket, Reply, Ticket, Ticket, Ticket]
        account.settle_now([(one, charge(), answer()) for one in batch if isinstance(one, Ticket)])
    assert spent(path, "run:a").calls == 5


def test_only_recorded_answers(path):
    with closing(open_account(access(path), FREE)) as account:
        ask(account, order("known"))
    with closing(open_account(access(path, replay_only=True), FREE)) as account:
        assert account.replay_only
        unknown = order("a question that nobody has asked before, at least not in this ledger, and rather long")

        async def waits(asked: Order) -> Ticket | Reply:
            return await account.reserve(asked)

        assert account.reserve_now([order("known")]) == [asyncio.run(waits(order("known")))]
        for attempt in (lambda: account.reserve_now([unknown]), lambda: asyncio.run(waits(unknown))):
            with pytest.raises(NotRecorded) as refused:
                attempt()
            for part in (str(path), "answer request", "'a question that nobody has asked before, at least not in thi'",
                         "run without --replay-only"):  # fmt: skip
                assert part in str(refused.value)
    assert len(list(journal(path))) == 1


def test_replay_without_a_file_writes_none(path):
    with closing(open_account(access(path, replay_only=True), FREE)) as account:
        with pytest.raises(NotRecorded, match=r"ledger\.sqlite"):
            account.reserve_now([order("q")])
    assert not path.parent.exists()


def test_what_is_open_at_the_end_stays_charged_and_blocks_nobody(path):
    scope = Scope(name="run:a", caps=Caps(tokens=100))
    first, second = open_account(access(path, scope), FREE), open_account(access(path, scope), FREE)
    with closing(second):
        lost = take(first, order("q"))
        first.close()
        assert spent(path, "run:a") == Spend(calls=1, tokens=30, assumed=1, unpriced=1)
        assert not ask(second, lost.order).cached
        with pytest.raises(StoreError, match="was closed"):
            first.find(lost.order.key)
    assert [(entry.outcome, entry.assumed) for entry in journal(path)] == [("lost", True), ("answered", False)]


def test_the_journal_names_every_attempt(path):
    scopes = Scope(name="suite:s"), Scope(name="run:a")
    with closing(open_account(access(path, *scopes, run="a"), FREE)) as account:
        account.settle_now([(take(account, order("q", price=PRICE)), charge((9, 0), "status \udcff500"), None)])
        ask(account, order("q", price=PRICE))
        account.settle_now([(take(account, order("never")), Spent(outcome=NOT_SENT), None)])
    with closing(open_account(access(path, run="b"), FREE)) as account:
        ask(account, order("p"))
    entries = list(journal(path, run="a"))
    assert [(e.outcome, e.prompt_tokens, e.completion_tokens, e.cost) for e in entries] == [
        ("status \\udcff500", 9, 0, pytest.approx(PRICE.of(9, 0))), ("answered", 4, 6, pytest.approx(PRICE.of(4, 6))),
    ]  # fmt: skip
    assert all(e.scopes == ("suite:s", "run:a") and e.labels == {"run": "a", "stage": "generate"} for e in entries)
    assert [e.cost for e in journal(path, run="b")] == [None]
    assert spent(path, "suite:s").calls == 2 and spent(path, "no such scope") == Spend()


def test_answers_travel_as_equal_bytes(path, tmp_path):
    texts = [f"q{i}" for i in range(20)]
    other = tmp_path / "other.sqlite"
    for ledger, turn in ((path, 1), (other, -1)):
        with closing(open_account(access(ledger), FREE)) as account:
            for text in texts[::turn]:
                ask(account, order(text), answer(f"to {text}"))
    keys = [order(text).key for text in texts]
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    assert export_answers(path, keys, files[0]) == export_answers(other, reversed(keys), files[1]) == 20
    third = tmp_path / "third.sqlite"
    assert import_answers(third, files[0]) == 20 and import_answers(third, files[1]) == 0
    export_answers(third, keys, files[2])
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()
    lines = files[0].read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == sorted(keys)
    with closing(open_account(access(third, replay_only=True), FREE)) as account:
        assert {reply.text for reply in account.reserve_now([order(text) for text in texts])} == {
            f"to {t}" for t in texts
        }
    with pytest.raises(StoreError, match="has no answer"):
        export_answers(path, [*keys, "0" * 64], tmp_path / "d.jsonl")
    assert not (tmp_path / "d.jsonl").exists() and not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize("harm", ["request", "key", "reply", "cut"])
def test_a_changed_line_is_refused_and_nothing_imported(path, tmp_path, harm):
    with closing(open_account(access(path), FREE)) as account:
        for i in range(5):
            ask(account, order(f"q{i}"))
    file = tmp_path / "a.jsonl"
    export_answers(path, [order(f"q{i}").key for i in range(5)], file)
    lines = file.read_text().splitlines()
    row = json.loads(lines[3])
    if harm == "request":
        row["request"]["temperature"] = 0.5
    elif harm == "key":
        row["key"] = "f" * 64
    elif harm == "reply":
        del row["reply"]["text"]
    lines[3] = lines[3][:-9] if harm == "cut" else json.dumps(row)
    file.write_text("\n".join(lines))
    fresh = tmp_path / "fresh.sqlite"
    with pytest.raises(StoreError, match="line 4"):
        import_answers(fresh, file)
    assert ask_database(fresh, "SELECT count(*) FROM answers") == [(0,)]


async def _one(account: Account, asked: Order, log: list[str], failures: int = 0) -> str:
    ticket = await account.reserve(asked)
    if isinstance(ticket, Reply):
        return "found"
    log.append("sent")
    fails = len(log) <= failures
    await asyncio.sleep(0.02)
    await account.settle(ticket, charge(outcome="status 500" if fails else "answered"), None if fails else answer())
    return "failed" if fails else "asked"


@pytest.mark.parametrize("failures", [0, 3])
def test_tasks_that_ask_the_same_share_one_answer(path, failures):
    """One asks and all others wait; where it fails, the next one tries."""

    async def all_ask() -> list[str]:
        log: list[str] = []

        async def one() -> str:
            while True:
                came = await _one(account, order("q"), log, failures)
                if came != "failed":
                    return came

        outcomes = await asyncio.gather(*[one() for _ in range(20)])
        assert len(log) == failures + 1
        return outcomes

    with closing(open_account(access(path), FREE)) as account:
        assert sorted(asyncio.run(all_ask())) == ["asked"] + ["found"] * 19
    assert len(list(journal(path))) == failures + 1


def test_a_cancelled_order_holds_nothing(path):
    """Cancelled while it waits for its turn, for room, for the rate: the room is there again."""
    slow = Rates(endpoint="here", requests_per_minute=6)
    scope = Scope(name="run:a", caps=Caps(calls=2))

    async def cancel_all() -> None:
        for turns in (0, 1, 2, 5):
            tasks = [asyncio.create_task(account.reserve(order(f"q{turns} {i}"))) for i in range(5)]
            for _ in range(turns):
                await asyncio.sleep(0.001)
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            for one in done:
                if isinstance(one, Ticket):
                    await account.settle(one, Spent(outcome=NOT_SENT), None)

    with closing(open_account(access(path, scope), slow)) as account:
        asyncio.run(cancel_all())
        assert ask_database(path, "SELECT * FROM open") == []
        assert ask_database(path, "SELECT open_calls, open_tokens FROM totals") in ([], [(0, 0)])
    assert spent(path, "run:a") == Spend() and not list(journal(path))


def test_a_settlement_is_written_though_its_task_is_cancelled(path):
    async def die() -> None:
        ticket = await account.reserve(order("q"))
        assert isinstance(ticket, Ticket)
        task = asyncio.create_task(account.settle(ticket, charge(), answer()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with closing(open_account(access(path), FREE)) as account:
        asyncio.run(die())
        assert account.find(order("q").key) is not None


def test_threads_share_an_account(path):
    scope = Scope(name="run:a", caps=Caps(calls=60))
    with closing(open_account(access(path, scope), Rates(endpoint="here", concurrency=4))) as account:
        refused: list[QdcError] = []

        def work(name: int) -> None:
            async def tasks() -> None:
                await asyncio.gather(*[_one(account, order(f"q{name} {i}"), []) for i in range(10)])

            try:
                asyncio.run(tasks()) if name % 2 else [ask(account, order(f"q{name} {i}")) for i in range(10)]
            except CapReached as error:
                refused.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert spent(path, "run:a").calls == 60 and refused


def test_a_loop_decides_in_few_transactions(path):
    """Many tasks at once cost less than a transaction each: what one turn of the loop asks is written together."""

    async def many() -> None:
        await asyncio.gather(*[_one(account, order(f"q{i}"), []) for i in range(500)])

    with closing(open_account(access(path), FREE)) as account:
        begun: list[str] = []
        account.find("")  # opens the connection
        account._book._connection.set_trace_callback(lambda text: begun.append(text) if "BEGIN" in text else None)
        asyncio.run(many())
    assert len(list(journal(path))) == 500 and len(begun) < 50


@given(rpm=st.floats(1, 6000), tpm=st.floats(100, 10**6), seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_no_window_holds_more_than_its_rate_and_burst(rpm, tpm, seed):
    """Over any stretch of time: the rate times its length, a second's worth, one more request, and what came back.

    What can come back is at most what is unused of the attempts under way when the stretch begins.
    """
    rng = random.Random(seed)
    rates = Rates(endpoint="e", requests_per_minute=rpm, tokens_per_minute=tpm)
    flow, now, sent, unused = Flow(), 1000.0, [], []
    for _ in range(60):
        now += rng.choice([0.0, 0.0, rng.expovariate(rpm / 60), rng.expovariate(0.1)])
        flow.advance(now)
        while unused and rng.random() < 0.5:
            flow.charge(rates, -unused.pop(), 0)
        now += flow.wait(rates)
        flow.advance(now)
        assert flow.wait(rates) == 0
        bound = rng.randint(1, 4000)
        flow.charge(rates, bound)
        used = rng.randint(0, bound)
        sent.append((now, used, sum(unused)))
        unused.append(bound - used)
    for first in range(0, len(sent), 7):
        tokens = 0
        for last in range(first, len(sent)):
            length = sent[last][0] - sent[first][0] + 1e-4
            assert last - first + 1 <= rpm / 60 * length + max(1, rpm / 60)
            assert tokens <= tpm / 60 * (length + 2) + sent[first][2]  # then the last one passes, whatever it holds
            tokens += sent[last][1]


def test_a_saturated_rate_is_used_up():
    """What was charged too much comes back in time: the true tokens reach the rate, not the bounds."""
    rates, flow, now, used = Rates(endpoint="e", tokens_per_minute=60_000), Flow(), 0.0, 0
    under_way: list[float] = []
    while now < 60:
        flow.advance(now)
        while under_way and under_way[0] <= now:
            under_way.pop(0)
            flow.charge(rates, -1500, 0)
        if not flow.wait(rates):
            flow.charge(rates, 2000)
            under_way.append(now + 2.0)
            used += 500
        now += 0.01
    assert 0.9 * 60_000 < used <= 61_000 + 2000


def test_a_clock_set_back_makes_nobody_wait():
    rates = Rates(endpoint="e", requests_per_minute=60)
    flow = Flow()
    flow.advance(10_000.0)
    for _ in range(5):
        flow.charge(rates, 1)
    flow.advance(400.0)
    assert flow.wait(rates) == pytest.approx(5.0)
    flow.advance(410.0)
    assert flow.wait(rates) == 0.0


def test_unused_tokens_come_back_to_the_rate(path):
    rates = Rates(endpoint="here", tokens_per_minute=6000)
    with closing(open_account(access(path), rates)) as account:
        begun = time.monotonic()
        for i in range(20):
            ask(account, order(f"q{i}", prompt=40, completion=60), answer(prompt_tokens=1, completion_tokens=1))
        assert time.monotonic() - begun < 5  # the bounds alone would take 19 seconds


def test_a_full_disk_is_a_sentence_and_loses_nothing_silently(path):
    big = answer("x" * 20_000)
    with closing(open_account(access(path), FREE)) as account:
        ask(account, order("before"), big)
        database = account._book._connection
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        tickets = [take(account, order(f"q{i}")) for i in range(3)]
        database.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="no space left on its disk; free some"):
            account.settle_now([(tickets[0], charge(), big)])

        async def together() -> list[Any]:
            waits = [account.settle(ticket, charge(), big) for ticket in tickets[:2]]
            return await asyncio.gather(*waits, account.reserve(order("more" * 9000)), return_exceptions=True)

        errors = asyncio.run(together())
        assert all(isinstance(error, StoreError) for error in errors[:2])
        assert account.find(tickets[0].order.key) is None
        database.execute("PRAGMA max_page_count = 1000000")
        account.settle_now([(tickets[0], charge(), big)])
        assert account.find(tickets[0].order.key) is not None
    assert sorted(entry.outcome for entry in journal(path)) in (
        ["answered", "answered", "lost", "lost"], ["answered", "answered", "lost", "lost", "lost"],
    )  # fmt: skip


def test_what_no_database_can_store_fails_all_that_asked_and_the_account_lives_on(path):
    async def together() -> list[Any]:
        tickets = [await account.reserve(order(f"q{i}")) for i in range(2)]
        waits = [
            account.settle(tickets[0], charge((2**64 - 1, 1)), answer()),
            account.settle(tickets[1], charge(), answer()),
            account.reserve(order("q2")),
        ]
        errors = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 5)
        await account.settle(tickets[1], charge(), answer())
        return errors

    with closing(open_account(access(path), FREE)) as account:
        for error in asyncio.run(together()):
            assert isinstance(error, StoreError)
            assert "wrote nothing of this transaction (OverflowError" in str(error)
        assert account.find(order("q0").key) is None
        assert account.find(order("q1").key) is not None
    assert sorted(entry.outcome for entry in journal(path)) == ["answered", "lost"]


SMALL_FILES = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_ledger import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
account = open_account(access(Path(sys.argv[1])), FREE)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for number in range(100):
    try:
        ask(account, order(f"q{number}"), answer("x" * 9000))
    except StoreError as error:
        print(number, error)
        break
"""


def test_a_file_that_may_not_grow_keeps_what_was_written(path):
    program = [sys.executable, "-c", SMALL_FILES, str(path), str(Path(__file__).parent)]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    number, sentence = ran.stdout.split(" ", 1)
    assert "cannot be read or written" in sentence or "no space left" in sentence
    with closing(open_account(access(path), FREE)) as account:
        assert all(account.find(order(f"q{i}").key) for i in range(int(number)))
    assert ask_database(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_locked_file_is_waited_for(path, monkeypatch):
    with closing(open_account(access(path), FREE)) as account:
        ask(account, order("before"))
        monkeypatch.setattr(schema, "PATIENCE", 0.3)
        monkeypatch.setattr("qdcbench.teachers.ledger.group_commit.PATIENCE", 0.3)
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")

            async def wait() -> Ticket | Reply:
                return await account.reserve(order("q"))

            for attempt in (lambda: account.reserve_now([order("q")]), lambda: asyncio.run(wait())):
                with pytest.raises(StoreError, match="stayed locked by another program"):
                    attempt()
            assert account.find(order("before").key) is not None
            monkeypatch.undo()
            timer = threading.Timer(0.2, other.execute, ["COMMIT"])
            timer.start()
            assert isinstance(asyncio.run(wait()), Ticket)
            timer.join()


@pytest.mark.parametrize("what", ["newer", "foreign", "text", "cut", "folder", "below a file"])
def test_a_file_that_is_no_ledger_of_ours_is_refused(path, what):
    path.parent.mkdir()
    words = {
        "newer": "update qdcbench", "foreign": "another program", "text": "is no ledger", "cut": "damaged",
        "folder": "cannot be opened", "below a file": "cannot be made",
    }  # fmt: skip
    if what in {"newer", "cut"}:
        with closing(open_account(access(path), FREE)) as account:
            for i in range(30):
                ask(account, order(f"q{i}"))
    if what == "newer":
        ask_database(path, f"PRAGMA user_version = {LEDGER_VERSION + 1}")
    elif what == "foreign":
        ask_database(path, "CREATE TABLE birds (name)")
    elif what == "text":
        path.write_text("this is a text file, and longer than the header of a database has to be " * 3)
    elif what == "cut":
        path.write_bytes(path.read_bytes()[:9000])
    elif what == "folder":
        path.mkdir()
    else:
        path.write_text("")
        path = path / "ledger.sqlite"
    before = path.read_bytes() if path.is_file() else b""
    for act in (
        lambda: ask(open_account(access(path), FREE), order("q new")),
        lambda: open_account(access(path, replay_only=True), FREE).reserve_now([order("q")]),
    ):
        with pytest.raises(QdcError) as refused:
            act()
        assert str(path) in str(refused.value)
    if what in {"newer", "foreign", "text"}:
        assert path.read_bytes() == before
    with pytest.raises(StoreError, match=words[what]):
        ask(open_account(access(path), FREE), order("q new"))


def test_a_key_is_in_no_file_of_the_ledger(path, monkeypatch):
    """Over answers and faults of every kind, searched byte by byte while the write-ahead log is still there."""
    key = "sk-this-is-a-secret-0123456789"
    monkeypatch.setenv("LEDGER_TEST_KEY", key)
    with chat_server.serving(delay=0.0, faults=("server-error", "not-json", "empty-choices"), share=0.2) as server:
        options = {"base_url": server.base_url, "api_key_env": "LEDGER_TEST_KEY", "backoff": 0.01}
        teacher = chat_teacher(TeacherSpec(kind="openai", model="m", options=options), access(path))
        asked = [Request(intent="answer", material={}, messages=(("user", f"q{i}"),)) for i in range(40)]
        with closing(teacher):
            replies = teacher.complete(asked, 7)
            files = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert f"{path.name}-wal" in files and any(replies[0].key.encode() in held for held in files.values())
    assert not [name for name, held in files.items() if key.encode() in held]
    assert len({entry.outcome for entry in journal(path)}) > 2
