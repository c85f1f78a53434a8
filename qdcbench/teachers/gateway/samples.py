"""Which sample of its question a request is, also when it is asked again after a fault."""

from collections import Counter, defaultdict
from dataclasses import replace
from heapq import heappop, heappush

from qdcbench.api import Reply, Request
from qdcbench.canon import digest

__all__ = ["Samples"]


class Samples:
    """Numbers of equal questions: each takes the least free one, and gives it back when it is not answered.

    So a program that asks again after a fault gets what it would have got without the fault. An answer that was paid
    for and could not be handed over, for another choice of the same request had none, is kept for that moment.
    """

    def __init__(self) -> None:
        self._next: Counter[str] = Counter()
        self._free: defaultdict[str, list[int]] = defaultdict(list)
        self._kept: dict[tuple[str, int], Reply] = {}

    def take(self, request: Request) -> Request:
        """Return the request with the least free number of its question."""
        question = digest(request)
        if self._free[question]:
            return replace(request, sample=heappop(self._free[question]))
        self._next[question] += 1
        return replace(request, sample=self._next[question] - 1)

    def give_back(self, request: Request) -> None:
        """Free the number of a request that `take` returned."""
        heappush(self._free[_question(request)], request.sample)

    def keep(self, request: Request, reply: Reply) -> None:
        """Free the number, and keep its answer for whoever takes that number again."""
        self._kept[_question(request), request.sample] = reply
        self.give_back(request)

    def kept(self, request: Request) -> Reply | None:
        """Return the answer kept under a number that was taken again, once."""
        return self._kept.pop((_question(request), request.sample), None)


def _question(request: Request) -> str:
    return digest(replace(request, sample=0))
