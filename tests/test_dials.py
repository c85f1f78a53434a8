"""What dials did, from the committed edition: differences agree with the arms' own means, and the table says them."""

from pathlib import Path

import pytest

from qdcbench.editions import load_edition
from qdcbench.records import Analysis
from qdcbench.report.dials import dial_table
from qdcbench.stages.analyze import analyze

EDITION = Path(__file__).resolve().parent.parent / "results" / "standard"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    found = load_edition(EDITION)
    return analyze(found.records, found.facts)


def test_every_pair_of_settings_of_a_method_is_there_and_no_control(analysis: Analysis) -> None:
    arms = {(arm.group, arm.method, arm.arm) for arm in analysis.arms if arm.role == "method"}
    pairs = {
        (group, method, one, other)
        for group, method, one in arms
        for group_2, method_2, other in arms
        if (group, method) == (group_2, method_2) and one < other
    }
    assert {(e.group, e.method, e.arm, e.other) for e in analysis.dials} == pairs and pairs


def test_a_difference_is_that_of_the_means_and_names_what_was_changed(analysis: Analysis) -> None:
    arms = {(arm.group, arm.arm): arm for arm in analysis.arms}
    for effect in analysis.dials:
        one, other = arms[effect.group, effect.arm], arms[effect.group, effect.other]
        for axis in ("quality", "diversity", "complexity"):
            name = analysis.primary[axis]
            expected = other.measures[name].point - one.measures[name].point
            assert effect.differences[axis].point == pytest.approx(expected, abs=1e-9)
            assert effect.differences[axis].low <= expected <= effect.differences[axis].high
        assert effect.changed and all(old != new for old, new in effect.changed.values())
        assert set(effect.differences) == {"quality", "diversity", "complexity", "id", "ood"}


def test_the_table_has_a_line_a_pair_and_marks_what_excludes_zero(analysis: Analysis) -> None:
    table = dial_table(analysis)
    assert table is not None and len(table.rows) == len(analysis.dials)
    marked = 0
    for row in table.rows:
        for cell in row[5:]:
            _, low, high, n = cell.values
            assert n == 3 and cell.text.endswith("•") == (low > 0 or high < 0)
            marked += cell.text.endswith("•")
    assert 0 < marked < 5 * len(table.rows)


def test_an_edition_with_one_setting_a_method_has_no_table(analysis: Analysis) -> None:
    from dataclasses import replace

    assert dial_table(replace(analysis, dials=())) is None
