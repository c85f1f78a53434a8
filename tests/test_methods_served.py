"""Every method file against a real endpoint: nothing crashes, and every question that was asked is accounted for."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from serving_model import transformers_serve

from qdcbench.records import Budget, TeacherSpec
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.stages.generate import generate, read_calls
from qdcbench.store import Store
from qdcbench.teachers.ledger.read import spent
from qdcbench.testing import tiny_spec
from tests.tiny_models import save_model

REGISTRY = discover()
ASKING = sorted(name for name, entry in REGISTRY.methods.items() if entry.plugin.intents and name != "command")
BUDGET = Budget(name="served", examples=3, teacher_tokens=None, teacher_calls=24)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("QDCBENCH_SERVE") == "0", reason="switched off by QDCBENCH_SERVE=0"),
]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server with a model that writes a few random bytes, whatever it is asked."""
    folder = tmp_path_factory.mktemp("served")
    save_model(folder / "model", brief=True)
    with transformers_serve(folder) as base_url:
        yield base_url, str(folder / "model")


@pytest.mark.parametrize("name", ASKING)
def test_a_method_on_an_endpoint_crashes_on_nothing_and_accounts_for_everything(
    name: str, endpoint: tuple[str, str], tmp_path: Path
) -> None:
    base_url, model = endpoint
    teacher = TeacherSpec(kind="openai", model=model, options={"base_url": base_url, "concurrency": 4})
    spec = replace(tiny_spec(REGISTRY.methods[name]), teacher=teacher, budget=BUDGET)
    ledger = tmp_path / "ledger.sqlite"
    bench = Bench(
        registry=REGISTRY, store=Store(tmp_path / "store"), base=tmp_path, spending=Spending(ledger=ledger, suite="s")
    )
    made = generate(spec, bench)
    calls = read_calls(spec, bench)
    assert made.stopped_by in {"examples", "method", "teacher calls"}
    assert 0 < made.usage.calls <= BUDGET.teacher_calls
    assert len(calls) == made.usage.calls == sum(made.usage.calls_by_intent.values())
    assert sum(attempt.calls for attempt in made.attempts) <= made.usage.calls
    assert all(attempt.accepted or attempt.reason for attempt in made.attempts)
    assert spent(ledger, "suite:s").calls == made.usage.calls
