"""Answers are found where a completion says them and equal a reference by text, by value or by normal form."""

import math
import re
import string
from fractions import Fraction
from statistics import multimode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.errors import DataError
from qdcbench.scorers.gold import (
    gold_column,
    majority_column,
    marked_answer,
    match,
    matches,
    normalised,
)

SOLUTION = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 in all.\n#### 72"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (SOLUTION, "72"),
        ("first \\boxed{1}, then \\boxed{\\frac{3}{4}} it is", "\\frac{3}{4}"),
        ("\\boxed{never closed", "never closed"),
        ("The answer is 3. No: the answer is 4", "4"),
        ("**Answer:** 42", "42"),
        ("Final answer = Paris\nIt is a city.", "Paris"),
        ("The answer is 5\n#### 6", "6"),
        ("Six of them.", None),
        ("The answer isn't 3. It is 4", None),
        ("The answer is not 3 but 4", None),
        ("The answers aren\u2019t here", None),
        ("The answer island", None),
        ("An unanswerable question", None),
        ("####", ""),
    ],
)
def test_a_marked_answer_is_found(text: str, answer: str | None) -> None:
    assert marked_answer(text) == answer


@pytest.mark.parametrize(
    ("completion", "gold", "rule"),
    [
        ("72", "72", "exact"),
        (" 72\n", "72", "exact"),
        ("72", SOLUTION, "exact"),
        (SOLUTION, SOLUTION, "exact"),
        (SOLUTION, "72", "numeric"),
        ("She sold 72 clips.", SOLUTION, "numeric"),
        ("She sold 72 clips in 2 months.", "72", None),
        ("That makes $1,234.50 in all.", "1234.5", "numeric"),
        ("$\\$1{,}000$", "1000", "numeric"),
        ("1,000,000", "1000000", "numeric"),
        ("1,5", "15", None),
        ("-$5", "-5", "numeric"),
        ("$-5", "-5", "numeric"),
        ("#### \u22125", "-5", "numeric"),
        ("#### -5", "5", None),
        ("a range of 3-5", "5", "numeric"),
        ("So \\boxed{\\dfrac{3}{4}}.", "0.75", "numeric"),
        ("1 1/2 cups", "1.5", "numeric"),
        ("The answer is 1\u00bd.", "3/2", "numeric"),
        ("2/3", "0.6666667", "numeric"),
        ("2/3", "0.67", None),
        ("1/0", "0", None),
        ("10000001", "10000002", None),
        ("It is 50%", "50", "numeric"),
        ("It is 50%", "0.5", "numeric"),
        ("50%", "5%", None),
        ("50 %", "50%", "numeric"),
        ("The answer is 5 + 5 = 10 apples", "10", "numeric"),
        ("The answer is: see below.\nIt is 10", "10", "numeric"),
        ("1.5e3", "1500", "numeric"),
        ("1e999999999", "5", None),
        ("The answer isn't 3. It is 4", "3", None),
        ("The answer isn't 3. It is 4", "4", "numeric"),
        ("The train leaves at 10:30", "30", None),
        ("12 trains leave before 10:30", "12", "numeric"),
        ("The ratio is 3:4", "4", None),
        ("Answer:30", "30", "numeric"),
        ("The answer is 3 or 4", "3", None),
        ("The answer is 3 or 4", "4", None),
        ("The answer is 3, or maybe $4.50.", "3", "numeric"),
        ("The answer is 1/2 or 0.5", "0.5", "numeric"),
        ("The answer is 3 or more", "3", "numeric"),
        ("The answer is 3. You may check 2 or 4", "3", "numeric"),
        ("", "5", None),
        ("no number at all", "5", None),
        ("The answer is (B).", "B", "normalised"),
        ("The answer is A", "A", "exact"),
        ("The answer is: the Eiffel Tower. It stands in Paris.", "Eiffel tower", "normalised"),
        ("It stands in Paris.", "Paris", None),
        ("4 1 3", "3 1 4", None),
        ("3  1 4", "3 1 4", "normalised"),
        ("x - 1", "x + 1", None),
        ("(3, 4)", "(3, -4)", None),
        ("1.5 m", "15 m", None),
        ("1,000 people", "1000 people", "normalised"),
        ("C++", "C#", None),
        ("I'm well-known!", "im wellknown", "normalised"),
    ],
)
def test_rules_of_a_match(completion: str, gold: str, rule: str | None) -> None:
    assert match(completion, gold) == rule


def test_rows_without_a_reference_are_unknown_and_rules_are_counted() -> None:
    found = matches(["7", "the 7", "A cat!", "8", "9"], ["7", "7", "cat", "7", " "])
    assert found.column == (True, True, True, False, None)
    assert (found.exact, found.numeric, found.normalised) == (1, 1, 1)
    assert found.sentence == (
        "4 of 5 rows have a reference answer; 1 match it exactly, 1 by value, 1 after normalising"
    )
    assert gold_column(["7"], [None]) == (None,)
    with pytest.raises(DataError, match="2 reference answers for 1 rows"):
        gold_column(["7"], ["7", "8"])


numbers = st.integers(-(10**12), 10**12)


@given(numbers, st.sampled_from(["#### {}", "The answer is {}.", "so \\boxed{{{}}} holds", "4 and 5 make {}", "${}$"]))
@settings(deadline=None)
def test_a_whole_number_matches_itself_however_it_is_written_and_no_other(number: int, form: str) -> None:
    for written in (f"{number}", f"{number:,}", f"{number}.0", f"{number:,}.00"):
        assert match(form.format(written), str(number)) in ("exact", "numeric")
        assert match(form.format(written), str(number + 1)) is None
    assert match(str(number), f"{number:,}") in ("exact", "numeric")


@given(st.integers(-999, 999), st.integers(1, 999), st.integers(-999, 999), st.integers(1, 999))
@settings(deadline=None)
def test_fractions_are_equal_when_their_values_are(a: int, b: int, c: int, d: int) -> None:
    close = math.isclose(Fraction(a, b), Fraction(c, d), rel_tol=1e-6)
    assert (match(f"#### {a}/{b}", f"{c}/{d}") is not None) == close
    assert match(f"#### \\frac{{{a}}}{{{b}}}", f"{a}/{b}") == "numeric"


@given(st.text(string.ascii_letters + string.punctuation + " \n\t", max_size=40))
@settings(deadline=None)
def test_the_normal_form_is_that_of_squad(text: str) -> None:
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    kept = " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())
    assert not kept or normalised(text) == kept


@given(st.text(), st.text())
@settings(deadline=None)
def test_any_texts_are_compared_and_every_text_matches_itself(first: str, second: str) -> None:
    assert match(first, second) in ("exact", "numeric", "normalised", None)
    assert match(first, first) == "exact"
    assert majority_column([first, first], [second, first]) is not None


@pytest.mark.parametrize(
    "piece",
    ["1,", "9", "1:1", "answer is 1 or ", "answer is ", "\\boxed{", "\\frac{", "- ", "1 ", "\ud800", "\0", "{"],
)
def test_a_long_text_is_one_like_any_other(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    assert match(text, "no such answer") is None
    assert match(text, text + "!") in (None, "normalised")


answers = st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from(["7", "7.0", "8", "eight"])), max_size=12)


@given(answers)
@settings(deadline=None)
def test_the_majority_is_the_one_most_frequent_answer_to_a_prompt(pairs: list[tuple[str, str]]) -> None:
    column = majority_column([p for p, _ in pairs], [f"I say so.\n#### {a}" for _, a in pairs])
    for (prompt, answer), agrees in zip(pairs, column, strict=True):
        votes = [a.removesuffix(".0") for p, a in set(pairs) if p == prompt]
        modes = multimode(votes)
        alone = len(votes) == 1 or len(modes) > 1
        assert agrees == (None if alone else answer.removesuffix(".0") == modes[0])


def test_copies_of_a_marked_answer_do_not_vote_and_bare_answers_do() -> None:
    assert majority_column(["a", "a", "b"], ["so it is\n#### 1", "so it is\n#### 1", "y"]) == (None, None, None)
    bare = ["42"] * 6 + ["43", "43.0"]
    assert majority_column(["q"] * 8, bare) == (True,) * 6 + (False,) * 2
    said = ["so 7", "that makes 7", "I say 8", "I say 8", "I say 8"]
    assert majority_column(["p"] * 5, [f"{text}\n#### {text[-1]}" for text in said]) == (True, True, *[False] * 3)


def test_the_majority_of_equal_values_wins() -> None:
    completions = ["It is 1,000.", "1000", "so \\boxed{1000.0}", "999"]
    assert majority_column(["p"] * 4, completions) == (False, True, True, False)
    with pytest.raises(DataError, match="1 completions for 2 prompts"):
        majority_column(["p", "q"], ["7"])
