"""How likely a causal language model holds each row: its answer with the prompt, without it, and the whole text.

Columns for IFD and perplexity. What the model reads:

- the base of a task: the prompt, the mark that its training puts before an answer, the answer;
- a chat model: the prompt as one user turn of its chat template with the assistant's turn opened, the answer;
- any other: its start mark, the prompt, a line's end, the answer.

Prompt and answer are tokenised apart, so that the answer has the same tokens with a prompt and without. Without the
prompt stands what a model of that kind reads before any answer: the mark, or the start mark alone. The whole text is
read without a chat template after the start mark. An end mark is never scored.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from qdcbench.errors import DataError
from qdcbench.probes.start import Base
from qdcbench.probes.tiny import answer_logits, is_tiny, one_thread
from qdcbench.probes.train import prompt_text
from qdcbench.scorers.pretrained import ModelOptions, Pretrained, load_pretrained, plain

__all__ = [
    "CausalModel",
    "Column",
    "Losses",
    "causal_model",
    "causal_of_base",
    "next_logits_of",
    "score_losses",
    "shortened",
]

Column = Literal["answer_nll", "blank_nll", "whole_nll"]
Numbers = tuple[float | None, ...]
Form = Literal["probe", "chat", "text"]
Scored = tuple[list[int], list[int]]
"""Tokens that are read first, and those whose loss is taken."""

_ROWS = 256
"""Rows of a batch at most, as in `probes.score`."""
_BASE_LONGEST = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class CausalModel:
    """A causal language model and the form in which it reads a prompt, see this module."""

    pretrained: Pretrained
    form: Form

    @property
    def identity(self) -> str:
        """Which weights, and how they are asked: two models with one identity give the same numbers."""
        return f"{self.pretrained.identity}:{self.form}"

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text as it is."""
        if not texts:
            return []
        return list(self.pretrained.tokenizer([plain(text) for text in texts], add_special_tokens=False)["input_ids"])

    def before_answers(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the tokens that the model reads before it answers each prompt.

        Raises:
            DataError: the chat template refuses a user's turn, or there is no start mark where one is needed.
        """
        if self.form == "probe":
            return self.ids([prompt_text(prompt) for prompt in prompts])
        if self.form == "text":
            return [self.start() + ids for ids in self.ids([f"{prompt}\n" for prompt in prompts])]
        return [self._turn(prompt) for prompt in prompts]

    def _turn(self, prompt: str) -> list[int]:
        try:
            found = self.pretrained.tokenizer.apply_chat_template(
                [{"role": "user", "content": plain(prompt)}], add_generation_prompt=True, return_dict=True
            )
        except Exception as error:  # a template is a program of the checkpoint's author and may raise anything
            said = " ".join(str(error).split())[:300]
            raise DataError(f"the chat template of {self.identity} refuses a user's turn ({said})") from None
        return list(found["input_ids"])

    def answers(self, completions: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each answer, without an end mark."""
        return self.ids([f" {text}" for text in completions] if self.form == "probe" else completions)

    def blank(self) -> list[int]:
        """Return the tokens that stand before an answer without a prompt; DataError where there is no start mark."""
        return self.ids([prompt_text("")])[0] if self.form == "probe" else self.start()

    def wholes(self, rows: Sequence[tuple[str, str]]) -> list[list[int]]:
        """Return the tokens of both texts of each row as one, without a start mark."""
        if self.form == "probe":
            return self.ids([f"{prompt_text(prompt)} {completion}" for prompt, completion in rows])
        return self.ids([f"{prompt}\n{completion}" for prompt, completion in rows])

    def start(self) -> list[int]:
        """Return the mark with which texts begin, in a list; the end mark where there is none for the start.

        Raises:
            DataError: the tokenizer has neither a start mark nor an end mark.
        """
        tokenizer = self.pretrained.tokenizer
        mark = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if mark is None:
            raise DataError(f"the tokenizer of {self.identity} has neither a start mark nor an end mark; take another")
        return [int(mark)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Columns of n mean losses in nats a token; None where a text has no token. ``cut`` rows were too long."""

    answer_nll: Numbers | None = None
    blank_nll: Numbers | None = None
    whole_nll: Numbers | None = None
    cut: int = 0


def causal_model(source: str, options: ModelOptions | None = None, *, chat: bool | None = None) -> CausalModel:
    """Load a causal language model; ``chat`` None uses its chat template where it has one.

    Raises:
        ConfigError: a wrong option.
        DataError: it cannot be loaded, or has no chat template and ``chat`` asks for one.
    """
    pretrained = load_pretrained("causal", source, options)
    has = getattr(pretrained.tokenizer, "chat_template", None) is not None
    if chat and not has:
        raise DataError(f"the tokenizer of {source} has no chat template; leave chat out to read plain text")
    return CausalModel(pretrained=pretrained, form="chat" if (has if chat is None else chat) else "text")


def causal_of_base(base: Base) -> CausalModel:
    """Return the base of a task as a model that reads as probes do."""
    model, tokenizer = base.open()
    pretrained = Pretrained(
        model=model, tokenizer=tokenizer, identity=base.sha256[:16], longest=_BASE_LONGEST, batch_bytes=2**28
    )
    return CausalModel(pretrained=pretrained, form="probe")


def score_losses(
    model: CausalModel,
    rows: Sequence[tuple[str, str]],
    columns: Sequence[Column] = ("answer_nll", "blank_nll", "whole_nll"),
) -> Losses:
    """Return the asked columns of prompt/completion pairs, one number a row.

    Of a row that is longer than the model reads, the answer keeps its beginning, at least half of all places where
    it is that long, and the prompt its end; of a whole text the beginning is kept.

    Raises:
        DataError: a text cannot be rendered for the model, or its scores are no numbers.
    """
    longest = model.pretrained.longest
    long: set[int] = set()
    found: dict[str, Numbers] = {}
    asked: list[Scored] = []
    if {"answer_nll", "blank_nll"} & set(columns):
        befores = model.before_answers([prompt for prompt, _ in rows])
        full = zip(befores, model.answers([completion for _, completion in rows]), strict=True)
        asked, long = shortened(list(full), longest)
    if "answer_nll" in columns:
        found["answer_nll"] = _mean_losses(model, asked)
    if "blank_nll" in columns:
        # The answer as it was cut beside its prompt, so that both losses are of the same tokens.
        blank = model.blank()
        found["blank_nll"] = _mean_losses(model, [(blank, answer) for _, answer in asked])
    if "whole_nll" in columns:
        start = model.start()
        texts = model.wholes(rows)
        long |= {number for number, ids in enumerate(texts) if len(start) + len(ids) > longest}
        found["whole_nll"] = _mean_losses(model, [(start, ids[: longest - len(start)]) for ids in texts])
    return Losses(cut=len(long), **found)


def shortened(pairs: Sequence[Scored], longest: int) -> tuple[list[Scored], set[int]]:
    """Return pairs of prompt and answer tokens, the long ones cut as `score_losses` says, and the numbers of these."""
    kept, long = list(pairs), set()
    for number, (before, answer) in enumerate(pairs):
        if len(before) + len(answer) > longest:
            answer = answer[: max(longest // 2, longest - len(before))]
            kept[number] = (before[len(before) + len(answer) - longest :], answer)
            long.add(number)
    return kept, long


def _batches(pretrained: Pretrained, pairs: Sequence[Scored]) -> Iterator[list[int]]:
    """Row numbers, rows of like length together, as many as their scores have room for."""
    most = max(1, pretrained.batch_bytes // (4 * int(pretrained.model.config.get_text_config().vocab_size)))
    lengths = [len(before) + len(scored) for before, scored in pairs]
    batch: list[int] = []
    for number in sorted((n for n, (_, scored) in enumerate(pairs) if scored), key=lengths.__getitem__):
        if batch and (len(batch) == _ROWS or (len(batch) + 1) * lengths[number] > most):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _padded(rows: Sequence[list[int]], pad: int, device: Any) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=device)


@torch.inference_mode()
def _mean_losses(model: CausalModel, pairs: Sequence[Scored]) -> Numbers:
    """The mean loss of the scored tokens of each row, in nats."""
    pretrained = model.pretrained
    losses: list[float | None] = [None] * len(pairs)
    with one_thread() if is_tiny(pretrained.model) else nullcontext():
        for batch in _batches(pretrained, pairs):
            chosen = [pairs[number] for number in batch]
            labels = _padded([scored for _, scored in chosen], -100, pretrained.device)
            known = labels != -100
            taken = F.log_softmax(_logits(pretrained, chosen, labels.shape[1]), dim=-1)
            gold = taken.gather(2, labels.clamp(min=0)[..., None])[..., 0]
            sums = (gold * known).sum(1).tolist()
            if not all(map(math.isfinite, sums)):
                raise DataError(f"the scores of {model.identity} are not numbers; set dtype to bfloat16 or float32")
            for number, total, (_, scored) in zip(batch, sums, chosen, strict=True):
                losses[number] = -total / len(scored)
    return tuple(losses)


@torch.inference_mode()
def next_logits_of(model: CausalModel, texts: Sequence[list[int]]) -> Iterator[tuple[int, Tensor]]:
    """Yield the number of each text of tokens and the scores (vocabulary,) of what comes after it, in 32 bits."""
    pairs = [(ids, [0]) for ids in texts]
    for batch in _batches(model.pretrained, pairs):
        logits = _logits(model.pretrained, [pairs[number] for number in batch], 1)
        yield from zip(batch, logits[:, 0].cpu(), strict=True)


def _logits(pretrained: Pretrained, chosen: Sequence[Scored], count: int) -> Tensor:
    """Scores (rows, count, vocabulary) in 32 bits, of the places before each scored token; padding on the right."""
    ids = _padded([[*before, *scored[:-1]] for before, scored in chosen], 0, pretrained.device)
    starts = torch.tensor([len(before) - 1 for before, _ in chosen], device=pretrained.device)
    places = (starts[:, None] + torch.arange(count, device=pretrained.device)).clamp(max=ids.shape[1] - 1)
    if is_tiny(pretrained.model):
        return answer_logits(pretrained.model, ids, places)
    # Attention looks back only, so that padding behind a row changes nothing; long prompts need no scores.
    mask = torch.tensor(
        [[1] * (len(b) + len(s) - 1) + [0] * (ids.shape[1] - len(b) - len(s) + 1) for b, s in chosen],
        device=pretrained.device,
    )
    first = int(starts.min())
    words: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if "logits_to_keep" not in inspect.signature(pretrained.model.forward).parameters:
        first = 0
    else:
        words["logits_to_keep"] = ids.shape[1] - first
    logits: Tensor = pretrained.model(**words).logits
    places = places - first
    return logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1])).float()
