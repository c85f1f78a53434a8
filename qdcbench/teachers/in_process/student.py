"""A checkpoint of the probe stage as a teacher: asked in exactly the form in which it was trained to answer."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qdcbench.api import Request
from qdcbench.errors import TeacherError
from qdcbench.records import TeacherSpec
from qdcbench.teachers.account import Access
from qdcbench.teachers.canonical import wire_seed
from qdcbench.teachers.in_process.local import LocalTeacher, token_ids

__all__ = ["TrainedForm", "student_teacher"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedForm:
    """A model trained on prompt and answer, with the loss on the answer alone.

    It answers a prompt and continues a raw text. It cannot propose, evolve or judge: it never learned to write a
    prompt, and reads no exemplars and no instructions.
    """

    name: str
    intents: tuple[str, ...] = ("answer", "chat")

    def asked(self, request: Request, seed: int) -> Request:
        """Return the request with the prompt alone, as the probe reads it.

        A chat must be one user message, which is taken for the prompt, or one raw text.
        """
        # Probes load torch, which a plan or a list of teachers does without.
        from qdcbench.probes.train import prompt_text

        roles = [role for role, _ in request.messages]
        prompt = request.material.get("prompt") if request.intent == "answer" else None
        if request.intent == "chat" and roles == ["raw"]:
            return request
        if request.intent == "chat" and roles == ["user"]:
            prompt = request.messages[0][1]
        if not isinstance(prompt, str):
            raise TeacherError(
                f"teacher {self.name} was trained to answer a prompt and cannot be asked to {request.intent} with "
                f"messages of the roles {', '.join(roles)}; add a chat model to it in an ensemble, or take a method "
                "that only asks for answers"
            )
        # Questions that differ in exemplars alone read the same here; the seed keeps them apart.
        extra = {**request.extra, "seed": wire_seed(request, seed)}
        return replace(request, messages=(("raw", prompt_text(prompt)),), extra=extra)

    def encode(self, tokenizer: Any, request: Request) -> list[int]:
        """Return the tokens of the text."""
        return token_ids(tokenizer, request.messages[0][1])

    def decode(self, tokenizer: Any, ids: list[int]) -> str:
        """Return the text; unknown words stay visible, and the space that training puts before an answer goes."""
        return str(tokenizer.decode(ids)).removeprefix(" ")


def student_teacher(spec: TeacherSpec, access: Access, base: Path) -> LocalTeacher:
    """Return the teacher of a ``student`` spec; relative paths start from ``base``, and nothing is loaded yet.

    Raises:
        ConfigError: a wrong option, or no such folder.
    """
    return LocalTeacher(spec, access, TrainedForm(name=spec.name), base)
