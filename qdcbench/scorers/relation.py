"""How a judge is related to the teacher whose rows it judges, as far as their names tell."""

import re
from dataclasses import dataclass
from typing import Literal

from qdcbench.records import TeacherSpec

__all__ = ["Kind", "Relation", "relation"]

Kind = Literal["same model", "same series", "same family", "different families", "unknown"]
"""From the closest to the furthest; ``unknown`` where a name says no family."""

_CLOSEST_FIRST: tuple[Kind, ...] = ("same model", "same series", "same family", "unknown", "different families")

_FAMILIES = {
    "gpt": "GPT", "chatgpt": "GPT", "claude": "Claude", "gemini": "Gemini", "gemma": "Gemma", "llama": "Llama",
    "mistral": "Mistral", "mixtral": "Mistral", "ministral": "Mistral", "qwen": "Qwen", "qwq": "Qwen",
    "deepseek": "DeepSeek", "phi": "Phi", "olmo": "OLMo", "smollm": "SmolLM", "yi": "Yi", "glm": "GLM",
    "chatglm": "GLM", "granite": "Granite", "command": "Command", "falcon": "Falcon", "nemotron": "Nemotron",
    "pythia": "Pythia", "internlm": "InternLM", "kimi": "Kimi", "grok": "Grok", "exaone": "EXAONE",
}  # fmt: skip
"""Words in the names of models and the family they tell of; a name with several words is of several families."""

_SOURCE = "(preference leakage, arXiv:2502.01534)"

_MEANING: dict[Kind, str] = {
    "same model": f"scores were inflated by 23.6 % in the mean where the two are one model {_SOURCE}",
    "same series": f"scores were inflated by 8.9 % in the mean between such models {_SOURCE}",
    "same family": f"scores were inflated by 2.8 % in the mean between such models {_SOURCE}",
    "different families": f"which is what a judge should be {_SOURCE}",
    "unknown": f"it may prefer rows of its own kind {_SOURCE}",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """A relation and the sentence that belongs beside every number of the judge's."""

    kind: Kind
    sentence: str


def relation(judge: TeacherSpec, teacher: TeacherSpec) -> Relation:
    """Return the closest relation between any model of the judge and any of the teacher, by their names.

    A name does not tell what a model was trained on, so a model that inherited another's style can pass as unrelated.
    Two models of a family whose names write no version count as one series.
    """
    pairs = [(_of_pair(one, other), one, other) for one in judge.each for other in teacher.each]
    kind, one, other = min(pairs, key=lambda pair: _CLOSEST_FIRST.index(pair[0]))
    what = {
        "same model": f"the judge {one.name} is the teacher itself",
        "same series": f"the judge {one.name} and the teacher {other.name} are of one family and series",
        "same family": f"the judge {one.name} and the teacher {other.name} are of one family, in different series",
        "different families": f"the judge {one.name} and the teacher {other.name} are of different families",
        "unknown": f"the names of the judge {one.name} and the teacher {other.name} tell no relation",
    }
    return Relation(kind=kind, sentence=f"{what[kind]}: {_MEANING[kind]}")


def _of_pair(one: TeacherSpec, other: TeacherSpec) -> Kind:
    if one.identity == other.identity or (one.kind, one.model) == (other.kind, other.model):
        return "same model"
    if _short(one.model) == _short(other.model) and "scripted" not in (one.kind, other.kind):
        return "same model"
    first, second = _series(one.model), _series(other.model)
    if "scripted" in (one.kind, other.kind) or not first or not second:
        return "unknown"
    shared = first.keys() & second.keys()
    if not shared:
        return "different families"
    return "same series" if any(first[family] & second[family] for family in shared) else "same family"


def _short(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2].lower()


def _series(model: str) -> dict[str, set[str]]:
    """Return the families that a name tells of and the version it writes after each, such as Qwen: 2.5."""
    found: dict[str, set[str]] = {}
    for word, version in re.findall(r"([a-z]+)[-_ ]?v?(\d+(?:\.\d+)?[a-z]?(?![a-z0-9]))?", _short(model)):
        if word in _FAMILIES:
            found.setdefault(_FAMILIES[word], set()).add("" if version.endswith("b") else version)
    return found
