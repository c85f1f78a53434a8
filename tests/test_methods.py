"""What holds for every method on the real scripted teacher and with a mute one; the controls; how replies are read."""

import pkgutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from random import Random
from typing import Any

import pytest
import qdcbench.methods
from method_bench import PROMPTS, TASK, FixedTeacher, context, made_once, plugin, run
from qdcbench.methods._replies import first_item, numbered, says_yes

from qdcbench.api import DataError, Example, PluginError, Request
from qdcbench.registry import discover

CONTROLS = ("corrupted", "duplicated", "no_training", "oracle", "random_thinning", "seeds_only", "shuffled_answers")
NAMES = sorted(found.name for found in pkgutil.iter_modules(qdcbench.methods.__path__) if found.name[0] != "_")
ASKING = [name for name in NAMES if plugin(name).intents and "chat" not in plugin(name).intents]
METHODS = [name for name in ASKING if plugin(name).role == "method"]


def fingerprint(rows: Sequence[Example]) -> list[tuple[str, str]]:
    return [(row.prompt, row.completion) for row in rows]


def test_no_plugin_is_broken_and_there_are_twelve_methods_and_more():
    registry = discover()
    assert not registry.broken
    assert set(registry.methods) == set(NAMES) >= {*CONTROLS, "command", "human_mix", "imported"}
    assert len(METHODS) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_says_what_it_is(name):
    found = plugin(name)
    assert found.name == name and found.summary.endswith(".")
    assert bool(found.fidelity) or found.role != "method"
    assert all(part.note for part in found.fidelity if part.state != "present")
    assert found.reference == "none" or found.reference.startswith(("arXiv:", "http"))
    assert found.role != "method" or name == "command" or all(f.metadata.get("does") for f in fields(found.params))
    found.params()


@pytest.mark.parametrize("name", ASKING)
def test_rows_are_examples_with_known_parents_and_repeat_exactly(name):
    rows, ctx = made_once(name, "weak", 60)
    again = run(context(name, TASK.scripted_teacher("weak"), 60))
    assert rows == again and 20 <= len(rows) <= 60
    known = {seed.id for seed in ctx.seed_examples} | {row.id for row, _ in ctx.rejected}
    for row in rows:
        assert row.prompt.strip() and row.completion.strip()
        assert set(row.parents) <= known
        known.add(row.id)
    assert all(reason for _, reason in ctx.rejected)


@pytest.mark.parametrize("name", ASKING)
def test_another_seed_gives_other_rows(name):
    one, two = (run(context(name, TASK.scripted_teacher("strong"), 30, seed=seed)) for seed in (0, 1))
    shared = {row.id for row in one} & {row.id for row in two}
    # A few prompts of an unusable kind have one text only; some methods train on the seed examples' own problems.
    assert len(shared) < len(one) / 2 and fingerprint(one) != fingerprint(two)


@pytest.mark.parametrize("name", ASKING)
def test_a_method_stops_when_the_budget_says_so(name):
    ctx = context(name, TASK.scripted_teacher("strong"), 10_000, tokens=60_000)
    rows = run(ctx)
    assert len(rows) < 2000 and ctx.meter.usage().tokens <= 60_000


@pytest.mark.parametrize("name", METHODS)
def test_intents_asked_are_among_those_declared(name):
    _, ctx = made_once(name, "weak", 60)
    assert set(ctx.meter.usage().calls_by_intent) <= set(plugin(name).intents)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_makes_no_progress_ends_by_itself(name):
    assert run(context(name, FixedTeacher(lambda request: ""), 20)) == []


@pytest.mark.parametrize("name", METHODS)
def test_prompts_of_a_chat_model_are_filled_in_and_answers_are_asked_for_in_the_same_words(name):
    scripted = TASK.scripted_teacher("strong")
    teacher = FixedTeacher(lambda request: scripted.complete([request], 0)[0].text)
    run(context(name, teacher, 20))
    assert teacher.asked and not any("{" in asked.text for asked in teacher.asked)
    assert "[answer]" not in (PROMPTS / f"{name}.toml").read_text(encoding="utf-8")


# Replies


def test_replies_are_read_as_chat_models_write_them():
    text = "Here are two tasks:\n1. Reverse the list: 3 1\n 2)  Double it: 4 5 \n\nEnjoy! 3 4"
    assert numbered(text) == ["Reverse the list: 3 1", "Double it: 4 5"]
    assert first_item(text) == "Reverse the list: 3 1"
    assert first_item(" Reverse \n the list: 3 1 ") == "Reverse the list: 3 1"
    assert says_yes("Yes, it is.") and says_yes(" yes") and not says_yes("No, yes would be wrong")


# Controls


def control(name: str, n: int = 300, **params: Any) -> list[Example]:
    def silent(request: Request) -> str:
        raise AssertionError("a control asks nobody")

    return run(context(name, FixedTeacher(silent), n), **params)


REFERENCE = list(TASK.reference_rows(Random(5), 300))


def test_oracle_seeds_and_no_training():
    assert control("oracle") == REFERENCE
    assert control("seeds_only") == list(TASK.seed_examples(Random(0)))
    assert control("no_training") == []


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_duplicated_has_exactly_that_share_of_copies(share):
    rows = control("duplicated", share=share)
    assert len(rows) == 300 and len({row.id for row in rows}) == 300 - round(share * 300)
    assert {row.id for row in rows} <= {row.id for row in REFERENCE}


def test_shuffled_answers_leave_no_answer_in_its_place():
    rows = control("shuffled_answers")
    assert [row.prompt for row in rows] == [row.prompt for row in REFERENCE]
    assert Counter(row.completion for row in rows) == Counter(row.completion for row in REFERENCE)
    assert sum(row.completion == old.completion for row, old in zip(rows, REFERENCE, strict=True)) < 10
    # With all answers different, none stays.
    assert len(control("shuffled_answers", n=1)) == 1


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_corrupted_makes_exactly_that_share_wrong(p):
    rows = control("corrupted", p=p)
    assert [row.prompt for row in rows] == [row.prompt for row in REFERENCE]
    assert sum(TASK.verify(row).correct is False for row in rows) == round(p * 300)
    assert {row.completion for row in rows} <= {row.completion for row in REFERENCE}


def test_corrupted_needs_a_wrong_answer():
    with pytest.raises(DataError, match="more rows"):
        control("corrupted", n=1, p=1.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_random_thinning_keeps_that_share_in_order(share):
    rows = control("random_thinning", share=share)
    assert len(rows) == round(share * 300)
    assert rows == [row for row in REFERENCE if row in rows]


@pytest.mark.parametrize(
    ("name", "params"), [("duplicated", {"share": 1.0}), ("corrupted", {"p": 1.5}), ("random_thinning", {"share": 0.0})]
)
def test_a_share_out_of_range_is_refused(name, params):
    with pytest.raises(PluginError, match=name):
        control(name, **params)


def test_imported_reads_a_file_and_wants_its_name(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "Reverse: 1 2", "completion": "2 1"}\n' * 3, encoding="utf-8")
    rows = control("imported", n=2, path=str(path))
    assert [(row.prompt, row.completion) for row in rows] == [("Reverse: 1 2", "2 1")] * 2
    with pytest.raises(PluginError, match="path ="):
        control("imported")
