"""What a row cost: as it came, and with the set-up left out, which ever more rows would share."""

from dataclasses import dataclass

from qdcbench.api import SETUP_INTENTS
from qdcbench.records import DatasetSummary, Usage

__all__ = ["NO_INTENTS", "RowCost", "row_cost", "setup_tokens"]

NO_INTENTS = "the record is older than tokens by intent"
"""Why the set-up of an old record is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowCost:
    """Teacher tokens and US dollars for an accepted row; None where not known.

    ``tokens`` and ``money`` are all that was used over all accepted rows: what a row cost at this n. The ``amortised``
    ones leave out the set-up (the intents of `qdcbench.api.SETUP_INTENTS`): what a row costs when the set-up is shared
    by ever more rows. ``setup_tokens`` are those of the whole data set. The money of the set-up is taken to be its
    share of the tokens, as records hold money by data set and not by intent.
    """

    setup_tokens: float | None
    tokens: float | None
    tokens_amortised: float | None
    money: float | None
    money_amortised: float | None


def setup_tokens(usage: Usage) -> int | None:
    """Return the tokens of the set-up, None where the record does not say."""
    asked = sum(usage.calls_by_intent.values()) == usage.calls
    if asked and not any(usage.calls_by_intent.get(intent) for intent in SETUP_INTENTS):
        return 0
    if usage.calls and not usage.tokens_by_intent:
        return None
    return sum(usage.tokens_by_intent.get(intent, 0) for intent in SETUP_INTENTS)


def row_cost(dataset: DatasetSummary) -> RowCost:
    """Return the cost of a row of one data set; nothing is known of one without accepted rows."""
    usage, rows = dataset.usage, dataset.accepted
    setup = setup_tokens(usage)
    if not rows:
        return RowCost(setup_tokens=setup, tokens=None, tokens_amortised=None, money=None, money_amortised=None)
    tokens = usage.tokens / rows
    rest = None if setup is None else (usage.tokens - setup) / rows
    money = None if usage.money is None else usage.money / rows
    share = None if rest is None else rest / tokens if tokens else 1.0
    return RowCost(
        setup_tokens=setup,
        tokens=tokens,
        tokens_amortised=rest,
        money=money,
        money_amortised=None if money is None or share is None else money * share,
    )
