"""GLAN's curriculum: a taxonomy of disciplines, their subjects, and a syllabus of class sessions for each subject."""

from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

from qdcbench.api import GenerationContext, dial

from ._replies import numbered
from ._topics import Path, children, drawn, first_level, sound

__all__ = ["Curriculum", "Subject", "subjects"]


@dataclass(frozen=True)
class Curriculum:
    """How large the curriculum is. The paper's has three levels, 126 disciplines and 10 lists of subjects for each."""

    depth: int = dial(2, "levels of the taxonomy above the subjects, one or more", "cost+")
    disciplines: int = dial(12, "topics kept of each level of the taxonomy", "diversity+ cost+")
    queries: int = dial(2, "lists of subjects asked for a discipline", "diversity+ cost+")
    subjects: int = dial(48, "subjects kept, each with a syllabus of its own", "diversity+ cost+")
    sessions: int = dial(10, "class sessions asked for in a syllabus")
    temperature: float = dial(1.0, "temperature of all that the teacher lists and writes")
    top_p: float = dial(0.95, "nucleus of all that the teacher lists and writes")

    @property
    def decoding(self) -> dict[str, Any]:
        """How the teacher decodes."""
        return {"temperature": self.temperature, "top_p": self.top_p}


class Subject(NamedTuple):
    """A subject, its syllabus as it was written, and the key concepts of each session that has some."""

    path: Path
    lines: list[str]
    sessions: list[list[str]]


def _below(ctx: GenerationContext, level: list[Path], template: str, size: Curriculum) -> list[Path]:
    """Topics right below a level; one that has none stays, for it is as narrow as can be."""
    found = children(ctx, level, template=template, **size.decoding)
    parents = {path[:-1] for path in found}
    return [path for path in dict.fromkeys(level) if path not in parents] + found


def _disciplines(ctx: GenerationContext, size: Curriculum) -> list[Path]:
    """The lowest level of a taxonomy in which each topic was put to the vote."""
    level: list[Path] = []
    for number in range(size.depth):
        listed = _below(ctx, level, "expand", size) if number else first_level(ctx, **size.decoding)
        kept = drawn(ctx.rng, listed, size.disciplines)
        voted = {*level, *sound(ctx, [path for path in kept if path not in level])}
        level = [path for path in kept if path in voted]
    return level


def _sessions(lines: list[str]) -> list[list[str]]:
    """Key concepts out of lines such as ``title: concept; concept``; a line without any is left out."""
    listed = [line.partition(":")[2].split(";") for line in lines]
    sessions = [list(dict.fromkeys(c.strip() for c in concepts if c.strip())) for concepts in listed]
    return [concepts for concepts in sessions if concepts]


def subjects(ctx: GenerationContext, size: Curriculum) -> list[Subject]:
    """Return subjects whose syllabus has key concepts."""
    queries = [path for path in _disciplines(ctx, size) for _ in repeat(None, size.queries)]
    paths = drawn(ctx.rng, _below(ctx, queries, "subjects", size), size.subjects)
    shared = {"description": ctx.description, "form": "syllabus", "count": size.sessions}
    materials = [shared | {"path": list(path)} for path in paths]
    texts = ctx.teacher.ask_many("expand", materials, template="syllabus", max_tokens=1024, **size.decoding)
    found = [Subject(path, lines, _sessions(lines)) for path, lines in zip(paths, map(numbered, texts), strict=True)]
    return [subject for subject in found if subject.sessions]
