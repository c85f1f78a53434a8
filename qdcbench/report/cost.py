"""The cost columns of tables and page: what they are called, where they are found, how they are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qdcbench.records import ArmSummary, Interval
from qdcbench.report.text import MISSING, big_number, percent

__all__ = ["ALL_COSTS", "COST_KEYS", "COST_NOTE", "ROW_KEYS", "CostColumn", "cost_columns", "dollars"]

COST_NOTE = (
    "tokens/row = all teacher tokens / accepted rows, at this n; amortised = the same without the set-up (personas, "
    "taxonomies), what a row costs when ever more rows share it; a dash where a record does not say"
)


def dollars(value: float | None) -> str:
    """Return US dollars in three digits, a dash for None."""
    return MISSING if value is None else "0" if value == 0 else f"{value:.3g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class CostColumn:
    """One number of an arm: ``key`` and ``header`` in tables, ``page_key``, ``family`` and ``label`` on the page.

    ``kind`` is how the page writes it, ``shown`` the set of columns it belongs to there, ``note`` its explanation.
    """

    key: str
    page_key: str
    header: str
    label: str
    kind: str
    of: Callable[[ArmSummary], Interval]
    write: Callable[[float | None], str]
    family: str = "Cost"
    shown: str = "main"
    note: str = ""
    money: bool = False


ALL_COSTS = (
    CostColumn(
        key="teacher_tokens", page_key="tokens", header="tokens", label="teacher tokens", kind="big",
        of=lambda arm: arm.teacher_tokens, write=big_number,
    ),
    CostColumn(
        key="money", page_key="money", header="USD", label="US dollars", kind="money", of=lambda arm: arm.money,
        write=dollars, money=True,
    ),
    CostColumn(
        key="accepted_share", page_key="yield", header="yield", label="accepted", kind="share",
        of=lambda arm: arm.accepted_share, write=percent,
    ),
    CostColumn(
        key="rows", page_key="rows", header="rows", label="rows", kind="big",
        of=lambda arm: arm.selected_rows, write=big_number,
    ),
    CostColumn(
        key="row_tokens", page_key="row_tokens", header="tokens/row", family="Tokens a row", label="at n", kind="big",
        of=lambda arm: arm.row_tokens, write=big_number, note="all teacher tokens / accepted rows",
    ),
    CostColumn(
        key="row_tokens_amortised", page_key="row_tokens_amortised", header="amortised", family="Tokens a row",
        label="set-up amortised", kind="big", of=lambda arm: arm.row_tokens_amortised, write=big_number,
        note="teacher tokens without the set-up / accepted rows: a row's cost when ever more rows share the set-up",
    ),
    CostColumn(
        key="row_money", page_key="row_money", header="USD/row", family="US dollars a row", label="at n",
        kind="money", shown="costs", of=lambda arm: arm.row_money, write=dollars, money=True,
    ),
    CostColumn(
        key="row_money_amortised", page_key="row_money_amortised", header="USD amortised", family="US dollars a row",
        label="set-up amortised", kind="money", shown="costs", of=lambda arm: arm.row_money_amortised,
        write=dollars, money=True, note="the set-up is taken to cost its share of the tokens",
    ),
)  # fmt: skip

ROW_KEYS = frozenset(cost.key for cost in ALL_COSTS if cost.key.startswith("row_"))
"""The costs of a row."""

COST_KEYS = frozenset(cost.key for cost in ALL_COSTS if cost.key != "rows")
"""All that a narrow terminal leaves out."""


def cost_columns(arms: Sequence[ArmSummary]) -> tuple[CostColumn, ...]:
    """Return the columns to show: those of money only where some arm has a price."""
    priced = any(arm.money.point is not None for arm in arms)
    return tuple(cost for cost in ALL_COSTS if priced or not cost.money)
