"""Build the teacher a spec names."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from qdcbench.api import Task, Teacher
from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import Caps, TeacherSpec
from qdcbench.teachers.account import Access
from qdcbench.teachers.prices import Price, price_of

__all__ = ["TEACHER_KINDS", "build_teacher", "parse_teacher", "prices_of"]

TEACHER_KINDS = {
    "scripted": "the task's offline teacher; the model is a profile, such as scripted:strong",
    "openai": "any OpenAI-compatible server (vLLM, SGLang, llama.cpp, hosted); the model is its name there, "
    "such as openai:my-model",
    "local": "a Hugging Face causal language model in this process; a folder or a name on the hub, "
    "such as local:./my-model",
    "student": "a checkpoint that the probe stage trained, to answer prompts; its folder, such as student:./probe",
    "ensemble": "several teachers by weight, such as ensemble:openai:big*0.7+local:./small*0.3",
}


def parse_teacher(text: str, options: Mapping[str, object] | None = None, base: Path = Path()) -> TeacherSpec:
    """Read ``kind:model``.

    Relative paths start from ``base``; a checkpoint's folder adds its digest as the option ``sha256``. Options of an
    ensemble go to every member that knows them, those in a table under a member's name to this member alone.

    Raises:
        ConfigError: no colon, an unknown kind, or for a model in this process a wrong option or no such folder.
    """
    kind, colon, model = text.partition(":")
    if not colon or not model:
        raise ConfigError(f"teacher {text!r} must be written kind:model, such as scripted:strong or openai:my-model")
    if kind not in TEACHER_KINDS:
        raise ConfigError(f"there is no teacher kind {kind!r}; {did_you_mean(kind, TEACHER_KINDS)}")
    given = dict(options or {})
    if kind == "openai" and "base_url" not in given and os.environ.get("OPENAI_BASE_URL"):
        given["base_url"] = os.environ["OPENAI_BASE_URL"]  # which server answered belongs in the record
    spec = TeacherSpec(kind=kind, model=model, options=given)
    if kind == "ensemble":
        return _parse_members(spec, base)
    if kind in {"local", "student"}:
        from qdcbench.teachers.in_process.checkpoint import pinned

        return pinned(spec, base)
    return spec


def build_teacher(spec: TeacherSpec, task: Task, access: Access, base: Path = Path()) -> Teacher:
    """Return a teacher ready to answer; what it spends is charged to the scopes of ``access``.

    Relative paths start from ``base``.

    Raises:
        ConfigError: unknown kind, an endpoint that is not configured, or a folder without a checkpoint.
        PluginError: the task has no scripted teacher of that profile.
    """
    # Each kind is imported where it is built, so that no run loads a client or a tensor library for another kind.
    if spec.kind == "scripted":
        return _scripted(spec, task, access)
    if spec.kind == "openai":
        from qdcbench.teachers.chat.teacher import chat_teacher

        return chat_teacher(spec, access)
    if spec.kind == "local":
        from qdcbench.teachers.in_process.local import local_teacher

        return local_teacher(spec, access, base)
    if spec.kind == "student":
        from qdcbench.teachers.in_process.student import student_teacher

        return student_teacher(spec, access, base)
    if spec.kind == "ensemble":
        from qdcbench.teachers.ensemble import Member, ensemble_of

        return ensemble_of(
            [
                Member(name=m.name, share=share, teacher=build_teacher(m, task, access, base))
                for m, share in spec.members
            ]
        )
    raise ConfigError(f"there is no teacher kind {spec.kind!r}; {did_you_mean(spec.kind, TEACHER_KINDS)}")


def _scripted(spec: TeacherSpec, task: Task, access: Access) -> Teacher:
    teacher = task.scripted_teacher(spec.model)
    # With recorded answers only, nothing is spent that could be capped.
    if access.replay_only or all(scope.caps == Caps() for scope in access.scopes):
        return teacher
    from qdcbench.teachers.capped import CappedTeacher

    return CappedTeacher(teacher, spec, access)


def prices_of(spec: TeacherSpec) -> dict[str, Price | None]:
    """Return the price of each teacher that may answer, under the name that its replies carry.

    The only teacher's name is empty. A teacher that nobody bills by the token, scripted or in this process, is left
    out; one whose price is not known is None.

    Raises:
        ConfigError: the option ``price`` is not a price.
    """
    if spec.kind == "ensemble":
        return {member.name: price_of(member) for member, _ in spec.members if member.kind == "openai"}
    return {"": price_of(spec)} if spec.kind == "openai" else {}


def _known_options(kind: str) -> frozenset[str]:
    if kind == "openai":
        from qdcbench.teachers.chat.endpoint import Endpoint

        return frozenset({"price", *(field.name for field in fields(Endpoint) if field.name != "model")})
    if kind in {"local", "student"}:
        from qdcbench.teachers.in_process.checkpoint import OPTIONS

        return frozenset(OPTIONS[kind])
    return frozenset()


def _parse_members(spec: TeacherSpec, base: Path) -> TeacherSpec:
    """Return the spec with the options of each member in a table under its name."""
    members = [member for member, _ in spec.members]
    names = {member.name for member in members}
    shared = {name: value for name, value in spec.options.items() if name not in names}
    known = frozenset[str]().union(*(_known_options(member.kind) for member in members))
    for name in shared:
        if name not in known:
            raise ConfigError(
                f"teacher {spec.name} has the unknown option {name!r}; {did_you_mean(name, [*known, *names])}"
            )
    tables = {}
    for member in members:
        own = spec.options.get(member.name, {})
        if not isinstance(own, Mapping):
            raise ConfigError(f"teacher {spec.name}: the options of {member.name} must be a table")
        passed = {name: value for name, value in shared.items() if name in _known_options(member.kind)}
        tables[member.name] = parse_teacher(member.name, {**passed, **own}, base).options
    if len({member.simulated for member in members}) > 1:
        raise ConfigError(
            f"teacher {spec.name} mixes scripted teachers with language models; simulated rows never mix with real ones"
        )
    return TeacherSpec(kind=spec.kind, model=spec.model, options=tables)
