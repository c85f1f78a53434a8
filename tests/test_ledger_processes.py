"""Many processes share one ledger: caps, rates and single flight hold over all of them, and over their sudden deaths.

Run as a script this file is one of those processes: ``python tests/test_ledger_processes.py WHAT SETTINGS``.
"""

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from qdcbench.api import Reply, Request
from qdcbench.records import Caps
from qdcbench.teachers.account import Access, Account, CapReached, Order, Rates, Scope, Spent, Ticket
from qdcbench.teachers.canonical import canonical_request, request_key
from qdcbench.teachers.ledger.group_commit import open_account
from qdcbench.teachers.ledger.read import journal, spent

PROMPT, COMPLETION = 20, 40
"""Bounds of every order here."""


def order(text: str) -> Order:
    request = Request(intent="answer", material={}, messages=(("user", text),))
    canonical = canonical_request({"kind": "openai", "model": "m"}, request, 7)
    return Order(
        key=request_key(canonical), request=canonical, intent="answer", teacher="openai:m",
        prompt_tokens=PROMPT, completion_tokens=COMPLETION,
    )  # fmt: skip


def answer(text: str) -> Reply:
    return Reply(text=f"to {text}", prompt_tokens=len(text), completion_tokens=3)


class Worker:
    """What one process does: it asks, notes what it sends and what is settled, and says so at once."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.name = given["name"]
        self.chance = random.Random(self.name)
        self.notes = os.open(given["notes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        caps = Caps(**given.get("caps", {}))
        access = Access(
            ledger=Path(given["ledger"]), scopes=(Scope(name="suite:s", caps=caps), Scope(name=f"run:{self.name}")),
            labels={"run": self.name},
        )  # fmt: skip
        self.account = open_account(access, Rates(endpoint="here", **given.get("rates", {})))

    def note(self, what: str, text: str, number: int = 0, **more: Any) -> None:
        row = {"what": what, "text": text, "number": number, "at": time.time(), "by": self.name} | more
        os.write(self.notes, (json.dumps(row) + "\n").encode())

    async def ask(self, text: str, fails: bool = False) -> Reply:
        """Ask until there is an answer."""
        while True:
            ticket = await self.account.reserve(order(text))
            if isinstance(ticket, Reply):
                return ticket
            self.note("sent", text, ticket.number)
            await asyncio.sleep(self.given.get("latency", 0.002) * self.chance.uniform(0.5, 1.5))
            self.note("back", text, ticket.number)
            reply = answer(text)
            cost = Spent(outcome="answered", prompt_tokens=reply.prompt_tokens, completion_tokens=3)
            if fails:
                fails = False
                await self.account.settle(ticket, Spent(outcome="status 500", prompt_tokens=1), None)
                continue
            await self.account.settle(ticket, cost, reply)
            self.note("settled", text, ticket.number)
            return reply

    async def race(self) -> None:
        """Ask new questions until a cap ends it."""

        async def one(task: int) -> None:
            count = 0
            while True:
                count += 1
                await self.ask(f"{self.name} {task} {count}")

        ended = await asyncio.gather(*[one(i) for i in range(self.given["tasks"])], return_exceptions=True)
        assert all(isinstance(error, CapReached) for error in ended), ended

    async def share(self) -> None:
        """Ask what all others ask, in an order of its own."""
        texts = [f"q{i}" for i in range(self.given["questions"])]
        self.chance.shuffle(texts)
        source = iter(texts)

        async def one() -> None:
            for text in source:
                reply = await self.ask(text, self.given.get("fails", False))
                assert reply.text == f"to {text}"

        await asyncio.gather(*[one() for _ in range(self.given["tasks"])])

    async def drive(self) -> None:
        """Ask new questions for some seconds."""
        end = time.monotonic() + self.given["seconds"]

        async def one(task: int) -> None:
            count = 0
            while time.monotonic() < end:
                count += 1
                await self.ask(f"{self.name} {task} {count}")

        await asyncio.gather(*[one(i) for i in range(self.given["tasks"])])

    async def hang(self) -> None:
        """Take room and never come back."""
        ticket = await self.account.reserve(order("hanging"))
        assert isinstance(ticket, Ticket)
        self.note("sent", "hanging", ticket.number)
        await asyncio.sleep(60)


def main() -> None:
    worker = Worker(json.loads(sys.argv[2]))
    worker.note("ready", "")
    while not Path(worker.given["notes"]).with_name("go").exists():
        time.sleep(0.005)
    try:
        asyncio.run(getattr(worker, sys.argv[1])())
    finally:
        worker.account.close()


@contextmanager
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that end with the test, whatever comes."""
    running: list[subprocess.Popen[str]] = []
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


class Scene:
    """A ledger, a file of notes, and processes that work on them."""

    def __init__(self, folder: Path, running: list[subprocess.Popen[str]]) -> None:
        self.ledger = folder / "ledger.sqlite"
        self.notes_file = folder / "notes.jsonl"
        self.running = running

    def start(self, what: str, **given: Any) -> subprocess.Popen[str]:
        name = f"p{len(self.running)}"
        given = {"name": name, "ledger": str(self.ledger), "notes": str(self.notes_file)} | given
        process = subprocess.Popen(
            [sys.executable, __file__, what, json.dumps(given)], stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return process

    def go(self) -> float:
        """Let all processes begin, once the last is ready; return the time before that."""
        while len(self.notes()) < len(self.running):
            time.sleep(0.01)
            for process in self.running:
                assert process.poll() is None, process.communicate()[1]
        begun = time.time()
        self.notes_file.with_name("go").touch()
        return begun

    def finish(self, seconds: float = 50) -> None:
        for process in self.running:
            _, said = process.communicate(timeout=seconds)
            assert process.returncode in (0, -signal.SIGKILL), said

    def notes(self) -> list[dict[str, Any]]:
        if not self.notes_file.exists():
            return []
        return [json.loads(line) for line in self.notes_file.read_text().splitlines()]

    def query(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.ledger, timeout=30)) as database:
            return database.execute(statement).fetchall()

    def account(self) -> Account:
        return open_account(Access(ledger=self.ledger, scopes=(Scope(name="suite:s"),)), Rates(endpoint="here"))

    def check_sums(self) -> None:
        assert self.query("PRAGMA integrity_check") == [("ok",)]
        assert self.query("SELECT count(*) FROM open") == [(0,)]
        entries, total = list(journal(self.ledger)), spent(self.ledger, "suite:s")
        assert total.calls == len(entries)
        assert total.tokens == sum(entry.prompt_tokens + entry.completion_tokens for entry in entries)
        assert self.query("SELECT sum(open_calls), sum(open_tokens) FROM totals") == [(0, 0)]
        assert self.query("SELECT sum(open) FROM rates") == [(0,)]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with processes() as running:
        yield Scene(tmp_path, running)


@pytest.mark.parametrize(("cap", "most"), [("calls", 1500), ("tokens", 20_000)])
def test_a_hundred_racing_tasks_never_pass_a_cap(scene, cap, most):
    """20 processes of 5 tasks spend all but less than one bound."""
    for _ in range(20):
        scene.start("race", tasks=5, caps={cap: most})
    scene.go()
    seen = 0
    while any(process.poll() is None for process in scene.running):
        for _, calls, tokens, _, _, _, open_calls, open_tokens, _ in scene.query("SELECT * FROM totals"):
            seen += 1
            assert (calls + open_calls if cap == "calls" else tokens + open_tokens) <= most
        time.sleep(0.02)
    scene.finish()
    scene.check_sums()
    total = spent(scene.ledger, "suite:s")
    used, bound = (total.calls, 1) if cap == "calls" else (total.tokens, PROMPT + COMPLETION)
    assert most - bound < used <= most and seen
    sent = [note["number"] for note in scene.notes() if note["what"] == "sent"]
    assert len(sent) == len(set(sent)) == total.calls
    assert len({note["by"] for note in scene.notes() if note["what"] == "sent"}) == 20


def test_kills_lose_no_answer_and_charge_each_loss_once(scene):
    """Processes die at any moment; others go on, until every question has exactly one paid answer on record."""
    chance = random.Random(11)
    questions = 2200
    work = {"tasks": 4, "questions": questions, "latency": 0.03}
    for _ in range(4):
        scene.start("share", **work)
    scene.go()
    killed = 0
    deadline = time.monotonic() + 90
    while len(answered(scene)) < questions and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.02, 0.3))
        alive = [process for process in scene.running if process.poll() is None]
        if killed < 12 and alive:
            chance.choice(alive).send_signal(signal.SIGKILL)
            killed += 1
            scene.start("share", **work)
    scene.finish()
    scene.account().close()  # finds what the last kills left open
    scene.check_sums()

    notes = scene.notes()
    found = answered(scene)
    assert {order(note["text"]).key for note in notes if note["what"] == "settled"} <= set(found)
    assert len(found) == questions and set(found.values()) == {f"to q{i}" for i in range(questions)}
    entries = list(journal(scene.ledger))
    paid = Counter(entry.key for entry in entries if entry.outcome == "answered")
    assert set(paid) == set(found) and set(paid.values()) == {1}
    # No attempt began after its answer was on record: every loss was over before.
    when = {entry.key: entry.settled for entry in entries if entry.outcome == "answered"}
    lost = [entry for entry in entries if entry.outcome == "lost"]
    assert all(entry.assumed and entry.settled <= when[entry.key] for entry in lost)
    assert all((entry.prompt_tokens, entry.completion_tokens) == (PROMPT, COMPLETION) for entry in lost)
    assert {note["number"] for note in notes if note["what"] == "sent"} <= {entry.number for entry in entries}
    assert killed == 12 and 0 < len(lost) <= killed * work["tasks"]


def answered(scene: Scene) -> dict[str, str]:
    return {key: json.loads(reply)["text"] for key, reply in scene.query("SELECT key, reply FROM answers")}


def test_a_killed_process_that_nobody_buried_counts_as_dead(scene):
    process = scene.start("hang")
    scene.go()
    while scene.notes()[-1]["what"] != "sent":
        time.sleep(0.01)
    with closing(scene.account()) as account:
        assert scene.query("SELECT count(*) FROM open") == [(1,)]  # it lives, so it is left alone
        os.kill(process.pid, signal.SIGKILL)
        ticket = asyncio.run(asyncio.wait_for(account.reserve(order("hanging")), 10))
        assert isinstance(ticket, Ticket)
        assert [(entry.outcome, entry.labels["run"]) for entry in journal(scene.ledger)] == [("lost", "p0")]


@pytest.mark.parametrize("fails", [False, True])
def test_processes_that_ask_the_same_pay_once(scene, fails):
    for _ in range(4):
        scene.start("share", tasks=3, questions=40, latency=0.01, fails=fails)
    scene.go()
    scene.finish()
    scene.check_sums()
    outcomes = Counter(entry.outcome for entry in journal(scene.ledger))
    assert outcomes["answered"] == 40
    assert bool(outcomes["status 500"]) == fails
    assert most_at_once(scene.notes(), key="text") == {1}


def most_at_once(notes: Sequence[dict[str, Any]], key: str) -> set[int]:
    """Return how many were under way at once, at most, of each value of ``key``."""
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for note in sorted((note for note in notes if note["what"] in {"sent", "back"}), key=lambda note: note["at"]):
        value = str(note.get(key))
        under_way[value] += 1 if note["what"] == "sent" else -1
        most[value] = max(most[value], under_way[value])
    return set(most.values())


def test_a_rate_holds_over_processes(scene):
    rate, seconds = 600, 3.0
    for _ in range(2):
        scene.start("drive", tasks=4, seconds=seconds, rates={"requests_per_minute": rate})
    begun = scene.go()
    scene.finish()
    scene.check_sums()
    times = sorted(note["at"] for note in scene.notes() if note["what"] == "sent")
    for number, sent in enumerate(times, 1):
        # A process that is not scheduled for a moment sends later than it was allowed to, never earlier.
        assert number <= rate / 60 * (sent - begun) + rate / 60
    assert len(times) >= 0.5 * rate / 60 * seconds


def test_concurrency_holds_over_processes(scene):
    for _ in range(2):
        scene.start("drive", tasks=4, seconds=1.0, latency=0.01, rates={"concurrency": 3})
    scene.go()
    scene.finish()
    scene.check_sums()
    assert most_at_once(scene.notes(), key="endpoint") == {3}
    assert len({note["by"] for note in scene.notes() if note["what"] == "sent"}) == 2


FORKING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_ledger_processes import *
scene = Scene(Path(sys.argv[2]), [])
account = scene.account()

def ask(text):
    (found,) = account.reserve_now([order(text)])
    if isinstance(found, Ticket):
        account.settle_now([(found, Spent(outcome="answered"), answer(text))])

ask("before")
(held,) = account.reserve_now([order("held")])
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        # What SQLite knows of its parent's locks does not hold here, so nothing of the file may be inherited.
        assert not [name for name in map(os.path.realpath, Path("/proc/self/fd").iterdir()) if "ledger.sqlite" in name]
        assert account.find(order("before").key) is not None
        for i in range(100):
            ask(f"{child} {i}")
        os._exit(0)
    children.append(pid)
for i in range(100):
    ask(f"parent {i}")
account.settle_now([(held, Spent(outcome="answered"), answer("held"))])
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
ask("after")
account.close()
"""


def test_a_forked_process_goes_on_with_an_open_account(scene, tmp_path):
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", FORKING, here, str(tmp_path)], check=True, timeout=60)
    scene.check_sums()
    assert spent(scene.ledger, "suite:s").calls == 503
    assert len(scene.query("SELECT 1 FROM holders")) == 5
    assert {entry.outcome for entry in journal(scene.ledger)} == {"answered"}


if __name__ == "__main__":
    main()
