"""Metric cards: what a measure is, as data. One TOML file beside the functions it describes."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Literal

from qdcbench.measures.rows import FloatArray, Rows
from qdcbench.records import Metric, from_json

__all__ = ["Card", "MeasureRow", "cards", "per_row", "together"]

Axis = Literal["quality", "diversity", "complexity"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything said about a measure or a family of them; ``{words}`` in a text are filled in for each member."""

    axis: Axis
    summary: str
    """One sentence: what the number is."""
    formula: str
    variant: str
    """Where ours departs from the source, or "as published"."""
    reference: str
    unit: str
    cost: str
    evidence: str
    """What is known of its use, with the source's grade; "none seen" where nothing is."""
    higher_is_better: bool = True
    low: float | None = None
    high: float | None = None
    side: Literal["prompt", "completion", "both"] = "both"
    """Which text it reads; the other cannot change it."""
    size_free: bool = False
    """True where the expected value does not depend on the number of rows."""
    of_run: bool = False
    """True for a fact of how the dataset came about, which drawing rows from it cannot change: it has no interval."""
    sees_copies: bool = False
    """True for a diversity measure that must get worse when rows are copied."""
    at_most: int | None = None
    """Rows it is taken on at most; of more a seeded sample is drawn."""
    scored: bool = False
    """True where a model or judge gave the numbers: the same one for every row means that it did not look."""
    tool: str = ""
    """What a method can see of it: embed, gradients, verify, judge, overlap or proxy; empty where nothing."""

    def filled(self, **words: object) -> "Card":
        """Return the card of one member of a family."""
        texts = {f.name: getattr(self, f.name) for f in fields(self) if f.type is str}
        texts["side"] = self.side
        if "side" in words:
            texts["side"] = str(words["side"])
        done = {name: text.format_map(_Braces(words)) for name, text in texts.items()}
        # The filters by shared words look at prompts.
        if done["tool"] == "overlap" and done["side"] == "completion":
            done["tool"] = ""
        # Right answers repeat where few answers exist, so copies need not show on the response side.
        copies = self.sees_copies and done["side"] != "completion"
        return replace(self, sees_copies=copies, **done)


class _Braces(dict[str, object]):
    """Words to fill in; an unknown one stays as it is written."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureRow:
    """One measure: exactly one of the two functions is given.

    ``each`` gives one number a row and the measure is their mean, which does not depend on n.
    ``whole`` gives the measure of the rows together, and ``bounds`` its 95 % interval where halves cannot give one.
    """

    metric: Metric
    card: Card
    each: Callable[[Rows], FloatArray] | None = None
    whole: Callable[[Rows], float] | None = None
    bounds: Callable[[Rows], tuple[float, float]] | None = None

    @property
    def name(self) -> str:
        """The measure's name, with the encoder in brackets and ``:completion`` for the response side."""
        return self.metric.name


@cache
def cards(package: str, file: str) -> dict[str, Card]:
    """Return the cards of a TOML file in ``qdcbench.measures.<package>`` by family.

    Raises:
        RecordError: a card lacks a field or has one of the wrong type.
    """
    path = resources.files(f"qdcbench.measures.{package}") / file
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: from_json(Card, body, f"{file}: {name}") for name, body in found.items()}


def _metric(card: Card, name: str) -> Metric:
    return Metric(
        name=name,
        axis=card.axis,
        higher_is_better=card.higher_is_better,
        low=card.low,
        high=card.high,
        unit=card.unit,
        cost=card.cost,
        summary=card.summary,
        reference=card.reference,
        sees_copies=card.sees_copies,
    )


def per_row(card: Card, name: str, each: Callable[[Rows], FloatArray], **words: object) -> MeasureRow:
    """Return a measure that is the mean of one number a row."""
    known = replace(card.filled(**words), size_free=True)
    return MeasureRow(metric=_metric(known, name), card=known, each=each)


def together(card: Card, name: str, whole: Callable[[Rows], float], **words: object) -> MeasureRow:
    """Return a measure of the rows together."""
    known = card.filled(**words)
    return MeasureRow(metric=_metric(known, name), card=known, whole=whole)
