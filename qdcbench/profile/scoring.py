"""Columns that only a model or a parser can fill, for the drawn rows of every part."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qdcbench.measures.rows import Rows
from qdcbench.profile.parts import Part
from qdcbench.profile.request import Request, Watch

if TYPE_CHECKING:
    from qdcbench.scorers.causal import CausalModel

__all__ = ["loaded", "scored"]

_Look = Callable[[Rows], tuple[dict[str, Any], list[str]]]
"""Takes rows, returns columns of `Known` by name and sentences about them."""


def _pairs(rows: Rows) -> list[tuple[str, str]]:
    return list(zip(rows.prompts, rows.completions, strict=True))


def _cut(cut: int, name: str) -> list[str]:
    return [f"{cut} rows were longer than {name} reads and were cut"] if cut else []


@lru_cache(maxsize=1)
def loaded(name: str) -> "CausalModel":
    """Return a causal language model, the last one kept, since several options may name it; ``cache_clear`` drops it.

    Raises:
        DataError: it cannot be loaded.
    """
    from qdcbench.scorers.causal import causal_model

    return causal_model(name)


def _model(name: str) -> _Look:
    from qdcbench.scorers.causal import score_losses

    model = loaded(name)

    def look(rows: Rows) -> tuple[dict[str, Any], list[str]]:
        losses = score_losses(model, _pairs(rows))
        columns = {
            "answer_nll": losses.answer_nll, "blank_nll": losses.blank_nll, "whole_nll": losses.whole_nll
        }  # fmt: skip
        return columns, [f"likelihoods by {model.identity}", *_cut(losses.cut, name)]

    return look


def _reward(name: str) -> _Look:
    from qdcbench.scorers.reward import reward_model, score_rewards

    model = reward_model(name)

    def look(rows: Rows) -> tuple[dict[str, Any], list[str]]:
        rewards = score_rewards(model, _pairs(rows))
        return {"reward": rewards.reward}, [f"rewards by {model.identity}", *_cut(rewards.cut, name)]

    return look


def _rater(name: str) -> _Look:
    from qdcbench.scorers.rating import rating_template, score_ratings

    model = loaded(name)

    def look(rows: Rows) -> tuple[dict[str, Any], list[str]]:
        quality = score_ratings(model, _pairs(rows), rating_template("quality"))
        complexity = score_ratings(model, _pairs(rows), rating_template("complexity"))
        masses = ", ".join(
            f"{found.mass:.3f} of {kind}" for kind, found in (("quality", quality), ("complexity", complexity))
            if found.mass is not None
        )  # fmt: skip
        said = f"ratings by {model.identity}; probability on the ratings 1 to 6 before they sum to one: {masses}"
        columns = {"rated_quality": quality.rating, "rated_complexity": complexity.rating}
        return columns, [said, *_cut(quality.cut, name)]

    return look


def _parser(name: str) -> _Look:
    from qdcbench.scorers.parses import parses

    def look(rows: Rows) -> tuple[dict[str, Any], list[str]]:
        found = parses(rows.prompts, name)
        return {"parse_depth": found.parse_depth, "verb_noun": found.verb_noun}, [f"syntax by {name}"]

    return look


_LOOKS: dict[str, Callable[[str], _Look]] = {"model": _model, "reward": _reward, "rater": _rater, "parser": _parser}


def scored(parts: Sequence[Part], request: Request, watch: Watch) -> tuple[Part, ...]:
    """Let everything that was asked for look at the drawn rows; return the parts with what it said.

    Raises:
        ConfigError: a parser is not installed.
        DataError: a model cannot be loaded or is of another kind.
    """
    for kind, name in sorted(request.scorers.items()):
        watch.step(f"loading {name}")
        look = _LOOKS[kind](name)
        parts = [_looked_at(part, look, f"scoring with {name}", watch) for part in parts]
    return tuple(parts)


def _looked_at(part: Part, look: _Look, what: str, watch: Watch) -> Part:
    watch.step(f"{part.label}: {what}")
    columns, said = look(part.rows)
    part.rows.known = replace(part.rows.known, **columns)
    return replace(part, notes=(*part.notes, *said))
