"""How often a reference model fails at each prompt: several samples of it, checked by the task's verifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qdcbench.api import Check, Example
from qdcbench.canon import digest
from qdcbench.errors import ConfigError
from qdcbench.probes.score import Sampling, generate
from qdcbench.probes.start import Base
from qdcbench.probes.train import prompt_text
from qdcbench.scorers.causal import CausalModel

__all__ = ["Drawing", "Writer", "base_writer", "fail_rates", "model_writer"]

_ROWS = 16
"""Rows of a batch of a model of Hugging Face."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """How answers are drawn: ``samples`` of each prompt, each of ``most_tokens`` at most, at a temperature.

    Raises:
        ConfigError: a number is out of range.
    """

    samples: int = 8
    temperature: float = 0.7
    most_tokens: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.most_tokens < 1 or not self.temperature > 0:
            raise ConfigError("a fail rate needs at least 1 sample, 1 token and a temperature above 0")


Writer = Callable[[Sequence[str], Drawing, Sequence[int]], list[str]]
"""Gives one answer to each prompt; the numbers tell equal prompts apart."""


def base_writer(base: Base) -> Writer:
    """Return the writer that answers with the base of a task, as its probes are asked."""
    model, tokenizer = base.open()

    def write(prompts: Sequence[str], drawing: Drawing, numbers: Sequence[int]) -> list[str]:
        sampling = Sampling(temperature=drawing.temperature, seed=drawing.seed, numbers=tuple(numbers))
        asked = [prompt_text(prompt) for prompt in prompts]
        return generate(model, tokenizer, asked, max_new_tokens=drawing.most_tokens, sampling=sampling)

    return write


def model_writer(model: CausalModel) -> Writer:
    """Return the writer that answers with a model of Hugging Face; a prompt too long for it keeps its end."""
    from qdcbench.teachers.in_process.sampling import LanguageModel, Prompt

    tokenizer = model.pretrained.tokenizer
    language_model = LanguageModel(model.pretrained.model, tokenizer)

    def write(prompts: Sequence[str], drawing: Drawing, numbers: Sequence[int]) -> list[str]:
        most = min(drawing.most_tokens, model.pretrained.longest // 2)
        asked = [
            Prompt(
                ids=tuple(ids[max(0, len(ids) + most - model.pretrained.longest) :]),
                most=most,
                temperature=drawing.temperature,
                top_p=1.0,
                top_k=0,
                stop=(),
                seed=int(digest([drawing.seed, number, prompt])[:15], 16),
                decode=lambda row: str(tokenizer.decode(row, skip_special_tokens=True)),
            )
            for ids, prompt, number in zip(model.before_answers(prompts), prompts, numbers, strict=True)
        ]
        order = sorted(range(len(asked)), key=lambda i: len(asked[i].ids))
        written = language_model.write([asked[i] for i in order], _ROWS)
        texts = [""] * len(asked)
        for place, found in zip(order, written, strict=True):
            texts[place] = found.text
        return texts

    return write


def fail_rates(
    write: Writer, prompts: Sequence[str], verify: Callable[[Example], Check], drawing: Drawing
) -> tuple[float | None, ...]:
    """Return for each prompt the share of samples that the verifier does not confirm, of those it can tell about.

    None where it can tell about none. Equal prompts are answered once; neither order nor copies change a share.

    Raises:
        TeacherError: the model fails.
    """
    different = sorted(set(prompts))
    asked = [prompt for prompt in different for _ in range(drawing.samples)]
    numbers = list(range(drawing.samples)) * len(different)
    answers = write(asked, drawing, numbers) if asked else []
    rates: dict[str, float | None] = {}
    for place, prompt in enumerate(different):
        given = answers[place * drawing.samples : (place + 1) * drawing.samples]
        checks = [verify(Example(prompt=prompt, completion=text.strip())).correct for text in given]
        told = [correct for correct in checks if correct is not None]
        rates[prompt] = sum(not correct for correct in told) / len(told) if told else None
    return tuple(rates[prompt] for prompt in prompts)
