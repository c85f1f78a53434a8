"""A causal language model in this process as a teacher: chat template, seeded batches, every attempt accounted for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from qdcbench.api import INTENTS, Reply, Request
from qdcbench.errors import TeacherError
from qdcbench.records import TeacherSpec
from qdcbench.teachers.account import Access, Account, NotRecorded, Order, Rates, Spent, Ticket
from qdcbench.teachers.canonical import canonical_request, request_key, wire_seed
from qdcbench.teachers.capped import OpenAccount, reserve_what_fits
from qdcbench.teachers.faults import in_vain
from qdcbench.teachers.in_process.checkpoint import checkpoint_of, pinned
from qdcbench.teachers.prices import FREE

if TYPE_CHECKING:
    from qdcbench.teachers.in_process.sampling import LanguageModel, Prompt, Written

__all__ = ["ChatForm", "Form", "LocalTeacher", "local_teacher", "token_ids"]

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "min_p": (0,),
}
"""Fields of a request's body that change nothing at these values, nor where they are null."""

_UNREAD = frozenset({"seed", "top_k", "user", "metadata", "store"})
"""Fields that are read elsewhere, or that no answer depends on."""


class Form(Protocol):
    """How a model was trained to be asked."""

    @property
    def intents(self) -> tuple[str, ...]:
        """What it can be asked for."""
        ...

    def asked(self, request: Request, seed: int) -> Request:
        """Return the request whose messages are what the model reads; TeacherError where it cannot be asked this."""
        ...

    def encode(self, tokenizer: Any, request: Request) -> list[int]:
        """Return the token ids of an asked request; TeacherError where they cannot be made."""
        ...

    def decode(self, tokenizer: Any, ids: list[int]) -> str:
        """Return the text of an answer without its end mark."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatForm:
    """A chat model: messages go through its chat template, a single ``raw`` message is continued as it is."""

    template: str = ""
    intents: tuple[str, ...] = INTENTS

    def asked(self, request: Request, seed: int) -> Request:
        """Return the request itself."""
        return request

    def encode(self, tokenizer: Any, request: Request) -> list[int]:
        """Apply the chat template and open the assistant's turn."""
        if [role for role, _ in request.messages] == ["raw"]:
            return token_ids(tokenizer, request.messages[0][1])
        template = self.template or tokenizer.chat_template
        if template is None:
            raise TeacherError(
                "the tokenizer has no chat template; set the option chat_template, or ask with one raw message"
            )
        messages = [{"role": role, "content": _plain(text)} for role, text in request.messages]
        try:
            encoded = tokenizer.apply_chat_template(
                messages, chat_template=self.template or None, add_generation_prompt=True, return_dict=True
            )
        except Exception as error:  # a template is a program of the checkpoint's author and may raise anything
            said = " ".join(str(error).split())[:300]
            roles = ", ".join(role for role, _ in request.messages)
            raise TeacherError(f"the chat template refuses messages of the roles {roles} ({said})") from None
        return list(encoded["input_ids"])

    def decode(self, tokenizer: Any, ids: list[int]) -> str:
        """Return the text without special tokens."""
        return str(tokenizer.decode(ids, skip_special_tokens=True))


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text as it is; an empty one is the mark with which texts begin."""
    ids: list[int] = list(tokenizer(_plain(text))["input_ids"])
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return ids or ([] if start is None else [start])


def _plain(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no tokenizer reads."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One question that no record answers."""

    order: Order
    prompt: "Prompt"


_Missing = Mapping[str, tuple[Request, Mapping[str, Any]]]
"""Questions without a recorded answer by their keys: what the model reads, and its canonical form."""


class LocalTeacher:
    """Fulfils ``qdcbench.api.Teacher`` with a model in this process; safe to call from several threads.

    The weights are loaded when the first question has no recorded answer.
    """

    simulated = False

    def __init__(self, spec: TeacherSpec, access: Access, form: Form, base: Path) -> None:
        """See `local_teacher`."""
        self.spec = pinned(spec, base)
        self.intents = form.intents
        self._form = form
        self._account = OpenAccount(access, Rates(endpoint=self.spec.name))
        self._checkpoint = checkpoint_of(self.spec, base)
        self._loading = Lock()

    def __repr__(self) -> str:
        return f"LocalTeacher({self.spec.name})"

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests in batches of prompts of like length; replies in the order of requests.

        Raises:
            TeacherError: the model cannot be loaded or fails, a prompt is too long, or it was not trained to be asked
                this. Where some were answered before, it is a `PartlyAnswered` that hands them over.
            CapReached: a cap has no room, before any was answered.
            NotRecorded: only recorded answers may be used.
        """
        account = self._account.get()
        asked: dict[str, tuple[Request, Mapping[str, Any]]] = {}
        keys: list[str] = []
        for request in requests:
            asking = self._form.asked(request, seed)
            canonical = canonical_request(self.spec.identity, asking, seed)
            keys.append(request_key(canonical))
            asked.setdefault(keys[-1], (asking, canonical))
        known = {key: reply for key in asked if (reply := account.find(key)) is not None}
        missing = {key: question for key, question in asked.items() if key not in known}
        try:
            if missing:
                self._answer_all(account, missing, seed, known)
        except TeacherError as error:
            raise in_vain(error, [known.get(key) for key in keys] if known else ()) from None
        seen: set[str] = set()
        return [_once(known[key], seen) for key in keys]

    def close(self) -> None:
        """Close the account; a later `complete` opens it again. The weights stay, for the next run's teacher."""
        self._account.close()

    def _answer_all(self, account: Account, missing: _Missing, seed: int, known: dict[str, Reply]) -> None:
        """Encode all questions before any is paid for, then answer them in batches and put the replies among the known.

        The longest come first, so that memory runs out at once or never.
        """
        if account.replay_only:
            raise NotRecorded(
                f"teacher {self.spec.name}: {len(missing)} of the questions have no recorded answer, and only "
                "recorded answers may be used; run without the replay option to ask them"
            )
        with self._loading:
            model = self._checkpoint.load()
        jobs = []
        for key, (request, canonical) in missing.items():
            prompt = self._prompt(model, request, seed)
            order = Order(
                key=key, request=canonical, intent=request.intent, teacher=self.spec.name,
                prompt_tokens=len(prompt.ids), completion_tokens=prompt.most, price=FREE,
            )  # fmt: skip
            jobs.append(_Job(order=order, prompt=prompt))
        jobs.sort(key=lambda job: -len(job.prompt.ids))
        while jobs:
            answered = self._answer(account, model, jobs[: self._checkpoint.options.batch_size])
            known |= answered
            del jobs[: len(answered)]

    def _prompt(self, model: "LanguageModel", request: Request, seed: int) -> "Prompt":
        from qdcbench.teachers.in_process.sampling import Prompt

        label, options = f"teacher {self.spec.name}", self._checkpoint.options
        try:
            ids = self._form.encode(model.tokenizer, request)
        except TeacherError as error:
            raise TeacherError(f"{label}: {error}") from None
        # One place at least is the answer's.
        bounds = [options.max_prompt_tokens, None if model.longest is None else model.longest - 1]
        limit = min((bound for bound in bounds if bound is not None), default=None)
        if not ids or (limit is not None and len(ids) > limit):
            raise TeacherError(
                f"{label}: a prompt for {request.intent} has {len(ids)} tokens and may have 1 to {limit}; "
                "use a model with more places, or a method with shorter prompts"
            )
        room = request.max_tokens if model.longest is None else model.longest - len(ids)
        return Prompt(
            ids=tuple(ids),
            most=min(request.max_tokens, room),
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=_top_k(request, model.top_k, label),
            stop=request.stop,
            seed=wire_seed(request, seed),
            decode=lambda row: self._form.decode(model.tokenizer, row),
        )

    def _answer(self, account: Account, model: "LanguageModel", jobs: Sequence[_Job]) -> dict[str, Reply]:
        """Answer as many of the first jobs as there is room for."""
        held = reserve_what_fits(account, [job.order for job in jobs])
        taken = [(job, ticket) for job, ticket in zip(jobs, held, strict=False) if isinstance(ticket, Ticket)]
        started = time.monotonic()
        try:
            written = model.write([job.prompt for job, _ in taken], self._checkpoint.options.batch_size)
        except BaseException as error:
            fault = Spent(outcome=type(error).__name__, seconds=time.monotonic() - started)
            account.settle_now([(ticket, fault, None) for _, ticket in taken])
            if isinstance(error, TeacherError):
                raise TeacherError(f"teacher {self.spec.name}: {error}") from None
            raise
        seconds = time.monotonic() - started
        settled = [(ticket, *_spent(job, text, seconds)) for (job, ticket), text in zip(taken, written, strict=True)]
        account.settle_now(settled)
        elsewhere = {job.order.key: reply for job, reply in zip(jobs, held, strict=False) if isinstance(reply, Reply)}
        return elsewhere | {reply.key: reply for _, _, reply in settled}


def local_teacher(spec: TeacherSpec, access: Access, base: Path) -> LocalTeacher:
    """Return the teacher of a ``local`` spec; relative paths start from ``base``, and nothing is loaded yet.

    Raises:
        ConfigError: a wrong option, or no such folder.
    """
    template = spec.options.get("chat_template", "")
    return LocalTeacher(spec, access, ChatForm(template=str(template)), base)


def _once(reply: Reply, seen: set[str]) -> Reply:
    """Mark the second of two equal questions as answered from the record of the first."""
    again = reply.key in seen
    seen.add(reply.key)
    return replace(reply, cached=True) if again else reply


def _spent(job: _Job, written: "Written", seconds: float) -> tuple[Spent, Reply]:
    prompt_tokens = len(job.prompt.ids)
    spent = Spent(outcome="answered", prompt_tokens=prompt_tokens, completion_tokens=written.tokens, seconds=seconds)
    reply = Reply(
        text=written.text,
        prompt_tokens=prompt_tokens,
        completion_tokens=written.tokens,
        finish_reason=written.finish_reason,
        key=job.order.key,
        seconds=seconds,
    )
    return spent, reply


def _top_k(request: Request, default: int, label: str) -> int:
    """Return how many of the likeliest tokens may be drawn, 0 for all, and refuse fields that are not understood."""
    for name, value in request.extra.items():
        if value is not None and name not in _UNREAD and value not in _NEUTRAL.get(name, ()):
            raise TeacherError(f"{label} does not know the request's field {name} = {value!r}; leave it out")
    given = request.extra.get("top_k")
    return max(0, given) if isinstance(given, int) else default
