"""The rule itself, on estimates made by hand: every answer it can give and every guard."""

from dataclasses import replace

import pytest

from qdcbench.records import Interval, Study, StudyTest
from qdcbench.stages.analysis.decisions import Estimate, combined, decided, rule_of

OBSERVED = Study(
    name="F1",
    claim="c",
    design="observational",
    factor="quality",
    tests=(StudyTest(outcome="id", smallest_effect=0.1),),
)
TURNED = replace(OBSERVED, design="interventional", factor="right", method="dialled")


def between(low, high, **changes):
    """An estimate whose 95 % interval has these bounds, and its effect without any one method nearly the same."""
    point, df = (low + high) / 2, 1e9
    made = Estimate(
        unit="u", point=point, stderr=(high - low) / 2 / 1.959963984540054, df=df, p_value=0.5,
        n_units=60, n_clusters=10,
        leave_one_out=(point - 0.01, point + 0.01),
    )  # fmt: skip
    return replace(made, **changes)


def answer(study, expect, estimate):
    test = StudyTest(outcome="id", expect=expect, smallest_effect=0.1)
    return decided(study, test, estimate, estimate.interval(0.95), estimate.interval(0.95))


@pytest.mark.parametrize("study", [OBSERVED, TURNED])
@pytest.mark.parametrize(
    ("low", "high", "rises", "falls", "stays"),
    [
        (0.2, 0.6, "supported", "contradicted", "contradicted"),
        (0.05, 0.6, "supported", "contradicted", "undetermined"),
        (-0.6, -0.2, "contradicted", "supported", "contradicted"),
        (-0.6, -0.05, "contradicted", "supported", "undetermined"),
        (-0.3, 0.5, "undetermined", "undetermined", "undetermined"),
        (-0.05, 0.3, "undetermined", "undetermined", "undetermined"),
        (-0.08, 0.08, "contradicted", "contradicted", "supported"),
        (0.02, 0.08, "contradicted", "contradicted", "supported"),
        (-0.08, -0.02, "contradicted", "contradicted", "supported"),
    ],
)
def test_where_the_interval_lies_is_the_answer(study, low, high, rises, falls, stays):
    estimate = between(low, high)
    for expect, wanted in (("rises", rises), ("falls", falls), ("stays", stays)):
        got, reason = answer(study, expect, estimate)
        assert got == wanted and bool(reason) == (got == "undetermined")


@pytest.mark.parametrize(
    ("estimate", "study", "why"),
    [
        (between(0.2, 0.6, n_clusters=5), OBSERVED, "60 datasets of 5 methods are too few"),
        (between(0.2, 0.6, n_units=11), OBSERVED, "11 datasets of 10 methods are too few"),
        (between(0.2, 0.6, leave_one_out=None), OBSERVED, "cannot be fitted without one of the methods"),
        (between(0.2, 0.6, leave_one_out=(0.19, 0.5)), OBSERVED, "hangs on one method"),
        (between(-0.6, -0.2, leave_one_out=(-0.5, -0.19)), OBSERVED, "hangs on one method"),
        (between(-0.05, 0.05, leave_one_out=(-0.2, 0.0)), OBSERVED, "hangs on one method"),
        (between(0.2, 0.6, n_clusters=2), TURNED, "2 repetitions are too few"),
        (between(0.2, 0.6, stderr=None, reason="no spread is known"), TURNED, "no spread is known"),
        (between(0.2, 0.6, stderr=None), TURNED, "there is no interval"),
        (Estimate(unit="u", reason="nothing is there"), OBSERVED, "nothing is there"),
        (Estimate(unit="u", reason="nothing is there"), TURNED, "nothing is there"),
    ],
)
def test_guards_say_why(estimate, study, why):
    got, reason = answer(study, "rises", estimate)
    assert got == "undetermined" and why in reason


def test_a_dial_needs_no_methods_left_out():
    assert answer(TURNED, "rises", between(0.2, 0.6, leave_one_out=None, n_clusters=3))[0] == "supported"


def group(low, high):
    return Interval(point=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ((group(0.1, 0.3), group(-0.3, -0.1)), "undetermined"),
        ((group(0.1, 0.3), group(-0.3, 0.1)), "supported"),
        ((group(0.1, 0.3), group(0.5, 0.9)), "supported"),
        ((group(0.1, 0.3), Interval(point=-1.0, low=None, high=None)), "supported"),
    ],
)
def test_only_groups_that_disagree_beyond_error_spoil_an_answer(groups, wanted):
    estimate = between(0.2, 0.6, by_group=tuple(zip("ab", groups, strict=True)))
    assert answer(TURNED, "rises", estimate)[0] == wanted


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ((), "undetermined"),
        (("supported",), "supported"),
        (("supported", "undetermined"), "undetermined"),
        (("supported", "contradicted", "undetermined"), "contradicted"),
    ],
)
def test_all_must_hold_and_one_contradicts(answers, wanted):
    assert combined(answers) == wanted


def test_the_rule_names_what_decides():
    text = rule_of(
        replace(TURNED, against="by_lot", tests=(StudyTest(outcome="id", expect="stays", smallest_effect=0.3),))
    )
    for part in (
        "right of dialled",
        "less that of by_lot",
        "id stays, interval within ±0.3",
        "fewer than 3 repetitions",
    ):
        assert part in text
    assert "fewer than 6 methods or 12 datasets" in rule_of(OBSERVED)


def test_too_small_to_matter_needs_the_wider_interval() -> None:
    estimate = between(-0.06, 0.06)
    test = StudyTest(outcome="id", expect="rises", smallest_effect=0.1)
    narrow, wide = estimate.interval(0.95), estimate.interval(0.999)
    assert wide.high > 0.1 > narrow.high
    assert decided(TURNED, test, estimate, narrow, narrow)[0] == "contradicted"
    assert decided(TURNED, test, estimate, narrow, wide)[0] == "undetermined"


def test_a_side_of_zero_is_not_enough_where_the_effect_may_be_too_small() -> None:
    estimate = between(0.01, 0.09)
    test = StudyTest(outcome="id", expect="rises", smallest_effect=0.1)
    narrow, wide = estimate.interval(0.95), estimate.interval(0.999)
    assert 0 < narrow.low < narrow.high < 0.1 < wide.high
    answer, reason = decided(TURNED, test, estimate, narrow, wide)
    assert (answer, reason) == ("undetermined", "it lies on that side of zero, but perhaps too near to matter")
    assert decided(TURNED, replace(test, expect="falls"), estimate, narrow, wide)[0] == "contradicted"
