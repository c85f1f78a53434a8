"""What a row cost, with and without the set-up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.api import SETUP_INTENTS
from qdcbench.records import ArmSummary, DatasetSummary, Usage, from_json
from qdcbench.stages.analysis.cost import row_cost, setup_tokens

counts = st.dictionaries(st.sampled_from(["propose", "answer", *SETUP_INTENTS]), st.integers(1, 500), min_size=1)


def dataset(by_intent, rows=100, money=None, tokens=7):
    tokens_by_intent = {name: n * tokens for name, n in by_intent.items()}
    total = sum(tokens_by_intent.values())
    usage = Usage(
        calls=sum(by_intent.values()), prompt_tokens=total // 3, completion_tokens=total - total // 3, money=money,
        calls_by_intent=by_intent, tokens_by_intent=tokens_by_intent,
    )  # fmt: skip
    return DatasetSummary(
        sha256="a", training_sha256="b", attempts=2 * rows, accepted=rows, contaminated=0, selected=rows,
        rejected_by={}, stopped_by="examples", usage=usage, mean_prompt_words=None, mean_completion_words=None,
    )  # fmt: skip


def old(d):
    """As a record without tokens by intent has it."""
    return replace(d, usage=replace(d.usage, tokens_by_intent={}))


@given(counts, st.integers(1, 1000))
def test_the_amortised_cost_is_the_cost_without_the_set_up(by_intent, rows):
    cost = row_cost(dataset(by_intent, rows))
    without = {name: n for name, n in by_intent.items() if name not in SETUP_INTENTS}
    assert cost.tokens == pytest.approx(7 * sum(by_intent.values()) / rows)
    assert cost.tokens_amortised == pytest.approx(7 * sum(without.values()) / rows)
    assert cost.tokens_amortised <= cost.tokens


@given(counts, st.integers(2, 20))
def test_more_rows_bring_the_cost_nearer_to_the_amortised_one(by_intent, times):
    """The set-up stays, all else grows with the rows: the cost at n falls, the amortised one does not move."""
    grown = {name: n if name in SETUP_INTENTS else n * times for name, n in by_intent.items()}
    few, many = row_cost(dataset(by_intent, 100)), row_cost(dataset(grown, 100 * times))
    assert many.tokens_amortised == pytest.approx(few.tokens_amortised)
    assert many.tokens <= few.tokens + 1e-9


@given(counts)
def test_an_old_record_is_unknown_only_where_it_had_a_set_up(by_intent):
    d = old(dataset(by_intent))
    if set(by_intent) & set(SETUP_INTENTS):
        assert setup_tokens(d.usage) is None
        assert row_cost(d).tokens_amortised is None
    else:
        assert setup_tokens(d.usage) == 0
        assert row_cost(d).tokens_amortised == row_cost(d).tokens


def test_intents_that_do_not_add_up_to_the_calls_say_nothing_about_the_set_up():
    d = old(dataset({"propose": 10}))
    assert setup_tokens(replace(d.usage, calls=11)) is None


def test_money_of_the_set_up_is_its_share_of_the_tokens():
    cost = row_cost(dataset({"propose": 75, "persona": 25}, rows=10, money=2.0))
    assert (cost.money, cost.money_amortised) == (pytest.approx(0.2), pytest.approx(0.15))
    assert row_cost(dataset({"propose": 1})).money is None


def test_nothing_asked_costs_nothing_and_no_rows_have_no_cost():
    nothing = dataset({"propose": 1}, tokens=0)
    free = replace(nothing, usage=Usage())
    assert (row_cost(free).tokens, row_cost(free).tokens_amortised, row_cost(free).setup_tokens) == (0.0, 0.0, 0)
    assert row_cost(replace(free, accepted=0)).tokens is None


def test_a_summary_from_before_has_no_cost_and_still_loads():
    empty = {"point": None, "low": None, "high": None}
    summary = from_json(
        ArmSummary,
        {
            "group": "g", "arm": "a", "method": "m", "role": "method", "simulated": True, "promised": 1, "complete": 0,
            "failures": [], "run_ids": [], "measures": {}, "scores": {}, "teacher_tokens": empty,
            "teacher_calls": empty, "accepted_share": empty, "selected_rows": empty,
        },
        "here",
    )  # fmt: skip
    assert summary.row_tokens.point is None and summary.row_tokens.reason == "not recorded"
