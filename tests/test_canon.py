import json
import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.canon import canonical_json, digest, plain, pretty_json, round_float
from qdcbench.errors import RecordError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_text_is_stable_ascii_and_parses_back(value):
    text = canonical_json(value)
    assert text.isascii()
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6))
def test_order_of_keys_does_not_matter(table):
    assert digest(table) == digest(dict(reversed(list(table.items()))))


@given(JSON, JSON)
def test_different_values_have_different_digests(left, right):
    assert (digest(left) == digest(right)) == (
        plain(left) == plain(right) and canonical_json(left) == canonical_json(right)
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, [1.0, math.nan], {"a": {"b": math.inf}}])
def test_no_record_holds_nan_or_infinity(bad):
    with pytest.raises(RecordError, match=r"nan|inf"):
        canonical_json(bad)


def test_the_sentence_says_where():
    with pytest.raises(RecordError, match=r"value\.a\[1\] is nan"):
        plain({"a": [0.0, math.nan]})


def test_unknown_types_are_refused():
    with pytest.raises(RecordError, match="set"):
        plain({1, 2})


def test_last_bits_of_floats_do_not_reach_the_text():
    assert canonical_json(0.1 + 0.2) == canonical_json(0.3)
    assert round_float(-0.0) == 0.0
    assert round_float(1234567890123.4) == 1234567890000.0


def test_pretty_form_ends_with_a_newline_and_keeps_letters():
    @dataclass(frozen=True)
    class Point:
        x: float
        name: str

    assert pretty_json(Point(x=1.0, name="né")) == '{\n "name": "né",\n "x": 1.0\n}\n'


def test_subclasses_are_written_as_what_they_are_made_of():
    class Kind(StrEnum):
        A = "a"

    class Row(NamedTuple):
        x: int
        kind: Kind

    class Big(float):
        pass

    assert plain({"rows": [Row(1, Kind.A)], "n": Counter(a=2), "f": Big(0.1), "t": True}) == {
        "rows": [[1, "a"]], "n": {"a": 2}, "f": 0.1, "t": True,
    }  # fmt: skip
    assert type(plain(Big(0.1))) is float and type(plain(Kind.A)) is str


def test_a_path_is_told_through_records_lists_and_mappings():
    @dataclass(frozen=True)
    class Point:
        x: object

    with pytest.raises(RecordError, match=r"^here\.rows\[2\]\.x\.k has type set, which cannot be written as JSON$"):
        plain({"rows": (1, 2.0, Point(x={"k": {1}}))}, "here")
