"""Every method file against a real endpoint: nothing crashes, and every question that was asked is accounted for."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from serving_model import transformers_serve

from qdcbench.errors import DataError
from qdcbench.records import Budget, RunSpec, TeacherSpec
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench, Spending
from qdcbench.stages.generate import generate, partial, read_calls
from qdcbench.store import Store
from qdcbench.teachers.ledger.read import spent
from qdcbench.testing import tiny_spec
from tests.tiny_models import save_model

REGISTRY = discover()
REFUSING = "dialled"
"""Its pool holds right rows alone, and random bytes are none."""
ASKING = sorted(
    name for name, entry in REGISTRY.methods.items() if entry.plugin.intents and name not in {"command", REFUSING}
)
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


def served(name: str, endpoint: tuple[str, str], folder: Path) -> tuple[RunSpec, Bench]:
    """The smallest run of a method on the endpoint, and a bench in the folder that keeps a ledger."""
    base_url, model = endpoint
    teacher = TeacherSpec(kind="openai", model=model, options={"base_url": base_url, "concurrency": 4})
    spec = replace(tiny_spec(REGISTRY.methods[name]), teacher=teacher, budget=BUDGET)
    spending = Spending(ledger=folder / "ledger.sqlite", suite="s")
    return spec, Bench(registry=REGISTRY, store=Store(folder / "store"), base=folder, spending=spending)


@pytest.mark.parametrize("name", ASKING)
def test_a_method_on_an_endpoint_crashes_on_nothing_and_accounts_for_everything(
    name: str, endpoint: tuple[str, str], tmp_path: Path
) -> None:
    spec, bench = served(name, endpoint, tmp_path)
    made = generate(spec, bench)
    calls = read_calls(spec, bench)
    assert made.stopped_by in {"examples", "method", "teacher calls"}
    assert 0 < made.usage.calls <= BUDGET.teacher_calls
    assert len(calls) == made.usage.calls == sum(made.usage.calls_by_intent.values())
    assert sum(attempt.calls for attempt in made.attempts) <= made.usage.calls
    assert all(attempt.accepted or attempt.reason for attempt in made.attempts)
    assert spent(tmp_path / "ledger.sqlite", "suite:s").calls == made.usage.calls


def test_a_control_that_finds_no_right_row_refuses_and_keeps_account_of_what_it_asked(
    endpoint: tuple[str, str], tmp_path: Path
) -> None:
    spec, bench = served(REFUSING, endpoint, tmp_path)
    with pytest.raises(DataError, match="calls no row of the pool right; use source = 'reference'"):
        generate(spec, bench)
    kept = partial(spec, bench)
    assert kept is not None and kept.stopped_by == "error" and 0 < kept.usage.calls <= BUDGET.teacher_calls
    assert spent(tmp_path / "ledger.sqlite", "suite:s").calls == kept.usage.calls
