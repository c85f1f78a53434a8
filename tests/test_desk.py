"""The desk settles in the order of asking, loses nothing that was paid for, and knows which call made which text."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from qdcbench.api import BudgetExhausted, Example, Reply, Request, TeacherError
from qdcbench.records import Budget
from qdcbench.teachers.desk import Desk, Origin, Question
from qdcbench.teachers.faults import PartlyAnswered
from qdcbench.teachers.meter import Meter


def meter(calls: int | None = 99, tokens: int | None = None) -> Meter:
    return Meter(Budget(name="b", examples=9, teacher_tokens=tokens, teacher_calls=calls))


def question(
    text: str, max_tokens: int = 20, material: dict[str, object] | None = None, role: str = "teacher"
) -> Question:
    request = Request(intent="chat", material=material or {}, messages=(("user", text),), max_tokens=max_tokens)
    return Question(role=role, request=request, seed=1)


def answer(text: str) -> Reply:
    return Reply(text=text, prompt_tokens=3, completion_tokens=len(text))


class Later:
    """A teacher whose answers the test gives by hand, in any order."""

    simulated = False

    def __init__(self) -> None:
        self.futures: dict[str, Future[Reply]] = {}
        self.halted = False

    def submit(self, request: Request, seed: int) -> Future[Reply]:
        future: Future[Reply] = Future()
        self.futures[request.messages[-1][1]] = future
        return future

    def halt(self) -> None:
        self.halted = True
        for future in self.futures.values():
            if not future.done():
                future.set_exception(TeacherError("not sent"))

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        raise AssertionError("submit is used where there is one")


def test_answers_are_settled_in_the_order_of_asking_whatever_order_they_come_in() -> None:
    teacher = Later()
    desk = Desk(teacher, meter(), "m")
    questions = [question(text) for text in "abc"]
    for each in questions:
        desk.submit(each)
    for text in "cba":
        teacher.futures[text].set_result(answer(text.upper()))
    assert desk.collect(questions[1]) == "B"
    assert [call.completion_tokens for call in desk.calls] == [1, 1]  # c came first and is not charged yet
    desk.finish()
    assert [call.number for call in desk.calls] == [0, 1, 2]
    assert desk.meter.usage().calls == 3


def test_room_comes_from_the_oldest_open_question() -> None:
    teacher = Later()
    desk = Desk(teacher, meter(None, tokens=3 * question("a").bound.tokens - 1), "m")
    for text in "ab":
        desk.submit(question(text))
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(desk.submit, question("c"))
        assert "c" not in teacher.futures
        teacher.futures["a"].set_result(answer("x"))
        third.result(timeout=5)
    assert set(teacher.futures) == {"a", "b", "c"}
    assert [call.number for call in desk.calls] == [0]


def test_a_failure_is_raised_once_all_that_was_paid_is_charged() -> None:
    teacher = Later()
    desk = Desk(teacher, meter(4), "m")
    questions = [question(text) for text in "abcd"]
    for each in questions:
        desk.submit(each)
    teacher.futures["a"].set_exception(PartlyAnswered("refused", lost_calls=2, lost_tokens=5))
    teacher.futures["c"].set_result(answer("C"))
    with pytest.raises(TeacherError, match="refused"):
        desk.collect(questions[0])
    usage = desk.meter.usage()
    assert teacher.halted
    assert (usage.calls, usage.tokens, usage.failed_calls, usage.discarded_tokens) == (1, 4, 2, 5)
    assert desk.meter.reserve(question("e").bound)  # the room of the others came back


def test_a_desk_that_is_dropped_waits_for_nobody() -> None:
    teacher = Later()
    teacher.halt = lambda: None  # type: ignore[method-assign]  # a server that never answers
    desk = Desk(teacher, meter(), "m")
    for text in "ab":
        desk.submit(question(text))
    teacher.futures["b"].set_result(answer("B"))
    desk.drop()
    assert desk.meter.usage().calls == 1


def test_calls_say_who_asked_what_about_which_example() -> None:
    class Both:
        simulated = True

        def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
            return [
                Reply(text=r.messages[-1][1], prompt_tokens=1, completion_tokens=1, teacher="big") for r in requests
            ]

    desk = Desk(Both(), meter(), "small")
    seed = Example(prompt="Reverse 1 2", completion="2 1")
    desk.know(seed)
    asked = [
        question("1. Sort 2 1\n2) Double 3", material={"exemplars": [seed.prompt, "unknown"]}),
        question("Answer: 1 2", material={"prompt": "Sort 2 1"}, role="answerer"),
        question("yes", material={"prompt": "Sort 2 1", "completion": "1 2"}, role="judge"),
        question("6", material={"prompt": "Double 3", "shots": [seed]}, role="answerer"),
    ]
    for each in asked:
        desk.submit(each)
    desk.finish()
    assert [(call.role, call.teacher, call.parents) for call in desk.calls] == [
        ("teacher", "big", (seed.id,)), ("answerer", "big", ()), ("judge", "big", ()), ("answerer", "big", (seed.id,)),
    ]  # fmt: skip
    made = Example(prompt="Sort 2 1", completion="1 2")
    assert desk.origin(made) == Origin(calls=(0, 1, 2), writer="big")
    assert desk.origin(Example(prompt="Double 3", completion="6")) == Origin(calls=(0, 3), writer="big")
    assert desk.origin(Example(prompt="of nobody", completion="at all")) == Origin(calls=(), writer="")
    assert desk.origin(Example(prompt="of nobody", completion="")) == Origin(calls=(), writer="")


def test_of_equal_answers_the_one_to_this_prompt_is_meant() -> None:
    class Two:
        simulated = True

        def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
            # Both say the same, after an empty line.
            names = ["big", "small"]
            return [
                Reply(text="\n3 1 4", prompt_tokens=1, completion_tokens=1, teacher=name)
                for name, _ in zip(names, requests, strict=True)
            ]

    desk = Desk(Two(), meter(), "m")
    for prompt in ("Sort 4 3 1", "Reverse 4 1 3"):
        desk.submit(question(prompt, material={"prompt": prompt}))
    desk.finish()
    assert desk.origin(Example(prompt="Sort 4 3 1", completion="3 1 4")) == Origin(calls=(0,), writer="big")
    assert desk.origin(Example(prompt="Reverse 4 1 3", completion="3 1 4")) == Origin(calls=(1,), writer="small")
    assert desk.origin(Example(prompt="rejected", completion="")) == Origin(calls=(), writer="")


def test_a_question_that_was_given_up_says_so_to_who_still_waits() -> None:
    teacher = Later()
    desk = Desk(teacher, meter(), "m")
    questions = [question(text) for text in "abc"]
    for each in questions:
        desk.submit(each)
    teacher.futures["a"].set_exception(TeacherError("refused"))
    teacher.futures["b"].set_result(answer("B"))
    for _ in range(2):  # a method may catch it and ask again
        with pytest.raises(TeacherError, match="refused"):
            desk.collect(questions[0])
    assert desk.collect(questions[1]) == "B"
    with pytest.raises(TeacherError, match="not sent"):
        desk.collect(questions[2])


@pytest.mark.parametrize("calls", [0, 1, 17, 40])
def test_tasks_racing_on_a_desk_never_pass_its_cap(calls: int) -> None:
    class Slow:
        simulated = False
        asked = 0

        def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
            Slow.asked += len(requests)
            return [answer("x") for _ in requests]

    desk = Desk(Slow(), meter(calls), "m")

    async def race() -> list[object]:
        return await asyncio.gather(*(desk.answer(question(str(i))) for i in range(60)), return_exceptions=True)

    Slow.asked = 0
    outcomes = asyncio.run(race())
    assert Slow.asked == desk.meter.usage().calls == len(desk.calls) == calls
    assert sum(isinstance(outcome, BudgetExhausted) for outcome in outcomes) == 60 - calls
    assert sorted(call.number for call in desk.calls) == list(range(calls))


def test_a_task_that_need_not_wait_any_more_is_told_the_budget_ended() -> None:
    teacher = Later()
    desk = Desk(teacher, meter(1), "m")

    async def race() -> None:
        first = asyncio.create_task(desk.answer(question("a")))
        await asyncio.sleep(0)
        with pytest.raises(BudgetExhausted, match="teacher calls"):
            await desk.answer(question("b"), wait=lambda: False)
        teacher.futures["a"].set_exception(TeacherError("broken"))
        with pytest.raises(TeacherError, match="broken"):
            await first

    asyncio.run(race())
    assert desk.meter.usage().calls == 0
    assert desk.meter.reserve(question("c").bound)
