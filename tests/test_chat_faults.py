"""The chat teacher at full speed while every request meets one of ten faults: nothing lost, nothing paid twice."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import FAULTS, Serving, serving

from qdcbench.records import Budget, Call, Caps, TeacherSpec, Usage
from qdcbench.teachers.account import Access, CapReached, Scope
from qdcbench.teachers.chat.teacher import chat_teacher
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.ledger.read import JournalEntry, journal, spent
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook

pytestmark = pytest.mark.slow

REQUESTS = 10_000
IN_FLIGHT = 256
PATIENCE = 1.5
"""Seconds until a stalled request is given up."""


class Run:
    """What one run of the same questions brought."""

    def __init__(self, folder: Path, server: Serving, access: Access, requests: int = REQUESTS) -> None:
        prompts = folder / "prompts.toml"
        prompts.write_text('[propose]\nuser = "Make one like {shots}"\n', encoding="utf-8")
        options = {
            "base_url": server.base_url, "concurrency": IN_FLIGHT, "timeout": PATIENCE, "backoff": 0.01, "retries": 8,
        }  # fmt: skip
        teacher = chat_teacher(TeacherSpec(kind="openai", model="m", options=options), access)
        meter = Meter(Budget(name="b", examples=1, teacher_tokens=None, teacher_calls=REQUESTS))
        desk = Desk(teacher, meter, "openai:m")
        role = MeteredRole(desk, PromptBook.load(prompts, "m"), seed=7)
        materials = ({"shots": [f"example {i}"]} for i in range(requests))
        self.texts: list[str] = []
        self.end: CapReached | None = None
        try:
            # More questions open than in flight, so that a stalled one does not keep the others waiting.
            for text in role.ask_each("propose", materials, ahead=8 * IN_FLIGHT, max_tokens=64):
                self.texts.append(text)
        except CapReached as error:
            self.end = error
        finally:
            teacher.close()
        self.calls: list[Call] = desk.calls
        self.usage: Usage = meter.usage()


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The texts that a server without faults gives."""
    with serving(delay=0.01) as server:
        run = Run(tmp_path_factory.mktemp("clean"), server, Access())
        seen = server.seen()
    assert seen["requests"] == seen["good"] == len(run.texts) == REQUESTS
    yield run.texts


def outcomes(entries: list[JournalEntry]) -> Counter[str]:
    return Counter(entry.outcome for entry in entries)


def by_outcome(faults: dict[str, int], answered: int) -> dict[str, int]:
    """What the journal must say of what the server says it did."""
    unusable = ("not-json", "wrong-schema", "empty-choices", "truncated-utf8")
    return {
        "answered": answered,
        "status 429": faults["retry-after"] + faults["too-many"],
        "status 500": faults["server-error"],
        "connection broken": faults["reset"],
        "timed out": faults["stall"],
        "unusable answer": sum(faults[name] for name in unusable),
    }


def test_every_request_meets_a_fault_and_nothing_is_lost_or_paid_twice(clean: list[str], tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    access = Access(ledger=ledger, scopes=(Scope(name="suite:s"),))
    with serving(delay=0.01, faults=FAULTS, share=0.1, retry_after=0.05) as server:
        run = Run(tmp_path, server, access)
        seen: dict[str, Any] = server.seen()

    faults = seen["by_fault"]
    assert all(faults[name] > 0.08 * REQUESTS for name in FAULTS), "every fault takes about a tenth"
    assert sum(faults[name] for name in FAULTS) == REQUESTS
    assert seen["most_in_flight"] > 0.8 * IN_FLIGHT

    assert run.texts == clean
    assert len(set(run.texts)) == REQUESTS

    reported = [call for call in run.calls if not call.estimated]
    assert sum(call.prompt_tokens for call in reported) == seen["prompt_tokens"]
    assert sum(call.completion_tokens for call in reported) == seen["completion_tokens"]
    assert len(run.calls) == run.usage.calls == REQUESTS
    assert run.usage.estimated_calls == faults["usage-missing"]
    assert run.usage.tokens == sum(call.prompt_tokens + call.completion_tokens for call in run.calls)

    assert sum(call.attempts for call in run.calls) == seen["requests"]
    assert run.usage.failed_calls == seen["requests"] - REQUESTS
    entries = list(journal(ledger))
    assert outcomes(entries) == by_outcome(faults, REQUESTS)
    total = spent(ledger, "suite:s")
    assert total.calls == len(entries) == seen["requests"]
    assert total.tokens == sum(entry.prompt_tokens + entry.completion_tokens for entry in entries)
    silent = ("reset", "stall", "not-json", "wrong-schema", "truncated-utf8")
    assert total.assumed == sum(faults[name] for name in silent)
    answered = [entry for entry in entries if entry.outcome == "answered"]
    assert sum(entry.prompt_tokens + entry.completion_tokens for entry in answered) == run.usage.tokens


def test_a_cap_in_the_middle_holds_to_the_call_and_a_raised_one_goes_on(clean: list[str], tmp_path: Path) -> None:
    ledger, requests, cap = tmp_path / "ledger.db", 3000, 2500
    with serving(delay=0.01, faults=FAULTS, share=0.1, retry_after=0.05) as server:
        capped = Run(
            tmp_path, server, Access(ledger=ledger, scopes=(Scope(name="suite:s", caps=Caps(calls=cap)),)), requests
        )
        seen = server.seen()
        assert capped.end is not None
        assert f"cap of {cap} calls on suite:s" in str(capped.end)
        assert cap - IN_FLIGHT < seen["requests"] == spent(ledger, "suite:s").calls <= cap
        assert capped.texts == clean[: len(capped.texts)]
        assert 0 < len(capped.texts) < requests

        whole = Run(tmp_path, server, Access(ledger=ledger, scopes=(Scope(name="suite:s"),)), requests)
        seen = server.seen()
    assert whole.end is None
    assert whole.texts == clean[:requests]
    assert seen["good"] == requests, "no answer was bought twice"
    assert spent(ledger, "suite:s").calls == seen["requests"]
    assert sum(call.cached for call in whole.calls) >= len(capped.texts)
