"""Failures that hand over what was paid for: answers to others, and the requests sent in vain."""

from collections.abc import Sequence

from qdcbench.api import Reply
from qdcbench.errors import TeacherError
from qdcbench.teachers.account import CapReached, NotRecorded

__all__ = ["CapReachedPartly", "PartlyAnswered", "in_vain"]


class PartlyAnswered(TeacherError):
    """Some request of a batch failed for good.

    ``replies`` holds the answers to the others in order of the requests, None where there is none.
    ``lost_calls`` and ``lost_tokens`` are the requests sent in vain and the tokens reported for them.
    """

    def __init__(
        self, message: str, replies: Sequence[Reply | None] = (), *, lost_calls: int = 0, lost_tokens: int = 0
    ) -> None:
        super().__init__(message)
        self.replies = tuple(replies)
        self.lost_calls = lost_calls
        self.lost_tokens = lost_tokens

    def __reduce__(self) -> tuple[type[TeacherError], tuple[str, ...]]:
        # The charges are settled where it is raised; another process needs only the sentence.
        return (TeacherError, (str(self),))


class CapReachedPartly(CapReached, PartlyAnswered):
    """A cap ended a batch, or a request that had been sent in vain before; travels to other processes as CapReached."""

    def __init__(
        self, cap: CapReached, replies: Sequence[Reply | None] = (), *, lost_calls: int = 0, lost_tokens: int = 0
    ) -> None:
        super().__init__(str(cap), cap.scope)
        self.replies = tuple(replies)
        self.lost_calls = lost_calls
        self.lost_tokens = lost_tokens


def in_vain(
    reason: Exception, replies: Sequence[Reply | None] = (), *, lost_calls: int = 0, lost_tokens: int = 0
) -> Exception:
    """Return the reason as an exception of its own that carries these; one that is no TeacherError as it is."""
    if not isinstance(reason, TeacherError):
        return reason
    if isinstance(reason, NotRecorded):
        return NotRecorded(str(reason))  # nothing was sent, and every answer is still recorded
    if not isinstance(reason, CapReached):
        return PartlyAnswered(str(reason), replies, lost_calls=lost_calls, lost_tokens=lost_tokens)
    if not replies and not lost_calls:
        return CapReached(str(reason), reason.scope)
    return CapReachedPartly(reason, replies, lost_calls=lost_calls, lost_tokens=lost_tokens)
