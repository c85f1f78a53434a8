"""What each rule keeps of the same attempts; the common filter by its definition."""

import re
from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.errors import ConfigError
from qdcbench.records import Attempt, Check, Example, SelectionSpec
from qdcbench.selection import RULES, common_reasons, normal_prompt, select

WORDS = ["add", "two", "three", "to", "each", "number", "reverse", "the", "list", "sort", "4", "9"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
ATTEMPTS = st.lists(st.tuples(st.booleans(), TEXTS, TEXTS), max_size=25).map(
    lambda rows: [
        Attempt(index=i, accepted=kept, reason="" if kept else "dropped", prompt=prompt, completion=completion)
        for i, (kept, prompt, completion) in enumerate(rows)
    ]
)


def example(prompt, completion="an answer"):
    return Example(prompt=prompt, completion=completion)


def chosen(attempts, rule, held_out=frozenset(), n=None):
    spec = SelectionSpec(rule=rule, n=n)
    return select(attempts, spec, held_out, lambda row: Check(correct="4" not in row.completion), Random(1))


def texts(selected):
    return [(row.prompt, row.completion) for row in selected.rows]


def rouge_l(left, right):
    """ROUGE-L F1 by the textbook recurrence, over words of letters and digits."""
    a, b = re.findall(r"[a-z0-9]+", left.lower()), re.findall(r"[a-z0-9]+", right.lower())

    @cache
    def common(i, j):
        if i == len(a) or j == len(b):
            return 0
        return 1 + common(i + 1, j + 1) if a[i] == b[j] else max(common(i + 1, j), common(i, j + 1))

    return 2 * common(0, 0) / (len(a) + len(b)) if a and b else 0.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (example("reverse the list 4 9"), ""),
        (example("", "9 4"), "empty"),
        (example("reverse the list 4 9", " \n"), "empty"),
        (example("reverse it"), "length"),
        (example("reverse it now"), ""),
        (example(" ".join(["word"] * 150)), ""),
        (example(" ".join(["word"] * 151)), "length"),
        (example("Reverse the list.", "reverse  the list"), "completion repeats the prompt"),
    ],
)
def test_a_row_alone(row, reason):
    assert common_reasons([row]) == [reason]


def test_duplicates_fall_behind_the_first_of_their_kind():
    rows = [
        example("Reverse the list: 4 9 2"),
        example("reverse  the LIST: 4 9 2."),
        example("Reverse the list: 4 9 7"),  # 5 of 6 words in order: F1 = .83
        example("Sort these numbers downwards: 4 9 7"),
    ]
    assert common_reasons(rows) == ["", "exact duplicate", "near-duplicate", ""]
    assert common_reasons(rows[::-1]) == ["", "", "near-duplicate", "near-duplicate"]


def test_a_similarity_of_exactly_the_threshold_stays():
    rows = [example("a b c d e f g h i j"), example("a b c d e f g x y z")]
    assert rouge_l(rows[0].prompt, rows[1].prompt) == pytest.approx(0.7)
    assert common_reasons(rows) == ["", ""]


def test_a_row_that_was_dropped_drops_no_other():
    rows = [example("add two to each number", "add two to each number"), example("add two to each number", "6")]
    assert common_reasons(rows) == ["completion repeats the prompt", ""]


@given(ATTEMPTS)
def test_the_common_filter_does_what_its_definition_says(attempts):
    kept = []
    rows = [example(a.prompt, a.completion) for a in attempts]
    for row, reason in zip(rows, common_reasons(rows), strict=True):
        fits = bool(row.prompt and row.completion) and 3 <= len(row.prompt.split()) <= 150
        fits = fits and normal_prompt(row.prompt) != normal_prompt(row.completion)
        near = max((rouge_l(row.prompt, other) for other in kept), default=0.0)
        assert (reason == "") == (fits and near <= 0.7)
        if not reason:
            kept.append(row.prompt)


def test_what_is_kept_of_many_rows_is_apart_and_what_is_dropped_is_near():
    rng = Random(3)
    rows = [example(" ".join(rng.choices(WORDS[:6], k=6)), "x") for _ in range(300)]
    reasons = common_reasons(rows)
    assert 20 < reasons.count("") < 280
    kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    assert common_reasons(kept) == [""] * len(kept)
    for place in range(250, 300):
        near = max(rouge_l(rows[place].prompt, r.prompt) for r, w in zip(rows[:place], reasons, strict=False) if not w)
        assert (reasons[place] == "near-duplicate") == (near > 0.7)


@given(ATTEMPTS)
def test_the_four_rules_are_nested(attempts):
    kept = {rule: texts(chosen(attempts, rule)) for rule in ("none", "native", "common", "native+common")}
    assert kept["none"] == [(a.prompt, a.completion) for a in attempts if a.prompt and a.completion]
    assert kept["native"] == [(a.prompt, a.completion) for a in attempts if a.prompt and a.completion and a.accepted]
    for part, whole in (("native", "none"), ("common", "none"), ("native+common", "native")):
        rest = iter(kept[whole])
        assert all(row in rest for row in kept[part]), f"{part} is not a subsequence of {whole}"
    assert kept["native+common"] == texts(chosen([a for a in attempts if a.accepted], "common"))


@given(ATTEMPTS)
def test_a_common_filter_changes_nothing_the_second_time(attempts):
    once = chosen(attempts, "common").rows
    again = [
        Attempt(index=i, accepted=True, reason="", prompt=row.prompt, completion=row.completion)
        for i, row in enumerate(once)
    ]
    assert texts(chosen(again, "common")) == texts(chosen(again, "native"))


@given(ATTEMPTS)
def test_who_accepted_a_row_does_not_matter_to_rules_over_all_attempts(attempts):
    turned = [Attempt(index=a.index, accepted=not a.accepted, reason="", prompt=a.prompt, completion=a.completion)
              for a in attempts]  # fmt: skip
    for rule in ("none", "common"):
        assert texts(chosen(attempts, rule)) == texts(chosen(turned, rule))


def test_a_held_out_prompt_takes_no_other_row_with_it():
    attempts = [
        Attempt(index=0, accepted=True, reason="", prompt="Reverse the list: 4 9 2", completion="2 9 4"),
        Attempt(index=1, accepted=True, reason="", prompt="Reverse the list: 4 9 7", completion="7 9 4"),
    ]
    for rule in ("common", "native+common"):
        found = chosen(attempts, rule, frozenset({"reverse the list: 4 9 2"}))
        assert texts(found) == [("Reverse the list: 4 9 7", "7 9 4")] and found.contaminated == 1


@given(ATTEMPTS, st.sampled_from(sorted(RULES)), st.integers(0, 8))
def test_n_is_a_seeded_subset_in_order(attempts, rule, n):
    whole, thin = texts(chosen(attempts, rule, n=1000)), texts(chosen(attempts, rule, n=n))
    assert len(thin) == min(n, len(whole))
    rest = iter(whole)
    assert all(row in rest for row in thin)
    assert thin == texts(chosen(attempts, rule, n=n))


def test_unknown_rules_and_a_missing_n_are_told():
    with pytest.raises(ConfigError, match="did you mean 'common'"):
        chosen([], "comon")
    with pytest.raises(ConfigError, match="needs n"):
        chosen([], "thinned")
