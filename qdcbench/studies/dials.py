"""The dials of the validity study: each turns one thing about a dataset, from less of it to more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from qdcbench.studies.recipes import Recipe

__all__ = ["AXIS_DIALS", "CENTRE", "DIALS", "Dial"]

CENTRE = Recipe()
"""What every dataset is like where its dial does not say otherwise."""


Axis = Literal["quality", "diversity", "complexity", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dial:
    """One thing that is turned: the settings in order, from least of its axis to most."""

    name: str
    axis: Axis
    """Which axis it moves; ``none`` for length and number, which should move no measure of quality or diversity."""
    summary: str
    labels: tuple[str, ...]
    settings: tuple[Recipe, ...]


def _dial(name: str, axis: Axis, summary: str, **turned: object) -> Dial:
    """Return a dial from the values that each field of a recipe takes, one a setting; single values stay."""
    columns: Mapping[str, tuple[object, ...]] = {
        key: value for key, value in turned.items() if isinstance(value, tuple)
    }
    fixed = {key: value for key, value in turned.items() if key not in columns}
    first = next(iter(columns.values()))
    settings = tuple(
        replace(CENTRE, **fixed, **{key: values[place] for key, values in columns.items()})  # type: ignore[arg-type]
        for place in range(len(first))
    )
    return Dial(name=name, axis=axis, summary=summary, labels=tuple(map(str, first)), settings=settings)


_CONTEXTS, _PHRASINGS = (4, 8, 12, 18, 24), (1, 2, 3, 4, 6)
_DEPTHS = (1.5, 2.0, 2.5, 3.0, 3.5)
_SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
_WORDS = 48
"""Words of a prompt that the deepest rows hardly ever exceed."""

DIALS: Mapping[str, Dial] = {
    dial.name: dial
    for dial in (
        _dial("quality", "quality", "share of rows with a right answer; wrong ones carry each other's", right=_SHARES),
        _dial(
            "coverage", "diversity", "kinds of edit that occur, of 12; settings and wordings in proportion",
            operations=(2, 4, 6, 9, 12), contexts=_CONTEXTS, phrasings=_PHRASINGS,
        ),
        _dial(
            "wording", "diversity", "settings that occur, of 24, and wordings in proportion; all kinds of edit occur",
            contexts=_CONTEXTS, phrasings=_PHRASINGS,
        ),
        _dial("copies", "diversity", "share of rows that are not exact copies of others", fresh=_SHARES),
        _dial("clumps", "diversity", "share of rows outside one clump, where only digits differ", loose=_SHARES),
        _dial("depth", "complexity", "mean edits in a row; no filler, so prompts grow with them", depth=_DEPTHS),
        _dial(
            "equal_words", "complexity", f"mean edits in a row; filler fills every prompt up to {_WORDS} words, so it "
            "falls as they rise", depth=_DEPTHS, words=_WORDS,
        ),
        _dial("filler", "none", "words before each prompt that ask for nothing", filler=(0, 10, 20, 30, 40)),
        _dial("lists", "none", "mean digits of the list, in the prompt and so in the answer", digits=(3, 4, 5, 6, 7)),
        _dial("n", "none", "rows", n=(100, 200, 300, 500, 1000)),
    )
}  # fmt: skip
"""All dials by name. Where an axis has several, the first is the one by which its measures are judged."""

AXIS_DIALS: Mapping[str, str] = {
    axis: next(dial.name for dial in DIALS.values() if dial.axis == axis)
    for axis in ("quality", "diversity", "complexity")
}
"""The dial by which the measures of an axis are judged.

It moves its own axis alone, but for ``depth``: deeper prompts are longer. What length alone does, ``filler`` says.
``equal_words`` holds the words instead, but must take filler away as depth rises, so a measure that filler moves has
two causes on it.
"""
