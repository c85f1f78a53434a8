"""The meter keeps its caps whoever races for them, and counts what was charged to the token and the dollar."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.api import BudgetExhausted, Reply, Request
from qdcbench.errors import ConfigError
from qdcbench.records import Budget, Usage
from qdcbench.seeds import stream
from qdcbench.teachers.meter import Bound, Meter, bound_of
from qdcbench.teachers.prices import Price

PRICE = Price(input=1.0, output=4.0, dated="2026-01-01", source="a test")
FREE = Budget(name="b", examples=10, teacher_tokens=None, teacher_calls=None)


def reply(prompt: int, completion: int) -> Reply:
    return Reply(text="", prompt_tokens=prompt, completion_tokens=completion)


@settings(max_examples=25, deadline=None)
@given(
    tokens=st.one_of(st.none(), st.integers(0, 6000)),
    calls=st.one_of(st.none(), st.integers(0, 60)),
    money=st.one_of(st.none(), st.floats(0, 0.01)),
    threads=st.integers(1, 8),
)
def test_no_cap_is_ever_exceeded_by_racing_threads(
    tokens: int | None, calls: int | None, money: float | None, threads: int
) -> None:
    if tokens is None and calls is None and money is None:
        calls = 20
    cap = replace(FREE, teacher_tokens=tokens, teacher_calls=calls, money=money)
    meter = Meter(cap, prices={"": PRICE})
    limits = []
    overspent = threading.Event()

    def work(worker: int) -> None:
        rng = stream(worker, "race", {})
        while True:
            bound = Bound(prompt_tokens=rng.randint(1, 100), completion_tokens=rng.randint(1, 100))
            try:
                while not meter.reserve(bound):
                    threading.Event().wait(0.0002)
            except BudgetExhausted as end:
                limits.append(end.limit)
                return
            meter.settle(
                bound, "chat", reply(rng.randint(0, bound.prompt_tokens), rng.randint(0, bound.completion_tokens))
            )
            spent = meter.usage()
            if (
                (tokens is not None and spent.tokens > tokens)
                or (calls is not None and spent.calls > calls)
                or (money is not None and (spent.money or 0) > money)
            ):
                overspent.set()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    usage = meter.usage()
    assert not overspent.is_set()
    assert len(limits) == threads
    assert set(limits) <= {"teacher tokens", "teacher calls", "money"}
    assert usage.money == pytest.approx(PRICE.of(usage.prompt_tokens, usage.completion_tokens))
    # It ends because there is no room: one more question of the largest kind would not have fitted.
    assert (
        (tokens is not None and usage.tokens + 200 > tokens)
        or (calls is not None and usage.calls == calls)
        or (money is not None and (usage.money or 0) + PRICE.of(100, 100) > money)
    )


def test_room_that_open_calls_hold_may_come_back() -> None:
    meter = Meter(replace(FREE, teacher_tokens=100))
    assert meter.reserve(Bound(prompt_tokens=40, completion_tokens=50))
    assert not meter.reserve(Bound(prompt_tokens=10, completion_tokens=10))
    meter.settle(Bound(prompt_tokens=40, completion_tokens=50), "chat", reply(5, 5))
    assert meter.reserve(Bound(prompt_tokens=10, completion_tokens=10))
    meter.release(Bound(prompt_tokens=10, completion_tokens=10))
    with pytest.raises(BudgetExhausted, match="teacher tokens"):
        meter.reserve(Bound(prompt_tokens=41, completion_tokens=50))


def test_an_open_call_never_makes_room_for_another_call() -> None:
    meter = Meter(replace(FREE, teacher_calls=1))
    assert meter.reserve(Bound(prompt_tokens=1, completion_tokens=1))
    assert not meter.reserve(Bound(prompt_tokens=1, completion_tokens=1))  # unless it brings no answer
    meter.settle(Bound(prompt_tokens=1, completion_tokens=1), "chat", reply(1, 1))
    with pytest.raises(BudgetExhausted, match="teacher calls"):
        meter.reserve(Bound(prompt_tokens=1, completion_tokens=1))


def test_a_clock_that_ended_is_named() -> None:
    now = [0.0]
    meter = Meter(replace(FREE, teacher_calls=9, seconds=10.0), clock=lambda: now[0])
    assert meter.reserve(Bound(prompt_tokens=1, completion_tokens=1))
    now[0] = 10.0
    with pytest.raises(BudgetExhausted, match="limit on seconds is reached"):
        meter.reserve(Bound(prompt_tokens=1, completion_tokens=1))


def test_a_budget_that_caps_nothing_or_money_without_a_price_is_refused() -> None:
    with pytest.raises(ConfigError, match="'b' caps neither teacher tokens nor calls nor money"):
        Meter(FREE)
    dollars = replace(FREE, money=2.0)
    for prices in (None, {"": None}, {"openai:a": PRICE, "openai:b": None}):
        with pytest.raises(ConfigError, match="'b' caps money, but there is no price of"):
            Meter(dollars, prices=prices)
    assert Meter(dollars, prices={"": PRICE}).usage().money == 0
    # Nobody bills a model in this process: a cap on money cannot stop it, so there must be another.
    with pytest.raises(ConfigError, match="caps neither"):
        Meter(dollars, prices={})
    assert Meter(replace(dollars, teacher_calls=1), prices={}).usage().money is None


def test_each_teacher_has_its_own_price() -> None:
    meter = Meter(replace(FREE, money=1.0), prices={"a": PRICE, "b": replace(PRICE, input=0.0, output=8.0)})
    bound = Bound(prompt_tokens=100, completion_tokens=100)
    for name in ("a", "b"):
        meter.reserve(bound)
        meter.settle(bound, "chat", replace(reply(100, 10), teacher=name))
    assert meter.usage().money == pytest.approx((100 + 40 + 80) / 1e6)
    unknown = Meter(replace(FREE, teacher_calls=3), prices={"a": PRICE, "b": None})
    unknown.reserve(bound)
    assert unknown.settle(bound, "chat", replace(reply(100, 10), teacher="b")) is None
    assert unknown.usage().money is None  # a sum that leaves one out would be a wrong sum


def test_the_bound_is_bytes_and_marks_and_the_answer() -> None:
    request = Request(intent="chat", material={}, messages=(("system", "é"), ("user", "ab")), max_tokens=7)
    assert bound_of(request) == Bound(prompt_tokens=(2 + 16) + (2 + 16) + 128, completion_tokens=7)
    assert bound_of(request).tokens == 171


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.text()))))
def test_further_fields_are_in_the_bound_as_json(extra: dict[str, Any]) -> None:
    plain = Request(intent="chat", material={}, messages=(("user", "ab"),), max_tokens=7)
    more = bound_of(replace(plain, extra=extra)).prompt_tokens - bound_of(plain).prompt_tokens
    assert more == (len(json.dumps(extra, ensure_ascii=False).encode()) if extra else 0)


def test_usage_counts_faults_and_estimates_apart_from_charges() -> None:
    meter = Meter(replace(FREE, teacher_calls=9))
    answer = Reply(text="", prompt_tokens=3, completion_tokens=4, attempts=3, discarded_tokens=11, usage_estimated=True)
    bound = Bound(prompt_tokens=25, completion_tokens=25)
    for intent in ("propose", "judge", "judge"):
        meter.reserve(bound)
        meter.settle(bound, intent, answer)
    assert meter.usage() == Usage(
        calls=3, prompt_tokens=9, completion_tokens=12, calls_by_intent={"judge": 2, "propose": 1},
        tokens_by_intent={"judge": 14, "propose": 7}, failed_calls=6, discarded_tokens=33, estimated_calls=3,
    )  # fmt: skip
