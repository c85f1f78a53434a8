"""The intervention suites: what they cross and claim; what only a control may ask about a prompt."""

from itertools import product
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from method_bench import TASK

from qdcbench.api import PluginError
from qdcbench.plan import Plan, expand
from qdcbench.registry import Registry, discover
from qdcbench.stages.context import AttemptLog, Context, Given, Tools
from qdcbench.suite import read_suite

SUITES = {
    "quality_dial": (30, 3, ["F1"]),
    "diversity_dial": (54, 3, ["F2", "F2 copies"]),
    "complexity_dial": (30, 3, ["F3"]),
    "factorial": (162, 3, ["F1", "F2", "F3"]),
    "replication": (216, 8, ["F1", "F2", "F3", "F2 reversed", "F3 by kind"]),
    "tradeoff": (48, 3, ["T"]),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


def planned(name: str, registry: Registry) -> Plan:
    suite, base = read_suite(name)
    return expand(suite, registry, base)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_its_cells_repetitions_and_studies(name: str, registry: Registry) -> None:
    plan = planned(name, registry)
    cells, repetitions, studies = SUITES[name]
    assert len(plan.cells) == cells and [study.name for study in plan.suite.studies] == studies
    assert {cell.repetition for cell in plan.cells} == set(range(repetitions))
    assert len({cell.run_id for cell in plan.cells}) == cells
    assert all(study.design == "interventional" for study in plan.suite.studies)
    # Every cell carries the same digest of each declaration, so that a rule changed after the runs is seen.
    promised = plan.cells[0].studies
    assert {f"{study} interventional" for study in studies} <= set(promised)
    assert all(cell.studies == promised for cell in plan.cells)


def test_the_factorial_crosses_all_levels(registry: Registry) -> None:
    cells = [cell for cell in planned("factorial", registry).cells if cell.repetition == 0]
    points = {(cell.teacher.name, *(cell.params[name] for name in ("right", "clusters", "depth"))) for cell in cells}
    levels = [sorted({point[place] for point in points}) for place in range(4)]
    assert points == set(product(*levels)) and [len(level) for level in levels] == [2, 3, 3, 3]


@pytest.mark.parametrize("name", [name for name in SUITES if name != "tradeoff"])
def test_a_dial_starts_from_the_same_pool_in_every_arm(name: str, registry: Registry) -> None:
    cells = planned(name, registry).cells
    assert (
        len({(cell.params["factor"], cell.params["source"], cell.budget.name, cell.measure_n) for cell in cells}) == 1
    )


def test_the_null_of_the_tradeoff_has_the_same_levels_and_measures_fit_the_strictest(registry: Registry) -> None:
    plan = planned("tradeoff", registry)
    levels = {
        method: {cell.params["strictness"] for cell in plan.cells if cell.method == method}
        for method in ("judged_share", "random_share")
    }
    assert levels["judged_share"] == levels["random_share"] and 0.0 in levels["random_share"]
    strictest = max(levels["judged_share"])
    assert all(0.9 < cell.measure_n / (cell.budget.examples / 2**strictest) < 1 for cell in plan.cells)
    assert plan.suite.studies[0].against == "random_share"


def context(references: Any) -> Context:
    def no_tool(*arguments: Any) -> Any:
        raise AssertionError("no tool is to be used")

    desk: Any = SimpleNamespace()
    return Context(
        TASK,
        dict.fromkeys(("teacher", "answerer", "judge"), desk),
        AttemptLog(desk),
        Given(seed_examples=(), remaining=1, members=("one",), rng=Random(1), shared_rng=Random(1)),
        Tools(references=references, program=no_tool, embed=no_tool, gradients=no_tool, proxy=no_tool),
    )


def test_only_a_control_is_told_the_structure_of_a_prompt() -> None:
    prompt = "Here is a small exercise: reverse the list, then add one to every number: 3 1 4"
    found = context(lambda n: []).structure(prompt)
    assert found is not None and found.parts == ("reverse", "add_one") and found == TASK.structure(prompt)
    assert context(lambda n: []).structure("What is love?") is None
    with pytest.raises(PluginError, match="for controls"):
        context(None).structure(prompt)


def test_the_page_lists_every_suite_and_parameter(registry: Registry) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "interventions.md").read_text(encoding="utf-8")
    for name, (cells, _, studies) in SUITES.items():
        assert any(f"`{name}`" in line and f"| {cells} |" in line and f"| {', '.join(studies)} |" in line
                   for line in page.splitlines())  # fmt: skip
    for parameter in registry.method("dialled").plugin.params.__dataclass_fields__:
        assert f"| `{parameter}` |" in page
