"""Two answers are shown in both orders; a judge that follows the order alone is found out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_bench import chat_judge, scripted_judge

from qdcbench.api import Example, PluginError
from qdcbench.errors import DataError
from qdcbench.scorers.pairwise import compare

OURS = st.lists(st.integers(0, 4), min_size=1, max_size=8)


def rows_of(scores: list[int]) -> list[Example]:
    return [Example(prompt=f"p{i}", completion=str(score)) for i, score in enumerate(scores)]


def fair(material):
    first, second = float(material["first"]), float(material["second"])
    return "Tie." if first == second else "First" if first > second else "Second"


@given(OURS, st.data())
@settings(deadline=None)
def test_a_fair_judge_is_consistent_and_swapping_the_sides_swaps_the_wins(ours: list[int], data: st.DataObject) -> None:
    theirs = data.draw(st.lists(st.integers(0, 4), min_size=len(ours), max_size=len(ours)))
    judge, teacher = chat_judge(fair)
    found = compare(judge, rows_of(ours), [str(score) for score in theirs])
    assert found.column == tuple(0.5 + 0.5 * ((a > b) - (a < b)) for a, b in zip(ours, theirs, strict=True))
    asked = sum(a != b for a, b in zip(ours, theirs, strict=True))
    assert len(teacher.asked) == 2 * asked
    assert found.consistency == (1.0 if asked else None)
    assert found.first_share == (0.5 if asked else None)
    back = compare(chat_judge(fair)[0], rows_of(theirs), [str(score) for score in ours])
    assert back.column == tuple(1 - (won or 0) for won in found.column)


def test_a_judge_that_prefers_what_stands_first_gives_ties_and_is_found_out() -> None:
    found = compare(chat_judge(lambda _: "First")[0], rows_of([1, 2, 3]), ["4", "5", "6"])
    assert found.column == (0.5, 0.5, 0.5)
    assert found.consistency == 0.0
    assert found.first_share == 1.0


def test_a_win_in_one_order_alone_is_no_win() -> None:
    judge, _ = chat_judge(lambda material: "first" if material["first"] == "1" else "a tie")
    found = compare(judge, rows_of([1]), ["0"])
    assert found.column == (0.5,)
    assert found.consistency == 0.0


def test_replies_without_one_verdict_leave_the_row_out() -> None:
    def reply(material):
        return {"p0": "First or second, who knows", "p1": "", "p2": "The second answer."}[material["prompt"]]

    found = compare(chat_judge(reply)[0], rows_of([1, 2, 3]), ["4", "5", "6"])
    assert found.column == (None, None, 0.5)
    assert found.unread == 2


def test_both_answers_and_the_prompt_are_shown() -> None:
    judge, teacher = chat_judge(fair)
    compare(judge, rows_of([11]), ["22"])
    first, second = (asked.text for asked in teacher.asked)
    assert first.index("11") < first.index("22")
    assert second.index("22") < second.index("11")
    assert "p0" in first


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(DataError, match="1 other answers for 2 rows"):
        compare(chat_judge(fair)[0], rows_of([1, 2]), ["1"])
    with pytest.raises(PluginError, match=r"question|completion"):
        compare(scripted_judge(), rows_of([1]), ["2"])
