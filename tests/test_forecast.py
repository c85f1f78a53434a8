"""What a suite will need: measured before declared, declared before capped, and never above a cap."""

import json
import runpy
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.canon import pretty_json
from qdcbench.forecast import History, cap_fits, compare, forecast, read_history
from qdcbench.plan import expand
from qdcbench.records import (
    Budget,
    Caps,
    DatasetSummary,
    Failure,
    Provenance,
    RunRecord,
    TeacherSpec,
    Usage,
)
from qdcbench.registry import discover
from qdcbench.suite import parse_suite

PLUGIN = """
from dataclasses import dataclass
from qdcbench.api import Cost, method

@dataclass(frozen=True)
class Params:
    shots: int = 2

@method(name="{name}", version=1, summary="s", reference="none", params=Params, intents={intents}{cost})
def generate(ctx, params):
    yield from ()
"""
COST = ', cost=Cost(calls={"propose": 0.5, "answer": 1.0}, setup_calls=10, prompt_tokens=100, completion_tokens=20)'
PRICE = {"input": 1.0, "output": 3.0, "dated": "2026-11-01", "source": "the invoice"}
SECONDS = {"generate": 10.0, "select": 1.0, "measure": 4.0, "probe": 30.0}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    for name, intents, cost in (
        ("declares", ("propose", "answer"), COST),
        ("silent", ("propose",), ""),
        ("mute", (), ""),
    ):
        (folder / f"{name}.py").write_text(PLUGIN.format(name=name, intents=intents, cost=cost), encoding="utf-8")
    return discover([folder])


def plan_of(registry, arms=("declares", "silent", "mute"), teachers=("scripted:strong",), repetitions=2, **changes):
    text = "\n".join(
        [
            'name = "s"',
            f"teachers = {json.dumps(list(teachers))}",
            f"repetitions = {repetitions}",
            f'budget = "{changes.pop("budget", "rows-1k")}"',
            *(f"{name} = {value}" for name, value in changes.items()),
            *(f'[[arm]]\nmethod = "{arm}"' for arm in arms),
        ]
    )
    return expand(parse_suite(text, "s"), registry, Path())


def usage_of(calls=1500, setup=0, prompt=120_000, completion=30_000, money=None):
    by_intent = {"propose": calls - setup} | ({"persona": setup} if setup else {})
    return Usage(
        calls=calls, prompt_tokens=prompt, completion_tokens=completion, money=money, calls_by_intent=by_intent
    )


def record_of(spec, usage=None, accepted=None, stopped_by="examples", **changes):
    accepted = spec.budget.examples if accepted is None else accepted
    dataset = DatasetSummary(
        sha256="a", training_sha256="b", attempts=accepted, accepted=accepted, contaminated=0, selected=accepted,
        rejected_by={}, stopped_by=stopped_by, usage=usage or usage_of(), mean_prompt_words=None,
        mean_completion_words=None,
    )  # fmt: skip
    provenance = Provenance(
        commit="0",
        dirty=False,
        packages={},
        python="3",
        platform="p",
        started="t",
        seconds=changes.pop("seconds", SECONDS),
    )
    return RunRecord(
        run_id=spec.run_id, spec=spec, status="complete", dataset=dataset, provenance=provenance, **changes
    )


def line(found, arm):
    return next(item for item in found.lines if item.arm == arm)


def other_repetition(spec, number):
    return replace(spec, repetition=100 + number)


# ---- where a number comes from -------------------------------------------------------------------------------


def test_what_was_measured_is_forecast_to_the_call(registry):
    plan = plan_of(registry, arms=["silent"], repetitions=3)
    usages = [usage_of(calls=1000 + 10 * i, prompt=90_000 + i, completion=7_000 + i) for i in range(4)]
    history = History(
        records=tuple(record_of(other_repetition(plan.cells[0], i), usage) for i, usage in enumerate(usages))
    )
    amount = line(forecast(plan, registry, history), "silent").amount
    assert amount.calls == pytest.approx(3 * fmean(u.calls for u in usages))
    assert amount.tokens == pytest.approx(3 * fmean(u.tokens for u in usages), rel=1e-3)
    assert line(forecast(plan, registry, history), "silent").source == "measured in 4 runs"


@given(st.integers(1, 400), st.integers(401, 5000))
@settings(deadline=None, max_examples=30)
def test_more_rows_cost_more_calls_and_no_more_set_up(registry, setup, calls):
    small = plan_of(registry, arms=["silent"], repetitions=1)
    large = plan_of(registry, arms=["silent"], repetitions=1, budget="rows-4k")
    history = History(records=(record_of(other_repetition(small.cells[0], 0), usage_of(calls, setup, calls, calls)),))
    before, after = (forecast(plan, registry, history).lines[0].amount.calls for plan in (small, large))
    assert before == pytest.approx(calls)
    assert after == pytest.approx(setup + 4 * (calls - setup))


def test_another_teacher_tells_the_calls_and_the_declaration_the_tokens(registry):
    plan = plan_of(registry, arms=["declares", "silent"], teachers=["openai:m"], repetitions=1)
    elsewhere = TeacherSpec(kind="scripted", model="strong")
    records = [record_of(replace(cell, teacher=elsewhere, repetition=9)) for cell in plan.cells]
    found = forecast(plan, registry, History(records=tuple(records)))
    assert line(found, "declares").amount.calls == pytest.approx(1500)
    assert line(found, "declares").amount.prompt_tokens == pytest.approx(1500 * 100)
    assert line(found, "silent").amount.prompt_tokens == pytest.approx(120_000)
    assert "1 run, other teacher or task" in line(found, "declares").source


def test_without_a_run_a_method_is_believed(registry):
    found = line(forecast(plan_of(registry, repetitions=2), registry, History()), "declares")
    assert (found.source, found.to_do) == ("declared", 2)
    assert found.amount.calls == pytest.approx(2 * (10 + 1.5 * 1000))
    assert found.amount.tokens == pytest.approx(found.amount.calls * 120)


def test_without_a_word_the_caps_are_all_that_is_known(registry):
    found = line(forecast(plan_of(registry, repetitions=1), registry, History()), "silent")
    assert found.source == "cap of the budget"
    assert (found.amount.calls, found.amount.tokens, found.amount.prompt_tokens) == (None, 4_000_000, None)


def test_who_asks_nobody_needs_nothing(registry):
    found = line(forecast(plan_of(registry), registry, History()), "mute")
    assert (found.amount.calls, found.amount.tokens, found.amount.money) == (0, 0, 0)
    assert found.source == "asks no teacher"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, spec=replace(r.spec, params={"shots": 3})),
        lambda r: replace(r, spec=replace(r.spec, method_version=2)),
        lambda r: replace(r, dataset=replace(r.dataset, accepted=0)),
        lambda r: replace(r, dataset=None),
        lambda r: replace(r, status="failed", failure=Failure(stage="generate", kind="TeacherError", message="m")),
    ],
)
def test_a_run_that_says_nothing_about_this_arm_is_not_a_source(registry, change):
    plan = plan_of(registry, arms=["silent"], repetitions=1)
    record = change(record_of(other_repetition(plan.cells[0], 0)))
    assert line(forecast(plan, registry, History(records=(record,))), "silent").source == "cap of the budget"


def test_a_run_that_failed_after_its_rows_is_a_source(registry):
    plan = plan_of(registry, arms=["silent"], repetitions=1)
    failure = Failure(stage="probe", kind="Exception", message="m")
    record = replace(record_of(other_repetition(plan.cells[0], 0)), status="failed", failure=failure)
    assert line(forecast(plan, registry, History(records=(record,))), "silent").source == "measured in 1 run"


def test_a_method_that_ended_by_itself_is_not_scaled_to_rows_it_does_not_make(registry):
    plan = plan_of(registry, arms=["silent"], repetitions=1)
    record = record_of(other_repetition(plan.cells[0], 0), accepted=250, stopped_by="method")
    amount = line(forecast(plan, registry, History(records=(record,))), "silent").amount
    assert amount.calls == pytest.approx(1500)


# ---- caps of a budget, money, time ---------------------------------------------------------------------------


@given(
    calls=st.integers(1, 20_000),
    tokens=st.integers(1, 10_000),
    cap_calls=st.none() | st.integers(1, 20_000),
    cap_tokens=st.none() | st.integers(1, 10**7),
    cap_money=st.none() | st.floats(0.001, 10),
)
@settings(deadline=None, max_examples=80)
def test_no_forecast_is_above_its_budget(registry, calls, tokens, cap_calls, cap_tokens, cap_money):
    plan = plan_of(registry, arms=["silent"], teachers=["openai:m"], repetitions=1)
    budget = Budget(name="b", examples=1000, teacher_tokens=cap_tokens, teacher_calls=cap_calls, money=cap_money)
    teacher = TeacherSpec(kind="openai", model="m", options={"price": PRICE})
    cell = replace(plan.cells[0], budget=budget, teacher=teacher)
    usage = usage_of(calls, prompt=calls * tokens, completion=calls)
    history = History(records=(record_of(other_repetition(cell, 0), usage),))
    amount = forecast(replace(plan, cells=(cell,)), registry, history).cells[0].method
    for value, cap in ((amount.calls, cap_calls), (amount.tokens, cap_tokens), (amount.money, cap_money)):
        assert cap is None or value <= cap * (1 + 1e-9)
    if (cap_calls, cap_tokens, cap_money) == (None, None, None):
        assert amount.calls == pytest.approx(calls)
    assert amount.tokens == pytest.approx(amount.prompt_tokens + amount.completion_tokens)
    assert amount.money == pytest.approx((amount.prompt_tokens + 3 * amount.completion_tokens) / 1e6)


def test_a_teacher_without_a_price_makes_the_total_unknown_and_a_free_one_does_not(registry):
    free = forecast(plan_of(registry, arms=["declares"]), registry, History())
    unknown = forecast(
        plan_of(registry, arms=["declares"], teachers=["scripted:strong", "openai:m"]), registry, History()
    )
    assert (free.total.amount.money, unknown.total.amount.money) == (0, None)
    assert [line.amount.money for line in unknown.lines if line.arm == "declares"] == [0, None]


def test_an_ensemble_is_priced_at_its_dearest_member(registry):
    cheap = {**PRICE, "input": 0.1, "output": 0.1}
    options = {"openai:a": {"price": PRICE}, "openai:b": {"price": cheap}}
    spec = TeacherSpec(kind="ensemble", model="openai:a*0.2+openai:b*0.8", options=options)
    plan = plan_of(registry, arms=["declares"], repetitions=1)
    cell = replace(plan.cells[0], teacher=spec)
    amount = forecast(replace(plan, cells=(cell,)), registry, History()).cells[0].method
    assert amount.money == pytest.approx((amount.prompt_tokens + 3 * amount.completion_tokens) / 1e6)


def test_hours_are_medians_shared_by_the_workers(registry):
    plan = plan_of(registry, arms=["silent"], repetitions=4)
    times = [{**SECONDS, "probe": probe} for probe in (20.0, 30.0, 1000.0)]
    records = [record_of(other_repetition(plan.cells[0], i), seconds=t) for i, t in enumerate(times)]
    one, two = (forecast(plan, registry, History(records=tuple(records)), workers=n).total for n in (1, 2))
    assert one.hours == pytest.approx(4 * (10 + 1 + 4 + 30) / 3600)
    assert two.hours == pytest.approx(one.hours / 2)


def test_time_that_was_never_measured_is_unknown_and_the_rest_is_a_lower_bound(registry):
    plan = plan_of(registry, arms=["silent"], repetitions=1)
    record = record_of(replace(plan.cells[0], repetition=7, hashes={**plan.cells[0].hashes, "probe": "another recipe"}))
    total = forecast(plan, registry, History(records=(record,))).total
    assert total.hours is None
    assert total.hours_at_least == pytest.approx((10 + 1 + 4) / 3600)
    nothing = forecast(plan, registry, History()).total
    assert (nothing.hours, nothing.hours_at_least) == (None, 0)


def test_only_what_is_to_do_is_summed(registry):
    plan = plan_of(registry, arms=["declares"], repetitions=3)
    part = forecast(plan, registry, History(), to_do=plan.cells[:1])
    none = forecast(plan, registry, History(), to_do=())
    assert (part.lines[0].cells, part.lines[0].to_do) == (3, 1)
    assert part.lines[0].amount.calls == pytest.approx(1510)
    assert (none.total.amount.calls, none.total.hours, none.lines[0].source) == (0, 0, "nothing to do")


# ---- caps of a suite ------------------------------------------------------------------------------------------


@given(st.integers(0, 40_000), st.integers(0, 40_000))
@settings(deadline=None, max_examples=40)
def test_a_cap_lets_through_as_many_cells_as_fit_under_it(registry, low, more):
    plan = plan_of(registry, arms=["declares"], repetitions=10)
    found = forecast(plan, registry, History())
    need = found.cells[0].both.calls
    fits = [cap_fits(replace(plan.suite, caps=Caps(calls=cap)), found)[0] for cap in (low, low + more)]
    assert [fit.within for fit in fits] == [min(10, int(cap // need)) for cap in (low, low + more)]
    assert fits[0].within <= fits[1].within
    assert fits[0].fits == (low >= found.total.amount.calls)


def test_a_cap_that_ends_it_says_how_far_it_comes(registry):
    plan = plan_of(registry, arms=["declares"], repetitions=5)
    found = forecast(plan, registry, History())
    money = replace(plan.suite, caps=Caps(calls=2 * 1710 + 5))
    assert "would end it after about 40 % of the cells (2 of 5)" in cap_fits(money, found)[0].sentence
    spent = cap_fits(money, found, Caps(calls=1710))[0]
    assert spent.within == 1 and "was spent before" in spent.sentence
    assert "is enough" in cap_fits(replace(plan.suite, caps=Caps(tokens=10**9)), found)[0].sentence


def test_what_is_not_known_is_not_promised(registry):
    plan = plan_of(registry, arms=["declares"], teachers=["openai:m"], repetitions=2)
    found = forecast(plan, registry, History())
    (fit,) = cap_fits(replace(plan.suite, caps=Caps(money=2.0)), found)
    assert fit.fits is None and "a teacher has no price" in fit.sentence and "2.00 USD" in fit.sentence


def test_a_cap_on_a_cell_counts_the_cells_above_it(registry):
    plan = plan_of(registry, arms=["declares", "mute"], repetitions=2)
    found = forecast(plan, registry, History())
    over, under = (cap_fits(replace(plan.suite, cell_caps=Caps(calls=cap)), found)[0] for cap in (1000, 2000))
    assert over.within == 2 and "would end 2 of 4 cells" in over.sentence
    assert under.fits and "1,710 calls forecast for the dearest" in under.sentence


# ---- forecast and fact ----------------------------------------------------------------------------------------


def test_facts_stand_beside_the_forecast_of_the_same_cells(registry):
    plan = plan_of(registry, arms=["declares", "silent"], repetitions=2)
    found = forecast(plan, registry, History())
    ended = [cell for cell in plan.cells if cell.arm == "declares"][:1]
    records = tuple(record_of(cell, usage_of(calls=1400)) for cell in ended)
    rows = {row.arm: row for row in compare(found, records)}
    assert (rows["declares"].cells, rows["silent"].cells, rows["all"].cells) == (1, 0, 1)
    assert rows["declares"].forecast.calls == pytest.approx(1510)
    assert (rows["declares"].fact.calls, rows["all"].fact.calls) == (1400, 1400)
    assert rows["declares"].fact.seconds == sum(SECONDS.values())


# ---- reading --------------------------------------------------------------------------------------------------


def test_all_editions_are_read_and_a_broken_file_is_counted(registry, tmp_path):
    plan = plan_of(registry, arms=["silent"], repetitions=2)
    for edition, cell in zip("ab", plan.cells, strict=True):
        path = tmp_path / edition / "runs" / "t" / "arm" / "x.json"
        path.parent.mkdir(parents=True)
        path.write_text(pretty_json(record_of(cell)), encoding="utf-8")
    again = tmp_path / "b" / "runs" / "again.json"
    again.write_text(pretty_json(record_of(plan.cells[0])), encoding="utf-8")
    (tmp_path / "b" / "runs" / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "b" / "runs" / "future.json").write_text('{"schema_version": 999}', encoding="utf-8")
    history = read_history(tmp_path)
    assert {record.run_id for record in history.records} == {cell.run_id for cell in plan.cells}
    assert (len(history.records), history.unreadable) == (2, 2)
    assert read_history(tmp_path / "nowhere") == History()


def test_a_record_of_a_report_is_a_source_too(registry):
    """The records of the report tests, other methods and all, neither help nor hurt."""
    _, records = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))["build_edition"](repetitions=2)
    plan = plan_of(registry, repetitions=1)
    assert forecast(plan, registry, History(records=tuple(records))).lines[0].source == "declared"
