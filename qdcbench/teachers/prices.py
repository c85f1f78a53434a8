"""What a teacher's tokens cost, from the dated table beside this file or from the suite; unknown stays unknown."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import TeacherSpec

__all__ = ["FREE", "Price", "price_of"]

_FIELDS = ("input", "output", "dated", "source")


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """US dollars for a million prompt tokens (``input``) and completion tokens (``output``).

    ``dated`` is the day (ISO) on which the price was read at ``source``.
    """

    input: float
    output: float
    dated: str
    source: str

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the dollars for that many tokens."""
        return (self.input * prompt_tokens + self.output * completion_tokens) / 1e6


FREE = Price(input=0.0, output=0.0, dated="", source="nobody bills it by the token")
"""What a scripted teacher and a model in this process cost."""


@cache
def _table() -> Mapping[str, Price]:
    """Map ``host/model`` to its price."""
    text = (resources.files("qdcbench.teachers") / "prices.toml").read_text(encoding="utf-8")
    return {
        f"{row['host']}/{row['model']}": Price(**{name: row[name] for name in _FIELDS})
        for row in tomllib.loads(text).get("price", [])
    }


def price_of(spec: TeacherSpec) -> Price | None:
    """Return the price of a teacher, None when it is not known.

    The option ``price`` of the suite goes before the table. The table is asked for the endpoint's host and the exact
    model name: the same weights cost another sum elsewhere, and a model without a row costs an unknown sum.

    Raises:
        ConfigError: the option ``price`` is incomplete or not a price.
    """
    given = spec.options.get("price")
    if given is not None:
        return _given(given, spec.name)
    if spec.kind != "openai":
        return None
    from urllib.parse import urlsplit

    host = urlsplit(str(spec.options.get("base_url", ""))).hostname or ""
    return _table().get(f"{host}/{spec.model}")


def _given(option: Any, teacher: str) -> Price:
    form = 'price = { input = 0.15, output = 0.60, dated = "2026-11-01", source = "..." } in dollars a million tokens'
    if not isinstance(option, Mapping):
        raise ConfigError(f"teacher {teacher}: price must be written {form}")
    for name in option:
        if name not in _FIELDS:
            raise ConfigError(f"teacher {teacher}: price has the unknown key {name!r}, {did_you_mean(name, _FIELDS)}")
    numbers = [option.get(name) for name in ("input", "output")]
    words = [option.get(name) for name in ("dated", "source")]
    good = all(isinstance(n, int | float) and not isinstance(n, bool) and 0 <= n < math.inf for n in numbers)
    if not good or not all(isinstance(word, str) and word for word in words):
        raise ConfigError(f"teacher {teacher}: price must be written {form}")
    return Price(
        input=float(option["input"]), output=float(option["output"]), dated=option["dated"], source=option["source"]
    )
