"""What each row would change in a reference model: the gradient of its answer's loss, projected, for G-Vendi."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdcbench.probes.gradients import model_gradients
from qdcbench.scorers.causal import CausalModel, shortened

__all__ = ["GradientColumn", "score_gradients"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientColumn:
    """Unit vectors (n, width), zero where a row has no answer, and how many rows were longer than the model reads."""

    gradient: NDArray[np.float32]
    cut: int


def score_gradients(model: CausalModel, rows: Sequence[tuple[str, str]], width: int = 1024) -> GradientColumn:
    """Return the projected gradient of each prompt/completion pair's mean answer loss, end mark included.

    One pass forward and one back a row over all parameters: by far the dearest of the columns with a model of
    Hugging Face. G-Vendi, arXiv:2505.20161, takes an instruct model of 0.5B parameters and dense random signs; ours
    takes any causal model and a count sketch, see `probes.gradients`. The base of a task has `row_gradients`, which
    cuts rows as its training does.

    Raises:
        DataError: the chat template refuses a prompt, or ``width`` is below 1.
    """
    tokenizer = model.pretrained.tokenizer
    end = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    answers = model.answers([completion for _, completion in rows])
    befores = model.before_answers([prompt for prompt, _ in rows])
    full = [(before, [*answer, *end]) for before, answer in zip(befores, answers, strict=True)]
    tokens, long = shortened(full, model.pretrained.longest)
    return GradientColumn(gradient=model_gradients(model.pretrained.model, tokens, width), cut=len(long))
