"""A small model that learns from a method's rows and then answers in a teacher's place, for self-improvement."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from qdcbench.api import AHEAD, BudgetExhausted, PluginError
from qdcbench.probes.recipe import ProbeRecipe, recipe_named
from qdcbench.probes.score import Sampling, generate
from qdcbench.probes.start import Base
from qdcbench.probes.train import fit, prompt_text

__all__ = ["PASSES", "PROXY_RECIPE", "Proxy", "train_proxy"]

PROXY_RECIPE = recipe_named("short")
"""How a proxy is trained; an inner loop must take seconds."""

PASSES = 8
"""Times that a training sees each row, at most (assumed): steps on a few rows teach these rows and not their task."""

_UNREAD = ("draft", "form", "hint")
"""Material that a teacher would answer differently for, and a proxy cannot read."""


@dataclass(frozen=True, slots=True)
class _Decoding:
    """What all questions of one ``ask_each`` share."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]

    def check(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.max_tokens < 1:
            raise PluginError(
                f"a proxy cannot answer at temperature {self.temperature}, top_p {self.top_p} and max_tokens "
                f"{self.max_tokens}; they must be at least 0, above 0 and at most 1, and at least 1"
            )


class Proxy:
    """The answering half of ``qdcbench.api.Asker``: reads ``material["prompt"]`` and nothing else, and costs no tokens.

    Equal questions at a temperature are told apart by their number, as a metered teacher's are, so an answer depends
    on weights, seed, prompt and number, and not on the order or size of batches.
    """

    def __init__(self, model: Any, tokenizer: Any, *, seed: int, longest: int) -> None:
        """``seed`` is that of its samples; ``longest`` is the most tokens an answer can have."""
        self._model = model
        self._tokenizer = tokenizer
        self._seed = seed
        self._longest = longest
        self._asked: Counter[tuple[str, float, float]] = Counter()

    def copy_model(self) -> tuple[Any, Any]:
        """Return a copy of the model, to be trained on, and the tokenizer."""
        return deepcopy(self._model), self._tokenizer

    def ask(
        self,
        intent: str,
        *,
        template: str = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
        **material: Any,
    ) -> str:
        """Answer one prompt; errors as in `ask_each`."""
        options: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, "top_p": top_p, "stop": stop}
        return self.ask_many(intent, [material], **options)[0]

    def ask_many(
        self,
        intent: str,
        materials: Sequence[Mapping[str, Any]],
        *,
        template: str = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> list[str]:
        """Answer many prompts; errors as in `ask_each`."""
        decoding = _Decoding(temperature, top_p, max_tokens, tuple(stop))
        decoding.check()
        return self._answers([_prompt(intent, material) for material in materials], decoding)

    def ask_each(
        self,
        intent: str,
        materials: Iterable[Mapping[str, Any]],
        *,
        ahead: int = AHEAD,
        template: str | Callable[[Mapping[str, Any]], str] = "",
        temperature: float = 1.0,
        max_tokens: int = 512,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Answer a stream of prompts, ``ahead`` of them at once; a template has nothing to render for.

        Raises:
            BudgetExhausted: ``materials`` raised it; all prompts drawn before it were answered.
            PluginError: the intent is not ``answer``, a material has no prompt or asks for more than an answer to it,
                or a number is out of range.
        """
        decoding = _Decoding(temperature, top_p, max_tokens, tuple(stop))
        decoding.check()
        if ahead < 1:
            raise PluginError(f"ask_each of {intent!r}: ahead is {ahead} and must be at least 1")
        source, more, end = iter(materials), True, None
        while more:
            prompts: list[str] = []
            try:
                while len(prompts) < ahead:
                    prompts.append(_prompt(intent, next(source)))
            except StopIteration:
                more = False
            except BudgetExhausted as error:
                more, end = False, error
            yield from self._answers(prompts, decoding)
        if end is not None:
            raise BudgetExhausted(end.limit)

    def _answers(self, prompts: Sequence[str], decoding: _Decoding) -> list[str]:
        if not prompts:
            return []
        texts = generate(
            self._model,
            self._tokenizer,
            [prompt_text(prompt) for prompt in prompts],
            max_new_tokens=min(decoding.max_tokens, self._longest),
            sampling=self._sampling(prompts, decoding),
        )
        for stop in decoding.stop:
            texts = [text.split(stop)[0] for text in texts]
        return texts

    def _sampling(self, prompts: Sequence[str], decoding: _Decoding) -> Sampling | None:
        if decoding.temperature == 0:
            return None
        numbers = []
        for prompt in prompts:
            key = (prompt, decoding.temperature, decoding.top_p)
            numbers.append(self._asked[key])
            self._asked[key] += 1
        return Sampling(temperature=decoding.temperature, top_p=decoding.top_p, seed=self._seed, numbers=tuple(numbers))


def _prompt(intent: str, material: Mapping[str, Any]) -> str:
    if intent != "answer":
        raise PluginError(f"a proxy only answers and was asked to {intent!r}; ask the teacher or the judge")
    unread = [name for name in _UNREAD if name in material]
    if unread or not isinstance(material.get("prompt"), str):
        wrong = f"holds {unread[0]!r}" if unread else "has no text under the name 'prompt'"
        raise PluginError(f"a proxy reads a prompt and nothing else, but the material {wrong}; ask the answerer")
    return str(material["prompt"])


def train_proxy(
    base: Base, rows: Sequence[tuple[str, str]], *, after: Proxy | None, recipe: ProbeRecipe, seed: int
) -> Proxy:
    """Train on prompt/completion pairs, from the base or from ``after``, which stays as it is; no rows train nothing.

    The recipe's steps are cut to `PASSES` passes. Answers are at most as long as the longest it trains on.
    """
    model, tokenizer = base.open() if after is None else after.copy_model()
    if rows:
        steps = min(recipe.steps, -(-PASSES * len(rows) // recipe.batch_size))
        fit(model, tokenizer, rows, replace(recipe, steps=steps), seed)
    return Proxy(model, tokenizer, seed=seed, longest=recipe.max_tokens // 2)
