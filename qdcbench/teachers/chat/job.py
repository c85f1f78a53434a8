"""One request on its way over the wire, the group it ends with, and what its attempts are charged."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from qdcbench.api import Reply, Request
from qdcbench.teachers.account import Order, Spent
from qdcbench.teachers.chat.retry import Fault
from qdcbench.teachers.faults import in_vain

__all__ = ["Group", "Job", "assumed", "charge"]


@dataclass(slots=True, eq=False)
class Group:
    """Requests that end together: the first final failure, or a halt, ends those that are not under way."""

    reason: Exception | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """One request on its way; ``lost_calls`` and ``lost_tokens`` are its attempts that brought nothing.

    ``stage`` is ``waiting`` before and between attempts, ``sent`` during one, ``settling`` once it is answered.
    ``order`` has the bounds that follow from the request alone.
    """

    request: Request
    body: bytes
    order: Order
    seed: int
    group: Group
    future: "Future[Reply]" = field(default_factory=Future)
    stage: Literal["waiting", "sent", "settling"] = "waiting"
    lost_calls: int = 0
    lost_tokens: int = 0

    def fail(self, reason: Exception) -> None:
        """End it without an answer, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(in_vain(reason, lost_calls=self.lost_calls, lost_tokens=self.lost_tokens))


def assumed(order: Order, outcome: str, seconds: float) -> Spent:
    """Return the charge where the server may have spent and did not say: the most it can have been."""
    return Spent(
        outcome=outcome, prompt_tokens=order.prompt_tokens, completion_tokens=order.completion_tokens,
        seconds=seconds, assumed=True,
    )  # fmt: skip


def charge(order: Order, fault: Fault, seconds: float) -> Spent:
    """Return the charge of an attempt that brought no answer."""
    if fault.silent:
        return assumed(order, fault.outcome, seconds)
    tokens = fault.prompt_tokens, fault.completion_tokens
    return Spent(outcome=fault.outcome, prompt_tokens=tokens[0], completion_tokens=tokens[1], seconds=seconds)
