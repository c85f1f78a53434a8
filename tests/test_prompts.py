"""Prompt files: what renders, what is refused, what survives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.api import Example
from qdcbench.errors import PluginError
from qdcbench.teachers.prompts import PromptBook, Template, plain_messages, render_value

BOOK = '''
[propose]
system = "You write {kind}."
user = """
Here are tasks:
{shots}
Write one as JSON like {{"task": "..."}}.
"""

[answer]
user = "{prompt}"
'''


def book(folder: Path, text: str) -> PromptBook:
    path = folder / "probe.toml"
    path.write_text(text, encoding="utf-8")
    return PromptBook.load(path, "probe")


def test_a_section_renders_system_and_user(tmp_path: Path) -> None:
    shots = [Example(prompt="Reverse: 1 2", completion="2 1"), Example(prompt="Sort: 2 1", completion="1 2")]
    assert book(tmp_path, BOOK).render("propose", {"kind": "tasks", "shots": shots, "unused": 1}) == (
        ("system", "You write tasks."),
        (
            "user",
            "Here are tasks:\n1. Reverse: 1 2\nAnswer: 2 1\n2. Sort: 2 1\nAnswer: 1 2\n"
            'Write one as JSON like {"task": "..."}.',
        ),
    )


@given(st.text())
def test_material_stands_in_the_prompt_unchanged(text: str) -> None:
    template = Template.parse("<{a}|{b}>{{a}}", "here")
    assert template.render({"a": text, "b": "{a}"}) == f"<{text}|{{a}}>{{a}}"


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.text(), min_size=1))
def test_rendering_equals_str_format_on_plain_text(material: dict[str, str]) -> None:
    text = "x {{y}} " + " ".join(f"{{{name}}}" for name in material)
    assert Template.parse(text, "here").render(material) == text.format(**material)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (3, "3"),
        (0.5, "0.5"),
        (["a", "b"], "1. a\n2. b"),
        (("a", 2), "1. a\n2. 2"),
        ([], "(none)"),
        (Example(prompt="p", completion="c"), "p\nAnswer: c"),
    ],
)
def test_values_have_one_text_form(value: object, text: str) -> None:
    assert render_value(value) == text


@pytest.mark.parametrize(
    "template", ["{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{}", "{0}", "{ a }", "{_a}", "{", "}", "{a"]
)
def test_only_plain_names_are_placeholders(template: str) -> None:
    with pytest.raises(PluginError, match=r"^here: .*a literal brace is written twice$"):
        Template.parse(template, "here")


def test_a_placeholder_that_is_not_passed_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"\[propose\] user has the placeholder {shots}.*did you mean 'shot'\?"):
        book(tmp_path, BOOK).render("propose", {"kind": "x", "shot": []})


@pytest.mark.parametrize("value", [None, {"a": 1}, {1, 2}, [["a"], None]])
def test_material_without_a_text_form_is_refused(value: object) -> None:
    with pytest.raises(PluginError, match=r"material 'a' holds a .*no text form"):
        Template.parse("{a}", "here").render({"a": value})


def test_a_missing_section_is_named_with_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"prompts/probe.toml has no section \[proposal\].*did you mean 'propose'\?"):
        book(tmp_path, BOOK).render("proposal", {})


def test_a_method_without_a_file_has_an_empty_book(tmp_path: Path) -> None:
    for path in (None, tmp_path / "none.toml"):
        empty = PromptBook.load(path, "lonely")
        with pytest.raises(PluginError, match=r"prompts/lonely.toml has no section \[propose\]"):
            empty.render("propose", {})
        assert not empty.sections


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[propose\n", "is not TOML in UTF-8"),
        ("user = 'x'\n", r"\[user\] must be a section with a line user"),
        ("[propose]\nsystem = 'x'\n", r"\[propose\] must be a section with a line user"),
        ("[propose]\nuser = 'x'\nsistem = 'y'\n", r"unknown key 'sistem'; did you mean 'system'\?"),
        ("[propose]\nuser = 3\n", "user must be text that is not empty"),
        ("[propose]\nuser = '  '\n", "user must be text that is not empty"),
        ("[propose]\nuser = '{a.b}'\n", r"\[propose\] user: {a.b} is not a plain name"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PluginError, match=sentence):
        book(tmp_path, text)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_bytes(b"[a]\nuser = '\xff'\n")
    with pytest.raises(PluginError, match="is not TOML in UTF-8"):
        PromptBook.load(path, "probe")


def test_the_digest_is_of_the_prompts_and_not_of_the_layout(tmp_path: Path) -> None:
    first = book(tmp_path, BOOK).sha256
    assert len(first) == 64
    assert book(tmp_path, "# a comment\n" + BOOK.replace("\n\n[", "\n\n\n[")).sha256 == first
    assert book(tmp_path, BOOK.replace("Write one", "Write two")).sha256 != first
    assert book(tmp_path, BOOK.replace("[answer]", "[answers]")).sha256 != first


def test_plain_messages_hold_all_material() -> None:
    messages = plain_messages("evolve", {"operator": "deepen", "shots": ["a", "b"]})
    assert messages == (("user", "evolve\noperator: deepen\nshots: 1. a\n2. b"),)
    with pytest.raises(PluginError, match="the request 'evolve': the material 'x' holds a dict"):
        plain_messages("evolve", {"x": {}})
