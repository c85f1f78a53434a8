"""The named budgets. Never edited, only added: a changed meaning gets a new name."""

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import Budget

__all__ = ["BUDGETS", "budget_named"]

_ALL = (
    Budget(name="tiny", examples=40, teacher_tokens=250_000, teacher_calls=2_000),
    Budget(name="pool-500", examples=500, teacher_tokens=16_000_000, teacher_calls=None),
    Budget(name="rows-1k", examples=1_000, teacher_tokens=4_000_000, teacher_calls=None),
    Budget(name="rows-2k", examples=2_000, teacher_tokens=8_000_000, teacher_calls=None),
    Budget(name="rows-4k", examples=4_000, teacher_tokens=16_000_000, teacher_calls=None),
    Budget(name="tokens-500k", examples=20_000, teacher_tokens=500_000, teacher_calls=None),
)

BUDGETS = {budget.name: budget for budget in _ALL}


def budget_named(name: str) -> Budget:
    """Return the budget of that name.

    Raises:
        ConfigError: there is none; the nearest names are given.
    """
    if name not in BUDGETS:
        raise ConfigError(f"there is no budget {name!r}; {did_you_mean(name, BUDGETS)}")
    return BUDGETS[name]
