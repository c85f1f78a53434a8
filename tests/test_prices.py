"""The table of prices, and where a teacher's price is looked for."""

import tomllib
from datetime import UTC, date, datetime
from importlib import resources
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.errors import ConfigError
from qdcbench.records import TeacherSpec
from qdcbench.teachers.prices import Price, price_of

ROWS = tomllib.loads((resources.files("qdcbench.teachers") / "prices.toml").read_text(encoding="utf-8")).get(
    "price", []
)
GIVEN = {"input": 1, "output": 2.5, "dated": "2026-11-01", "source": "the invoice"}
tokens = st.integers(0, 10**9)


def teacher(model="m", host="api.example.org", **options):
    return TeacherSpec(kind="openai", model=model, options={"base_url": f"https://{host}/v1", **options})


def test_a_row_is_told_once_and_says_when_and_where_it_was_read():
    names = [(row["host"], row["model"]) for row in ROWS]
    assert len(names) == len(set(names))
    for row in ROWS:
        assert set(row) == {"host", "model", "input", "output", "dated", "source"}
        assert row["input"] >= 0 and row["output"] >= 0
        assert date.fromisoformat(row["dated"]) <= datetime.now(UTC).date()
        address = urlsplit(row["source"].split(",")[0])
        assert address.scheme == "https" and address.hostname and row["host"] == urlsplit(f"//{row['host']}").hostname


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["model"])
def test_a_row_is_found_by_host_and_model_and_by_nothing_less(row):
    found = price_of(teacher(row["model"], row["host"]))
    assert (found.input, found.output, found.dated) == (row["input"], row["output"], row["dated"])
    assert price_of(teacher(row["model"], "127.0.0.1:8000")) is None
    assert price_of(teacher(row["model"] + "-tuned", row["host"])) is None


def test_the_option_of_a_suite_goes_before_the_table():
    found = price_of(teacher(price=GIVEN))
    assert (found.input, found.output, found.source) == (1.0, 2.5, "the invoice")


def test_a_teacher_that_nobody_bills_has_no_price():
    assert price_of(TeacherSpec(kind="scripted", model="strong")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        0.15,
        {**GIVEN, "input": -1},
        {**GIVEN, "output": True},
        {**GIVEN, "output": float("nan")},
        {**GIVEN, "dated": ""},
        {name: value for name, value in GIVEN.items() if name != "source"},
    ],
)
def test_half_a_price_is_refused_with_its_form(wrong):
    with pytest.raises(ConfigError, match="price must be written"):
        price_of(teacher(price=wrong))


def test_a_misspelt_key_is_named():
    with pytest.raises(ConfigError, match="did you mean 'output'"):
        price_of(teacher(price={**GIVEN, "ouput": 1}))


@given(tokens, tokens, tokens, tokens)
def test_dollars_add_up_and_never_fall_with_tokens(prompt, completion, more_prompt, more_completion):
    price = Price(input=0.15, output=0.6, dated="2026-01-01", source="here")
    together = price.of(prompt + more_prompt, completion + more_completion)
    assert together == pytest.approx(price.of(prompt, completion) + price.of(more_prompt, more_completion))
    assert together >= price.of(prompt, completion) >= 0
