"""Every method on the real scripted teacher: what its filters drop, where rows come from, what each dial moves."""

import importlib
import math
import pkgutil
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
import qdcbench.methods
from qdcbench.methods._replies import first_item, numbered, says_yes
from qdcbench.tasks.list_edits import ListEdits

from qdcbench.api import BudgetExhausted, Check, DataError, Example, MethodPlugin, NoveltyFilter, PluginError, Request
from qdcbench.records import Budget
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook

TASK = ListEdits()
METHODS = ("evol_instruct", "persona", "self_instruct", "taxonomy")
CONTROLS = ("corrupted", "duplicated", "no_training", "oracle", "random_thinning", "seeds_only", "shuffled_answers")
PROMPTS = Path(next(iter(qdcbench.methods.__path__))) / "prompts"


def plugin(name: str) -> MethodPlugin:
    found = importlib.import_module(f"qdcbench.methods.{name}").generate
    assert isinstance(found, MethodPlugin)
    return found


@dataclass
class Context:
    """A plain GenerationContext that keeps what was rejected."""

    name: str
    teacher: Any
    answerer: Any
    judge: Any
    remaining: int
    seed_examples: tuple[Example, ...]
    rng: Random
    meter: Meter
    description: str = TASK.description
    rejected: list[tuple[Example, str]] = field(default_factory=list)

    def reject(self, prompt, reason, *, completion="", parents=(), lineage=None) -> None:
        row = Example(prompt=prompt, completion=completion, parents=tuple(parents), lineage=lineage or {})
        self.rejected.append((row, reason))

    def verify(self, example: Example) -> Check:
        return TASK.verify(example)

    def reference_rows(self, n: int) -> list[Example]:
        return list(TASK.reference_rows(Random(5), n))


def context(name: str, teacher: Any, n: int = 200, tokens: int = 10**8, seed: int = 0) -> Context:
    meter = Meter(Budget(name="test", examples=n, teacher_tokens=tokens, teacher_calls=None))
    path = PROMPTS / f"{name}.toml"
    book = PromptBook.load(path if path.is_file() else None, name)
    desk = Desk(teacher, meter, name)
    roles = [MeteredRole(desk, book, seed=seed * 10 + place) for place in range(3)]
    seeds = tuple(TASK.seed_examples(Random(seed)))
    return Context(name, *roles, remaining=n, seed_examples=seeds, rng=Random(seed), meter=meter)


def run(ctx: Context, **params: Any) -> list[Example]:
    """Rows as the harness takes them: as many as wanted, or until the budget is spent."""
    found = plugin(ctx.name)
    rows: list[Example] = []
    try:
        rows.extend(islice(found.generate(ctx, found.params(**params)), ctx.remaining))
    except BudgetExhausted:
        pass
    return rows


def made(name: str, profile: str = "strong", n: int = 400, **params: Any) -> tuple[list[Example], Context]:
    ctx = context(name, TASK.scripted_teacher(profile), n)
    return run(ctx, **params), ctx


@dataclass(frozen=True)
class View:
    """Where rows lie: right share, entropy of pairs in bits, depth, distinct contexts' share, calls a row."""

    right: float
    entropy: float
    depth: float
    kept: float
    calls: float


@cache
def view(name: str, profile: str = "strong", n: int = 250, **params: Any) -> View:
    rows, ctx = made(name, profile, n, **params)
    found = [structure for row in rows if (structure := TASK.structure(row.prompt))]
    counts = Counter(pair for structure in found for pair in structure.pairs)
    total = counts.total()
    return View(
        right=sum(TASK.verify(row).correct is True for row in rows) / len(rows),
        entropy=-sum(c / total * math.log2(c / total) for c in counts.values()),
        depth=sum(structure.depth for structure in found) / len(found),
        kept=len(rows) / (len(rows) + len(ctx.rejected)),
        calls=ctx.meter.usage().calls / len(rows),
    )


# Contract


def test_all_plugins_are_accounted_for():
    names = {found.name for found in pkgutil.iter_modules(qdcbench.methods.__path__) if not found.name.startswith("_")}
    assert {*METHODS, *CONTROLS, "imported"} <= names


@pytest.mark.parametrize("name", [*METHODS, *CONTROLS, "imported"])
def test_a_plugin_says_what_it_is(name):
    found = plugin(name)
    assert found.name == name and found.summary.endswith(".")
    assert found.role == ("method" if name in METHODS else "imported" if name == "imported" else "control")
    assert bool(found.fidelity) == (found.role == "method")
    assert all(part.note for part in found.fidelity if part.state != "present")
    found.params()


@pytest.mark.parametrize("profile", ["strong", "weak"])
@pytest.mark.parametrize("name", METHODS)
def test_rows_are_examples_with_known_parents_and_repeat_exactly(name, profile):
    rows, ctx = made(name, profile, 150)
    again, _ = made(name, profile, 150)
    assert rows == again and len(rows) == 150
    known = {seed.id for seed in ctx.seed_examples}
    for row in rows:
        assert row.prompt.strip() and row.completion.strip()
        assert set(row.parents) <= known
        known.add(row.id)
    assert all(set(row.parents) <= known and reason for row, reason in ctx.rejected)
    assert bool(rows[0].parents) == (name != "taxonomy")


@pytest.mark.parametrize("name", METHODS)
def test_another_seed_gives_other_rows(name):
    one, two = (run(context(name, TASK.scripted_teacher("strong"), 60, seed=seed)) for seed in (0, 1))
    # A few prompts of an unusable kind have one text only.
    assert len({row.id for row in one} & {row.id for row in two}) <= 2


@pytest.mark.parametrize("name", METHODS)
def test_a_method_stops_when_the_budget_says_so(name):
    ctx = context(name, TASK.scripted_teacher("strong"), 10_000, tokens=120_000)
    rows = run(ctx)
    assert 0 < len(rows) < 1000 and ctx.meter.usage().tokens <= 120_000


@pytest.mark.parametrize("name", METHODS)
def test_intents_asked_are_the_ones_declared(name):
    _, ctx = made(name, n=60)
    assert set(ctx.meter.usage().calls_by_intent) == set(plugin(name).intents)


class Mute:
    """A teacher that has nothing to say."""

    simulated = False

    def complete(self, requests: Sequence[Request], seed: int) -> list[Any]:
        from qdcbench.api import Reply

        return [Reply(text="", prompt_tokens=1, completion_tokens=0) for _ in requests]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_makes_no_progress_ends_by_itself(name):
    assert run(context(name, Mute(), 50)) == []


@pytest.mark.parametrize("name", METHODS)
def test_every_prompt_a_chat_model_would_read_is_filled_in(name):
    read: list[tuple[str, str]] = []

    class Reader:
        simulated = False
        inner = TASK.scripted_teacher("strong")

        def complete(self, requests, seed):
            read.extend((request.intent, text) for request in requests for _, text in request.messages)
            return self.inner.complete(requests, seed)

    modes = ("zero_shot", "few_shot", "persona_few_shot") if name == "persona" else ("",)
    for mode in modes:
        run(context(name, Reader(), 60), **({"mode": mode} if mode else {}))
    sections = tomllib.loads((PROMPTS / f"{name}.toml").read_text(encoding="utf-8"))
    for section in sections.values():
        opening = section["user"].strip().partition("{")[0].strip() or section["system"]
        assert any(opening in text for _, text in read)
    assert not any("{" in text for _, text in read)
    assert any(TASK.description in text for intent, text in read if intent == "answer")


def test_all_methods_have_prompts_answered_by_the_same_words():
    sections = [tomllib.loads((PROMPTS / f"{name}.toml").read_text(encoding="utf-8"))["answer"] for name in METHODS]
    assert all(section == sections[0] for section in sections)


# Replies


def test_replies_are_read_as_chat_models_write_them():
    text = "Here are two tasks:\n1. Reverse the list: 3 1\n 2)  Double it: 4 5 \n\nEnjoy! 3 4"
    assert numbered(text) == ["Reverse the list: 3 1", "Double it: 4 5"]
    assert first_item(text) == "Reverse the list: 3 1"
    assert first_item(" Reverse \n the list: 3 1 ") == "Reverse the list: 3 1"
    assert says_yes("Yes, it is.") and says_yes(" yes") and not says_yes("No, yes would be wrong")


# Self-Instruct


class Script:
    """Answers `propose` from a fixed list and `answer` by the task's own strong teacher without its errors."""

    simulated = True

    def __init__(self, proposals: Sequence[str], answer: str = "1 2") -> None:
        self.proposals = proposals
        self.answer = answer

    def complete(self, requests, seed):
        from qdcbench.api import Reply

        listing = "\n".join(f"{place}. {text}" for place, text in enumerate(self.proposals, 1))
        texts = [listing if request.intent == "propose" else self.answer for request in requests]
        return [Reply(text=text, prompt_tokens=1, completion_tokens=1) for text in texts]


def test_self_instruct_filters_in_the_order_of_the_paper():
    seed = TASK.seed_examples(Random(0))[0].prompt
    proposals = [
        "Draw it",
        "Draw a picture of the list: 1 2",
        "Write a program that sorts: 1 2",
        "- take the list: 1 2",
        "Éplucher the list of numbers: 1 2",
        seed,
        "Kindly consider nothing like any other task 1 2",
    ]
    ctx = context("self_instruct", Script(proposals), 1)
    (row,) = run(ctx)
    assert row.prompt == proposals[-1] and len(row.parents) == 8
    assert [reason for _, reason in ctx.rejected] == [
        "length", "keyword", "asks for a program", "starts with punctuation",
        "starts with a foreign letter", "ROUGE-L",
    ]  # fmt: skip


def test_self_instruct_logs_a_reply_that_holds_no_list():
    ctx = context("self_instruct", Mute(), n=5)
    assert run(ctx) == []
    assert ctx.rejected
    assert {reason for _, reason in ctx.rejected} == {"no list in the reply"}


def test_self_instruct_drops_answers_that_are_none():
    proposal = "Kindly consider nothing like any other task 1 2"
    for answer, reason in (
        (proposal, "answer repeats the prompt"),
        ("", "empty answer"),
        ("The result:", "ends in a colon"),
    ):
        ctx = context("self_instruct", Script([proposal], answer), 5)
        assert run(ctx) == [] and ctx.rejected[0][1] == reason


def test_self_instruct_keeps_every_pair_of_prompts_apart():
    rows, ctx = made("self_instruct", n=300)
    novelty = NoveltyFilter(0.7)
    for seed in ctx.seed_examples:
        novelty.add(seed.prompt)
    for row in rows:
        assert novelty.similar_to(row.prompt) <= 0.7
        novelty.add(row.prompt)


def test_self_instruct_shows_two_of_its_own_and_six_human_prompts():
    rows, ctx = made("self_instruct", n=300)
    human = {seed.id for seed in ctx.seed_examples}
    shown = [len(set(row.parents) & human) for row in rows]
    assert set(shown[:20]) == {8} and set(shown[-100:]) == {6}


# Evol-Instruct


def test_evol_instruct_drops_failures_for_the_reasons_of_the_paper():
    _, ctx = made("evol_instruct", "weak", 600)
    reasons = Counter(reason for _, reason in ctx.rejected)
    assert {"no information gain", "answer says sorry", "shows scaffold words"} <= set(reasons)
    for row, reason in ctx.rejected:
        if reason == "shows scaffold words":
            assert "Rewritten Prompt" in row.prompt
        if reason == "answer says sorry":
            assert "Sorry" in row.completion


def test_evol_instruct_without_elimination_keeps_scaffold_words():
    rows, ctx = made("evol_instruct", "weak", 600, eliminate=False)
    assert not ctx.rejected and any("Rewritten Prompt" in row.prompt for row in rows)
    assert "classify" not in ctx.meter.usage().calls_by_intent


def test_evol_instruct_goes_on_from_what_it_kept_and_uses_all_operators():
    rows, _ = made("evol_instruct", n=400)
    by_id = {row.id: row for row in rows}
    for row in rows:
        parent = by_id.get(row.parents[0])
        assert parent is None or int(parent.lineage["round"]) < int(row.lineage["round"])
    counts = Counter(row.lineage["operator"] for row in rows)
    assert len(counts) == 6 and min(counts.values()) > 40
    assert {row.lineage["round"] for row in rows} == {"1", "2", "3", "4"}


# Persona


@pytest.mark.parametrize("n_personas", [5, 40, 250])
def test_persona_makes_as_many_different_people_as_asked(n_personas):
    rows, _ = made("persona", n=max(60, n_personas), n_personas=n_personas)
    people = {row.lineage["persona"] for row in rows}
    assert len(people) == n_personas
    words = [frozenset(text.lower().strip(".").split()) for text in sorted(people)]
    assert all(len(a & b) / len(a | b) <= 0.9 for i, a in enumerate(words) for b in words[:i])


# Taxonomy


def test_taxonomy_keeps_what_the_double_critic_passes_and_says_which_topics_it_drew():
    rows, ctx = made("taxonomy", n=200)
    assert {reason for _, reason in ctx.rejected} == {"double critic"}
    assert all(row.lineage["topic"] and not row.parents for row in rows)
    share = sum(row.lineage["operator"] == "complexify" for row in rows) / len(rows)
    assert 0.35 < share < 0.6


# What each dial moves


def test_self_instruct_dials():
    base = view("self_instruct")
    assert view("self_instruct", threshold=0.6).kept < base.kept < view("self_instruct", threshold=0.9).kept
    # Its own prompts take over only when there are many.
    assert view("self_instruct", n=600, human=0, made=8).entropy < view("self_instruct", n=600).entropy
    assert view("self_instruct", temperature=1.2).entropy > base.entropy
    assert view("self_instruct", wanted=2).calls > base.calls


def test_evol_instruct_dials():
    base = view("evol_instruct")
    assert view("evol_instruct", rounds=1).depth + 0.3 < base.depth
    assert view("evol_instruct", in_breadth=1.0).depth + 0.8 < view("evol_instruct", in_breadth=0.0).depth
    assert view("evol_instruct", "weak", eliminate=False).right < view("evol_instruct", "weak").right
    assert view("evol_instruct", temperature=0.4).entropy < base.entropy


def test_persona_dials():
    base = view("persona")
    assert view("persona", mode="few_shot").entropy > base.entropy + 0.2
    asked = [made("persona", n=40, n_personas=n)[1].meter.usage().calls_by_intent["persona"] for n in (20, 100, 400)]
    assert asked[0] < asked[1] < asked[2]
    assert view("persona", temperature=1.2).entropy > base.entropy + 0.2


def test_taxonomy_dials():
    base = view("taxonomy")
    assert view("taxonomy", critic=False).right + 0.1 < base.right
    assert view("taxonomy", complexify=0.0).depth + 0.2 < base.depth < view("taxonomy", complexify=1.0).depth - 0.2
    assert view("taxonomy", depth=1).depth < base.depth < view("taxonomy", depth=3).depth
    assert view("taxonomy", global_topics=False).entropy < base.entropy
    assert view("taxonomy", local_scenarios=False).calls != base.calls
    assert view("taxonomy", "weak", critic_of_topics=False) != view("taxonomy", "weak")


@pytest.mark.parametrize("name", METHODS)
def test_a_weak_teacher_makes_fewer_right_and_less_diverse_rows(name):
    strong, weak = view(name), view(name, "weak")
    assert weak.right < strong.right and weak.entropy < strong.entropy


# Controls


def control(name: str, n: int = 300, **params: Any) -> list[Example]:
    class Silent:
        simulated = True

        def complete(self, requests, seed):
            raise AssertionError("a control asks nobody")

    return run(context(name, Silent(), n), **params)


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
