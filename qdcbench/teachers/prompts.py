"""The prompt file of a method: named sections that render material to chat messages."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

from qdcbench.canon import digest
from qdcbench.errors import PluginError, did_you_mean
from qdcbench.records import Example

__all__ = ["SHARED", "PromptBook", "Section", "Template", "plain_messages", "render_value", "section_texts"]

Messages = tuple[tuple[str, str], ...]

ROLES = ("system", "user", "raw")
"""Who may speak in a section, in the order of speaking."""

SHARED = "_shared.toml"
"""Sections that all methods of a folder have, unless their own file has one of that name."""

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def render_value(value: Any) -> str:
    """Return the text of one piece of material as it stands in a prompt.

    A list or tuple becomes a numbered list, an empty one ``(none)``; an example becomes its prompt and its
    completion after ``Answer:``.

    Raises:
        TypeError: the value is none of text, number, truth value, example, or a list of those.
    """
    if isinstance(value, Example):
        return f"{value.prompt}\nAnswer: {value.completion}"
    if isinstance(value, list | tuple):
        return "\n".join(f"{i}. {render_value(item)}" for i, item in enumerate(value, 1)) or "(none)"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(type(value).__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """Text with ``{name}`` placeholders, cut into (literal, name) pieces; the last name may be empty."""

    where: str
    text: str
    pieces: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str, where: str) -> "Template":
        """Cut a template at its placeholders; ``{{`` and ``}}`` stand for literal braces.

        Raises:
            PluginError: a brace is unbalanced, or a placeholder is not a plain name.
        """
        pieces = []
        try:
            for literal, name, spec, conversion in Formatter().parse(text):
                if name is not None and (spec or conversion or not _PLAIN_NAME.fullmatch(name)):
                    raise ValueError(f"{{{name}}} is not a plain name")
                pieces.append((literal, name or ""))
        except ValueError as error:
            raise PluginError(
                f"{where}: {error}; a placeholder is a plain name such as {{topic}}, a literal brace is written twice"
            ) from None
        return cls(where=where, text=text, pieces=tuple(pieces))

    def render(self, material: Mapping[str, Any]) -> str:
        """Fill the placeholders. Braces inside the material are text like any other.

        Raises:
            PluginError: the material lacks a placeholder's name, or its value has no text form.
        """
        parts = []
        for literal, name in self.pieces:
            parts.append(literal)
            if name and name not in material:
                raise PluginError(
                    f"{self.where} has the placeholder {{{name}}}, which the method does not pass; "
                    f"{did_you_mean(name, material)}"
                )
            if name:
                parts.append(_text_of(material[name], name, self.where))
        return "".join(parts)


def _text_of(value: Any, name: str, where: str) -> str:
    try:
        return render_value(value)
    except TypeError as error:
        raise PluginError(
            f"{where}: the material {name!r} holds a {error}, which has no text form; "
            "pass text, a number, an Example, or a list of those"
        ) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One prompt by role: a user's message and, where wanted, the system's before it; or ``raw`` alone, to continue."""

    templates: Mapping[str, Template]

    def render(self, material: Mapping[str, Any]) -> Messages:
        """Return (role, text) pairs; PluginError as in `Template.render`."""
        return tuple((role, self.templates[role].render(material)) for role in ROLES if role in self.templates)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptBook:
    """All prompts of a method by name. ``where`` is the file, existing or not, for error sentences.

    ``revisions`` is how often each prompt was rewritten after its first form, by its author's account; None: unsaid.
    """

    where: str
    sections: Mapping[str, Section] = field(default_factory=dict)
    revisions: int | None = None

    @classmethod
    def load(cls, path: Path | None, method: str) -> "PromptBook":
        """Read the prompt file of a method, and ``_shared.toml`` beside it for the sections that it lacks.

        One that has no file (``path`` is None or no file) has an empty book.

        Raises:
            PluginError: a file is not TOML, or a section is not made of ``user`` and, optionally, ``system``, or of
                ``raw`` alone.
        """
        where = f"prompts/{method}.toml"
        if path is None or not path.is_file():
            return cls(where=where)
        tables = _tables(path, where)
        revisions = tables.pop("revisions", None)
        if revisions is not None and (not isinstance(revisions, int) or revisions < 0):
            raise PluginError(f"{where}: revisions is {revisions!r} and must be a whole number of 0 or more")
        beside = path.parent / SHARED
        shared = _tables(beside, f"prompts/{SHARED}") if beside.is_file() else {}
        sections = {name: _section(table, f"prompts/{SHARED} [{name}]") for name, table in shared.items()}
        sections |= {name: _section(table, f"{where} [{name}]") for name, table in tables.items()}
        return cls(where=where, sections=sections, revisions=revisions)

    @property
    def sha256(self) -> str:
        """Digest of every template's text; comments and layout of the file do not count."""
        return digest({name: section_texts(section) for name, section in self.sections.items()})

    def render(self, name: str, material: Mapping[str, Any]) -> Messages:
        """Return the messages of the section ``name``.

        Raises:
            PluginError: there is no such section, or the material does not fill it.
        """
        if name not in self.sections:
            raise PluginError(
                f"{self.where} has no section [{name}], and a chat teacher reads only prompts written there: "
                f"add one with a line user = ... ({did_you_mean(name, self.sections)})"
            )
        return self.sections[name].render(material)


def section_texts(section: Section) -> dict[str, str]:
    """Return a section's templates as they were written, by role."""
    return {role: template.text for role, template in section.templates.items()}


def _tables(path: Path, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{where} is not TOML in UTF-8: {error}") from None


def _section(table: Any, where: str) -> Section:
    if not isinstance(table, dict) or ("user" in table) == ("raw" in table):
        raise PluginError(
            f"{where} must be a section with a line user = ... and, optionally, system = ..., or with raw = ... alone"
        )
    known = ["raw"] if "raw" in table else ["system", "user"]
    for key, value in table.items():
        if key not in known:
            raise PluginError(f"{where} has the unknown key {key!r}; {did_you_mean(key, known)}")
        if not isinstance(value, str) or not value.strip():
            raise PluginError(f"{where}: {key} must be text that is not empty")
    # Multi-line strings in TOML end with the newline before the closing quotes, which no author means.
    return Section(templates={k: Template.parse(v.strip("\n"), f"{where} {k}") for k, v in table.items()})


def plain_messages(intent: str, material: Mapping[str, Any]) -> Messages:
    """Return one user message that lists the material, so that a scripted teacher counts realistic tokens.

    Never shown to a chat model: a language model reads only prompts that an author wrote.

    Raises:
        PluginError: a value has no text form.
    """
    lines = [f"{name}: {_text_of(value, name, f'the request {intent!r}')}" for name, value in material.items()]
    return (("user", "\n".join([intent, *lines])),)
