"""Tags have one normal form and are counted over the pool; rows are placed in a taxonomy level by level."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_bench import chat_judge, scripted_judge

from qdcbench.api import Example, PluginError
from qdcbench.errors import ConfigError
from qdcbench.scorers.tagging import normal_tag, place, tag, tagged

ROWS = [Example(prompt=f"prompt {i}", completion="") for i in range(4)]
TREE = ("maths/algebra/linear equations", "maths/geometry", "prose")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Linear Equations", "linear equation"),
        (" *Stories* ", "story"),
        ("data-base queries", "data base query"),
        ("C++", "c++"),
        ("Boxes", "box"),
        ("Classes", "class"),
        ("Statistics", "statistics"),
        ("Analysis", "analysis"),
        ("Business", "business"),
        ("text_classification.", "text classification"),
        ("Übungen", "übungen"),
        ("...", ""),
    ],
)
def test_normal_forms(text: str, form: str) -> None:
    assert normal_tag(text) == form


@given(st.text())
@settings(deadline=None)
def test_the_normal_form_does_not_see_case_or_marks(text: str) -> None:
    form = normal_tag(text)
    assert normal_tag(f" -{text}. ") == form
    assert "  " not in form and form == form.strip()


def test_tags_are_read_from_what_judges_write() -> None:
    replies = {
        "prompt 0": "Tags: Sorting, lists; sorting",
        "prompt 1": "1. Sortings\n2. Poems",
        "prompt 2": '["List"]',
        "prompt 3": "I am afraid that I cannot give tags for a task such as this one without more to go by",
    }
    judge, teacher = chat_judge(lambda material: replies[material["prompt"]])
    found = tag(judge, ROWS)
    assert found.column == (("sorting", "list"), ("sorting", "poem"), ("list",), None)
    assert (found.universe, found.rare, found.unread) == (3, 0, 1)
    assert [asked.intent for asked in teacher.asked] == ["classify"] * 4
    assert "prompt 2" in teacher.asked[2].text
    with pytest.raises(PluginError, match="no question 'tags'"):
        tag(scripted_judge(), ROWS)


def test_rare_tags_are_dropped_over_the_pool() -> None:
    found = tagged([["a", "B"], ["b"], ["c", "C"], None, []], min_count=2)
    assert found.column == (("b",), ("b",), (), None, ())
    assert (found.universe, found.rare, found.unread) == (1, 2, 1)
    with pytest.raises(ConfigError, match="at least 1 row"):
        tagged([], min_count=0)


@given(
    st.lists(st.lists(st.sampled_from(["cat", "Cats", "dog", "DOGS", "ox"]), max_size=4), max_size=12),
    st.integers(1, 4),
)
@settings(deadline=None)
def test_kept_tags_are_those_on_enough_rows(column: list[list[str]], least: int) -> None:
    found = tagged(column, least)
    plain = [{name.lower().removesuffix("s") for name in names} for names in column]
    common = {name for name in ("cat", "dog", "ox") if sum(name in names for names in plain) >= least}
    assert [set(tags or ()) for tags in found.column] == [names & common for names in plain]
    assert found.universe == len(common)


def test_rows_go_down_the_taxonomy_as_far_as_the_judge_goes() -> None:
    choices = {
        "prompt 0": {"maths": "1", "algebra": "1", "linear equations": "Topic 1."},
        "prompt 1": {"maths": "2"},
        "prompt 2": {"maths": "Maths", "algebra": "0"},
        "prompt 3": {"maths": "0"},
    }
    judge, teacher = chat_judge(lambda material: choices[material["prompt"]][material["topics"][0]])
    found = place(judge, ROWS, TREE)
    assert found.column == ("maths/algebra/linear equations", "prose", "maths", None)
    assert found.unread == 0
    assert len(teacher.asked) == 4 + 2 + 1
    assert "1. maths\n2. prose" in teacher.asked[0].text


def test_replies_that_name_no_choice_stay_and_are_counted() -> None:
    found = place(chat_judge(lambda material: "1" if "maths" in material["topics"] else "9")[0], ROWS, TREE)
    assert found.column == ("maths",) * 4
    assert found.unread == 4
    with pytest.raises(ConfigError, match="no node"):
        place(chat_judge(lambda _: "1")[0], ROWS, ())
    with pytest.raises(PluginError, match="no question 'place'"):
        place(scripted_judge(), ROWS, TREE)
