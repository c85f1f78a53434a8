import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qdcbench.api import Example
from qdcbench.errors import PluginError
from qdcbench.records import Attempt, Budget, SelectionSpec
from qdcbench.registry import discover
from qdcbench.seeds import stream
from qdcbench.selection import normal_prompt, select
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import generate
from qdcbench.stages.select import held_out_prompts, training_set
from qdcbench.store import Store
from qdcbench.teachers.build import parse_teacher
from qdcbench.testing import tiny_spec

HEAD = """
from dataclasses import dataclass
from qdcbench.api import Example, method
@dataclass(frozen=True)
class Params:
    pass
"""
MARK = '@method(name="bad", version=1, summary="s", reference="none", params=Params, intents={intents})\n'


def bench(folder, plugins=(), seconds=20.0):
    return Bench(registry=discover(plugins), store=Store(Path(folder) / "store"), base=Path(folder), seconds=seconds)


def bad_method(tmp_path, body, intents=()):
    plugins = tmp_path / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "bad.py").write_text(HEAD + MARK.format(intents=tuple(intents)) + body)
    found = bench(tmp_path, [plugins], seconds=2.0)
    return found, tiny_spec(found.registry.method("bad"))


@pytest.mark.parametrize("name", ["self_instruct", "evol_instruct", "persona", "simula"])
def test_same_spec_same_hash_and_another_repetition_another(tmp_path, name):
    one, two = bench(tmp_path / "1"), bench(tmp_path / "2")
    spec = tiny_spec(one.registry.method(name))
    first = generate(spec, one)
    assert generate(spec, two) == first
    assert generate(replace(spec, repetition=1), one).sha256 != first.sha256
    assert generate(replace(spec, root_seed=8), one).sha256 != first.sha256


def test_a_finished_dataset_is_read_back_not_made_again(tmp_path):
    here = bench(tmp_path)
    spec = tiny_spec(here.registry.method("persona"))
    first = generate(spec, here)
    files = sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "store").rglob("*.jsonl"))
    assert generate(spec, here) == first
    assert sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "store").rglob("*.jsonl")) == files


def test_controls_do_not_depend_on_the_teacher_and_share_their_rows(tmp_path):
    here = bench(tmp_path)
    spec = tiny_spec(here.registry.method("oracle"))
    weak = replace(tiny_spec(here.registry.method("oracle")), teacher=parse_teacher("scripted:weak"))
    assert generate(spec, here).sha256 == generate(weak, here).sha256
    oracle = [a.prompt for a in generate(spec, here).attempts]
    shuffled = [a.prompt for a in generate(tiny_spec(here.registry.method("shuffled_answers")), here).attempts]
    assert shuffled == oracle


def test_a_method_aims_for_the_rows_that_its_budget_can_pay_for(tmp_path):
    text = (
        "from dataclasses import dataclass\nfrom qdcbench.api import Cost, Example, method\n"
        "@dataclass(frozen=True)\nclass Params:\n    pass\n"
        "@method(name='aim', version=1, summary='s.', reference='none', params=Params, intents=('answer',),\n"
        "        cost=Cost(calls={'answer': 2.0}, setup_calls=10, prompt_tokens=80, completion_tokens=20))\n"
        "def generate(ctx, params):\n    yield Example(prompt='p', completion=str(ctx.remaining))\n"
    )
    (tmp_path / "aim.py").write_text(text)
    here = Bench(registry=discover([tmp_path]), store=Store(tmp_path / "s"), base=tmp_path)
    for budget, aim in (
        (Budget(name="a", examples=50, teacher_tokens=None, teacher_calls=10_000), 50),
        (Budget(name="b", examples=50, teacher_tokens=3_000, teacher_calls=None), 20),
        (Budget(name="c", examples=50, teacher_tokens=9_000, teacher_calls=30), 20),
        (Budget(name="d", examples=50, teacher_tokens=100, teacher_calls=None), 1),
    ):
        made = generate(replace(tiny_spec(here.registry.method("aim")), budget=budget), here)
        assert made.attempts[0].completion == str(aim)


def test_the_budget_is_a_hard_cap(tmp_path):
    here = bench(tmp_path)
    cap = Budget(name="small", examples=1000, teacher_tokens=20_000, teacher_calls=None)
    made = generate(replace(tiny_spec(here.registry.method("self_instruct")), budget=cap), here)
    assert made.stopped_by == "teacher tokens"
    assert 0 < made.usage.tokens <= 20_000
    assert made.attempts


@pytest.mark.parametrize(
    ("body", "pattern"),
    [
        ("def generate(ctx, params):\n    yield 'text'\n", "yielded a str"),
        ("def generate(ctx, params):\n    yield Example(prompt='a', completion=' ')\n", "completion is empty"),
        ("def generate(ctx, params):\n    yield Example(prompt=3, completion='b')\n", "prompt is empty or not a text"),
        ("def generate(ctx, params):\n    yield Example(prompt='a' * 200000, completion='b')\n", "200,000 characters"),
        ("def generate(ctx, params):\n    ctx.reference_rows(3)\n    yield\n", "is for controls"),
        ("def generate(ctx, params):\n    ctx.teacher.ask('answer')\n    yield\n", "declares no intents"),
        ("def generate(ctx, params):\n    while True:\n        pass\n    yield\n", "ran past its wall clock of 2 s"),
    ],
)
def test_a_method_that_breaks_its_contract_is_told_so(tmp_path, body, pattern):
    here, spec = bad_method(tmp_path, body)
    with pytest.raises(PluginError, match=pattern):
        generate(spec, here)


def test_what_was_made_before_a_crash_is_kept(tmp_path):
    body = "def generate(ctx, params):\n    yield ctx.seed_examples[0]\n    raise ValueError('boom')\n"
    here, spec = bad_method(tmp_path, body)
    with pytest.raises(ValueError, match="boom"):
        generate(spec, here)
    kept = list((tmp_path / "store" / "generate-partial").rglob("attempts.jsonl"))
    assert len(kept) == 1
    assert len(kept[0].read_text().splitlines()) == 1


def attempts(rows):
    return [
        Attempt(index=i, accepted=ok, reason="" if ok else "no", prompt=p, completion=c)
        for i, (p, c, ok) in enumerate(rows)
    ]


def test_selection_rules():
    rows = attempts([("a", "1", True), ("b", "2", False), ("c", "x", True), ("d", "", False), ("E!", "5", True)])

    def verify(example: Example):
        from qdcbench.records import Check

        return Check(correct=example.completion != "x")

    def prompts(rule, n=None, held=frozenset()):
        rng = stream(1, "select", {})
        return [row.prompt for row in select(rows, SelectionSpec(rule=rule, n=n), held, verify, rng).rows]

    assert prompts("native") == ["a", "c", "E!"]
    assert prompts("none") == ["a", "b", "c", "E!"]
    assert prompts("verified") == ["a", "E!"]
    assert prompts("native", held=frozenset({normal_prompt("  e ")})) == ["a", "c"]
    assert len(prompts("thinned", 2)) == 2
    assert prompts("thinned", 2) == prompts("thinned", 2)


def test_training_rows_never_stand_in_a_held_out_set(tmp_path):
    here = bench(tmp_path)
    task = here.registry.task("list_edits").plugin
    item = task.held_out()[0].items[0]
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "bad.py").write_text(
        HEAD
        + MARK.format(intents=())
        + "def generate(ctx, params):\n    yield ctx.seed_examples[0]\n"
        + f"    yield Example(prompt={item.prompt.upper()!r}, completion={item.completion!r})\n"
    )
    here = bench(tmp_path, [plugins])
    spec = tiny_spec(here.registry.method("bad"))
    chosen = training_set(spec, here, generate(spec, here))
    assert (len(chosen.rows), chosen.contaminated) == (1, 1)
    assert normal_prompt(item.prompt) in held_out_prompts(task, "")


def test_the_order_of_hashes_does_not_reach_the_rows(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom qdcbench.registry import discover\n"
        "from qdcbench.stages.bench import Bench\n"
        "from qdcbench.stages.generate import generate\nfrom qdcbench.store import Store\n"
        "from qdcbench.testing import tiny_spec\n"
        "here = Bench(registry=discover(), store=Store(Path(sys.argv[1])), base=Path(sys.argv[1]))\n"
        "for name in sorted(here.registry.methods):\n"
        "    if name not in ('command', 'imported'):\n"
        "        print(name, generate(tiny_spec(here.registry.method(name)), here).sha256)\n"
    )
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")],
        env={**os.environ, "PYTHONHASHSEED": other},
        capture_output=True,
        text=True,
        check=True,
    )
    here = Bench(registry=discover(), store=Store(tmp_path / "here"), base=tmp_path)
    names = sorted(set(here.registry.methods) - {"command", "imported"})
    found = [f"{name} {generate(tiny_spec(here.registry.method(name)), here).sha256}" for name in names]
    assert ended.stdout.splitlines() == found
