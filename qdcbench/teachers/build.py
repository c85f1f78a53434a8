"""Build the teacher a spec names."""

import os

from qdcbench.api import Task, Teacher
from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import TeacherSpec

__all__ = ["TEACHER_KINDS", "build_teacher", "parse_teacher"]

TEACHER_KINDS = {
    "scripted": "the task's offline teacher; the model is a profile, such as scripted:strong",
    "openai": "any OpenAI-compatible chat endpoint; the model is its name, such as openai:my-model",
}


def parse_teacher(text: str, options: dict[str, object] | None = None) -> TeacherSpec:
    """Read ``kind:model``.

    Raises:
        ConfigError: no colon, or an unknown kind.
    """
    kind, colon, model = text.partition(":")
    if not colon or not model:
        raise ConfigError(f"teacher {text!r} must be written kind:model, such as scripted:strong or openai:my-model")
    if kind not in TEACHER_KINDS:
        raise ConfigError(f"there is no teacher kind {kind!r}; {did_you_mean(kind, TEACHER_KINDS)}")
    given = dict(options or {})
    if kind == "openai" and "base_url" not in given and os.environ.get("OPENAI_BASE_URL"):
        given["base_url"] = os.environ["OPENAI_BASE_URL"]  # which server answered belongs in the record
    return TeacherSpec(kind=kind, model=model, options=given)


def build_teacher(spec: TeacherSpec, task: Task) -> Teacher:
    """Return a teacher ready to answer.

    Raises:
        ConfigError: unknown kind, or an endpoint that is not configured.
        PluginError: the task has no scripted teacher of that profile.
    """
    if spec.kind == "scripted":
        return task.scripted_teacher(spec.model)
    if spec.kind == "openai":
        from qdcbench.teachers.openai_chat import chat_teacher

        return chat_teacher(spec)
    raise ConfigError(f"there is no teacher kind {spec.kind!r}; {did_you_mean(spec.kind, TEACHER_KINDS)}")
