"""Text from a causal language model in this process: batched, and seeded row by row."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from qdcbench.errors import QdcError, TeacherError

__all__ = ["LanguageModel", "Prompt", "Written"]

Decode = Callable[[list[int]], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """Token ids to continue, by at most ``most`` tokens; ``top_k`` is 0 for all tokens, temperature 0 is greedy."""

    ids: tuple[int, ...]
    most: int
    temperature: float
    top_p: float
    top_k: int
    stop: tuple[str, ...]
    seed: int
    decode: Decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A continuation; ``tokens`` counts all that were made, an end mark or a stop text included."""

    text: str
    tokens: int
    finish_reason: str


class LanguageModel:
    """A loaded model; safe to call from several threads, whose prompts then share batches.

    A row's tokens depend on its prompt and seed. Its neighbours in a batch change the last bits of its logits, no more.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """``model`` is in evaluation mode on the device where it shall run."""
        self.tokenizer = tokenizer
        self._model = model
        own = model.generation_config
        ends = own.eos_token_id if own.eos_token_id is not None else tokenizer.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])
        # Padding is masked, so that any token will do where the tokenizer names none.
        self._pad = next((i for i in (tokenizer.pad_token_id, *sorted(self._ends)) if i is not None), 0)
        self.top_k = own.top_k or 0
        self._lock = Lock()
        self._waiting: list[tuple[Prompt, Future[Written]]] = []

    @property
    def longest(self) -> int | None:
        """Tokens of prompt and answer together that the model has places for, None without a limit."""
        places = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        return places if isinstance(places, int) else None

    def write(self, prompts: Sequence[Prompt], batch_size: int) -> list[Written]:
        """Continue all prompts, whatever else waits in the same batches.

        Raises:
            TeacherError: no memory, or scores that are no numbers.
        """
        mine = [(prompt, Future[Written]()) for prompt in prompts]
        self._waiting.extend(mine)
        while not all(future.done() for _, future in mine):
            with self._lock:
                batch = self._waiting[:batch_size]
                del self._waiting[: len(batch)]  # others append meanwhile
                if batch:
                    self._run(batch)
        return [future.result() for _, future in mine]

    def _run(self, batch: Sequence[tuple[Prompt, "Future[Written]"]]) -> None:
        try:
            found = self._generate([prompt for prompt, _ in batch])
        except BaseException as error:
            for _, future in batch:
                future.set_exception(_in_words(error, len(batch)))
            if not isinstance(error, Exception) or (
                isinstance(error, QdcError) and not isinstance(error, TeacherError)
            ):
                raise  # a deadline or an interrupt that happened to ring here
        else:
            for (_, future), written in zip(batch, found, strict=True):
                future.set_result(written)

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[Prompt]) -> list[Written]:
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        longest = max(len(prompt.ids) for prompt in prompts)
        gaps = [longest - len(prompt.ids) for prompt in prompts]
        device = self._model.device
        ids = [[self._pad] * gap + list(prompt.ids) for gap, prompt in zip(gaps, prompts, strict=True)]
        mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
        ends = _Ends(prompts, longest, self._ends)
        # Greedy over scores of which `_Draw` leaves one token: sampling with a generator of its own for each row.
        # What the checkpoint's own configuration adds, such as a repetition penalty, holds, as with a server.
        settings = GenerationConfig(
            do_sample=False,
            num_beams=1,
            num_return_sequences=1,
            max_new_tokens=max(prompt.most for prompt in prompts),
            max_length=None,
            pad_token_id=self._pad,
            eos_token_id=sorted(self._ends) or None,
            return_dict_in_generate=False,
        )
        found = self._model.generate(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([_Draw(prompts)]),
            stopping_criteria=StoppingCriteriaList([ends]),
        )
        return ends.written(found[:, longest:].tolist())


class _Draw:
    """Leaves one token of each sampled row: the one that its own next random number falls on."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._rows = [row for row, prompt in enumerate(prompts) if prompt.temperature > 0]
        self._prompts = [prompts[row] for row in self._rows]
        self._randoms = [Random(prompt.seed) for prompt in self._prompts]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if torch.isnan(scores).any():
            raise TeacherError("the model's scores are not numbers; set dtype to bfloat16 or float32")
        if not self._rows:
            return scores
        rows = torch.tensor(self._rows, device=scores.device)
        # In 64 bits, so that a sum over a large vocabulary is exact enough for a number to fall on a rare token.
        logits = scores[rows].double()
        heat = logits.new_tensor([prompt.temperature for prompt in self._prompts])[:, None]
        logits = (logits - logits.amax(-1, keepdim=True)) / heat
        sums = self._likely(self._frequent(logits).softmax(-1)).cumsum(-1)
        numbers = sums.new_tensor([random.random() for random in self._randoms])[:, None]
        total = sums[:, -1:]
        last = (sums < total).sum(-1)  # rounding must not push a number past the last possible token
        chosen = torch.minimum((sums <= numbers * total).sum(-1), last)
        scores = scores.clone()
        scores[rows] = -torch.inf
        scores[rows, chosen] = 0.0
        return scores

    def _frequent(self, logits: Tensor) -> Tensor:
        """Rule out all but the ``top_k`` tokens of each row."""
        for row, prompt in enumerate(self._prompts):
            if 0 < prompt.top_k < logits.shape[-1]:
                least = logits[row].topk(prompt.top_k).values[-1]
                logits[row] = logits[row].masked_fill(logits[row] < least, -torch.inf)
        return logits

    def _likely(self, chances: Tensor) -> Tensor:
        """Rule out what lies outside the smallest set of tokens that holds ``top_p`` of each row's probability."""
        if all(prompt.top_p >= 1 for prompt in self._prompts):
            return chances
        wanted = chances.new_tensor([prompt.top_p for prompt in self._prompts])[:, None]
        ordered, places = chances.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(-1) - ordered
        kept = (before < wanted) | (wanted >= 1)
        kept[:, 0] = True
        return torch.zeros_like(chances).scatter(-1, places, ordered * kept)


class _Ends:
    """Notes where each row ends: at an end mark, at a stop text, or at its own length."""

    def __init__(self, prompts: Sequence[Prompt], start: int, marks: frozenset[int]) -> None:
        self._prompts = prompts
        self._start = start
        self._marks = marks
        self._found: dict[int, str] = {}
        self._lengths = [0] * len(prompts)

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        made = input_ids.shape[1] - self._start
        latest = input_ids[:, -1].tolist()
        for row, prompt in enumerate(self._prompts):
            if row in self._found:
                continue
            self._lengths[row] = made
            if latest[row] in self._marks:
                self._found[row] = "stop"
            elif prompt.stop and _cut(prompt.decode(input_ids[row, self._start :].tolist()), prompt.stop)[1]:
                self._found[row] = "stop"
            elif made >= prompt.most:
                self._found[row] = "length"
        return torch.tensor([row in self._found for row in range(len(self._prompts))], device=input_ids.device)

    def written(self, rows: Sequence[list[int]]) -> list[Written]:
        """Return the texts, each cut where its row ended."""
        return [
            Written(
                text=_cut(prompt.decode(self._content(row[:length])), prompt.stop)[0],
                tokens=length,
                finish_reason=self._found.get(number, "length"),
            )
            for number, (prompt, row, length) in enumerate(zip(self._prompts, rows, self._lengths, strict=True))
        ]

    def _content(self, row: list[int]) -> list[int]:
        return row[:-1] if row and row[-1] in self._marks else row


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return the text before the first stop text, and whether there was one."""
    places = [place for mark in stop if mark and (place := text.find(mark)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _in_words(error: BaseException, rows: int) -> TeacherError:
    """Return what went wrong while a batch was written as one sentence."""
    if isinstance(error, TeacherError):
        return error
    said = " ".join(str(error).split())[:300]
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in said:
        return TeacherError(
            f"there is not enough memory for {rows} prompts at once; lower batch_size or max_prompt_tokens"
        )
    return TeacherError(
        f"the model failed ({type(error).__name__}: {said}); run on the CPU to see whether it is usable"
    )
