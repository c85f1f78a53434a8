"""A role renders, numbers and charges every question, alone, in batches and in streams."""

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.api import BudgetExhausted, Example, PluginError, Reply, Request, TeacherError
from qdcbench.records import Budget, Usage
from qdcbench.seeds import stream
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.meter import Meter, bound_of
from qdcbench.teachers.metered import MeteredRole
from qdcbench.teachers.prompts import PromptBook


def budget(tokens: int | None = None, calls: int | None = None, seconds: float | None = None) -> Budget:
    return Budget(name="b", examples=10, teacher_tokens=tokens, teacher_calls=calls, seconds=seconds)


class Echo:
    """A teacher whose costs derive from the question and stay within the bound; it keeps its own ledger."""

    def __init__(self, simulated: bool = True, fail_on: str = "") -> None:
        self.simulated = simulated
        self.fail_on = fail_on
        self.asked: list[Request] = []
        self.tokens = 0
        self.batches: list[int] = []

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        replies: list[Reply | None] = []
        for request in requests:
            if self.fail_on and self.fail_on in request.messages[-1][1]:
                replies.append(None)
                continue
            rng = stream(seed, "echo", {"messages": request.messages, "sample": request.sample})
            room = bound_of(request).prompt_tokens
            prompt, completion = rng.randint(1, room), rng.randint(0, request.max_tokens)
            text = f"{request.messages[-1][1]}#{request.sample}#{seed}"
            replies.append(Reply(text=text, prompt_tokens=prompt, completion_tokens=completion))
        done = [reply for reply in replies if reply is not None]
        self.asked += requests
        self.batches.append(len(requests))
        self.tokens += sum(reply.prompt_tokens + reply.completion_tokens for reply in done)
        if len(done) < len(replies):
            raise PartlyAnswered("the teacher failed", replies, lost_calls=3, lost_tokens=17)
        return done


def role(teacher: Any, meter: Meter, book: PromptBook | None = None, seed: int = 1) -> MeteredRole:
    return MeteredRole(Desk(teacher, meter, "echo"), book or PromptBook(where="prompts/none.toml"), seed=seed)


def chat_book(tmp_path: Path) -> PromptBook:
    path = tmp_path / "m.toml"
    path.write_text('[propose]\nsystem = "write {kind}"\nuser = "like {shots}"\n', encoding="utf-8")
    return PromptBook.load(path, "m")


@pytest.mark.parametrize(
    ("cap", "limit"),
    [
        (budget(tokens=30), "teacher tokens"),
        (budget(calls=1), "teacher calls"),
        (budget(calls=9, seconds=10), "seconds"),
    ],
)
def test_the_limit_that_was_reached_is_named(cap: Budget, limit: str) -> None:
    now = [0.0]
    meter = Meter(cap, clock=lambda: now[0])
    asker = role(Echo(), meter)
    if limit != "teacher tokens":
        asker.ask("chat", max_tokens=1, q="a")
    now[0] = 10.0
    with pytest.raises(BudgetExhausted, match=f"limit on {limit} is reached") as caught:
        asker.ask("chat", max_tokens=20, q="b")
    assert caught.value.limit == limit
    assert pickle.loads(pickle.dumps(caught.value)).limit == limit


def test_a_batch_larger_than_the_room_is_asked_in_waves_and_in_order() -> None:
    questions = [{"q": str(i)} for i in range(50)]
    roomy, tight = Echo(), Echo()
    free = role(roomy, Meter(budget(tokens=10**6))).ask_many("chat", questions, max_tokens=100)
    # Room for about six bounds at a time; what the answers leave unspent makes room for the rest.
    meter = Meter(budget(tokens=roomy.tokens + 800))
    assert role(tight, meter).ask_many("chat", questions, max_tokens=100) == free
    assert len(tight.batches) > 1 == len(roomy.batches)
    assert tight.tokens == roomy.tokens
    assert meter.usage().calls == 50


def test_a_batch_that_does_not_fit_raises_and_hands_over_what_was_paid_for() -> None:
    teacher, meter = Echo(), Meter(budget(calls=7))
    with pytest.raises(BudgetExhausted) as caught:
        role(teacher, meter).ask_many("chat", [{"q": str(i)} for i in range(10)])
    assert caught.value.limit == "teacher calls"
    assert [text.split("#")[0] for text in caught.value.answers] == [f"chat\nq: {i}" for i in range(7)]
    assert pickle.loads(pickle.dumps(caught.value)).answers == caught.value.answers
    assert (meter.usage().calls, meter.usage().tokens) == (7, teacher.tokens)


def test_a_failed_batch_charges_the_answers_that_came_and_frees_the_rest() -> None:
    teacher, meter = Echo(fail_on="q: 2"), Meter(budget(tokens=10_000, calls=5))
    asker = role(teacher, meter)
    with pytest.raises(TeacherError, match="the teacher failed"):
        asker.ask_many("judge", [{"q": str(i)} for i in range(4)])
    usage = meter.usage()
    assert (usage.calls, usage.tokens, usage.calls_by_intent) == (3, teacher.tokens, {"judge": 3})
    assert (usage.failed_calls, usage.discarded_tokens) == (3, 17)
    asker.ask_many("chat", [{"q": "8"}, {"q": "9"}])
    with pytest.raises(BudgetExhausted, match="teacher calls"):
        asker.ask("chat", q="10")


class Broken:
    simulated = True

    def __init__(self, replies: int, error: Exception | None = None) -> None:
        self.replies = replies
        self.error = error

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        if self.error:
            raise self.error
        return [Reply(text="x", prompt_tokens=1, completion_tokens=1)] * self.replies


@pytest.mark.parametrize("replies", [0, 1, 3])
def test_a_teacher_that_miscounts_is_named(replies: int) -> None:
    meter = Meter(budget(calls=2))
    with pytest.raises(PluginError, match=f"gave {replies} replies to 2 requests"):
        role(Broken(replies), meter).ask_many("chat", [{"q": 1}, {"q": 2}])
    assert meter.usage().calls == 0
    role(Broken(1), meter).ask("chat", q=1)  # the room of the two came back


def test_a_teacher_that_crashes_frees_its_room() -> None:
    meter = Meter(budget(calls=1))
    with pytest.raises(ZeroDivisionError):
        role(Broken(0, ZeroDivisionError("bug")), meter).ask("chat", q=1)
    assert role(Broken(1), meter).ask("chat", q=1) == "x"


def asked(seed: int = 1, batches: Sequence[Sequence[str]] = (("a", "b", "a"), ("a",), ("c", "a"))) -> list[str]:
    asker = role(Echo(), Meter(budget(calls=99)), seed=seed)
    return [text for batch in batches for text in asker.ask_many("chat", [{"q": q} for q in batch])]


def test_equal_questions_are_numbered_the_same_however_they_are_batched() -> None:
    assert [text.split("#")[1] for text in asked()] == ["0", "0", "1", "2", "0", "3"]
    assert asked() == asked(batches=[["a", "b", "a", "a", "c", "a"]]) == asked(batches=[[q] for q in "abaaca"])
    assert asked(2) != asked()


def test_questions_that_differ_in_anything_are_not_repeats() -> None:
    teacher = Echo()
    asker = role(teacher, Meter(budget(calls=99)))
    asker.ask("chat", q="a")
    asker.ask("judge", q="a")
    asker.ask("chat", q="a", temperature=0.5)
    asker.ask("chat", q="a", max_tokens=9)
    asker.ask("chat", q=Example(prompt="a", completion="b"))
    asker.ask("chat", q=Example(prompt="a", completion="b", lineage={"round": "1"}))
    assert [request.sample for request in teacher.asked] == [0] * 6


def test_a_chat_teacher_reads_the_prompt_file(tmp_path: Path) -> None:
    teacher = Echo(simulated=False)
    asker = role(teacher, Meter(budget(calls=9)), chat_book(tmp_path))
    asker.ask("propose", kind="tasks", shots=["x", "y"], temperature=0.3, max_tokens=77)
    asker.ask("chat", template="propose", kind="{kind}", shots="z")
    first, second = teacher.asked
    assert first.messages == (("system", "write tasks"), ("user", "like 1. x\n2. y"))
    assert (first.intent, first.temperature, first.max_tokens) == ("propose", 0.3, 77)
    assert first.material == {"kind": "tasks", "shots": ["x", "y"]}
    assert second.messages == (("system", "write {kind}"), ("user", "like z"))
    with pytest.raises(PluginError, match=r"prompts/m.toml has no section \[evolve\], and a chat teacher"):
        asker.ask("evolve", kind="tasks")


def test_a_scripted_teacher_needs_no_prompt_but_obeys_one(tmp_path: Path) -> None:
    teacher = Echo(simulated=True)
    asker = role(teacher, Meter(budget(calls=9)), chat_book(tmp_path))
    asker.ask("evolve", operator="deepen")
    assert teacher.asked[0].messages == (("user", "evolve\noperator: deepen"),)
    with pytest.raises(PluginError, match=r"placeholder {kind}, which the method does not pass"):
        asker.ask("propose", shots="z")


def test_wrong_questions_are_refused_before_anything_is_asked() -> None:
    teacher, meter = Echo(), Meter(budget(calls=9))
    asker = role(teacher, meter)
    with pytest.raises(PluginError, match=r"no intent 'evolv'; did you mean 'evolve'\?"):
        asker.ask("evolv", q="a")
    with pytest.raises(PluginError, match="the material 'q' holds a set"):
        asker.ask_many("chat", [{"q": "a"}, {"q": {1}}])
    with pytest.raises(PluginError, match=r"the material of a request 'chat' cannot be written: .* is nan"):
        asker.ask("chat", q=float("nan"))
    assert (teacher.asked, meter.usage().calls) == ([], 0)
    assert asker.ask_many("chat", []) == []


def asked_in_turn(asker: MeteredRole, n: int, ahead: int, trace: list[str] | None = None) -> Iterator[str]:
    def materials() -> Iterator[dict[str, Any]]:
        for i in range(n):
            if trace is not None:
                trace.append(f"made {i}")
            yield {"q": str(i)}

    return asker.ask_each("chat", materials(), ahead=ahead, max_tokens=50)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 40), ahead=st.integers(1, 50))
def test_a_stream_gives_the_texts_of_a_batch_in_order(n: int, ahead: int) -> None:
    batch = role(Echo(), Meter(budget(calls=99))).ask_many("chat", [{"q": str(i)} for i in range(n)], max_tokens=50)
    assert list(asked_in_turn(role(Echo(), Meter(budget(calls=99))), n, ahead)) == batch


def test_a_question_is_made_when_the_text_that_far_back_was_used() -> None:
    trace: list[str] = []
    for i, _ in enumerate(asked_in_turn(role(Echo(), Meter(budget(calls=99))), 6, 3, trace)):
        trace.append(f"used {i}")
    assert trace == ["made 0", "made 1", "made 2", "used 0", "made 3", "used 1", "made 4", "used 2", "made 5",
                     "used 3", "used 4", "used 5"]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(calls=st.integers(0, 30), ahead=st.integers(1, 40), tokens=st.integers(0, 4000))
def test_a_stream_that_ends_early_hands_over_all_that_was_paid_and_no_more(calls: int, ahead: int, tokens: int) -> None:
    teacher, meter = Echo(), Meter(budget(tokens=tokens, calls=calls))
    texts = []
    with pytest.raises(BudgetExhausted):
        for text in asked_in_turn(role(teacher, meter), 99, ahead):
            texts.append(text)
    usage = meter.usage()
    assert len(texts) == len(teacher.asked) == usage.calls <= calls
    assert usage.tokens == teacher.tokens <= tokens


def nested(calls: int, ahead: int) -> tuple[list[str], Usage]:
    """Answers asked from a stream of proposals, both under one budget."""
    meter = Meter(budget(calls=calls))
    desk = Desk(Echo(), meter, "echo")
    writer, answerer = (
        MeteredRole(desk, PromptBook(where="none"), seed=seed, name=name)
        for seed, name in ((1, "teacher"), (2, "answerer"))
    )
    texts = []
    try:
        proposals = asked_in_turn(writer, 99, ahead)
        for text in answerer.ask_each("answer", ({"prompt": p} for p in proposals), ahead=ahead, max_tokens=9):
            texts.append(text)
    except BudgetExhausted:
        pass
    desk.finish()
    return texts, meter.usage()


@settings(max_examples=30, deadline=None)
@given(calls=st.integers(0, 60), ahead=st.integers(1, 20))
def test_streams_may_feed_streams(calls: int, ahead: int) -> None:
    texts, usage = nested(calls, ahead)
    assert usage.calls == calls
    assert len(texts) == usage.calls_by_intent.get("answer", 0)
    assert nested(calls, ahead) == (texts, usage)


def test_a_stream_left_early_is_charged_for_what_it_asked() -> None:
    teacher, meter = Echo(), Meter(budget(calls=99))
    desk = Desk(teacher, meter, "echo")
    texts = asked_in_turn(MeteredRole(desk, PromptBook(where="none"), seed=1), 50, 8)
    assert next(texts).startswith("chat")
    desk.finish()
    assert (len(teacher.asked), meter.usage().calls, len(desk.calls)) == (8, 8, 8)
    with pytest.raises(PluginError, match="ahead is 0"):
        next(asked_in_turn(MeteredRole(desk, PromptBook(where="none"), seed=1), 1, 0))
