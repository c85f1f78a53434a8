"""A failed batch that still hands over the answers it paid for."""

from collections.abc import Sequence

from qdcbench.api import Reply
from qdcbench.errors import TeacherError

__all__ = ["PartlyAnswered"]


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

    def __reduce__(self) -> tuple[type[TeacherError], tuple[str]]:
        # The charges are settled where it is raised; another process needs only the sentence.
        return (TeacherError, (str(self),))
