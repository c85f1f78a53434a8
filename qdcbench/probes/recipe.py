"""Named recipes of the probe's training: everything that is not data, base model or seed. Loads no torch."""

from dataclasses import dataclass

from qdcbench.errors import ConfigError, did_you_mean

__all__ = ["RECIPES", "ProbeRecipe", "recipe_named"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeRecipe:
    """Steps of ``batch_size`` rows; ``matrix_rate`` is Muon's learning rate, ``vector_rate`` AdamW's for the rest.

    The rates rise over ``warmup_steps`` and fall in a straight line to nothing. Longer texts are cut to
    ``max_tokens``; ``sort_batches`` batches are drawn at a time and sorted by length, so that little is padded.
    """

    name: str
    steps: int
    summary: str = ""
    batch_size: int = 48
    matrix_rate: float = 0.005
    vector_rate: float = 0.001
    momentum: float = 0.95
    warmup_steps: int = 20
    weight_decay: float = 0.0
    max_tokens: int = 96
    sort_batches: int = 8


_ALL = (
    ProbeRecipe(name="embedded", steps=500, summary="tiny transformer from the task's base, 500 steps of 48 rows"),
    ProbeRecipe(name="short", steps=220, summary="the same for 220 steps, what the quick suite has time for"),
    ProbeRecipe(name="glance", steps=100, summary="the same for 100 steps: for tests and first looks, not for results"),
    ProbeRecipe(name="touch", steps=5, summary="the same for 5 steps: learns nothing, for tests of whole runs"),
)

RECIPES = {recipe.name: recipe for recipe in _ALL}
"""Never edited, only added: a changed recipe gets a new name."""


def recipe_named(name: str) -> ProbeRecipe:
    """Return the recipe of that name.

    Raises:
        ConfigError: there is none; the nearest names are given.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no probe recipe {name!r}; {did_you_mean(name, RECIPES)}")
    return RECIPES[name]
