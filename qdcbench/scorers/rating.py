"""Expected ratings from the probabilities of the rating tokens 1 to 6, as DEITA reads its trained scorers.

DEITA, arXiv:2312.15685: the sum of p(k) k over the tokens 1 to 6 after a rating prompt, by a model trained for it.
Ours: any causal language model may rate; p is made to sum to one over the six (assumed), and the mass that was on
them before is returned, since a rating from next to nothing says nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import torch

from qdcbench.errors import ConfigError, DataError
from qdcbench.scorers.causal import CausalModel, next_logits_of

__all__ = ["RATINGS", "Ratings", "rating_template", "score_ratings"]

Kind = Literal["quality", "complexity"]

RATINGS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratings:
    """The column of n expected ratings from 1 to 6.

    ``mass`` is the mean probability that the model gave the six ratings before they were made to sum to one, and
    ``cut`` the number of rows that were longer than the model reads.
    """

    rating: tuple[float, ...]
    mass: float | None
    cut: int


@cache
def _own_templates() -> Mapping[str, str]:
    text = (resources.files("qdcbench.scorers") / "rating.toml").read_text(encoding="utf-8")
    return {kind: body["template"].strip("\n") for kind, body in tomllib.loads(text).items()}


def rating_template(kind: Kind, source: str | Path | None = None) -> str:
    """Return our template of a kind, that of a file, or the text itself where it holds a place for the prompt.

    Raises:
        ConfigError: the file cannot be read, or the template has no place for what is rated.
    """
    if source is None:
        return _own_templates()[kind]
    text = str(source)
    if "{prompt}" not in text:
        try:
            text = Path(source).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the rating template {source} cannot be read: {error}") from None
    wanted = ("{prompt}", "{completion}") if kind == "quality" else ("{prompt}",)
    if lacking := [place for place in wanted if place not in text]:
        raise ConfigError(f"the rating template of {kind} has no place {' and no '.join(lacking)}; put it in")
    return text


def score_ratings(model: CausalModel, rows: Sequence[tuple[str, str]], template: str) -> Ratings:
    """Return the expected rating of each prompt/completion pair by a causal language model.

    The filled template is a user's turn where ``model`` reads by a chat template, else a text as it is. A row that is
    too long loses the middle of its tokens, so that the question at the end is still asked.

    Raises:
        DataError: the tokenizer has no single token for a rating, or the chat template refuses a turn.
    """
    texts = [_filled(template, prompt, completion) for prompt, completion in rows]
    if model.form == "chat":
        read = model.before_answers(texts)
    else:
        start = model.start()
        read = [start + ids for ids in model.ids(texts)]
    longest = model.pretrained.longest
    long = sum(1 for ids in read if len(ids) > longest)
    read = [_without_middle(ids, longest) for ids in read]
    tokens = _rating_tokens(model)
    if not rows:
        return Ratings(rating=(), mass=None, cut=0)
    logs = torch.empty(len(rows), len(RATINGS), dtype=torch.float64)
    for number, logits in next_logits_of(model, read):
        shares = logits.double().log_softmax(-1)
        logs[number] = torch.stack([shares[same].logsumexp(0) for same in tokens])
    expected = logs.softmax(1) @ torch.tensor(RATINGS, dtype=torch.float64)
    return Ratings(rating=tuple(expected.tolist()), mass=float(logs.exp().sum(1).mean()), cut=long)


def _filled(template: str, prompt: str, completion: str) -> str:
    texts = {"{prompt}": prompt, "{completion}": completion}
    # In one pass: braces in a row's own text are text.
    return re.sub(r"\{(?:prompt|completion)\}", lambda place: texts[place.group()], template)


def _without_middle(ids: list[int], longest: int) -> list[int]:
    return ids if len(ids) <= longest else [*ids[: longest // 2], *ids[len(ids) - longest + longest // 2 :]]


def _rating_tokens(model: CausalModel) -> list[list[int]]:
    """The tokens that say each rating: the digit, and the digit with the space before it that many tokenizers keep."""
    decode = model.pretrained.tokenizer.decode
    found = []
    for rating in RATINGS:
        last = {ids[-1] for ids in model.ids([str(rating), f" {rating}"]) if ids}
        found.append(sorted(token for token in last if str(decode([token])).strip() == str(rating)))
        if not found[-1]:
            raise DataError(f"the tokenizer of {model.identity} has no token of its own for the rating {rating}")
    return found
