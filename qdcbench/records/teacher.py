"""Who writes the data, as a record."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qdcbench.errors import ConfigError

__all__ = ["TRANSPORT", "TeacherSpec"]

TRANSPORT = frozenset(
    {
        "timeout", "retries", "concurrency", "backoff", "api_key_env", "requests_per_minute", "tokens_per_minute",
        "price", "device", "batch_size",
    }
)  # fmt: skip
"""Options of a teacher that change how fast or safely it is asked, and no answer."""

_JOIN = re.compile(r"\+(?=(?:scripted|openai|local|student|ensemble):)")


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherSpec:
    """Who writes the data: ``kind`` is one of `qdcbench.teachers.build.TEACHER_KINDS`.

    ``model`` is a profile (scripted), a model's name (openai), a folder or name on the hub (local), a folder
    (student), or the weighted members of an ensemble. ``options`` hold the endpoint and decoding settings, never a
    key; those of an ensemble are a table for each member under the member's name.
    """

    kind: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``kind:model``, as written in a suite."""
        return f"{self.kind}:{self.model}"

    @property
    def simulated(self) -> bool:
        """True when no language model is involved."""
        if self.kind == "ensemble":
            return all(member.simulated for member, _ in self.members)
        return self.kind == "scripted"

    @property
    def each(self) -> "tuple[TeacherSpec, ...]":
        """The teachers that may answer: the members of an ensemble, else this one alone."""
        return tuple(member for member, _ in self.members) if self.kind == "ensemble" else (self,)

    @property
    def members(self) -> "tuple[tuple[TeacherSpec, float], ...]":
        """The teachers of an ensemble, written ``kind:model*weight+kind:model``, and their shares, which add to 1.

        Raises:
            ConfigError: a weight is no number above 0, a member has no kind, stands twice or is an ensemble itself.
        """
        found: dict[str, float] = {}
        for text in _JOIN.split(self.model):
            name, _, weight = text.rpartition("*") if "*" in text else (text, "", "1")
            if not re.fullmatch(r"\d+(\.\d+)?", weight) or not float(weight) > 0:
                raise ConfigError(f"teacher {self.name}: the weight {weight!r} of {name} must be a number above 0")
            if ":" not in name or name.startswith("ensemble:") or name in found:
                raise ConfigError(
                    f"teacher {self.name}: the member {name!r} must be written kind:model, once, and be no ensemble"
                )
            found[name] = float(weight)
        total = sum(found.values())
        members = []
        for name, weight in found.items():
            kind, _, model = name.partition(":")
            members.append((TeacherSpec(kind=kind, model=model, options=self.options.get(name, {})), weight / total))
        return tuple(members)

    @property
    def identity(self) -> dict[str, Any]:
        """What can change an answer: kind, model and options, without those that only say how requests travel.

        Where the digest of a checkpoint is known, its folder's name says nothing more and is left out.
        """
        if self.kind == "ensemble":
            return {"kind": self.kind, "members": [m.identity | {"weight": share} for m, share in self.members]}
        options = {name: value for name, value in self.options.items() if name not in TRANSPORT}
        known = self.kind in {"local", "student"} and "sha256" in options
        return {"kind": self.kind, "model": "" if known else self.model, "options": options}
